package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
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
	surveyTries   = 10 // of each request; S3 asks with 503 SlowDown for fewer, and the wait doubles with each try
	surveyBackoff = 10 * time.Second
)

// Survey finds all backups as List does, and tells of each also what the listing of its objects and the bucket's lifecycle say. All keys below the path are listed, in parts side
// by side, while the descriptors are read; memory grows with the number of backups, not with that of their objects. What S3 does not let it read of one backup is told in that
// backup's listing; the error is that of listing.
func Survey(ctx context.Context, b *bucket.Bucket, now time.Time) ([]Listing, error) {
	patient := *b
	patient.Client = s3.New(b.Client.Options(), func(o *s3.Options) {
		o.Retryer = sdkretry.NewStandard(func(r *sdkretry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff, r.RateLimiter = surveyTries, surveyBackoff, ratelimit.None
		})
	})
	s := &survey{bucket: &patient, prefix: folder(b)}
	failed := func(err error) ([]Listing, error) {
		return nil, fmt.Errorf("list the backups in %s: %w", b.URL(), err)
	}
	if err := s.names(ctx); err != nil {
		return failed(err)
	}
	s.lifecycle, s.unruled = patient.Lifecycle(ctx)
	work, stop := context.WithCancel(ctx) // not that of an errgroup, which would end the reads with the lists
	defer stop()
	var lists errgroup.Group
	s.reads.SetLimit(surveyReads)
	part := max(1, (len(s.found)+surveyLists-1)/surveyLists)
	for from := 0; from < len(s.found); from += part {
		lists.Go(func() error {
			err := s.list(work, from, min(from+part, len(s.found)))
			if err != nil {
				stop()
			}
			return err
		})
	}
	err := lists.Wait()
	_ = s.reads.Wait() // they return no error
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return failed(err)
	}
	found := slices.DeleteFunc(s.found, func(l Listing) bool { return l.Objects == 0 }) // removed meanwhile
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
	reads errgroup.Group
}

// names lists the folders.
func (s *survey) names(ctx context.Context) error {
	ids, err := listNames(ctx, s.bucket)
	for _, id := range ids {
		s.found = append(s.found, Listing{ID: id})
	}
	return err
}

// list goes through the objects of the backups from one to before another.
func (s *survey) list(ctx context.Context, from, to int) error {
	begin := s.prefix + s.found[from].ID + "/"
	pages := s3.NewListObjectsV2Paginator(s.bucket.Client, &s3.ListObjectsV2Input{Bucket: &s.bucket.Name, Prefix: &s.prefix, StartAfter: &begin})
	at, p := from, &pile{}
	next := func() {
		if p.objects > 0 {
			i := at
			done := *p
			s.reads.Go(func() error { s.found[i] = s.read(ctx, s.found[i].ID, &done); return nil })
		}
		at, p = at+1, &pile{}
	}
	for at < to && pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			id, name, below := strings.Cut(strings.TrimPrefix(aws.ToString(o.Key), s.prefix), "/")
			if !below || name == "" {
				continue // a file beside the backups, or a folder's own key
			}
			for at < to && s.found[at].ID+"/" < id+"/" {
				next()
			}
			if at == to {
				break
			}
			if s.found[at].ID == id { // else it was begun since the names were listed
				p.add(id, name, o, s.lifecycle)
			}
		}
	}
	if at < to {
		next()
	}
	return nil
}

// pile is what the listing tells of one backup. Keys come in order, so what is of one node and collection comes together.
type pile struct {
	objects int
	bytes   int64
	nodes   map[string]bool // that have their descriptor
	missing []string
	frozen  int // objects that must be thawed
	end     *bucket.Change
	ending  string // the object that has it

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

func (p *pile) add(id, name string, o types.Object, l bucket.Lifecycle) {
	p.objects++
	p.bytes += aws.ToInt64(o.Size)
	dir, base := path.Split(name)
	if base == restoreObject || base == probeObject {
		return // no part of the backup
	}
	if node := strings.TrimSuffix(dir, "/"); base == nodeObject && node != "" && !strings.Contains(node, "/") {
		if p.nodes == nil {
			p.nodes = map[string]bool{}
		}
		p.nodes[node] = true
	}
	if number, err := strconv.Atoi(strings.TrimPrefix(base, "chunk-")); err == nil && strings.HasPrefix(base, "chunk-") {
		if dir != p.folder {
			p.closeFolder()
			p.folder = dir
		}
		p.chunks, p.above = p.chunks+1, max(p.above, number)
		if aws.ToInt64(o.Size) == 0 {
			p.lacks("%s has 0 bytes", name)
		}
	}
	p.outlast(id+"/"+name, Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), LastModified: aws.ToTime(o.LastModified), StorageClass: string(o.StorageClass)}, l)
}

// outlast notes whether an object can be read at once, and until when.
func (p *pile) outlast(name string, o Object, l bucket.Lifecycle) {
	if (bucket.Change{Class: o.StorageClass}).Thaw() > 0 {
		p.frozen++
	}
	end, ends := l.End(bucket.Version{Key: o.Key, Bytes: o.Size, LastModified: o.LastModified, StorageClass: o.StorageClass})
	if ends && (p.end == nil || end.At.Before(p.end.At)) {
		p.end, p.ending = &end, name
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
		if !p.nodes[node] {
			p.lacks("%s/%s is not there", node, nodeObject)
		}
	}
	if l.Missing, l.Completeness = p.missing, NoGap; len(p.missing) > 0 {
		l.Completeness = Incomplete
	}
	l.outlook(s.unruled, p)
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
		whole.outlast(below(b, o.Key), o, lifecycle)
		if _, mine := own[o.Key]; mine {
			alone.outlast(below(b, o.Key), o, lifecycle)
		}
	}
	if alone.end != nil {
		l.OwnUntil = alone.end.At
	}
	l.outlook(unruled, whole)
	return l, nil
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
func (l *Listing) outlook(unruled error, p *pile) {
	switch {
	case l.Status != statusSuccess:
		l.Restorable, l.RestorableWhy = NotRestorable, "its status is "+l.Status
	case l.Completeness == Incomplete:
		l.Restorable, l.RestorableWhy = NotRestorable, "it is incomplete: "+strings.Join(l.Missing, ", ")
	case p.frozen > 0:
		l.Restorable, l.RestorableWhy = NotRestorable, fmt.Sprintf("%d objects are in a class that must be thawed first", p.frozen)
	case unruled != nil:
		l.Restorable, l.RestorableWhy = RestorableUnknown, "the lifecycle is not known: "+unruled.Error()
	case p.end != nil:
		l.Restorable, l.RestorableUntil, l.RestorableWhy = RestorableUntil, p.end.At, fmt.Sprintf("%s %s", p.ending, p.end)
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
