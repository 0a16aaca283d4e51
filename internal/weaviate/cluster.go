package weaviate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"github.com/google/uuid"
)

// Meta is what a Weaviate says of itself.
type Meta struct {
	Hostname string                     `json:"hostname"`
	Version  string                     `json:"version"`
	Modules  map[string]json.RawMessage `json:"modules"`
}

// Meta asks /v1/meta.
func (c *Conn) Meta(ctx context.Context) (Meta, error) {
	var m Meta
	err := c.Do(ctx, http.MethodGet, "/meta", nil, &m)
	return m, err
}

// Node is a member of the cluster with the shards that it holds.
type Node struct {
	Name    string  `json:"name"`
	Status  string  `json:"status"` // HEALTHY, UNHEALTHY, UNAVAILABLE, TIMEOUT
	Version string  `json:"version"`
	Shards  []Shard `json:"shards"`
}

// Shard is one shard (for a multi-tenant collection: one active tenant) on one node.
type Shard struct {
	Name                 string `json:"name"`
	Collection           string `json:"class"`
	ObjectCount          int64  `json:"objectCount"`          // flushed segments only: lags by about a minute, never to be compared right after writes
	VectorIndexingStatus string `json:"vectorIndexingStatus"` // READY, INDEXING, READONLY, LAZY_LOADING
	VectorQueueLength    int64  `json:"vectorQueueLength"`
	Loaded               bool   `json:"loaded"`
}

// Nodes lists the cluster's nodes by name, with their shards. It is asked over raw REST because the official client's model of a node lacks what newer servers add.
func (c *Conn) Nodes(ctx context.Context) ([]Node, error) { return c.nodes(ctx, "/nodes") }

// NodesOf is Nodes with the shards of one collection alone.
func (c *Conn) NodesOf(ctx context.Context, collection string) ([]Node, error) {
	return c.nodes(ctx, "/nodes/"+url.PathEscape(collection))
}

func (c *Conn) nodes(ctx context.Context, path string) ([]Node, error) {
	var answer struct{ Nodes []Node }
	if err := c.Do(ctx, http.MethodGet, path+"?output=verbose", nil, &answer); err != nil {
		return nil, err
	}
	sort.Slice(answer.Nodes, func(i, j int) bool { return answer.Nodes[i].Name < answer.Nodes[j].Name })
	return answer.Nodes, nil
}

// NodeNames lists the names of the cluster's nodes, and asks for nothing about their shards.
func (c *Conn) NodeNames(ctx context.Context) ([]string, error) {
	var answer struct{ Nodes []struct{ Name string } }
	if err := c.Do(ctx, http.MethodGet, "/nodes?output=minimal", nil, &answer); err != nil {
		return nil, err
	}
	var names []string
	for _, n := range answer.Nodes {
		names = append(names, n.Name)
	}
	sort.Strings(names)
	return names, nil
}

// Collection is one collection with its schema as the server writes it.
type Collection struct {
	Name        string
	MultiTenant bool
	// Schema is the raw JSON of /v1/schema. The official client's model would drop settings that are newer than it, and a
	// difference in one of them would go unseen.
	Schema     json.RawMessage
	Properties []Property
	// HidesExpired: objects that have expired and are not yet deleted are left out of searches, and of all that is read over gRPC (objectTtlConfig.filterExpiredObjects).
	HidesExpired bool
}

// Property is a property of a collection.
type Property struct {
	Name     string     `json:"name"`
	DataType []string   `json:"dataType"`
	Nested   []Property `json:"nestedProperties"`
}

// NeedsREST says whether the collection has objects that gRPC does not return, or properties: blobs (also inside objects), hashes of blobs, and cross-references
// (adapters/handlers/grpc/v1/parse_search_request.go, getAllNonRefNonBlobProperties).
func (c Collection) NeedsREST() bool { return c.HidesExpired || needREST(c.Properties) }

func needREST(properties []Property) bool {
	for _, p := range properties {
		for _, t := range p.DataType {
			if t == "blob" || t == "blobHash" || t != "" && t[0] >= 'A' && t[0] <= 'Z' {
				return true
			}
		}
		if needREST(p.Nested) {
			return true
		}
	}
	return false
}

// Collections lists what the credentials may see, by name. Weaviate filters the list silently, so a caller compares it with another inventory.
func (c *Conn) Collections(ctx context.Context) ([]Collection, error) {
	var answer struct{ Classes []json.RawMessage }
	if err := c.Do(ctx, http.MethodGet, "/schema", nil, &answer); err != nil {
		return nil, err
	}
	out := make([]Collection, 0, len(answer.Classes))
	for _, raw := range answer.Classes {
		var head struct {
			Class              string     `json:"class"`
			Properties         []Property `json:"properties"`
			MultiTenancyConfig struct{ Enabled bool }
			ObjectTTLConfig    struct{ Enabled, FilterExpiredObjects bool } `json:"objectTtlConfig"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, fmt.Errorf("weaviate GET /schema: %w: %v", ErrServer, err)
		}
		out = append(out, Collection{
			Name: head.Class, MultiTenant: head.MultiTenancyConfig.Enabled, Schema: raw, Properties: head.Properties,
			HidesExpired: head.ObjectTTLConfig.Enabled && head.ObjectTTLConfig.FilterExpiredObjects,
		})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// Tenant is a tenant with its activity: HOT (ACTIVE), COLD (INACTIVE), FROZEN (OFFLOADED) or a state in between.
type Tenant struct {
	Name     string
	Activity string
}

// Active says whether the tenant's data can be read without changing its state.
func (t Tenant) Active() bool {
	return t.Activity == "HOT" || t.Activity == "ACTIVE" || t.Activity == ""
}

// Tenants lists a multi-tenant collection's tenants by name.
func (c *Conn) Tenants(ctx context.Context, collection string) ([]Tenant, error) {
	list, err := c.official.Schema().TenantsGetter().WithClassName(collection).Do(ctx)
	if err != nil {
		return nil, fmt.Errorf("weaviate: tenants of %s: %w", collection, official(err))
	}
	out := make([]Tenant, len(list))
	for i, t := range list {
		out[i] = Tenant{t.Name, strings.ToUpper(t.ActivityStatus)}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// ActivateTenants makes tenants readable. Never called on a source.
func (c *Conn) ActivateTenants(ctx context.Context, collection string, names []string) error {
	const most = 100 // more in one request answer 422
	for len(names) > 0 {
		n := min(most, len(names))
		batch := make([]map[string]string, n)
		for i, name := range names[:n] {
			batch[i] = map[string]string{"name": name, "activityStatus": "HOT"}
		}
		if err := c.Do(ctx, http.MethodPut, "/schema/"+url.PathEscape(collection)+"/tenants", batch, nil); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// OpenTenant makes a node open the shard of an active tenant, by asking that node's replica for an object. A Weaviate leaves the shard of a tenant without objects closed until it is asked
// (adapters/repos/db/index.go, unloadedShardIsEmpty), and opens those of a collection with more than 1000 tenants at one a second.
func (c *Conn) OpenTenant(ctx context.Context, node, collection, tenant string) error {
	q := url.Values{"tenant": {tenant}, "node_name": {node}}
	err := c.Do(ctx, http.MethodGet, "/objects/"+url.PathEscape(collection)+"/"+uuid.Max.String()+"?"+q.Encode(), nil, nil)
	if errors.Is(err, ErrNotFound) {
		return nil // there is no such object, and the shard was looked into
	}
	return err
}

// Aliases maps each alias to its collection.
func (c *Conn) Aliases(ctx context.Context) (map[string]string, error) {
	list, err := c.official.Alias().Getter().Do(ctx)
	if err != nil {
		return nil, fmt.Errorf("weaviate: aliases: %w", official(err))
	}
	out := make(map[string]string, len(list))
	for _, a := range list {
		out[a.Alias] = a.Class
	}
	return out, nil
}
