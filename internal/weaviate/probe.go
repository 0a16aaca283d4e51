package weaviate

import (
	"context"

	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
)

// Probe reads the first object of a collection, or of one tenant of it, once and without patience: how long that takes, and whether it fails, is what is wanted of it.
func (c *Conn) Probe(ctx context.Context, collection, tenant string) error {
	ctx, err := c.outgoing(ctx)
	if err != nil {
		return err
	}
	one := pb.ConsistencyLevel_CONSISTENCY_LEVEL_ONE
	_, err = c.stub.Search(ctx, &pb.SearchRequest{Collection: collection, Tenant: tenant, Limit: 1, Uses_127Api: true, ConsistencyLevel: &one, Metadata: &pb.MetadataRequest{Uuid: true}})
	return grpcError(err)
}
