package backup

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// audit is the bookkeeping of an archive check: what the descriptors promise, and what the chunks hold. The files of a shard are looked at when its
// first chunk is booked and forgotten after its last one, so memory grows with the shards that are open at once, not with the backup.
type audit struct {
	bucket  *bucket.Bucket
	id      string // of the backup
	options ArchiveOptions
	jobs    []*job
	classes []*classAudit
	total   int64 // bytes to read

	patience time.Duration // with a transfer that gives no byte

	mu       sync.Mutex // guards what follows, and all shards and classes
	result   ArchiveResult
	suspects []Problem // ETags that do not fit

	progressMu sync.Mutex
	done       int64
}

// job is one chunk to read.
type job struct {
	chunk
	compression string
	class       *classAudit
	of          []*shardAudit
}

type classAudit struct {
	node, name string
	want       int64 // preCompressionSizeBytes; negative when it is not known
	got        int64
	broken     bool // something of it is named already: its sum would only repeat that
}

type shardAudit struct {
	class   *classAudit
	desc    *ShardDescriptor
	dir     string
	pending int  // chunks not booked yet
	broken  bool // one of its chunks could not be read to the end
	started bool
	files   map[string]*fileAudit
	inChunk map[string]string // in-memory file to the chunk's key
}

// fileAudit is one file of a shard: where its bytes belong, and what was seen of it.
type fileAudit struct {
	name  string
	home  string // id of the base that holds it, "" for the backup itself
	size  int64  // as the descriptor says, -1 when it does not
	parts []filePart
}

type filePart struct {
	offset, size int64
	split        bool
	key          string
}

// inMemoryFiles are written at the head of a shard's first chunk and are not among its listed files (zip.go, WriteShard).
var inMemoryFiles = [...]string{"indexcount", "proplengths", "version"}

func newAudit(b *bucket.Bucket, c *Catalogue, o ArchiveOptions) *audit {
	a := &audit{bucket: b, id: c.Backup().ID, options: o, patience: stallTimeout}
	type classKey struct{ node, name string }
	classes := map[classKey]*classAudit{}
	shards := map[*classAudit]map[string]*shardAudit{}
	for node, d := range c.Nodes {
		for _, class := range d.Classes {
			audit := &classAudit{node: node, name: class.Name, want: -1}
			if c.hasSizes() {
				audit.want = class.PreCompressionSizeBytes
			}
			a.classes = append(a.classes, audit)
			classes[classKey{node, class.Name}] = audit
			shards[audit] = map[string]*shardAudit{}
			for _, s := range class.Shards {
				shards[audit][s.Name] = &shardAudit{class: audit, desc: s, dir: strings.ToLower(class.Name) + "/" + s.Name}
			}
		}
	}
	compression := map[string]string{}
	for _, d := range c.Chain {
		compression[d.ID] = d.compression()
	}
	for _, ch := range c.chunks() {
		class := classes[classKey{ch.node, ch.collection}]
		j := &job{chunk: ch, class: class, compression: cmp.Or(compression[ch.backup], c.Backup().compression())}
		for _, name := range ch.shards {
			if s := shards[class][name]; s != nil {
				j.of = append(j.of, s)
				s.pending++
			}
		}
		a.jobs = append(a.jobs, j)
		a.total += c.listed[ch.backup][ch.key].Size
	}
	// A shard without any chunk is never opened by one: judge it now.
	for _, class := range a.classes {
		for _, s := range shards[class] {
			if s.pending == 0 {
				where := chunk{backup: a.id, node: class.node, collection: class.name, shards: []string{s.desc.Name}, key: b.Key(a.id, class.node, nodeObject)}
				a.report(class, where.problem(ProblemShard, "the node's descriptor names no chunk for this shard; Weaviate restores it as a success, without its objects"))
			}
		}
	}
	return a
}

// report notes a problem; the caller holds mu or is alone.
func (a *audit) report(class *classAudit, p Problem) {
	a.result.Problems = append(a.result.Problems, p)
	if class != nil {
		class.broken = true
	}
}

func (a *audit) progress(bytes int64) {
	if a.options.Progress == nil || bytes == 0 {
		return
	}
	a.progressMu.Lock()
	defer a.progressMu.Unlock()
	a.done += bytes
	a.options.Progress(a.done, a.total)
}

// book enters one chunk that was read.
func (a *audit) book(j *job, r reading) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.result.Chunks++
	a.result.StoredBytes += r.stored
	for _, s := range j.of {
		s.start()
		s.broken = s.broken || r.fault != nil
	}
	if r.fault != nil {
		a.report(j.class, j.problem(r.fault.kind, "%s", r.fault.detail))
	} else {
		a.bookEntries(j, r.entries)
	}
	for _, s := range j.of {
		if s.pending--; s.pending == 0 {
			a.closeShard(s)
		}
	}
}

func (a *audit) bookEntries(j *job, entries []entry) {
	if j.borrowed != nil {
		a.bookBorrowed(j, entries)
		return
	}
	var strangers []string
	var misplaced *fileAudit
	for _, e := range entries {
		a.result.ContentBytes += e.size
		j.class.got += e.size
		shard, file := j.find(e.name)
		switch {
		case file != nil:
			file.parts = append(file.parts, filePart{e.offset, e.size, e.split, j.key})
			if !shard.belongs(file, j) {
				misplaced = file
			}
		case shard != nil: // one of the three
			shard.inChunk[e.name] = j.key
		default:
			strangers = append(strangers, e.name)
		}
	}
	switch {
	case len(strangers) > 0 && len(strangers) == len(entries):
		a.report(j.class, j.problem(ProblemChunkSwapped, "the chunk holds another's files: all %d are of %s, such as %s", len(strangers), owner(strangers[0]), strangers[0]))
		for _, s := range j.of {
			s.broken = true
		}
	case len(strangers) > 0:
		a.report(j.class, j.problem(ProblemFileExtra, "%d of %d files in the chunk are not in the node's descriptor, such as %s", len(strangers), len(entries), strangers[0]))
	case misplaced != nil:
		a.report(j.class, j.problem(ProblemChunkSwapped, "the chunk holds file %s, which the node's descriptor says is in another chunk of the shard", misplaced.name))
	}
}

// bookBorrowed enters a base's chunk: of it, only the files that the backup borrows count, and each must be there.
func (a *audit) bookBorrowed(j *job, entries []entry) {
	seen := map[string]bool{}
	for _, e := range entries {
		if !slices.Contains(j.borrowed, e.name) {
			continue
		}
		seen[e.name] = true
		a.result.ContentBytes += e.size
		j.class.got += e.size
		for _, s := range j.of {
			if f := s.files[e.name]; f != nil && f.home == j.backup {
				f.parts = append(f.parts, filePart{e.offset, e.size, e.split, j.key})
			}
		}
	}
	for _, name := range j.borrowed {
		if seen[name] {
			continue
		}
		holds := "nothing"
		if len(entries) > 0 {
			holds = entries[0].name
		}
		a.report(j.class, j.problem(ProblemChunkSwapped, "the chunk does not hold file %s, which backup %s borrows from it, but %s", name, a.id, holds))
		for _, s := range j.of {
			s.broken = true
		}
	}
}

// find gives the shard and file that an entry belongs to; the file is nil for one of the three in-memory files, both for a stranger.
func (j *job) find(name string) (*shardAudit, *fileAudit) {
	for _, s := range j.of {
		if f := s.files[name]; f != nil && f.home == "" {
			return s, f
		}
		if path.Dir(name) == s.dir && slices.Contains(inMemoryFiles[:], path.Base(name)) && s.inChunk[name] == "" {
			return s, nil
		}
	}
	return nil, nil
}

// belongs: the descriptor tells of big files in which chunks they lie.
func (s *shardAudit) belongs(f *fileAudit, j *job) bool {
	big, known := s.desc.BigFilesChunk[f.name]
	return !known || slices.ContainsFunc(big.ChunkKeys, func(key string) bool { return strings.HasSuffix(j.key, "/"+key) })
}

// owner says for people whose file it is, by its path.
func owner(name string) string {
	class, rest, _ := strings.Cut(name, "/")
	shard, _, _ := strings.Cut(rest, "/")
	return "shard " + shard + " of collection " + class
}

// start lists the files that the shard must have.
func (s *shardAudit) start() {
	if s.started {
		return
	}
	s.started = true
	s.files = make(map[string]*fileAudit, len(s.desc.Files))
	s.inChunk = map[string]string{}
	for _, name := range s.desc.Files {
		if path.Base(name) == ".DS_Store" { // listed, and passed over when written (zip.go, WriteRegulars)
			continue
		}
		f := &fileAudit{name: name, size: -1}
		if big, known := s.desc.BigFilesChunk[name]; known {
			f.size = big.Size
		}
		s.files[name] = f
	}
	for base, files := range s.desc.Incremental.FilesPerBackup {
		for _, f := range files {
			s.files[f.File] = &fileAudit{name: f.File, home: base, size: -1}
		}
	}
}

// closeShard judges a shard whose chunks are all booked. After a chunk that could not be read, nothing can be said of its files.
func (a *audit) closeShard(s *shardAudit) {
	defer func() { s.files, s.inChunk = nil, nil }()
	where := chunk{backup: a.id, node: s.class.node, collection: s.class.name, shards: []string{s.desc.Name}}
	var missing []string
	for _, f := range s.files {
		if len(f.parts) == 0 {
			missing = append(missing, f.name)
			continue
		}
		a.result.Files++
		if s.broken {
			continue
		}
		if detail := f.flaw(); detail != "" {
			at := where
			at.key = f.parts[0].key
			a.report(s.class, at.problem(ProblemFileBroken, "file %s %s", f.name, detail))
		}
	}
	for _, name := range inMemoryFiles {
		if s.inChunk[s.dir+"/"+name] == "" {
			missing = append(missing, s.dir+"/"+name)
		} else {
			a.result.Files++
		}
	}
	if s.broken || len(missing) == 0 {
		return
	}
	slices.Sort(missing)
	example := missing[0]
	if big, known := s.desc.BigFilesChunk[example]; known && len(big.ChunkKeys) > 0 {
		where.key = a.bucket.Key(a.id, s.class.node, big.ChunkKeys[0])
	}
	a.report(s.class, where.problem(ProblemFileMissing, "%d of %d files of the shard are in no chunk, such as %s; Weaviate restores the shard as a success, without them",
		len(missing), len(s.files)+len(inMemoryFiles), example))
}

// flaw says what is wrong with what was seen of a file, or "".
func (f *fileAudit) flaw() string {
	slices.SortFunc(f.parts, func(x, y filePart) int { return cmp.Compare(x.offset, y.offset) })
	var at int64
	for i, p := range f.parts {
		switch {
		case i > 0 && p.offset == f.parts[i-1].offset && p.size == f.parts[i-1].size:
			return "is twice in the chunks: also in " + p.key
		case i > 0 && !p.split:
			return "is both whole and in parts, in " + p.key
		case p.offset != at:
			return fmt.Sprintf("goes on at byte %d in %s, and at byte %d it should", p.offset, p.key, at)
		}
		at += p.size
	}
	if f.size >= 0 && f.size != at {
		return fmt.Sprintf("has %d bytes, and the node's descriptor says %d", at, f.size)
	}
	return ""
}

// finish judges what only the whole can tell. Every job is booked by now.
func (a *audit) finish() ArchiveResult {
	for _, class := range a.classes {
		if class.want >= 0 && class.got != class.want && !class.broken {
			a.report(nil, Problem{Kind: ProblemSizes, Backup: a.id, Node: class.node, Collection: class.name,
				Detail: fmt.Sprintf("the files in its chunks add up to %d bytes, and the node's descriptor says %d", class.got, class.want)})
		}
	}
	// An S3-compatible server may make its ETags in a way of its own. Then none fits, and nothing follows from that.
	if a.bucket.IsAWS() || a.result.ETags > 0 {
		a.result.Problems = append(a.result.Problems, a.suspects...)
	}
	sortProblems(a.result.Problems)
	return a.result
}
