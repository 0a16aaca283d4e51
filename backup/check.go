package backup

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// chunk is one object that a restore of the backup reads.
type chunk struct {
	backup     string // id of the backup that holds it
	node       string
	collection string
	shards     []string
	key        string
	borrowed   []string // files that this backup borrows from it; nil for a chunk of the backup's own
}

func (c chunk) problem(kind ProblemKind, format string, args ...any) Problem {
	p := Problem{Kind: kind, Backup: c.backup, Node: c.node, Collection: c.collection, Key: c.key, Detail: fmt.Sprintf(format, args...)}
	if len(c.shards) <= 3 {
		p.Shard = strings.Join(c.shards, ", ")
	} else {
		p.Shard = fmt.Sprintf("%s and %d more", strings.Join(c.shards[:3], ", "), len(c.shards)-3)
	}
	return p
}

// chunks are all that a restore reads: those of the backup, then those of its bases that hold files which it borrows. They are in the order of
// node, collection and number, which is the order in which Weaviate wrote them.
func (c *Catalogue) chunks() []chunk {
	var own, borrowed []chunk
	id := c.Backup().ID
	for _, node := range slices.Sorted(maps.Keys(c.Nodes)) {
		for _, class := range c.Nodes[node].Classes {
			for _, n := range slices.Sorted(maps.Keys(class.Chunks)) {
				own = append(own, chunk{id, node, class.Name, class.Chunks[n], c.bucket.Key(id, node, chunkKey(class.Name, n)), nil})
			}
			at := map[string]int{}
			for _, shard := range class.Shards {
				for _, base := range slices.Sorted(maps.Keys(shard.Incremental.FilesPerBackup)) {
					for _, file := range shard.Incremental.FilesPerBackup[base] {
						for _, part := range file.ChunkKeys {
							key := c.bucket.Key(base, node, part)
							i, known := at[key]
							if !known {
								i = len(borrowed)
								at[key] = i
								borrowed = append(borrowed, chunk{backup: base, node: node, collection: class.Name, key: key})
							}
							borrowed[i].borrowed = append(borrowed[i].borrowed, file.File)
							if !slices.Contains(borrowed[i].shards, shard.Name) {
								borrowed[i].shards = append(borrowed[i].shards, shard.Name)
							}
						}
					}
				}
			}
		}
	}
	return append(own, borrowed...)
}

func chunkKey(class string, number int32) string {
	return class + "/chunk-" + strconv.Itoa(int(number))
}

// Check holds the descriptors against each other and against the listings. It asks S3 only about objects that are missing (is a delete marker before
// them?) or in a storage class that may need a thaw. The error is S3's, or the context's; what is wrong with the backup is in the result.
func (c *Catalogue) Check(ctx context.Context) (CatalogueResult, error) {
	chunks := c.chunks()
	result := CatalogueResult{Collections: c.Backup().Collections(), Chunks: len(chunks), Problems: slices.Clone(c.problems)}
	for _, d := range c.Chain {
		result.Backups = append(result.Backups, d.ID)
		for _, o := range c.listed[d.ID] {
			result.Objects++
			result.Bytes += o.Size
		}
	}
	result.Problems = append(result.Problems, c.checkDescriptors()...)

	missing := slices.Clone(c.missing)
	var cold []chunk
	for _, ch := range chunks {
		if !c.inChain(ch.backup) {
			result.Problems = append(result.Problems, ch.problem(ProblemChain, "the backup borrows files from backup %s, which is not in its chain of bases", ch.backup))
			continue
		}
		o, listed := c.listed[ch.backup][ch.key]
		switch {
		case !listed:
			missing = append(missing, ch.problem(ProblemChunkMissing, "the descriptors name this chunk and the bucket does not hold it; Weaviate will end the restore with FAILED or CANCELED"))
		case o.Size == 0:
			result.Problems = append(result.Problems, ch.problem(ProblemChunkEmpty, "the chunk has 0 bytes; Weaviate may restore it as a success, without its objects"))
		case mayNeedThaw(o.StorageClass):
			cold = append(cold, ch)
		}
	}
	archived, err := c.checkArchived(ctx, cold)
	if err != nil {
		return CatalogueResult{}, err
	}
	result.Problems = append(result.Problems, archived...)
	if err := c.explainMissing(ctx, missing); err != nil {
		return CatalogueResult{}, err
	}
	result.Problems = append(result.Problems, missing...)
	result.Problems = append(result.Problems, c.unnamed(chunks)...)
	sortProblems(result.Problems)
	return result, nil
}

// sortProblems puts them in the order of the backup, node, collection and key, so that two runs report alike.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(x, y Problem) int {
		return cmp.Or(cmp.Compare(x.Backup, y.Backup), cmp.Compare(x.Node, y.Node), cmp.Compare(x.Collection, y.Collection), compareKeys(x.Key, y.Key),
			cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Detail, y.Detail))
	})
}

// compareKeys puts chunk-9 before chunk-10.
func compareKeys(x, y string) int {
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
}

// checkDescriptors holds the backup's descriptors against each other.
func (c *Catalogue) checkDescriptors() []Problem {
	d := c.Backup()
	var problems []Problem
	add := func(where Problem, kind ProblemKind, format string, args ...any) {
		where.Backup, where.Kind, where.Detail = d.ID, kind, fmt.Sprintf(format, args...)
		problems = append(problems, where)
	}
	top := Problem{Key: c.bucket.Key(d.ID, configObject)}
	if d.Status != statusSuccess {
		add(top, ProblemStatus, "its status is %s%s; only a backup with SUCCESS can be restored", d.Status, because(d.Error))
	}
	if len(d.Collections()) == 0 {
		add(top, ProblemCollections, "it names no collection, so it holds nothing")
	}
	var ofNodes int64
	for _, name := range slices.Sorted(maps.Keys(d.Nodes)) {
		summary := d.Nodes[name]
		ofNodes += summary.PreCompressionSizeBytes
		at := Problem{Node: name, Key: c.bucket.Key(d.ID, name, nodeObject)}
		if summary.Status != statusSuccess {
			add(Problem{Node: name, Key: top.Key}, ProblemStatus, "the coordinator says that this node's part has status %s%s", summary.Status, because(summary.Error))
		}
		node, read := c.Nodes[name]
		if !read {
			continue
		}
		if node.Status != statusSuccess {
			add(at, ProblemStatus, "this node's part has status %s%s", node.Status, because(node.Error))
		}
		if node.ID != d.ID {
			add(at, ProblemIdentity, "it is the descriptor of backup %q", node.ID)
		}
		if got, want := cmp.Or(node.CompressionType, compressionGzip), d.compression(); got != want {
			add(at, ProblemNodePart, "it says compression %s, the coordinator %s", got, want)
		}
		var names []string
		var ofClasses int64
		for _, class := range node.Classes {
			names = append(names, class.Name)
			ofClasses += class.PreCompressionSizeBytes
			problems = append(problems, c.checkShards(name, class)...)
		}
		for _, lost := range without(summary.Classes, names) {
			add(Problem{Node: name, Collection: lost, Key: at.Key}, ProblemCollections, "the coordinator lists this collection for the node, and the node's descriptor does not have it")
		}
		for _, extra := range without(names, summary.Classes) {
			add(Problem{Node: name, Collection: extra, Key: at.Key}, ProblemCollections, "the node's descriptor has this collection, and the coordinator does not list it, so a restore leaves it out")
		}
		if c.hasSizes() && ofClasses != node.PreCompressionSizeBytes {
			add(at, ProblemSizes, "its collections add up to %d bytes, and it says %d", ofClasses, node.PreCompressionSizeBytes)
		}
		if c.hasSizes() && summary.PreCompressionSizeBytes != node.PreCompressionSizeBytes {
			add(at, ProblemSizes, "it says %d bytes, and the coordinator says %d of it", node.PreCompressionSizeBytes, summary.PreCompressionSizeBytes)
		}
	}
	if c.hasSizes() && ofNodes != d.PreCompressionSizeBytes {
		add(top, ProblemSizes, "its nodes add up to %d bytes, and it says %d", ofNodes, d.PreCompressionSizeBytes)
	}
	return problems
}

// hasSizes says whether the Weaviate that made the backup recorded sizes; old ones did not. One is enough, so that a lost one is noticed.
func (c *Catalogue) hasSizes() bool {
	sizes := c.Backup().PreCompressionSizeBytes
	for _, n := range c.Backup().Nodes {
		sizes |= n.PreCompressionSizeBytes
	}
	for _, n := range c.Nodes {
		sizes |= n.PreCompressionSizeBytes
	}
	return sizes != 0
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}

// without are the elements of list that are not in other, sorted.
func without(list, other []string) []string {
	in := map[string]bool{}
	for _, s := range other {
		in[s] = true
	}
	out := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return in[s] })
	slices.Sort(out)
	return out
}

// checkShards: every chunk belongs to known shards, and every shard has a chunk (it has one even without objects; backend.go, processShard).
func (c *Catalogue) checkShards(node string, class ClassDescriptor) []Problem {
	known, covered := map[string]bool{}, map[string]bool{}
	for _, s := range class.Shards {
		known[s.Name] = true
	}
	id := c.Backup().ID
	var problems []Problem
	for _, n := range slices.Sorted(maps.Keys(class.Chunks)) {
		where := chunk{backup: id, node: node, collection: class.Name, shards: class.Chunks[n], key: c.bucket.Key(id, node, chunkKey(class.Name, n))}
		if len(where.shards) == 0 {
			problems = append(problems, where.problem(ProblemShard, "the node's descriptor names no shard for this chunk"))
		}
		for _, s := range where.shards {
			covered[s] = true
			if !known[s] {
				problems = append(problems, where.problem(ProblemShard, "the node's descriptor says that this chunk is of shard %s, which it does not list", s))
			}
		}
	}
	for _, s := range class.Shards {
		if !covered[s.Name] {
			where := chunk{backup: id, node: node, collection: class.Name, shards: []string{s.Name}, key: c.bucket.Key(id, node, nodeObject)}
			problems = append(problems, where.problem(ProblemShard, "the node's descriptor names no chunk for this shard; Weaviate restores it as a success, without its objects"))
		}
	}
	return problems
}

var chunkName = regexp.MustCompile(`/([^/]+)/([^/]+)/([^/]+)/chunk-[0-9]+$`)

// unnamed finds chunks of the backup in the bucket that no descriptor names. Weaviate numbers chunks without a gap and names each, so a descriptor lost it.
func (c *Catalogue) unnamed(chunks []chunk) []Problem {
	id := c.Backup().ID
	named := make(map[string]bool, len(chunks))
	for _, ch := range chunks {
		named[ch.key] = true
	}
	var problems []Problem
	for key := range c.listed[id] {
		parts := chunkName.FindStringSubmatch("/" + key)
		if parts == nil || parts[1] != id || named[key] {
			continue
		}
		_, known := c.Backup().Nodes[parts[2]]
		if _, read := c.Nodes[parts[2]]; known && !read {
			continue // that node's part has a problem of its own
		}
		says := "the node's descriptor does not name it"
		if !known {
			says = "the coordinator does not name its node"
		}
		where := chunk{backup: id, node: parts[2], collection: parts[3], key: key}
		problems = append(problems, where.problem(ProblemChunkUnnamed, "the bucket holds this chunk and %s; Weaviate restores without what is in it, as a success", says))
	}
	return problems
}

// mayNeedThaw: objects in these classes can need a RestoreObject before GetObject answers
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html). GLACIER_IR answers at once.
func mayNeedThaw(storageClass string) bool {
	switch types.ObjectStorageClass(storageClass) {
	case types.ObjectStorageClassGlacier, types.ObjectStorageClassDeepArchive, types.ObjectStorageClassIntelligentTiering:
		return true
	default:
		return false
	}
}

// So many HeadObject requests run at once.
const headConcurrency = 32

// checkArchived asks of each object whether it can be read now.
func (c *Catalogue) checkArchived(ctx context.Context, cold []chunk) ([]Problem, error) {
	found := make([]Problem, len(cold))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(headConcurrency)
	for i, ch := range cold {
		group.Go(func() error {
			head, err := c.bucket.Client.HeadObject(groupCtx, &s3.HeadObjectInput{Bucket: aws.String(c.bucket.Name), Key: aws.String(ch.key)})
			if err != nil {
				return fmt.Errorf("ask for the storage class of s3://%s/%s: %w", c.bucket.Name, ch.key, err)
			}
			if detail := archived(head); detail != "" {
				found[i] = ch.problem(ProblemChunkArchived, "%s", detail)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(p Problem) bool { return p.Kind == "" }), nil
}

// archived says why an object cannot be read now, or "". The header x-amz-restore is described at
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html.
func archived(head *s3.HeadObjectOutput) string {
	class := string(head.StorageClass)
	if head.StorageClass == types.StorageClassIntelligentTiering {
		if head.ArchiveStatus == "" {
			return ""
		}
		class += " (" + string(head.ArchiveStatus) + ")"
	}
	restore := aws.ToString(head.Restore)
	switch {
	case strings.Contains(restore, `ongoing-request="true"`):
		return "the object is in storage class " + class + " and its thaw is under way; it cannot be read until that is done"
	case strings.Contains(restore, `ongoing-request="false"`):
		return "" // a thawed copy is there
	default:
		return "the object is in storage class " + class + " and must be thawed (RestoreObject) before it can be read, which takes from minutes to 48 hours"
	}
}

// explainMissing completes the problems of objects that are not there: on a versioned bucket one may only be hidden by a delete marker. The
// versions are listed once for each backup concerned. Without the right to list them (s3:ListBucketVersions) that is said, since the objects are missing all the same.
func (c *Catalogue) explainMissing(ctx context.Context, missing []Problem) error {
	wanted := map[string]map[string]*Problem{}
	for i := range missing {
		p := &missing[i]
		if wanted[p.Backup] == nil {
			wanted[p.Backup] = map[string]*Problem{}
		}
		wanted[p.Backup][p.Key] = p
	}
	for id, byKey := range wanted {
		if err := c.explainBackup(ctx, id, byKey); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for _, p := range byKey {
				p.Detail += "; whether a delete marker hides it is not known: " + bucket.Explain(err).Error()
			}
		}
	}
	return nil
}

func (c *Catalogue) explainBackup(ctx context.Context, id string, missing map[string]*Problem) error {
	markers := map[string]time.Time{}
	versions := map[string]types.ObjectVersion{} // the newest of each key
	pages := s3.NewListObjectVersionsPaginator(c.bucket.Client, &s3.ListObjectVersionsInput{Bucket: aws.String(c.bucket.Name), Prefix: aws.String(c.bucket.Key(id) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, m := range page.DeleteMarkers {
			if missing[aws.ToString(m.Key)] != nil && aws.ToBool(m.IsLatest) {
				markers[aws.ToString(m.Key)] = aws.ToTime(m.LastModified)
			}
		}
		for _, v := range page.Versions {
			key := aws.ToString(v.Key)
			if known, ok := versions[key]; missing[key] != nil && (!ok || aws.ToTime(v.LastModified).After(aws.ToTime(known.LastModified))) {
				versions[key] = v
			}
		}
	}
	for key, at := range markers {
		v, ok := versions[key]
		if !ok {
			missing[key].Detail += fmt.Sprintf("; a delete marker of %s is there, and no version is left behind it", at.UTC().Format(timeFormat))
			continue
		}
		if missing[key].Kind == ProblemChunkMissing {
			missing[key].Kind = ProblemChunkHidden
		}
		missing[key].Detail += fmt.Sprintf("; it is hidden by a delete marker of %s, and version %s of %s (%d bytes) can be brought back",
			at.UTC().Format(timeFormat), aws.ToString(v.VersionId), aws.ToTime(v.LastModified).UTC().Format(timeFormat), aws.ToInt64(v.Size))
	}
	return nil
}
