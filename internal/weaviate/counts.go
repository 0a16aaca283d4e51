package weaviate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Count returns how many objects a collection (or one tenant of it) holds, exactly and without delay: the server sums its segments and what is still in
// memory. It is computed from counters, so it stays right when the objects themselves are damaged. A tenant that is not active is an error.
func (c *Conn) Count(ctx context.Context, collection, tenant string) (int64, error) {
	return c.count(ctx, &pb.AggregateRequest{Collection: collection, Tenant: tenant, ObjectsCount: true})
}

func (c *Conn) count(ctx context.Context, req *pb.AggregateRequest) (int64, error) {
	var n int64
	err := c.call(ctx, "count "+where(req.Collection, req.Tenant), func(ctx context.Context) error {
		reply, err := c.stub.Aggregate(ctx, req)
		if err != nil {
			return err
		}
		single := reply.GetSingleResult()
		if single == nil || single.ObjectsCount == nil || *single.ObjectsCount < 0 {
			return fmt.Errorf("%w: the answer has no count", ErrServer)
		}
		n = single.GetObjectsCount()
		return nil
	})
	return n, err
}

func where(collection, tenant string) string {
	if tenant == "" {
		return collection
	}
	return collection + "/" + tenant
}

// call makes one gRPC call with the credentials, patiently, and translates its failure into the errors of this package. Every call here only reads, so a second try does no harm.
func (c *Conn) call(ctx context.Context, what string, do func(context.Context) error) error {
	err := patiently(ctx, func() error {
		ctx, err := c.outgoing(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		return grpcError(do(ctx))
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("weaviate gRPC %s: %w", what, context.Cause(ctx))
	}
	return fmt.Errorf("weaviate gRPC %s at %s: %w", what, c.Endpoint.GRPC, err)
}

// patiently tries up to five times, over about 2 s, while the server cannot be reached: a connection breaks, a pod moves. What took longer than that already is not tried again.
func patiently(ctx context.Context, do func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 200*time.Millisecond, 2*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := do()
		if err != nil && !errors.Is(err, ErrUnreachable) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(5), backoff.WithMaxElapsedTime(10*time.Second))
	return err
}

// errTooBig says that an answer is bigger than any may be: ask for fewer objects.
var errTooBig = errors.New("the answer is too big")

// grpcError translates a gRPC status. Weaviate answers most of its own errors, a collection that does not exist and a key that is not accepted among them, with Unknown
// (adapters/handlers/grpc/server.go, translateTypedError; adapters/handlers/grpc/v1/service.go, "extract auth").
func grpcError(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	sentinel := ErrServer
	switch s.Code() {
	case codes.Unknown:
		if strings.HasPrefix(s.Message(), "extract auth:") {
			sentinel = ErrUnauthorized
		}
	case codes.Unauthenticated:
		sentinel = ErrUnauthorized
	case codes.PermissionDenied:
		sentinel = ErrForbidden
	case codes.NotFound:
		sentinel = ErrNotFound
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		sentinel = ErrUnprocessable
	case codes.Unavailable, codes.DeadlineExceeded:
		sentinel = ErrUnreachable
	case codes.ResourceExhausted: // either our own limit for a message, or a server that has too much to do
		if strings.Contains(s.Message(), "larger than max") {
			return fmt.Errorf("%w: %w: %s", ErrServer, errTooBig, oneLine(s.Message(), maxWords))
		}
		sentinel = ErrUnreachable
	}
	return fmt.Errorf("%w: %s (%s)", sentinel, oneLine(s.Message(), maxWords), s.Code())
}
