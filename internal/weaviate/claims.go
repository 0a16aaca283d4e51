package weaviate

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
)

// Claim is what the inverted indexes should say of one object. Without conditions it is that they know its id.
type Claim struct {
	ID   uuid.UUID
	Says []Condition
}

// Holding returns the objects of which all that is claimed holds. Each is asked for apart from the others, so none is found by an entry that is another's.
func (c *Conn) Holding(ctx context.Context, collection, tenant string, claims []Claim) (map[uuid.UUID]bool, error) {
	var each []*pb.Filters
	for _, claim := range claims {
		f, err := all(append([]Condition{HasID(claim.ID)}, claim.Says...))
		if err != nil {
			return nil, err
		}
		each = append(each, f)
	}
	return c.found(ctx, &pb.SearchRequest{Collection: collection, Tenant: tenant, Limit: uint32(len(claims)), Filters: &pb.Filters{Operator: pb.Filters_OPERATOR_OR, Filters: each}})
}

// KeywordAmong returns those of these objects that a search of one property by BM25 finds.
func (c *Conn) KeywordAmong(ctx context.Context, collection, tenant, property, query string, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	among := &pb.Filters{
		Operator: pb.Filters_OPERATOR_CONTAINS_ANY, Target: &pb.FilterTarget{Target: &pb.FilterTarget_Property{Property: "_id"}}, TestValue: &pb.Filters_ValueTextArray{ValueTextArray: &pb.TextArray{Values: texts}},
	}
	bm25 := &pb.BM25{Query: query, Properties: []string{property}}
	return c.found(ctx, &pb.SearchRequest{Collection: collection, Tenant: tenant, Limit: uint32(len(ids)), Bm25Search: bm25, Filters: among})
}

func (c *Conn) found(ctx context.Context, req *pb.SearchRequest) (map[uuid.UUID]bool, error) {
	list, err := c.search(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("of %d objects: %w", req.Limit, err)
	}
	found := make(map[uuid.UUID]bool, len(list))
	for _, n := range list {
		found[n.ID] = true
	}
	return found, nil
}
