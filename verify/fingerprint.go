package verify

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// FingerprintSchema names the form of a fingerprint.
const FingerprintSchema = "weaviate-drill/fingerprint/v1"

// What bounds the size of a fingerprint: docs/fingerprint.md states it. Ranges are at most so many, or one for each collection and tenant where these are more.
const (
	fingerprintPrefix  = 12      // leading bits of an id that number ranges, at most: 4096 ranges of a collection or tenant
	objectsPerRange    = 16      // at most, where the bounds allow it: the fewer, the fewer are concerned by one write
	fingerprintRanges  = 1 << 18 // of all collections and tenants together
	fingerprintMembers = 1 << 22 // objects that are listed by the first bytes of their digests; the smaller collections and tenants first
	fingerprintSamples = 256     // objects of each collection that are listed with their digests
	fingerprintBytes   = 1 << 29 // of a file that is read
	memberBytes        = 4
)

// Fingerprint describes what a Weaviate holds in a form of bounded size, from which a restored one can be judged later. The same data give the same fingerprint, save for Began and Ended. It holds no content of objects and no
// credentials; names of collections, properties and tenants, and some ids, it does hold.
type Fingerprint struct {
	Schema        string    `json:"schema"`
	ServerVersion string    `json:"serverVersion"`
	Began         time.Time `json:"began"`
	Ended         time.Time `json:"ended"`
	// Aliases are by name; nil: they could not be read, for the reason in Unread.
	Aliases     map[string]string       `json:"aliases"`
	Access      *FingerprintAccess      `json:"access,omitempty"` // nil: a file from before it was read
	Collections []FingerprintCollection `json:"collections"`
	Unread      []string                `json:"unread,omitempty"` // what is in no collection and could not be read
	size        int64                   // bytes as it is stored
}

// FingerprintCollection is a collection of a fingerprint.
type FingerprintCollection struct {
	Name        string              `json:"name"`
	Definition  json.RawMessage     `json:"definition"` // its schema in canonical form
	MultiTenant bool                `json:"multiTenant,omitempty"`
	REST        bool                `json:"rest,omitempty"` // its objects were read over REST, in whose form they have other digests than in that of gRPC
	Parts       []FingerprintPart   `json:"parts"`          // one for each tenant, or the one that is the whole collection
	Samples     []FingerprintSample `json:"samples,omitempty"`
	// Questions are what the indexes were asked, and what they answered. Unasked says what they were not asked, and why; in a file from before there were any, nothing does.
	Questions []FingerprintQuestion `json:"questions,omitempty"`
	Unasked   []string              `json:"unasked,omitempty"`
}

// FingerprintPart is a tenant, or a collection without tenants.
type FingerprintPart struct {
	Tenant   string `json:"tenant,omitempty"`
	Activity string `json:"activity,omitempty"` // HOT, COLD, FROZEN
	// Unread is why nothing is known of its objects.
	Unread string `json:"unread,omitempty"`
	Count  int64  `json:"count"`  // as the server aggregates it, exact
	Prefix int    `json:"prefix"` // how many leading bits of an object's id number its range
	// Ranges are those that hold an object.
	Ranges []FingerprintRange `json:"ranges,omitempty"`
}

// FingerprintRange is what one range of ids holds.
type FingerprintRange struct {
	Index int `json:"index"`
	totals
	Oldest  int64  `json:"oldest"`            // update time of the object that was longest not written, in Unix milliseconds
	Newest  int64  `json:"newest"`            // of the one written last
	Members []byte `json:"members,omitempty"` // the first four bytes of each digest, sorted; none where the bound on the size leaves no room
}

// totals stand for a set of objects. Sets are the same when their totals are.
type totals struct {
	Count int64 `json:"count"`
	Sum   Sum   `json:"sum"`
}

func (t *totals) add(d Digest) {
	t.Count++
	t.Sum.Add(d)
}

func (t *totals) merge(u totals) {
	t.Count += u.Count
	t.Sum.Merge(u.Sum)
}

// FingerprintSample is one object.
type FingerprintSample struct {
	Tenant  string    `json:"tenant,omitempty"`
	ID      uuid.UUID `json:"id"`
	Digest  Digest    `json:"digest"`
	Created int64     `json:"created"` // Unix milliseconds, as the next
	Updated int64     `json:"updated"`
}

// rangeOf is the number of the range in which an id lies.
func rangeOf(id uuid.UUID, prefix int) int {
	return int(binary.BigEndian.Uint64(id[:8]) >> (64 - prefix)) // a shift by 64 gives 0
}

// at is the range of a number, empty when it is not listed.
func (p *FingerprintPart) at(index int) (r FingerprintRange) {
	i, there := slices.BinarySearchFunc(p.Ranges, index, func(r FingerprintRange, index int) int { return cmp.Compare(r.Index, index) })
	if there {
		r = p.Ranges[i]
	}
	return r
}

// coarse gives the totals of all ranges that so many leading bits number, which must not be more than the part has.
func (p *FingerprintPart) coarse(prefix int) []totals {
	out := make([]totals, 1<<prefix)
	for _, r := range p.Ranges {
		out[r.Index>>(p.Prefix-prefix)].merge(r.totals)
	}
	return out
}

// members are those of a coarse range, sorted.
func (p *FingerprintPart) members(prefix, index int) []uint32 {
	shift := p.Prefix - prefix
	from, _ := slices.BinarySearchFunc(p.Ranges, index<<shift, func(r FingerprintRange, index int) int { return cmp.Compare(r.Index, index) })
	var out []uint32
	for _, r := range p.Ranges[from:] {
		if r.Index>>shift != index {
			break
		}
		for m := r.Members; len(m) >= memberBytes; m = m[memberBytes:] {
			out = append(out, binary.BigEndian.Uint32(m))
		}
	}
	slices.Sort(out)
	return out
}

// listed says whether the part lists members of all its ranges.
func (p *FingerprintPart) listed() bool {
	return !slices.ContainsFunc(p.Ranges, func(r FingerprintRange) bool { return len(r.Members) == 0 })
}

// has says whether an object of that id and digest is listed. One that is not may be taken for one that is, once in 4 billion times the objects of its range.
func (p *FingerprintPart) has(id uuid.UUID, d Digest) bool {
	m := p.at(rangeOf(id, p.Prefix)).Members
	i := sort.Search(len(m)/memberBytes, func(i int) bool { return binary.BigEndian.Uint32(m[i*memberBytes:]) >= member(d) })
	return i < len(m)/memberBytes && binary.BigEndian.Uint32(m[i*memberBytes:]) == member(d)
}

// member is what is listed of a digest.
func member(d Digest) uint32 { return binary.BigEndian.Uint32(d[:]) }

// collection finds a collection by name; nil: there was none.
func (f *Fingerprint) collection(name string) *FingerprintCollection {
	i, there := slices.BinarySearchFunc(f.Collections, name, func(c FingerprintCollection, name string) int { return cmp.Compare(c.Name, name) })
	if !there {
		return nil
	}
	return &f.Collections[i]
}

// part finds a tenant, or the whole of a collection without tenants; nil: there was none.
func (c *FingerprintCollection) part(tenant string) *FingerprintPart {
	if c == nil {
		return nil
	}
	i, there := slices.BinarySearchFunc(c.Parts, tenant, func(p FingerprintPart, tenant string) int { return cmp.Compare(p.Tenant, tenant) })
	if !there {
		return nil
	}
	return &c.Parts[i]
}

// Objects is how many objects were read.
func (f *Fingerprint) Objects() (n int64) {
	for _, c := range f.Collections {
		for _, p := range c.Parts {
			for _, r := range p.Ranges {
				n += r.Count
			}
		}
	}
	return n
}

// Encode writes the file.
func (f *Fingerprint) Encode() ([]byte, error) {
	raw, err := json.Marshal(f)
	f.size = int64(len(raw)) + 1
	return append(raw, '\n'), err
}

// ErrFingerprint is a file that is no fingerprint of a form that is known, or one that contradicts itself.
var ErrFingerprint = errors.New("not a fingerprint")

// ParseFingerprint reads a file that Encode wrote, and believes nothing of it that cannot be. Errors wrap ErrFingerprint. Fields that it does not know are passed over.
func ParseFingerprint(raw []byte) (*Fingerprint, error) {
	if len(raw) > fingerprintBytes {
		return nil, fmt.Errorf("%w: it is bigger than any can be (%d bytes)", ErrFingerprint, len(raw))
	}
	f := Fingerprint{size: int64(len(raw))}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFingerprint, err)
	}
	if f.Schema != FingerprintSchema {
		return nil, fmt.Errorf("%w of a known form: schema %q, known is %q", ErrFingerprint, f.Schema, FingerprintSchema)
	}
	if f.Ended.Before(f.Began) {
		return nil, fmt.Errorf("%w: it ended before it began", ErrFingerprint)
	}
	var total int64
	for i := range f.Collections {
		c := &f.Collections[i]
		if i > 0 && c.Name <= f.Collections[i-1].Name {
			return nil, fmt.Errorf("%w: collection %q is out of order", ErrFingerprint, c.Name)
		}
		if err := c.check(&total); err != nil {
			return nil, fmt.Errorf("%w: collection %q: %w", ErrFingerprint, c.Name, err)
		}
	}
	return &f, nil
}

func (c *FingerprintCollection) check(total *int64) error {
	if len(c.Definition) == 0 || c.Definition[0] != '{' {
		return errors.New("its definition is none")
	}
	if !c.MultiTenant && (len(c.Parts) != 1 || c.Parts[0].Tenant != "") {
		return errors.New("it has tenants, and no multi-tenancy")
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		if i > 0 && p.Tenant <= c.Parts[i-1].Tenant || c.MultiTenant && p.Tenant == "" {
			return fmt.Errorf("tenant %q is out of order", p.Tenant)
		}
		if p.Count < 0 || p.Prefix < 0 || p.Prefix > fingerprintPrefix || p.Unread != "" && len(p.Ranges) > 0 {
			return fmt.Errorf("tenant %q has %d objects in %d ranges by %d bits", p.Tenant, p.Count, len(p.Ranges), p.Prefix)
		}
		last := -1
		for _, r := range p.Ranges {
			sorted := slices.IsSortedFunc(slices.Collect(slices.Chunk(r.Members, memberBytes)), bytes.Compare)
			if r.Index <= last || r.Index >= 1<<p.Prefix || r.Count <= 0 || r.Count > math.MaxInt64-*total || r.Oldest > r.Newest || len(r.Members) > 0 && int64(len(r.Members)) != memberBytes*r.Count || !sorted {
				return fmt.Errorf("range %d of tenant %q contradicts itself", r.Index, p.Tenant)
			}
			last = r.Index
			*total += r.Count
		}
	}
	if len(c.Samples) > fingerprintSamples || !slices.IsSortedFunc(c.Samples, bySample) {
		return fmt.Errorf("its %d samples are too many or out of order", len(c.Samples))
	}
	return c.checkQuestions()
}

func bySample(a, b FingerprintSample) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), bytes.Compare(a.ID[:], b.ID[:]))
}

// definition is a schema as a fingerprint keeps it: canonical, and without what an application may have put into the settings of a module though it is secret.
func definition(c weaviate.Collection) (json.RawMessage, error) {
	v, err := canonicalSchema(c.Schema)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s cannot be read: %w", c.Name, err)
	}
	return json.Marshal(redact(v))
}
