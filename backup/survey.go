package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	sdkretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// Completeness says how much of a backup is there.
type Completeness string

// What is known of a backup's objects.
const (
	Whole      Completeness = "whole"      // every chunk that the descriptors name is there: read by "backup show"
	NoGap      Completeness = "no gap"     // every node has its descriptor, and no number is left out among the chunks; a lost last chunk does not show
	Incomplete Completeness = "incomplete" // see Listing.Missing
)

// Restorability says how long a backup can be restored from, going by the lifecycle of its bucket.
type Restorability string

// What a lifecycle means for a backup with its bases.
const (
	RestorableAlways  Restorability = "always"  // no rule takes anything of it away
	RestorableUntil   Restorability = "until"   // Listing.RestorableUntil
	NotRestorable     Restorability = "no"      // not as it lies there now
	RestorableUnknown Restorability = "unknown" // such as when the lifecycle may not be read
)

// So many requests are under way at once. S3 takes 5,500 reads a second for each prefix, and 40 at once stay below that even when each is answered in 10 ms
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html).
const (
	surveyLists   = 8
	surveyReads   = 32
	surveyTries   = 10 // of each request, unless AWS_MAX_ATTEMPTS says otherwise; S3 asks with 503 SlowDown for fewer, and the wait doubles with each try
	surveyBackoff = 10 * time.Second
)

// Survey finds all backups as List does, and tells of each also what the listing of its objects and the bucket's lifecycle say. All keys below the path are listed, in parts side
// by side, while the descriptors are read; memory grows with the number of backups, not with that of their objects. What S3 does not let it read of one backup is told in that
// backup's listing. The error is that of listing, or of a service that goes on failing: there is no list then, since it would not be whole.
func Survey(ctx context.Context, b *bucket.Bucket, now time.Time) ([]Listing, error) {
	patient := *b
	patient.Client = s3.New(b.Client.Options(), func(o *s3.Options) {
		o.Retryer = sdkretry.NewStandard(func(r *sdkretry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff, r.RateLimiter = surveyTries, surveyBackoff, ratelimit.None
		})
	})
	s := &survey{bucket: &patient, prefix: folder(b), piles: make(chan counted)}
	if err := s.run(ctx); err != nil {
		return nil, fmt.Errorf("list the backups in %s: %w", b.URL(), err)
	}
	found := slices.DeleteFunc(s.found, func(l Listing) bool { return l.Restorable == "" }) // removed since their names were listed
	link(found, now)
	sortListings(found)
	return found, nil
}

func sortListings(list []Listing) {
	slices.SortFunc(list, func(x, y Listing) int { return cmp.Or(x.StartedAt.Compare(y.StartedAt), cmp.Compare(x.ID, y.ID)) })
}

// folder is what the keys of all backups begin with.
func folder(b *bucket.Bucket) string {
	if b.Path == "" {
		return ""
	}
	return b.Path + "/"
}

type survey struct {
	bucket    *bucket.Bucket
	prefix    string
	lifecycle bucket.Lifecycle
	unruled   error // why the lifecycle is not known

	found []Listing // in the order of their keys
	lists errgroup.Group
	piles chan counted // from the lists to the readers

	keys, backups atomic.Int64 // listed so far
}

// counted is the pile of a backup whose descriptor is to be read.
type counted struct {
	at int // in found
	pile
}

func (s *survey) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var asked sync.WaitGroup
	var uploads bucket.Uploads
	asked.Go(func() { s.lifecycle, s.unruled = s.bucket.Lifecycle(ctx) })
	asked.Go(func() { uploads = s.bucket.Uploads(ctx, s.prefix) })
	ids, err := listNames(ctx, s.bucket)
	if err != nil {
		stop(err)
	}
	asked.Wait()
	s.found = make([]Listing, len(ids))
	for i, id := range ids {
		s.found[i].ID = id
	}
	var readers sync.WaitGroup // they read one descriptor after the other; a goroutine for each would grow its stack anew every time
	for range surveyReads {
		readers.Go(func() {
			for c := range s.piles {
				l := s.read(ctx, s.found[c.at].ID, &c.pile)
				if errors.Is(l.Err, bucket.ErrUnreachable) {
					stop(l.Err)
				}
				s.found[c.at] = l
			}
		})
	}
	s.lists.SetLimit(surveyLists)
	if !s.bucket.IsAWS() {
		s.lists.SetLimit(1) // MinIO walks the whole bucket for each list that begins in the middle
	}
	s.lists.Go(func() error { return s.list(ctx, 0, len(ids)) })
	if err := s.lists.Wait(); err != nil {
		stop(err)
	}
	close(s.piles)
	readers.Wait()
	s.open(uploads)
	return context.Cause(ctx)
}

// surveyPage is how many keys S3 gives at once (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
const surveyPage = 1000

// list goes through the objects of the backups from one to before another. Before each page, it hands the second half on when that is worth a page and fewer lists than may be are under way.
func (s *survey) list(ctx context.Context, from, to int) error {
	if from == to {
		return nil
	}
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket.Name, Prefix: &s.prefix, StartAfter: aws.String(s.prefix + s.found[from].ID + "/")}
	at, p := from, pile{}
	next := func() {
		if p.objects > 0 {
			s.piles <- counted{at, p}
		}
		s.backups.Add(1)
		at, p = at+1, pile{}
	}
	for more := true; more && at < to; {
		half, end := at+(to-at+1)/2, to
		if half < to && s.expect(to-at)-p.objects > surveyPage && s.lists.TryGo(func() error { return s.list(ctx, half, end) }) {
			to = half
		}
		in.MaxKeys = nil
		if left := s.expect(to-at) - p.objects; left > 0 && left < surveyPage {
			in.MaxKeys = aws.Int32(int32(left)) // what comes behind is another's
		}
		page, err := s.bucket.Client.ListObjectsV2(ctx, in)
		if err != nil {
			return err
		}
		s.keys.Add(int64(len(page.Contents)))
		for i := range page.Contents {
			o := &page.Contents[i]
			id, name, below := strings.Cut(strings.TrimPrefix(aws.ToString(o.Key), s.prefix), "/")
			if !below || name == "" {
				continue // a file beside the backups, or a folder's own key
			}
			for at < to && s.found[at].ID != id && s.found[at].ID+"/" < id+"/" {
				next()
			}
			if at == to {
				break
			}
			if s.found[at].ID == id { // else it was begun since the names were listed
				p.add(name, o, s.lifecycle)
			}
		}
		in.ContinuationToken, more = page.NextContinuationToken, aws.ToBool(page.IsTruncated)
	}
	if at < to {
		next()
	}
	return nil
}

// expect is how many keys so many backups have, and some more, going by those listed so far; zero before the first page.
func (s *survey) expect(backups int) int {
	keys := int(s.keys.Load())
	return (keys + keys/20) * backups / int(max(1, s.backups.Load()))
}

// open tells of each backup the uploads that were never completed. Those of a backup of which nothing else is left are told as one that is unreadable.
func (s *survey) open(all bucket.Uploads) {
	by := map[string]*bucket.Uploads{}
	for _, u := range all.List {
		id, _, _ := strings.Cut(strings.TrimPrefix(u.Key, s.prefix), "/")
		if by[id] == nil {
			by[id] = &bucket.Uploads{Unknown: all.Unknown}
		}
		by[id].Add(u)
	}
	none := &bucket.Uploads{Unknown: all.Unknown}
	for i := range s.found {
		if id := s.found[i].ID; s.found[i].Restorable != "" { // else nothing of it was listed
			s.found[i].Uploads = cmp.Or(by[id], none)
			delete(by, id)
		}
	}
	for id, u := range by {
		err := fmt.Errorf("backup %s: %w: nothing of it is there but uploads that were never completed", id, ErrNoSuchBackup)
		s.found = append(s.found, Listing{ID: id, Unreadable: err.Error(), Err: err, Uploads: u, Restorable: NotRestorable, RestorableWhy: "only uploads that were never completed are there"})
	}
}

// pile is what the listing tells of one backup. Keys come in order, so what is of one node and collection comes together.
type pile struct {
	objects int
	bytes   int64
	nodes   map[string]bool // the folders of those that have their descriptor
	missing []string
	frozen  int           // objects that must be thawed
	end     bucket.Change // the first after which an object cannot be read; no time: none
	ending  string        // the key of that object

	folder        string // node and collection of the chunks now counted
	chunks, above int    // their count, and the highest number
}

// mostMissing are told of one backup.
const mostMissing = 5

func (p *pile) lacks(format string, args ...any) {
	if len(p.missing) < mostMissing {
		p.missing = append(p.missing, fmt.Sprintf(format, args...))
	}
}

func (p *pile) add(name string, o *types.Object, l bucket.Lifecycle) {
	p.objects++
	p.bytes += aws.ToInt64(o.Size)
	slash := strings.LastIndexByte(name, '/') + 1
	dir, base := name[:slash], name[slash:]
	number, isChunk := strings.CutPrefix(base, "chunk-")
	switch {
	case base == restoreObject || base == probeObject:
		return // no part of the backup
	case base == nodeObject && strings.Count(dir, "/") == 1:
		if p.nodes == nil {
			p.nodes = map[string]bool{}
		}
		p.nodes[dir] = true
	case isChunk:
		n, err := strconv.Atoi(number)
		if err != nil {
			break
		}
		if dir != p.folder {
			p.closeFolder()
			p.folder = dir
		}
		p.chunks, p.above = p.chunks+1, max(p.above, n)
		if aws.ToInt64(o.Size) == 0 {
			p.lacks("%s has 0 bytes", name)
		}
	}
	p.outlast(bucket.Version{Key: aws.ToString(o.Key), Bytes: aws.ToInt64(o.Size), LastModified: aws.ToTime(o.LastModified), StorageClass: string(o.StorageClass)}, l)
}

// outlast notes whether an object can be read at once, and until when.
func (p *pile) outlast(v bucket.Version, l bucket.Lifecycle) {
	if (bucket.Change{Class: v.StorageClass}).Thaw() > 0 {
		p.frozen++
	}
	if end, ends := l.End(v); ends && (p.end.At.IsZero() || end.At.Before(p.end.At)) {
		p.end, p.ending = end, v.Key
	}
}

// closeFolder judges the chunks of one node and collection: Weaviate numbers them from 1 without a gap.
func (p *pile) closeFolder() {
	if gap := p.above - p.chunks; gap > 0 {
		p.lacks("%d of %d chunks of %s are not there", gap, p.above, strings.TrimSuffix(p.folder, "/"))
	}
	p.folder, p.chunks, p.above = "", 0, 0
}

// read adds the descriptor.
func (s *survey) read(ctx context.Context, id string, p *pile) Listing {
	p.closeFolder()
	got, err := fetchAnswer(ctx, s.bucket, s.bucket.Key(id, configObject), decodeDescriptor)
	if err != nil {
		err = fmt.Errorf("backup %s: %w", id, bucket.Explain(err))
	}
	l := listing(id, got.value, err)
	l.Objects, l.StoredBytes = p.objects, p.bytes
	if err != nil {
		l.Restorable, l.RestorableWhy = NotRestorable, "its backup_config.json is not there, or is not one"
		if !errors.Is(err, ErrNoSuchBackup) && !errors.Is(err, ErrMalformed) {
			l.Restorable, l.RestorableWhy = RestorableUnknown, "its backup_config.json cannot be read"
		}
		return l
	}
	l.protect(got.answer)
	for node := range sorted(got.value.Nodes) {
		if !p.nodes[node+"/"] {
			p.lacks("%s/%s is not there", node, nodeObject)
		}
	}
	if l.Missing, l.Completeness = p.missing, NoGap; len(p.missing) > 0 {
		l.Completeness = Incomplete
	}
	l.outlook(s.bucket, s.unruled, p)
	return l
}

// Held gives the backups that ended with success to an audit (bucket.WithBackups). A descriptor that S3 does not let it read is an error: it might be of one that builds on another.
func Held(ctx context.Context, b *bucket.Bucket, now time.Time) ([]bucket.Held, error) {
	list, err := Survey(ctx, b, now)
	if err != nil {
		return nil, err
	}
	var held []bucket.Held
	for _, l := range list {
		if l.Err != nil && !errors.Is(l.Err, ErrNoSuchBackup) && !errors.Is(l.Err, ErrMalformed) {
			return nil, l.Err
		}
		if l.Status != statusSuccess || l.Completeness == Incomplete { // the catalogue of a drill tells these
			continue
		}
		h := bucket.Held{ID: l.ID, Base: l.Base, Captured: l.StartedAt, Until: l.RestorableUntil, Own: l.OwnUntil, Why: l.RestorableWhy}
		switch l.Restorable {
		case NotRestorable:
			h.Lost = l.RestorableWhy
		case RestorableUnknown:
			h.Doubt = l.RestorableWhy
		}
		held = append(held, h)
	}
	return held, nil
}

// Describe is the backup as Survey tells it, from all that the catalogue knows: result is that of Check, the objects are those that a restore reads, of the bases too.
// It asks S3 for the headers of backup_config.json and for the lifecycle; without the right to the latter, the outlook is unknown.
func (c *Catalogue) Describe(ctx context.Context, result CatalogueResult, now time.Time) (Listing, error) {
	l := c.Listing()
	b := c.bucket
	head, err := b.Client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.Name, Key: aws.String(b.Key(l.ID, configObject))})
	if err != nil {
		return l, fmt.Errorf("backup %s: %w", l.ID, bucket.Explain(err))
	}
	l.protect(&s3.GetObjectOutput{
		ServerSideEncryption: head.ServerSideEncryption, SSEKMSKeyId: head.SSEKMSKeyId,
		ObjectLockMode: head.ObjectLockMode, ObjectLockRetainUntilDate: head.ObjectLockRetainUntilDate, ObjectLockLegalHoldStatus: head.ObjectLockLegalHoldStatus,
	})
	own := c.listed[l.ID]
	l.Objects, l.StoredBytes, l.Completeness, l.AgeSeconds = len(own), sum(own), Whole, int64(now.Sub(l.StartedAt).Seconds())
	for _, p := range result.Problems {
		l.Completeness = Incomplete
		if len(l.Missing) < mostMissing {
			l.Missing = append(l.Missing, p.String())
		}
	}
	lifecycle, unruled := b.Lifecycle(ctx)
	whole, alone := &pile{}, &pile{}
	for _, o := range c.Objects() {
		v := bucket.Version{Key: o.Key, Bytes: o.Size, LastModified: o.LastModified, StorageClass: o.StorageClass}
		whole.outlast(v, lifecycle)
		if _, mine := own[o.Key]; mine {
			alone.outlast(v, lifecycle)
		}
	}
	l.OwnUntil = alone.end.At
	l.outlook(b, unruled, whole)
	uploads := b.Uploads(ctx, b.Key(l.ID)+"/")
	l.Uploads = &uploads
	return l, ctx.Err()
}

// protect tells how the descriptor is encrypted and locked; what was written with it is so too, unless the bucket was changed in between. The audit looks at every object.
func (l *Listing) protect(o *s3.GetObjectOutput) {
	l.Encryption = cmp.Or(string(o.ServerSideEncryption), "none")
	if key := aws.ToString(o.SSEKMSKeyId); key != "" {
		l.Encryption += " " + key
	}
	l.Lock, l.LockedUntil = string(o.ObjectLockMode), aws.ToTime(o.ObjectLockRetainUntilDate)
	if o.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn {
		l.Lock = strings.TrimSpace(l.Lock + " legal hold")
	}
}

// outlook says how long the backup can be restored from, as far as its pile goes.
func (l *Listing) outlook(b *bucket.Bucket, unruled error, p *pile) {
	switch {
	case l.Status != statusSuccess:
		l.Restorable, l.RestorableWhy = NotRestorable, "its status is "+l.Status
	case l.Completeness == Incomplete:
		l.Restorable, l.RestorableWhy = NotRestorable, "it is incomplete: "+strings.Join(l.Missing, ", ")
	case p.frozen > 0:
		l.Restorable, l.RestorableWhy = NotRestorable, fmt.Sprintf("%d objects are in a class that must be thawed first", p.frozen)
	case unruled != nil:
		l.Restorable, l.RestorableWhy = RestorableUnknown, "the lifecycle is not known: "+unruled.Error()
	case !p.end.At.IsZero():
		l.Restorable, l.RestorableUntil, l.RestorableWhy = RestorableUntil, p.end.At, below(b, p.ending)+" "+p.end.String()
	default:
		l.Restorable, l.RestorableWhy = RestorableAlways, "no enabled rule takes anything of it away"
	}
}

// link follows each backup's chain of bases: a backup lives no longer than the first of them.
func link(found []Listing, now time.Time) {
	byID := make(map[string]*Listing, len(found))
	alone := make(map[string]Listing, len(found))
	for i := range found {
		l := &found[i]
		if !l.StartedAt.IsZero() {
			l.AgeSeconds = int64(now.Sub(l.StartedAt).Seconds())
		}
		byID[l.ID], alone[l.ID] = l, *l
	}
	for _, l := range byID {
		l.OwnUntil = l.RestorableUntil
		seen := map[string]bool{l.ID: true}
		for id := l.Base; id != "" && l.Restorable != NotRestorable; id = alone[id].Base {
			base, there := alone[id]
			switch {
			case seen[id]:
				l.Restorable, l.RestorableWhy = NotRestorable, "its chain of bases runs in a circle"
			case !there:
				l.Restorable, l.RestorableWhy = NotRestorable, fmt.Sprintf("backup %s, which it builds on, is not in the bucket", id)
			case base.Restorable == NotRestorable && base.Completeness == Incomplete && base.Status == statusSuccess:
				l.Restorable, l.RestorableWhy = RestorableUnknown, fmt.Sprintf("backup %s, which it builds on, is incomplete: \"backup show\" tells whether it matters to this one", id)
			case base.Restorable == NotRestorable, base.Restorable == RestorableUnknown:
				l.Restorable, l.RestorableWhy = base.Restorable, fmt.Sprintf("it builds on backup %s: %s", id, base.RestorableWhy)
			case base.Restorable == RestorableUntil && l.Restorable != RestorableUnknown && (l.Restorable == RestorableAlways || base.RestorableUntil.Before(l.RestorableUntil)):
				l.Restorable, l.RestorableUntil, l.RestorableWhy = RestorableUntil, base.RestorableUntil, base.RestorableWhy
			}
			seen[id] = true
		}
		if l.Restorable != RestorableUntil {
			l.RestorableUntil = time.Time{}
		}
	}
}
