package weaviate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
)

// Object reads one object by its id over REST, which goes through another index than a scan: damage there answers ErrNotFound though every scan and count is right. It is read at consistency ONE,
// like all else: at the server's default, QUORUM, a replica that lacks it would be repaired by the looking.
func (c *Conn) Object(ctx context.Context, collection, tenant string, id uuid.UUID) (Object, error) {
	return c.object(ctx, collection, tenant, id, "consistency_level=ONE")
}

// ObjectOn is Object for the copy that a node holds. A node without one, because the shard is not there, makes Weaviate 1.38.5 try for many seconds: give ctx a deadline.
func (c *Conn) ObjectOn(ctx context.Context, node, collection, tenant string, id uuid.UUID) (Object, error) {
	return c.object(ctx, collection, tenant, id, "node_name="+url.QueryEscape(node))
}

func (c *Conn) object(ctx context.Context, collection, tenant string, id uuid.UUID, from string) (Object, error) {
	path := "/objects/" + url.PathEscape(collection) + "/" + id.String() + "?include=vector&" + from
	if tenant != "" {
		path += "&tenant=" + url.QueryEscape(tenant)
	}
	var raw json.RawMessage
	if err := patiently(ctx, func() error { return c.Do(ctx, http.MethodGet, path, nil, &raw) }); err != nil {
		return Object{}, err
	}
	o, err := ParseObject(raw)
	if err != nil {
		return o, fmt.Errorf("weaviate GET %s: %w: %w", path, ErrServer, err)
	}
	return o, nil
}

// Neighbour is an object that a search found, with its distance when the search was for a vector.
type Neighbour struct {
	ID       uuid.UUID `json:"id"`
	Distance float32   `json:"distance,omitempty"`
}

// NearVector searches by a vector, in the index that bears its name, and returns the nearest objects first.
func (c *Conn) NearVector(ctx context.Context, collection, tenant string, v Vector, limit int) ([]Neighbour, error) {
	kind := pb.Vectors_VECTOR_TYPE_SINGLE_FP32
	if v.Multi {
		kind = pb.Vectors_VECTOR_TYPE_MULTI_FP32
	}
	near := &pb.NearVector{Vectors: []*pb.Vectors{{Name: v.Name, VectorBytes: v.Bytes, Type: kind}}}
	if v.Name != "" {
		near.Targets = &pb.Targets{TargetVectors: []string{v.Name}}
	}
	return c.search(ctx, &pb.SearchRequest{Collection: collection, Tenant: tenant, Limit: uint32(limit), NearVector: near})
}

// Keyword searches one property by BM25, among what the conditions leave, and returns the best objects first, without distances.
func (c *Conn) Keyword(ctx context.Context, collection, tenant, property, query string, limit int, where ...Condition) ([]Neighbour, error) {
	filter, err := all(where)
	if err != nil {
		return nil, err
	}
	bm25 := &pb.BM25{Query: query, Properties: []string{property}}
	return c.search(ctx, &pb.SearchRequest{Collection: collection, Tenant: tenant, Limit: uint32(limit), Bm25Search: bm25, Filters: filter})
}

// Find returns the objects that the conditions leave, without distances and in no order that means anything.
func (c *Conn) Find(ctx context.Context, collection, tenant string, limit int, where ...Condition) ([]Neighbour, error) {
	filter, err := all(where)
	if err != nil {
		return nil, err
	}
	return c.search(ctx, &pb.SearchRequest{Collection: collection, Tenant: tenant, Limit: uint32(limit), Filters: filter})
}

func (c *Conn) search(ctx context.Context, req *pb.SearchRequest) ([]Neighbour, error) {
	one := pb.ConsistencyLevel_CONSISTENCY_LEVEL_ONE
	req.Uses_127Api, req.ConsistencyLevel, req.Metadata = true, &one, &pb.MetadataRequest{Uuid: true, Distance: req.NearVector != nil}
	var out []Neighbour
	err := c.call(ctx, "search "+where(req.Collection, req.Tenant), func(ctx context.Context) error {
		reply, err := c.stub.Search(ctx, req)
		if err != nil {
			return err
		}
		out = make([]Neighbour, len(reply.Results))
		for i, r := range reply.Results {
			if out[i].ID, err = uuid.Parse(r.GetMetadata().GetId()); err != nil {
				return fmt.Errorf("%w: an answer without id: %w", ErrServer, err)
			}
			out[i].Distance = r.GetMetadata().GetDistance()
		}
		return nil
	})
	return out, err
}

// CountWhere counts the objects that a filter leaves. The server takes the number from the inverted index alone: it is right although the objects are gone, and wrong although they are there.
func (c *Conn) CountWhere(ctx context.Context, collection, tenant string, where ...Condition) (int64, error) {
	filter, err := all(where)
	if err != nil {
		return 0, err
	}
	return c.count(ctx, &pb.AggregateRequest{Collection: collection, Tenant: tenant, ObjectsCount: true, Filters: filter})
}

// Operator is how a filter compares.
type Operator string

// The operators.
const (
	Equal          Operator = "="
	GreaterOrEqual Operator = ">="
	ContainsAny    Operator = "contains"
	IsNull         Operator = "is null"
	Within         Operator = "within 1000 m of"
)

// Condition is a filter on one property. It can be written as JSON and read again without loss.
type Condition struct {
	Property string   `json:"property"` // also _id, _creationTimeUnix, _lastUpdateTimeUnix and len(name)
	Operator Operator `json:"operator"`
	Type     string   `json:"type"`  // of a single value: text, int, number, boolean, date, uuid or geoCoordinates
	Value    string   `json:"value"` // as the type is written; a place as latitude,longitude
}

// HasID leaves the one object that bears an id.
func HasID(id uuid.UUID) Condition { return Condition{"_id", Equal, "text", id.String()} }

func (c Condition) String() string {
	if c.Type == "text" {
		return fmt.Sprintf("%s %s %q", c.Property, c.Operator, c.Value)
	}
	return fmt.Sprintf("%s %s %s", c.Property, c.Operator, c.Value)
}

// all joins conditions, of which each must hold; without one there is no filter.
func all(where []Condition) (*pb.Filters, error) {
	var filters []*pb.Filters
	for _, c := range where {
		f, err := c.filter()
		if err != nil {
			return nil, fmt.Errorf("weaviate: filter %s: %w", c, err)
		}
		filters = append(filters, f)
	}
	switch len(filters) {
	case 0:
		return nil, nil
	case 1:
		return filters[0], nil
	}
	return &pb.Filters{Operator: pb.Filters_OPERATOR_AND, Filters: filters}, nil
}

var operators = map[Operator]pb.Filters_Operator{
	Equal: pb.Filters_OPERATOR_EQUAL, GreaterOrEqual: pb.Filters_OPERATOR_GREATER_THAN_EQUAL, ContainsAny: pb.Filters_OPERATOR_CONTAINS_ANY,
	IsNull: pb.Filters_OPERATOR_IS_NULL, Within: pb.Filters_OPERATOR_WITHIN_GEO_RANGE,
}

func (c Condition) filter() (*pb.Filters, error) {
	f := &pb.Filters{Operator: operators[c.Operator], Target: &pb.FilterTarget{Target: &pb.FilterTarget_Property{Property: c.Property}}}
	list := c.Operator == ContainsAny
	switch c.Type {
	case "int":
		n, err := strconv.ParseInt(c.Value, 10, 64)
		f.TestValue = &pb.Filters_ValueInt{ValueInt: n}
		if list {
			f.TestValue = &pb.Filters_ValueIntArray{ValueIntArray: &pb.IntArray{Values: []int64{n}}}
		}
		return f, err
	case "number":
		n, err := strconv.ParseFloat(c.Value, 64)
		f.TestValue = &pb.Filters_ValueNumber{ValueNumber: n}
		if list {
			f.TestValue = &pb.Filters_ValueNumberArray{ValueNumberArray: &pb.NumberArray{Values: []float64{n}}}
		}
		return f, err
	case "boolean":
		b, err := strconv.ParseBool(c.Value)
		f.TestValue = &pb.Filters_ValueBoolean{ValueBoolean: b}
		if list {
			f.TestValue = &pb.Filters_ValueBooleanArray{ValueBooleanArray: &pb.BooleanArray{Values: []bool{b}}}
		}
		return f, err
	case "geoCoordinates":
		place := &pb.GeoCoordinatesFilter{Distance: 1000}
		_, err := fmt.Sscanf(c.Value, "%g,%g", &place.Latitude, &place.Longitude)
		f.TestValue = &pb.Filters_ValueGeo{ValueGeo: place}
		return f, err
	default:
		f.TestValue = &pb.Filters_ValueText{ValueText: c.Value}
		if list {
			f.TestValue = &pb.Filters_ValueTextArray{ValueTextArray: &pb.TextArray{Values: []string{c.Value}}}
		}
		return f, nil
	}
}
