package weaviate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// CountBatch is how many tenants CountTenants asks for in one request: more bring no more speed.
const CountBatch = 200

// CountTenants returns the exact counts of many tenants of a collection, in a request for each 200. A tenant that the server does not count, because it is not active or for any other reason, has no entry: Count
// says why. So it is on a server without GraphQL. The error is one of the connection or the credentials.
func (c *Conn) CountTenants(ctx context.Context, collection string, tenants []string) (map[string]int64, error) {
	counts := make(map[string]int64, len(tenants))
	for len(tenants) > 0 {
		n := min(CountBatch, len(tenants))
		if err := c.countTenants(ctx, collection, tenants[:n], counts); err != nil {
			return nil, err
		}
		tenants = tenants[n:]
	}
	return counts, nil
}

func (c *Conn) countTenants(ctx context.Context, collection string, tenants []string, counts map[string]int64) error {
	var query strings.Builder
	query.WriteString("{")
	for i, tenant := range tenants {
		// An alias each; names of tenants hold nothing that needs an escape (entities/schema, ValidateTenantName).
		fmt.Fprintf(&query, "t%d:Aggregate{%s(tenant:%q){meta{count}}}", i, collection, tenant)
	}
	query.WriteString("}")
	var answer struct {
		Data map[string]map[string][]struct{ Meta struct{ Count *int64 } }
	}
	err := patiently(ctx, func() error {
		return c.Do(ctx, http.MethodPost, "/graphql", map[string]string{"query": query.String()}, &answer)
	})
	if errors.Is(err, ErrUnprocessable) || errors.Is(err, ErrServer) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) {
		return nil
	}
	if err != nil {
		return err
	}
	for i, tenant := range tenants {
		if found := answer.Data[fmt.Sprint("t", i)][collection]; len(found) == 1 && found[0].Meta.Count != nil && *found[0].Meta.Count >= 0 {
			counts[tenant] = *found[0].Meta.Count
		}
	}
	return nil
}
