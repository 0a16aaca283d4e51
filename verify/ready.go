package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// ErrNotIndexed says that a restored Weaviate's indexes were not complete within the time allowed.
var ErrNotIndexed = errors.New("the indexes are not complete")

// ErrNoAnswer says that a restored Weaviate gave no verified answer.
var ErrNoAnswer = errors.New("no verified answer")

// ErrEmpty says that there is no object to ask for. It comes with ErrNoAnswer.
var ErrEmpty = errors.New("nothing to ask for")

const readyPoll = 500 * time.Millisecond

// WaitIndexed waits until every node is healthy and every shard loaded, READY and without a queue of vectors. Right after a restore with asynchronous indexing, self-recall was 0.78, and 1.0 when the queue had
// drained 22 s later (Weaviate 1.38.5). Shards of tenants that the server leaves closed until they are used are opened. progress, when not nil, is told how many shards are not ready and how many vectors wait.
// After timeout the error wraps ErrNotIndexed.
func WaitIndexed(ctx context.Context, conn *weaviate.Conn, timeout time.Duration, progress func(shards int, queue int64)) error {
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for look := 1; ; look++ {
		nodes, err := conn.Nodes(ctx)
		if err != nil {
			return fmt.Errorf("wait for the indexes: %w", err)
		}
		first, shards, queue := notReady(nodes)
		if progress != nil {
			progress(shards, queue)
		}
		if first == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %s: %d shards are not ready, %d vectors are queued; the first: %s", ErrNotIndexed, timeout, shards, queue, first)
		}
		if err := openTenants(ctx, conn, nodes); err != nil {
			return fmt.Errorf("wait for the indexes: %w", err)
		}
		if look == 1 {
			continue // to have them opened is often all that was needed
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// openTenants opens the shards of active tenants that are not loaded, on each node that holds one. A shard that cannot be opened stays listed as it is.
func openTenants(ctx context.Context, conn *weaviate.Conn, nodes []weaviate.Node) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * atOnce)
	var multiTenant map[string]bool
	for _, n := range nodes {
		for _, s := range n.Shards {
			if s.Loaded || n.Status != "HEALTHY" {
				continue
			}
			if multiTenant == nil {
				collections, err := conn.Collections(ctx)
				if err != nil {
					return err
				}
				multiTenant = map[string]bool{}
				for _, c := range collections {
					multiTenant[c.Name] = c.MultiTenant
				}
			}
			if !multiTenant[s.Collection] {
				continue // the server loads these by itself
			}
			group.Go(func() error {
				if err := conn.OpenTenant(ctx, n.Name, s.Collection, s.Name); err != nil && fatal(err) {
					return err
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// notReady describes the first thing that is not ready, "" when all is.
func notReady(nodes []weaviate.Node) (first string, shards int, queue int64) {
	if len(nodes) == 0 {
		return "the server lists no node", 0, 0
	}
	for _, n := range nodes {
		if n.Status != "HEALTHY" && first == "" {
			first = fmt.Sprintf("node %s is %s", n.Name, n.Status)
		}
		for _, s := range n.Shards {
			queue += s.VectorQueueLength
			if s.Loaded && s.VectorIndexingStatus == "READY" && s.VectorQueueLength == 0 {
				continue
			}
			if shards++; first == "" {
				first = fmt.Sprintf("shard %s of %s on %s: %s, loaded %t, %d vectors queued", s.Name, s.Collection, n.Name, s.VectorIndexingStatus, s.Loaded, s.VectorQueueLength)
			}
		}
	}
	return first, shards, queue
}

// Answers is what FirstAnswer asked and had answered.
type Answers struct {
	Collections int           `json:"collections"` // that hold objects
	ByID        int           `json:"byId"`        // objects found by the cursor that also answered to their id, the same
	ByVector    int           `json:"byVector"`    // objects that a search for their own vector found
	Duration    time.Duration `json:"duration"`    // nanoseconds
}

// FirstAnswer asks each collection that has objects for one of them: by the cursor, by its id, and by a search for its own vector. When all agree the
// service is back, and the clock of the RTO stops. It costs three calls a collection. An answer that is wrong or missing is an error that wraps ErrNoAnswer, and so is a Weaviate without any object.
func FirstAnswer(ctx context.Context, conn *weaviate.Conn) (Answers, error) {
	began := time.Now()
	var a Answers
	collections, err := conn.Collections(ctx)
	if err != nil {
		return a, fmt.Errorf("first answer: %w", err)
	}
	for _, collection := range collections {
		tenants := []string{""}
		if collection.MultiTenant {
			list, err := conn.Tenants(ctx, collection.Name)
			if err != nil {
				return a, fmt.Errorf("first answer: %w", err)
			}
			tenants = nil
			for _, t := range list {
				if t.Active() {
					tenants = append(tenants, t.Name)
				}
			}
		}
		for _, tenant := range tenants { // until one has objects
			found, err := a.ask(ctx, conn, collection, tenant)
			if err != nil {
				return a, err
			}
			if found {
				a.Collections++
				break
			}
		}
	}
	a.Duration = time.Since(began)
	if a.Collections == 0 {
		return a, fmt.Errorf("%w, %w: none of the %d collections has an object", ErrNoAnswer, ErrEmpty, len(collections))
	}
	return a, nil
}

// ask reads one object in the three ways. Without an object it answers false.
func (a *Answers) ask(ctx context.Context, conn *weaviate.Conn, collection weaviate.Collection, tenant string) (bool, error) {
	where := (&part{collection: collection.Name, tenant: tenant}).where()
	page, err := conn.Scan(weaviate.Range{Collection: collection.Name, Tenant: tenant, REST: true, Most: 1}).Next(ctx)
	if len(page) == 0 {
		if n, countErr := conn.Count(ctx, collection.Name, tenant); countErr != nil || n == 0 {
			return false, countErr
		}
		return false, fmt.Errorf("%w: %s counts objects, and none can be read: %w", ErrNoAnswer, where, err)
	}
	object := &page[0]
	same, err := conn.Object(ctx, collection.Name, tenant, object.ID)
	if err != nil {
		return false, fmt.Errorf("%w: object %s of %s, asked for by id: %w", ErrNoAnswer, object.ID, where, err)
	}
	if !same.Equal(object) {
		return false, fmt.Errorf("%w: object %s of %s is another when asked for by id than in the enumeration", ErrNoAnswer, object.ID, where)
	}
	a.ByID++
	indexes := indexesOf(collection)
	i := slices.IndexFunc(object.Vectors, func(v weaviate.Vector) bool { return indexes[v.Name].answersItself(v) })
	if i < 0 || collection.HidesExpired { // the object may be one that has
		return true, nil
	}
	// Ten, because other objects can have the same vector, or with the dot product one that is nearer still; then they are as good an answer.
	v := object.Vectors[i]
	near, err := conn.NearVector(ctx, collection.Name, tenant, v, 10)
	if err != nil {
		return false, fmt.Errorf("%w: %s, search for a vector that is stored: %w", ErrNoAnswer, where, err)
	}
	atMost := indexes[v.Name].distanceToItself(v)
	for _, n := range near {
		if n.ID == object.ID || float64(n.Distance) <= atMost {
			a.ByVector++
			return true, nil
		}
	}
	nearest := "the search found nothing"
	if len(near) > 0 {
		nearest = fmt.Sprintf("of %d found the nearest is %s at distance %g", len(near), near[0].ID, near[0].Distance)
	}
	return false, fmt.Errorf("%w: object %s of %s is not among the ten nearest to its own vector %q: %s", ErrNoAnswer, object.ID, where, v.Name, nearest)
}

// vectorIndex is what the schema says of the index of one vector.
type vectorIndex struct {
	Skip     bool   `json:"skip"`     // not searchable
	Distance string `json:"distance"` // the metric
}

// indexesOf reads a collection's schema: the index of each vector by its name, "" for the unnamed one.
func indexesOf(c weaviate.Collection) map[string]vectorIndex {
	type config struct {
		VectorIndexConfig vectorIndex `json:"vectorIndexConfig"`
	}
	var schema struct {
		config
		VectorConfig map[string]config `json:"vectorConfig"`
	}
	_ = json.Unmarshal(c.Schema, &schema) // Collections has read it before
	out := map[string]vectorIndex{"": schema.VectorIndexConfig}
	for name, c := range schema.VectorConfig {
		out[name] = c.VectorIndexConfig
	}
	return out
}

// answersItself says whether a search for v must find v or what is as near: not when it is all zeros, which no angle can be measured to, nor for many vectors under the dot product.
func (i vectorIndex) answersItself(v weaviate.Vector) bool {
	values := v.Bytes
	if v.Multi && len(values) >= 2 {
		values = values[2:]
	}
	zero := len(bytes.Trim(values, "\x00")) == 0
	return !i.Skip && !zero && (!v.Multi || i.Distance != "dot")
}

// distanceToItself is the most that the server may give as the distance of v to itself, with room for rounding: nothing, or under the dot product the negative square of its length.
func (i vectorIndex) distanceToItself(v weaviate.Vector) float64 {
	const rounding = 1e-5
	switch {
	case v.Multi:
		return math.Inf(-1) // a sum over its rows, on a scale that depends on the server: only the object itself will do
	case i.Distance != "dot":
		return rounding
	}
	var square float64
	for b := v.Bytes; len(b) >= 4; b = b[4:] {
		f := float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		square += f * f
	}
	return -square * (1 - rounding)
}
