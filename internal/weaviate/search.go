package weaviate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
)

// Object reads one object by its id over REST, which goes through another index than a scan: damage there answers ErrNotFound though every scan and count is right. It is read at consistency ONE,
// like all else: at the server's default, QUORUM, a replica that lacks it would be repaired by the looking.
func (c *Conn) Object(ctx context.Context, collection, tenant string, id uuid.UUID) (Object, error) {
	path := "/objects/" + url.PathEscape(collection) + "/" + id.String() + "?include=vector&consistency_level=ONE"
	if tenant != "" {
		path += "&tenant=" + url.QueryEscape(tenant)
	}
	var raw json.RawMessage
	if err := c.Do(ctx, http.MethodGet, path, nil, &raw); err != nil {
		return Object{}, err
	}
	o, err := ParseObject(raw)
	if err != nil {
		return o, fmt.Errorf("weaviate GET %s: %w: %w", path, ErrServer, err)
	}
	return o, nil
}

// Neighbour is an object that a vector search found.
type Neighbour struct {
	ID       uuid.UUID
	Distance float32
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
	one := pb.ConsistencyLevel_CONSISTENCY_LEVEL_ONE
	req := &pb.SearchRequest{
		Collection: collection, Tenant: tenant, Limit: uint32(limit), Uses_127Api: true, ConsistencyLevel: &one, NearVector: near,
		Metadata: &pb.MetadataRequest{Uuid: true, Distance: true},
	}
	var out []Neighbour
	err := c.call(ctx, "search "+where(collection, tenant), func(ctx context.Context) error {
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
