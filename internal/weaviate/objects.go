package weaviate

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
)

// Object is one object in a form that compares byte by byte, whether it was read over gRPC or over REST. Two objects may only be compared
// when both were read the same way: gRPC cannot tell a property that is null from one that is missing (the server fills both in as null), REST can.
type Object struct {
	ID         uuid.UUID
	Created    int64    // creationTimeUnix, milliseconds on the server's clock
	Updated    int64    // lastUpdateTimeUnix, milliseconds on the server's clock
	Vectors    []Vector // by name
	Properties []byte   // canonical: see properties.go
}

// Vector is one vector of an object.
type Vector struct {
	Name  string // "" for the unnamed one
	Multi bool   // Bytes are a little-endian uint16 of dimensions, then the rows
	Bytes []byte // little-endian float32
}

// Equal says whether two objects are the same, bit for bit.
func (o *Object) Equal(p *Object) bool {
	return o.ID == p.ID && o.Created == p.Created && o.Updated == p.Updated && bytes.Equal(o.Properties, p.Properties) &&
		slices.EqualFunc(o.Vectors, p.Vectors, func(a, b Vector) bool { return a.Name == b.Name && a.Multi == b.Multi && bytes.Equal(a.Bytes, b.Bytes) })
}

// Page sizes. The server refuses a limit above QUERY_MAXIMUM_RESULTS (default 10,000) and reads a whole page into memory for each shard; beyond
// 1000 objects a page brings no more speed (36,000 objects/s at 1000, 34,000 at 5000, on 1.38.5).
const (
	MaxPage     = 1000
	pageBytes   = 2 << 20 // what a page is sized for, as it comes over gRPC
	restBytes   = 1 << 20 // JSON takes several times its size while it is read
	firstPage   = 32      // until the size of an object is known
	firstREST   = 4       // as well, of those that may hold blobs
	minimumPage = 8
)

// Size learns how big the objects of one collection are, so that pages stay small in bytes. It is shared by the scans of the collection.
type Size struct{ bytes atomic.Int64 }

// observe takes in one page. It follows growth at once and shrinks slowly, because a page that is too big costs memory and one too small only time.
func (s *Size) observe(total int64, objects int) {
	if objects == 0 {
		return
	}
	mean := max(1, total/int64(objects))
	if old := s.bytes.Load(); old > mean {
		mean = max(mean, old-old/8)
	}
	s.bytes.Store(mean)
}

// page is how many objects fit into budget bytes, unknown when that is not known yet.
func (s *Size) page(budget int64, unknown int) int {
	mean := s.bytes.Load()
	if mean == 0 {
		return unknown
	}
	return int(min(MaxPage, max(1, budget/mean)))
}

// Range is a part of a collection (or of one tenant): the objects with From <= ID < To.
type Range struct {
	Collection, Tenant string
	From, To           uuid.UUID // To all zero: no upper end
	Expect             int64     // about how many objects are in it, and exactly where it is all there is; 0 when that is not known; only tunes the page size
	Most               int       // objects in a page at the most; 0: MaxPage
	REST               bool      // read over REST, for collections that need it (Collection.NeedsREST)
	IDs                bool      // read ids and times and no content, always over gRPC; such objects have neither vectors nor properties
	Size               *Size     // shared by the scans of a collection; nil: learnt anew
}

// Scanner reads a Range in the order of the UUIDs, a page at a time. It is used by one goroutine.
type Scanner struct {
	conn  *Conn
	r     Range
	after *uuid.UUID // exclusive; nil before the all-zero UUID
	seen  int64
	done  bool
	Bytes int64 // of messages received so far
	// Wait, when set, is called with the number of objects about to be asked for.
	Wait func(ctx context.Context, objects int) error
}

// Scan prepares to read r. Nothing is asked before Next.
func (c *Conn) Scan(r Range) *Scanner {
	if r.Size == nil {
		r.Size = new(Size)
	}
	s := &Scanner{conn: c, r: r}
	if r.From != (uuid.UUID{}) {
		before := Before(r.From)
		s.after = &before
	}
	return s
}

// Next returns the next objects, at least one, or io.EOF after the last.
func (s *Scanner) Next(ctx context.Context) ([]Object, error) {
	if s.done {
		return nil, io.EOF
	}
	limit := s.limit()
	if s.Wait != nil {
		if err := s.Wait(ctx, limit); err != nil {
			return nil, err
		}
	}
	var objects []Object
	var size int64
	for {
		var err error
		objects, size, err = s.conn.page(ctx, s.r, s.after, limit)
		if errors.Is(err, errTooBig) && limit > 1 {
			limit = max(1, limit/8)
			continue
		}
		if err != nil {
			return nil, err
		}
		break
	}
	s.Bytes += size
	s.r.Size.observe(size, len(objects))
	last := len(objects) - 1
	s.done = len(objects) < limit || s.r.To != (uuid.UUID{}) && Next(objects[last].ID) == s.r.To
	for i := range objects {
		if s.after != nil && bytes.Compare(objects[i].ID[:], s.after[:]) <= 0 {
			return nil, fmt.Errorf("weaviate: scan of %s: %w: object %s came after %s, out of order",
				where(s.r.Collection, s.r.Tenant), ErrServer, objects[i].ID, s.after)
		}
		s.after = &objects[i].ID
	}
	if s.r.To != (uuid.UUID{}) {
		end := sort.Search(len(objects), func(i int) bool { return bytes.Compare(objects[i].ID[:], s.r.To[:]) >= 0 })
		if end < len(objects) {
			objects, s.done = objects[:end:end], true
		}
	}
	if s.after != nil {
		last := *s.after // a copy, so that the page can be freed
		s.after = &last
	}
	s.seen += int64(len(objects))
	if len(objects) == 0 {
		s.done = true
		return nil, io.EOF
	}
	return objects, nil
}

// limit is the size of the next page: as big as memory allows, and not much bigger than what is left of the range, since what is read beyond its end
// is read in vain. What is left is estimated from how many objects lay in the part of the range behind, as if UUIDs were spread evenly; when they are not, only speed suffers.
func (s *Scanner) limit() int {
	limit := s.r.Size.page(pageBytes, firstPage)
	if s.r.REST && !s.r.IDs {
		limit = s.r.Size.page(restBytes, firstREST)
	}
	if s.r.Most > 0 {
		limit = min(limit, s.r.Most)
	}
	if s.r.To == (uuid.UUID{}) {
		if left := s.r.Expect - s.seen; s.r.Expect > 0 && s.r.From == (uuid.UUID{}) && left >= 0 && left < int64(limit) {
			return int(left) + 1 // all there is, and room that shows its end
		}
		return limit
	}
	left := float64(s.r.Expect)
	if s.seen > 0 && s.after != nil {
		from, to, at := position(s.r.From), position(s.r.To), position(*s.after)
		if at <= from {
			return limit
		}
		left = float64(s.seen) * (to - at) / (at - from)
	}
	if left <= 0 {
		return limit
	}
	return min(limit, max(minimumPage, int(left+3*math.Sqrt(left))+2))
}

// position is where in UUID space an id lies, from 0 to 1.
func position(id uuid.UUID) float64 {
	return float64(binary.BigEndian.Uint64(id[:8]))/(1<<63)/2 + float64(binary.BigEndian.Uint64(id[8:]))/(1<<63)/(1<<63)/4
}

// Before is the UUID right below id, which must not be all zero.
func Before(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}

// Next is the UUID right above id; all zero above the last.
func Next(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}

func (c *Conn) page(ctx context.Context, r Range, after *uuid.UUID, limit int) ([]Object, int64, error) {
	if r.REST && !r.IDs {
		return c.pageREST(ctx, r, after, limit)
	}
	return c.pageGRPC(ctx, r, after, limit)
}

// pageGRPC reads a page with the cursor, at read consistency ONE: no replica is asked to repair another because a drill looked. Without a cursor the
// server lists from the smallest UUID on, the all-zero one included (adapters/repos/db/shard_read.go, ObjectList; index.go sorts the shards' lists by id); with the
// all-zero UUID as cursor it would leave that one out.
func (c *Conn) pageGRPC(ctx context.Context, r Range, after *uuid.UUID, limit int) ([]Object, int64, error) {
	one := pb.ConsistencyLevel_CONSISTENCY_LEVEL_ONE
	req := &pb.SearchRequest{
		Collection: r.Collection, Tenant: r.Tenant, Limit: uint32(limit), Uses_127Api: true, ConsistencyLevel: &one,
		Metadata:   &pb.MetadataRequest{Uuid: true, Vector: !r.IDs, CreationTimeUnix: true, LastUpdateTimeUnix: true},
		Properties: &pb.PropertiesRequest{ReturnAllNonrefProperties: !r.IDs},
	}
	if after != nil {
		req.After = after.String()
	}
	var objects []Object
	var size int64
	err := c.call(ctx, "read "+where(r.Collection, r.Tenant), func(ctx context.Context) error {
		reply, err := c.stub.Search(ctx, req)
		if err != nil {
			return err
		}
		objects = make([]Object, len(reply.Results))
		// One buffer for all properties of the page: a thousand small allocations fewer.
		var buffer []byte
		ends := make([]int, len(reply.Results))
		for i, result := range reply.Results {
			if err := objects[i].fromGRPC(result); err != nil {
				return err
			}
			buffer = appendProperties(buffer, result.GetProperties().GetNonRefProps())
			ends[i] = len(buffer)
			for _, v := range objects[i].Vectors {
				// The server sends an unnamed vector twice: as bytes and, for old clients, as floats.
				size += int64(len(v.Bytes))
				if v.Name == "" {
					size += int64(len(v.Bytes))
				}
			}
			reply.Results[i] = nil
		}
		begin := 0
		for i, end := range ends {
			objects[i].Properties = buffer[begin:end:end]
			begin = end
		}
		size += int64(len(buffer)) + 64*int64(len(objects))
		return nil
	})
	return objects, size, err
}

func (o *Object) fromGRPC(r *pb.SearchResult) error {
	m := r.GetMetadata()
	if m.GetId() == "" || len(m.IdAsBytes) > len(o.ID) || !m.CreationTimeUnixPresent || !m.LastUpdateTimeUnixPresent {
		return fmt.Errorf("%w: an object without id or times", ErrServer)
	}
	copy(o.ID[len(o.ID)-len(m.IdAsBytes):], m.IdAsBytes) // the server drops leading zero bytes
	o.Created, o.Updated = m.CreationTimeUnix, m.LastUpdateTimeUnix
	if len(m.VectorBytes) > 0 {
		o.Vectors = append(o.Vectors, Vector{Bytes: m.VectorBytes})
	}
	for _, v := range m.Vectors {
		o.Vectors = append(o.Vectors, Vector{Name: v.Name, Multi: v.Type == pb.Vectors_VECTOR_TYPE_MULTI_FP32, Bytes: v.VectorBytes})
	}
	o.sortVectors()
	return nil
}

// The server lists named vectors in the random order of a map.
func (o *Object) sortVectors() {
	if len(o.Vectors) > 1 {
		slices.SortFunc(o.Vectors, func(a, b Vector) int { return strings.Compare(a.Name, b.Name) })
	}
}

// pageREST reads what gRPC leaves out: blobs and cross-references. An empty "after" begins with the all-zero UUID.
func (c *Conn) pageREST(ctx context.Context, r Range, after *uuid.UUID, limit int) ([]Object, int64, error) {
	q := url.Values{"class": {r.Collection}, "limit": {strconv.Itoa(limit)}, "include": {"vector"}, "after": {""}, "consistency_level": {"ONE"}}
	if after != nil {
		q.Set("after", after.String())
	}
	if r.Tenant != "" {
		q.Set("tenant", r.Tenant)
	}
	var answer struct{ Objects []json.RawMessage }
	if err := patiently(ctx, func() error { return c.Do(ctx, http.MethodGet, "/objects?"+q.Encode(), nil, &answer) }); err != nil {
		return nil, 0, err
	}
	objects := make([]Object, len(answer.Objects))
	var size int64
	for i, raw := range answer.Objects {
		size += int64(len(raw))
		var err error
		if objects[i], err = ParseObject(raw); err != nil {
			return nil, size, fmt.Errorf("weaviate: read %s: %w: %w", where(r.Collection, r.Tenant), ErrServer, err)
		}
		answer.Objects[i] = nil
	}
	return objects, size, nil
}

// ParseObject reads one object as REST gives it.
func ParseObject(raw []byte) (Object, error) {
	var in struct {
		ID         *uuid.UUID                 `json:"id"`
		Created    *int64                     `json:"creationTimeUnix"`
		Updated    *int64                     `json:"lastUpdateTimeUnix"`
		Vector     []float32                  `json:"vector"`
		Vectors    map[string]json.RawMessage `json:"vectors"`
		Properties json.RawMessage            `json:"properties"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Object{}, fmt.Errorf("an object is not the JSON that was expected: %w", err)
	}
	if in.ID == nil || in.Created == nil || in.Updated == nil {
		return Object{}, errors.New("an object without id or times")
	}
	o := Object{ID: *in.ID, Created: *in.Created, Updated: *in.Updated}
	if len(in.Vector) > 0 {
		o.Vectors = append(o.Vectors, Vector{Bytes: appendFloats(nil, in.Vector)})
	}
	for name, raw := range in.Vectors {
		v, err := parseVector(raw)
		if err != nil {
			return Object{}, fmt.Errorf("object %s, vector %q: %w", o.ID, name, err)
		}
		if len(v.Bytes) > 0 {
			v.Name = name
			o.Vectors = append(o.Vectors, v)
		}
	}
	o.sortVectors()
	var err error
	if o.Properties, err = propertiesFromJSON(in.Properties); err != nil {
		return Object{}, fmt.Errorf("object %s: %w", o.ID, err)
	}
	return o, nil
}

func parseVector(raw json.RawMessage) (Vector, error) {
	var single []float32
	if json.Unmarshal(raw, &single) == nil {
		return Vector{Bytes: appendFloats(nil, single)}, nil
	}
	var rows [][]float32
	if err := json.Unmarshal(raw, &rows); err != nil {
		return Vector{}, err
	}
	if len(rows) == 0 || len(rows[0]) > math.MaxUint16 {
		return Vector{}, errors.New("neither a vector nor rows of one")
	}
	out := binary.LittleEndian.AppendUint16(nil, uint16(len(rows[0])))
	for _, row := range rows {
		if len(row) != len(rows[0]) {
			return Vector{}, errors.New("rows of different lengths")
		}
		out = appendFloats(out, row)
	}
	return Vector{Multi: true, Bytes: out}, nil
}

func appendFloats(out []byte, floats []float32) []byte {
	out = slices.Grow(out, 4*len(floats))
	for _, f := range floats {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(f))
	}
	return out
}

// Shape describes a vector without its values.
func (v *Vector) Shape() string {
	if v.Multi && len(v.Bytes) >= 2 {
		dimensions := int(binary.LittleEndian.Uint16(v.Bytes))
		return fmt.Sprintf("%d vectors of %d dimensions", (len(v.Bytes)-2)/(4*max(1, dimensions)), dimensions)
	}
	return fmt.Sprintf("%d dimensions", len(v.Bytes)/4)
}
