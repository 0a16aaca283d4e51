package verify

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// FingerprintOptions say how hard the server is worked. The zero value is good.
type FingerprintOptions struct {
	Excluded    []string // collections that are left out
	Concurrency int      // ranges read at once; 0: 2
	MaxRate     float64  // objects a second; 0: no bound
	Questions   bool     // ask the indexes as well, for level index
	// Progress, when set, is told how many objects are done; calls do not overlap. The total is an estimate while the server is being written to.
	Progress func(done, total int64)
}

// TakeFingerprint reads all objects of a Weaviate once, at read consistency ONE, asks its indexes a few questions when it is to, and activates no tenant. What a tenant holds that is not active is not known, and its part says so. An error means that there is no
// fingerprint: the server cannot be reached, or refuses the credentials. Memory use is bounded as the fingerprint is.
func TakeFingerprint(ctx context.Context, conn *weaviate.Conn, o FingerprintOptions) (*Fingerprint, error) {
	if o.Concurrency < 0 || o.MaxRate < 0 {
		return nil, errors.New("verify: a number in the options is negative")
	}
	o.Concurrency = cmp.Or(o.Concurrency, 2)
	t := &taking{FingerprintOptions: o, conn: conn, limiter: limiter(o.MaxRate), f: &Fingerprint{Schema: FingerprintSchema, Began: time.Now().UTC()}}
	for _, do := range []func(context.Context) error{t.structure, t.counts, t.objects, t.questions} {
		if err := do(ctx); err != nil {
			return nil, err
		}
	}
	t.f.Ended = time.Now().UTC()
	return t.f, nil
}

// taking is a fingerprint that is being taken.
type taking struct {
	FingerprintOptions
	conn    *weaviate.Conn
	limiter *rate.Limiter
	f       *Fingerprint
	schemas []weaviate.Collection // of the collections of f
	parts   []*takenPart          // that can be read
	samples []samples             // of each collection

	mu          sync.Mutex
	done, total int64
}

// takenPart is a part that is being read.
type takenPart struct {
	part
	of      *FingerprintPart
	ranges  []FingerprintRange // all of them; each is written by one goroutine
	list    bool               // its members
	samples *samples           // of the collection
}

func (t *taking) structure(ctx context.Context) error {
	meta, err := t.conn.Meta(ctx)
	if err != nil {
		return err
	}
	t.f.ServerVersion = meta.Version
	t.f.Aliases, err = t.conn.Aliases(ctx)
	switch {
	case errors.Is(err, weaviate.ErrNotFound): // a server from before aliases (1.32)
		t.f.Aliases = map[string]string{}
	case errors.Is(err, weaviate.ErrForbidden):
		t.f.Unread = append(t.f.Unread, "aliases: the credentials do not allow to read them")
	case err != nil:
		return err
	}
	if t.f.Access, err = takeAccess(ctx, t.conn); err != nil {
		return err
	}
	list, err := t.conn.Collections(ctx)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(c weaviate.Collection) bool {
		_, own := tracer.Owner(c) // is written to while the backup is made, and goes after it
		return own || slices.Contains(t.Excluded, c.Name)
	})
	t.schemas, t.f.Collections, t.samples = list, make([]FingerprintCollection, len(list)), make([]samples, len(list))
	for i, c := range list {
		f := &t.f.Collections[i]
		*f = FingerprintCollection{Name: c.Name, MultiTenant: c.MultiTenant, REST: c.NeedsREST(), Parts: []FingerprintPart{}}
		if f.Definition, err = definition(c); err != nil {
			return err
		}
		if !c.MultiTenant {
			f.Parts = append(f.Parts, FingerprintPart{})
		} else if f.Parts, err = t.tenants(ctx, c.Name); err != nil {
			return err
		}
		size := new(weaviate.Size)
		t.samples[i].highest.Store(math.MaxUint64)
		for j := range f.Parts {
			if p := &f.Parts[j]; p.Unread == "" {
				t.parts = append(t.parts, &takenPart{part: part{collection: c.Name, tenant: p.Tenant, rest: f.REST, sourceSize: size}, of: p, samples: &t.samples[i]})
			}
		}
	}
	return nil
}

func (t *taking) tenants(ctx context.Context, collection string) ([]FingerprintPart, error) {
	list, err := t.conn.Tenants(ctx, collection)
	if err != nil {
		return nil, err
	}
	out := make([]FingerprintPart, len(list))
	for i, tenant := range list {
		out[i] = FingerprintPart{Tenant: tenant.Name, Activity: state(tenant)}
		switch out[i].Activity {
		case "HOT":
		case "COLD":
			out[i].Unread = "inactive (COLD), and the tool activates nothing here"
		default:
			out[i].Unread = "offloaded or frozen: its objects are in no backup"
		}
	}
	return out, nil
}

// counts asks for the exact counts, which the number of ranges depends on.
func (t *taking) counts(ctx context.Context) error {
	list := make([]*part, len(t.parts))
	for i, p := range t.parts {
		list[i] = &p.part
	}
	group, counting := errgroup.WithContext(ctx)
	group.SetLimit(t.Concurrency)
	for some := range batches(list, weaviate.CountBatch) {
		group.Go(func() error {
			return countOn(counting, t.conn, some, func(p *part, n int64, err error) {
				if p.sourceCount = n; err != nil {
					t.unread(p, err)
				}
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	t.parts = slices.DeleteFunc(t.parts, func(p *takenPart) bool { return p.of.Unread != "" })
	counts := make([]int64, len(t.parts))
	for i, p := range t.parts {
		counts[i], p.of.Count = p.sourceCount, p.sourceCount
		t.total += p.sourceCount
	}
	prefixes, listed := layOut(counts)
	for i, p := range t.parts {
		p.of.Prefix, p.list = prefixes[i], listed[i]
		p.ranges = make([]FingerprintRange, 1<<p.of.Prefix)
	}
	return nil
}

// layOut says, for parts of so many objects, how many leading bits number the ranges of each, and whether its members are listed, so that the fingerprint stays within its bounds.
func layOut(counts []int64) (prefixes []int, listed []bool) {
	prefixes, listed = make([]int, len(counts)), make([]bool, len(counts))
	for each := int64(objectsPerRange); ; each *= 2 {
		total := 0
		for i, n := range counts {
			prefixes[i] = rangeBits(n, each)
			total += 1 << prefixes[i]
		}
		if total <= max(fingerprintRanges, len(counts)) {
			break
		}
	}
	order := make([]int, len(counts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(counts[a], counts[b]) })
	left := int64(fingerprintMembers)
	for _, i := range order {
		if left -= counts[i]; left < 0 {
			break
		}
		listed[i] = true
	}
	return prefixes, listed
}

// unread keeps why a part cannot be read.
func (t *taking) unread(p *part, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.f.collection(p.collection).part(p.tenant).Unread = cut(err.Error())
}

func (t *taking) objects(ctx context.Context) error {
	var all []item
	of := map[*part]*takenPart{}
	for _, p := range t.parts {
		of[&p.part] = p
		ranges := cutInto(min(p.of.Prefix, rangeBits(p.of.Count, perRange)))
		for _, r := range ranges {
			all = append(all, item{&p.part, r[0], r[1], int64(len(ranges)), len(all)})
		}
	}
	err := each(ctx, t.Concurrency, slices.Values(all), func(ctx context.Context, i item) error {
		err := t.read(ctx, of[i.part], i)
		if err != nil && !fatal(err) { // a server that is gone or refuses the credentials leaves no fingerprint
			t.unread(i.part, err)
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range t.parts {
		if p.of.Unread == "" {
			p.of.Ranges = slices.DeleteFunc(p.ranges, func(r FingerprintRange) bool { return r.Count == 0 })
		}
	}
	for i := range t.f.Collections {
		c := &t.f.Collections[i]
		c.Samples = slices.DeleteFunc(t.samples[i].take(), func(s FingerprintSample) bool { return c.part(s.Tenant).Unread != "" })
	}
	return nil
}

// read takes in the objects of some ranges.
func (t *taking) read(ctx context.Context, p *takenPart, i item) error {
	ctx, cancel := context.WithCancel(ctx)
	scanner := t.conn.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, From: i.from, To: i.to, Expect: i.expects(), REST: p.rest, Size: p.sourceSize})
	scanner.Wait = func(ctx context.Context, objects int) error { return throttle(ctx, t.limiter, objects) }
	objects := prefetch(ctx, scanner, "source")
	defer objects.wait()
	defer cancel()
	var d digester
	rank := p.ranks(0)
	var n int64
	for {
		o, err := objects.peek(ctx)
		if err != nil {
			return err
		}
		if o == nil {
			break
		}
		digest := d.digest(o)
		at := rangeOf(o.ID, p.of.Prefix)
		p.ranges[at].take(at, o, digest, p.list)
		if n++; n%flushEvery == 0 {
			t.tell(flushEvery)
		}
		p.samples.offer(rank(o.ID), p.tenant, o, digest)
		objects.skip()
	}
	t.tell(n % flushEvery)
	last := rangeOf(weaviate.Before(i.to), p.of.Prefix) // Before gives the last id when there is no upper end
	for at := rangeOf(i.from, p.of.Prefix); at <= last; at++ {
		p.ranges[at].sortMembers()
	}
	return nil
}

func (r *FingerprintRange) take(index int, o *weaviate.Object, d Digest, list bool) {
	if r.Count == 0 {
		r.Index, r.Oldest, r.Newest = index, o.Updated, o.Updated
	}
	r.add(d)
	r.Oldest, r.Newest = min(r.Oldest, o.Updated), max(r.Newest, o.Updated)
	if list {
		r.Members = append(r.Members, d[:memberBytes]...)
	}
}

func (r *FingerprintRange) sortMembers() {
	list := make([]uint32, 0, len(r.Members)/memberBytes)
	for m := range slices.Chunk(r.Members, memberBytes) {
		list = append(list, binary.BigEndian.Uint32(m))
	}
	slices.Sort(list)
	r.Members = r.Members[:0]
	for _, m := range list {
		r.Members = binary.BigEndian.AppendUint32(r.Members, m)
	}
}

func (t *taking) tell(objects int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += objects
	if t.Progress != nil && objects > 0 {
		t.Progress(t.done, max(t.done, t.total))
	}
}

// samples are the objects of the lowest ranks, as they come about: see part.ranks. The same ranks in each fingerprint, so that two of them sample the same objects.
type samples struct {
	highest atomic.Uint64 // none above it can be among them

	mu     sync.Mutex
	lowest []rankedSample
}

type rankedSample struct {
	rank uint64
	FingerprintSample
}

func (s *samples) offer(rank uint64, tenant string, o *weaviate.Object, d Digest) {
	if rank > s.highest.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lowest = append(s.lowest, rankedSample{rank, FingerprintSample{tenant, o.ID, d, o.Created, o.Updated}})
	if len(s.lowest) == 2*fingerprintSamples {
		s.settle()
	}
}

func (s *samples) settle() {
	slices.SortFunc(s.lowest, func(a, b rankedSample) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), bySample(a.FingerprintSample, b.FingerprintSample))
	})
	if len(s.lowest) >= fingerprintSamples {
		s.lowest = s.lowest[:fingerprintSamples]
		s.highest.Store(s.lowest[fingerprintSamples-1].rank)
	}
}

func (s *samples) take() (list []FingerprintSample) {
	s.settle()
	for _, o := range s.lowest {
		list = append(list, o.FingerprintSample)
	}
	slices.SortFunc(list, bySample)
	return list
}

// secretName is what settings are called that hold credentials. Weaviate takes those of modules from its environment and from requests, but does not refuse others.
var secretName = regexp.MustCompile(`(?i)(key|token|secret|password)$`)

// redact takes texts out of a schema that are named like credentials.
func redact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if _, is := value.(string); is && secretName.MatchString(name) {
				v[name] = "[redacted]"
				continue
			}
			v[name] = redact(value)
		}
	case []any:
		for i := range v {
			v[i] = redact(v[i])
		}
	}
	return v
}

// limiter keeps to so many objects a second; nil: no bound.
func limiter(perSecond float64) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), weaviate.MaxPage)
}

// throttle waits until so many objects may be read.
func throttle(ctx context.Context, l *rate.Limiter, objects int) error {
	if l == nil {
		return nil
	}
	if err := l.WaitN(ctx, objects); err != nil {
		if ctx.Err() == nil { // the limiter does not begin a wait that would outlast the deadline
			return fmt.Errorf("%w before the next objects may be read at %g a second", context.DeadlineExceeded, float64(l.Limit()))
		}
		return context.Cause(ctx)
	}
	return nil
}
