// Package tracer measures what a backup captured. Around a backup it writes objects at a steady rate to a small collection of the tool's own, which has a shard on every node, and after the restore it
// looks for them: the newest that came back tells when a shard was captured, and one that is missing below it is a hole that no clock can explain.
package tracer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// ErrTaken says that the source has a collection of the tracers' name already.
var ErrTaken = errors.New("the name of the tracer collection is taken")

// mark begins the description of a tracer collection; the id of its drill follows. By it, and never by its name alone, is one told from a collection of the user's.
const mark = "Tracer objects of weaviate-drill, removed as soon as the backup is made. Drill: "

// Owner returns the drill that made a tracer collection; own is false for any other collection.
func Owner(c weaviate.Collection) (drillID string, own bool) {
	var schema struct{ Description string }
	if json.Unmarshal(c.Schema, &schema) != nil {
		return "", false
	}
	return strings.CutPrefix(schema.Description, mark)
}

// Free wraps ErrTaken when the server has a collection of this name, whatever its case. drillID is that of the drill which made it, "" when it is no tracer collection.
func Free(ctx context.Context, conn *weaviate.Conn, name string) (drillID string, err error) {
	c, err := find(ctx, conn, name)
	if c == nil || err != nil {
		return "", err
	}
	drillID, own := Owner(*c)
	if !own {
		return "", fmt.Errorf("%w: the source has a collection %s that weaviate-drill did not make: set tracer.collection to another name", ErrTaken, c.Name)
	}
	return drillID, fmt.Errorf("%w: the source has the tracer collection %s of drill %s: wait until that drill is over; when it died, run weaviate-drill gc with its configuration, or delete the collection",
		ErrTaken, c.Name, drillID)
}

func find(ctx context.Context, conn *weaviate.Conn, name string) (*weaviate.Collection, error) {
	list, err := conn.Collections(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if strings.EqualFold(c.Name, name) {
			return &c, nil
		}
	}
	return nil, nil
}

// Remove deletes the tracer collection of a drill, after its writing was stopped: a write to a collection that is gone would make it anew, where the server makes schemas by itself. That it is not there, or is another drill's or the user's own, is no error, and nothing is deleted then.
func Remove(ctx context.Context, conn *weaviate.Conn, name, drillID string) (removed bool, err error) {
	c, err := find(ctx, conn, name)
	if c == nil || err != nil {
		return false, err
	}
	if id, own := Owner(*c); !own || id != drillID {
		return false, nil
	}
	return true, conn.Do(ctx, http.MethodDelete, "/schema/"+url.PathEscape(c.Name), nil, nil)
}

// Options say where and how the tracers of a drill are written.
type Options struct {
	Collection string
	DrillID    string
	Rate       int           // writes a second to each shard
	Limit      time.Duration // no tracer is begun after it; it bounds the memory, 32 bytes a write
}

// Tracer writes the tracers of one drill.
type Tracer struct {
	Options
	conn   *weaviate.Conn
	began  time.Time
	ended  time.Time // of the writing
	shards []*shard
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

// shard is one tenant, which is one shard, on the nodes that hold a copy of it. Only its own writer appends to writes, one write after the other.
type shard struct {
	name   string
	nodes  []string
	ids    [8]byte // the first half of the ids of its objects; the second is the sequence number
	writes []write
	failed error // of the first write without acknowledgement
}

// write is one tracer. Its sequence number is its place in the list.
type write struct {
	sent   time.Duration // since Tracer.began, by the tool's clock
	took   time.Duration // until the answer
	server int64         // when the server wrote it, ms since 1970 by its own clock
	acked  bool
}

const (
	rounds       = 4 // of making tenants until every node has one
	writeTimeout = 55 * time.Second
)

// Create makes the collection with a shard on every node, and writes one object to each, so that nothing is left to be found out when the backup begins. Weaviate gives new tenants to the nodes in turn
// (1.38.5, usecases/sharding/state.go, GetPartitions), and /v1/nodes says whether it did. It wraps ErrTaken when the name is. After any other error the collection may be there: Remove it.
func Create(ctx context.Context, conn *weaviate.Conn, o Options) (*Tracer, error) {
	if _, err := Free(ctx, conn, o.Collection); err != nil {
		return nil, err
	}
	property := func(name, dataType string) map[string]any {
		return map[string]any{"name": name, "dataType": []string{dataType}}
	}
	// Without an index of the vectors there is no queue of them, and nothing for the source to do but to store the objects. How many replicas there are is left to the server, which may demand some.
	schema := map[string]any{
		"class": o.Collection, "description": mark + o.DrillID, "vectorizer": "none", "vectorIndexConfig": map[string]any{"skip": true}, "multiTenancyConfig": map[string]any{"enabled": true},
		"properties": []any{property("sequence", "int"), property("shard", "text"), property("drill", "text")},
	}
	if err := conn.Do(ctx, http.MethodPost, "/schema", schema, nil); err != nil {
		return nil, fmt.Errorf("create the tracer collection: %w", err)
	}
	t := &Tracer{Options: o, conn: conn, began: time.Now(), stop: func() {}}
	for round := 0; ; round++ {
		bare, err := t.bareNodes(ctx)
		switch {
		case err != nil:
			return nil, err
		case len(bare) == 0:
			return t, nil
		case round == rounds:
			return nil, fmt.Errorf("the tracer collection has %d shards, and none of them is on node %s", len(t.shards), strings.Join(bare, ", "))
		}
		if err := t.addShards(ctx, len(bare)); err != nil {
			return nil, err
		}
	}
}

// bareNodes lists the nodes that have no shard, and notes which nodes have which.
func (t *Tracer) bareNodes(ctx context.Context) (bare []string, err error) {
	nodes, err := t.conn.NodesOf(ctx, t.Collection)
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("the source lists no node, so where the tracers lie cannot be told: %w: read_nodes", weaviate.ErrForbidden)
	}
	for _, s := range t.shards {
		s.nodes = nil
	}
	for _, n := range nodes {
		if len(n.Shards) == 0 {
			bare = append(bare, n.Name)
		}
		for _, held := range n.Shards {
			if i := slices.IndexFunc(t.shards, func(s *shard) bool { return s.name == held.Name }); i >= 0 {
				t.shards[i].nodes = append(t.shards[i].nodes, n.Name)
			}
		}
	}
	return bare, nil
}

func (t *Tracer) addShards(ctx context.Context, n int) error {
	var tenants []map[string]string
	var added []*shard
	for range n {
		s := &shard{name: fmt.Sprintf("tracer-%d", len(t.shards)+len(added))}
		id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(t.DrillID+"/"+s.name))
		copy(s.ids[:], id[:])
		added = append(added, s)
		tenants = append(tenants, map[string]string{"name": s.name})
	}
	if err := t.conn.Do(ctx, http.MethodPost, "/schema/"+url.PathEscape(t.Collection)+"/tenants", tenants, nil); err != nil {
		return fmt.Errorf("create the shards of the tracers: %w", err)
	}
	t.shards = append(t.shards, added...)
	for _, s := range added { // a shard without objects is not listed: the server has not opened it
		if t.write(ctx, s); s.failed != nil {
			return fmt.Errorf("write the first tracer: %w", s.failed)
		}
	}
	return nil
}

// Start begins to write. It ends with Stop, with ctx or with the limit.
func (t *Tracer) Start(ctx context.Context) {
	ctx, t.stop = context.WithTimeout(ctx, t.Limit)
	t.ended, _ = ctx.Deadline()
	for _, s := range t.shards {
		t.wg.Go(func() {
			tick := time.NewTicker(time.Second / time.Duration(t.Rate))
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				// One that is under way when the time is over is still waited for: it may be the one that a stall held up.
				t.write(context.WithoutCancel(ctx), s)
			}
		})
	}
}

// Stop ends the writing. What is under way has at most a minute left.
func (t *Tracer) Stop() {
	t.stop()
	t.wg.Wait()
	if now := time.Now(); now.Before(t.ended) {
		t.ended = now
	}
}

// Ended is when the writing ended: at Stop, or when the limit was reached. It is called after Stop.
func (t *Tracer) Ended() time.Time { return t.ended }

// write writes the next object of a shard, to all its replicas, and waits for the answer, so that all that came before is known when the next is sent.
func (t *Tracer) write(ctx context.Context, s *shard) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	sequence := len(s.writes)
	body := map[string]any{
		"class": t.Collection, "tenant": s.name, "id": s.id(sequence).String(), "vector": []float32{1, float32(sequence)},
		"properties": map[string]any{"sequence": sequence, "shard": s.name, "drill": t.DrillID},
	}
	var answer struct{ LastUpdateTimeUnix int64 }
	sent := time.Now()
	err := t.conn.Do(ctx, http.MethodPost, "/objects?consistency_level=ALL", body, &answer)
	took := time.Since(sent)
	if err == nil && answer.LastUpdateTimeUnix == 0 {
		err = fmt.Errorf("%w: the answer to a write has no time", weaviate.ErrServer)
	}
	if err != nil && s.failed == nil {
		s.failed = err
	}
	s.writes = append(s.writes, write{sent.Sub(t.began), took, answer.LastUpdateTimeUnix, err == nil})
}

func (s *shard) id(sequence int) uuid.UUID {
	var id uuid.UUID
	copy(id[:], s.ids[:])
	for i := range 8 {
		id[15-i] = byte(sequence >> (8 * i))
	}
	return id
}

// Sample is one write as who waited for it saw it.
type Sample struct {
	Sent time.Time
	Took time.Duration
	Err  error // of a write that was not acknowledged: that of the first of its shard
}

// Samples are the writes of each shard, in their order. It is called after Stop.
func (t *Tracer) Samples() (shards [][]Sample) {
	for _, s := range t.shards {
		var list []Sample
		for _, w := range s.writes {
			sample := Sample{Sent: t.began.Add(w.sent), Took: w.took}
			if !w.acked {
				sample.Err = s.failed
			}
			list = append(list, sample)
		}
		shards = append(shards, list)
	}
	return shards
}

// Permissions are what the tool's user needs beside those of a drill without tracers: to make this one collection, to write to it and to delete it.
func Permissions(collection string) []weaviate.Permission {
	return []weaviate.Permission{
		{Action: "create_collections", Collections: &weaviate.Scope{Collection: collection}},
		{Action: "delete_collections", Collections: &weaviate.Scope{Collection: collection}},
		{Action: "create_tenants", Tenants: &weaviate.Scope{Collection: collection, Tenant: "*"}},
		{Action: "create_data", Data: &weaviate.Scope{Collection: collection, Tenant: "*", Object: "*"}},
	}
}
