package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// ErrNotIndexed says that a restored Weaviate's indexes were not complete within the time allowed.
var ErrNotIndexed = errors.New("the indexes are not complete")

// ErrNoAnswer says that a restored Weaviate gave no verified answer.
var ErrNoAnswer = errors.New("no verified answer")

const readyPoll = 500 * time.Millisecond

// WaitIndexed waits until every node is healthy and every shard loaded, READY and without a queue of vectors. Right after a restore with asynchronous indexing, self-recall was 0.78, and 1.0 when the queue had
// drained 22 s later (Weaviate 1.38.5). progress, when not nil, is told how many shards are not ready and how many vectors wait. After timeout the error wraps ErrNotIndexed.
func WaitIndexed(ctx context.Context, conn *weaviate.Conn, timeout time.Duration, progress func(shards int, queue int64)) error {
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
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
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
		// The first few tenants: enough to find one with objects, and cheap when there are thousands.
		for _, tenant := range tenants[:min(len(tenants), 10)] {
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
		return a, fmt.Errorf("%w: none of the %d collections has an object that can be read", ErrNoAnswer, len(collections))
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
	i := slices.IndexFunc(object.Vectors, func(v weaviate.Vector) bool { return indexed(collection, v.Name) })
	if i < 0 {
		return true, nil
	}
	// Ten, because other objects can have the same vector; then its twin at no distance is as good an answer.
	near, err := conn.NearVector(ctx, collection.Name, tenant, object.Vectors[i], 10)
	if err != nil {
		return false, fmt.Errorf("%w: %s, search for a vector that is stored: %w", ErrNoAnswer, where, err)
	}
	const nothing = 1e-5 // float32 rounding of a distance to itself
	for _, n := range near {
		if n.ID == object.ID || n.Distance >= 0 && n.Distance < nothing {
			a.ByVector++
			return true, nil
		}
	}
	return false, fmt.Errorf("%w: object %s of %s is not among the ten nearest to its own vector %q", ErrNoAnswer, object.ID, where, object.Vectors[i].Name)
}

// indexed says whether a vector can be searched: an index can be switched off with skip.
func indexed(collection weaviate.Collection, vector string) bool {
	type config struct {
		VectorIndexConfig struct {
			Skip bool `json:"skip"`
		} `json:"vectorIndexConfig"`
	}
	var schema struct {
		config
		VectorConfig map[string]config `json:"vectorConfig"`
	}
	if err := json.Unmarshal(collection.Schema, &schema); err != nil {
		return true
	}
	if vector == "" {
		return !schema.VectorIndexConfig.Skip
	}
	return !schema.VectorConfig[vector].VectorIndexConfig.Skip
}
