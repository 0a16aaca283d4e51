package verify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Node is one node of the restored Weaviate, reached by itself.
type Node struct {
	Name string
	Conn *weaviate.Conn
}

// Copies is what the replicas of one collection were found to be. A restore can leave one node with an empty or damaged shard and end with SUCCESS, and whoever reads through a healthy replica does not see it.
type Copies struct {
	Collection string `json:"collection"`
	Nodes      []Copy `json:"nodes"`
	Differing  int64  `json:"differing"` // ids that not all nodes answer alike
	Drift      int64  `json:"drift"`     // of these, those that were written at about the capture point, when each node's copy is captured at a moment of its own
}

// Copy is a collection as one node lists it: its own copies of the shards that it holds, and somebody's of the others.
type Copy struct {
	Node    string `json:"node"`
	Objects int64  `json:"objects"`
	Digest  Sum    `json:"digest"` // of these objects, as in a fingerprint
}

// The replicas of the restored side are compared with each other by listing the objects through each node, at read consistency ONE: Weaviate then reads the copies that the node itself holds, and of the shards
// that it does not hold one that another does (cluster/router/router.go and adapters/repos/db/index.go of 1.38.5, objectSearchByShard; tried). So each copy is in at least one of the lists, and when all
// lists are the same, all copies are. Nobody writes to the restored side, and replicas do not heal each other there.

const (
	closely = 10 // differing objects of a part whose copies are looked at one by one, on both sides

	// A node that does not hold an object's shard does not answer for it until the request ends (1.38.5). Which shard that is the tool does not know, unless the node holds all of them.
	copyTimeout      = 30 * time.Second // for the answer of a node that holds all shards
	elsewhereTimeout = 2 * time.Second  // for one that may hold another shard only
)

// replicas says which nodes hold which shards.
type replicas map[string]map[string][]string // collection, shard, node

// replicasOf says which nodes of a side hold which shards.
func replicasOf(ctx context.Context, conn *weaviate.Conn) (replicas, error) {
	nodes, err := conn.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	holders := replicas{}
	for _, n := range nodes {
		for _, s := range n.Shards {
			if holders[s.Collection] == nil {
				holders[s.Collection] = map[string][]string{}
			}
			holders[s.Collection][s.Name] = append(holders[s.Collection][s.Name], n.Name)
		}
	}
	return holders, nil
}

// of are the nodes that hold a part, and how many of them hold each of its shards, at least.
func (r replicas) of(p *part) (nodes []string, factor int) {
	shards := r[p.collection]
	if p.tenant != "" {
		return shards[p.tenant], len(shards[p.tenant])
	}
	holds := map[string]bool{}
	for _, list := range shards {
		if factor == 0 || len(list) < factor {
			factor = len(list)
		}
		for _, node := range list {
			holds[node] = true
		}
	}
	return slices.Sorted(maps.Keys(holds)), factor
}

// copied is a part that more than one node holds.
type copied struct {
	*part
	nodes   []string
	factor  int // nodes that hold each of its shards, at least
	differs int64
	missing []int64               // for each node, where it holds all: objects that another has
	changed []int64               // and those that it has otherwise than most
	look    []uuid.UUID           // the first that differ
	bad     map[string]*testimony // by node
}

// whole says that each node holds all of it.
func (w *copied) whole() bool { return w.factor == len(w.nodes) }

// timeout is how long a node is waited for.
func (w *copied) timeout() time.Duration {
	if w.whole() {
		return copyTimeout
	}
	return elsewhereTimeout
}

// testimony is what was found of one node's copies by looking closely.
type testimony struct {
	bad   int       // of the objects looked at
	id    uuid.UUID // the first of them
	worst Verdict
	rule  string
}

// compareCopies holds the replicas of the restored side against each other.
func (c *comparison) compareCopies(ctx context.Context, parts []*part) error {
	holders, err := replicasOf(ctx, c.restored)
	if err != nil {
		return &sideError{"restored", err}
	}
	conns := map[string]*weaviate.Conn{}
	for _, n := range c.Nodes {
		conns[n.Name] = n.Conn
	}
	work := map[*part]*copied{}
	var list []*part
	apart := map[string]bool{} // nodes that cannot be reached by themselves
	for _, p := range parts {
		at, factor := holders.of(p)
		if !p.onSource || !p.onRestored || len(at) < 2 {
			continue
		}
		unreached := slices.DeleteFunc(slices.Clone(at), func(n string) bool { return conns[n] != nil })
		for _, n := range unreached {
			apart[n] = true
		}
		if len(unreached) == 0 {
			work[p] = &copied{part: p, nodes: at, factor: factor, missing: make([]int64, len(at)), changed: make([]int64, len(at)), bad: map[string]*testimony{}}
			list = append(list, p)
		}
	}
	if len(apart) > 0 {
		c.unknown("the copies on %s were not compared: each node of the restored side must be reached by itself for that, and these are not", strings.Join(slices.Sorted(maps.Keys(apart)), ", "))
	}
	byCollection := map[string]*Copies{}
	err = each(ctx, c.Concurrency, items(list), func(ctx context.Context, i item) error {
		return c.listCopies(ctx, work[i.part], i, conns, byCollection)
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(byCollection)) {
		c.result.Copies = append(c.result.Copies, *byCollection[name])
	}
	budget := c.MaxDifferences
	for _, p := range list {
		if w := work[p]; w.differs > 0 {
			p.uneven = true
			w.look = w.look[:min(len(w.look), budget)]
			budget -= len(w.look)
			if err := c.lookAtCopies(ctx, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// listCopies lists the objects of an item through each node that holds any, and notes those that are not alike.
func (c *comparison) listCopies(ctx context.Context, w *copied, i item, conns map[string]*weaviate.Conn, all map[string]*Copies) error {
	sides := make([]pages, len(w.nodes))
	for n, node := range w.nodes {
		sides[n] = conns[node].Scan(weaviate.Range{
			Collection: w.collection, Tenant: w.tenant, From: i.from, To: i.to, REST: w.rest, Expect: w.restoredCount / i.ranges, Size: w.restoredSize,
		})
	}
	found := Copies{Nodes: make([]Copy, len(w.nodes))}
	missing, changed := make([]int64, len(w.nodes)), make([]int64, len(w.nodes))
	var look []uuid.UUID
	var digests digester
	seen := make([]Digest, len(w.nodes))
	err := mergeAll(ctx, sides, w.nodes, func(objects []*weaviate.Object) {
		var newest int64
		var id uuid.UUID
		alike := true
		for n, o := range objects {
			seen[n] = Digest{}
			if o != nil {
				id, newest = o.ID, max(newest, o.Updated)
				seen[n] = digests.digest(o)
				found.Nodes[n].Objects++
				found.Nodes[n].Digest.Add(seen[n])
			}
			alike = alike && seen[n] == seen[0]
		}
		if alike {
			return
		}
		found.Differing++
		if c.rules.capture > 0 && newest > c.rules.capture-c.rules.margin {
			found.Drift++
			return
		}
		for n, agreed := 0, most(seen); n < len(seen); n++ {
			switch seen[n] {
			case agreed:
			case Digest{}:
				missing[n]++
			default:
				changed[n]++
			}
		}
		if len(look) < closely {
			look = append(look, id)
		}
	})
	if err != nil {
		var unread *sideError
		if !errors.As(err, &unread) || fatal(err) {
			return err
		}
		c.differ("copy", unread.side+"/"+w.where(), "readable", cut(unread.err.Error()), Corrupt, "the restored objects cannot be read through this node")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if all[w.collection] == nil {
		all[w.collection] = &Copies{Collection: w.collection}
	}
	all[w.collection].add(found, w.nodes)
	w.differs += found.Differing - found.Drift
	for n := range w.nodes {
		w.missing[n] += missing[n]
		w.changed[n] += changed[n]
	}
	w.look = append(w.look, look[:min(len(look), closely-len(w.look))]...)
	return nil
}

// add takes in what was found of some objects through some nodes.
func (c *Copies) add(found Copies, nodes []string) {
	c.Differing += found.Differing
	c.Drift += found.Drift
	for n, node := range nodes {
		at, known := slices.BinarySearchFunc(c.Nodes, node, func(c Copy, name string) int { return cmp.Compare(c.Node, name) })
		if !known {
			c.Nodes = slices.Insert(c.Nodes, at, Copy{Node: node})
		}
		c.Nodes[at].Objects += found.Nodes[n].Objects
		c.Nodes[at].Digest.Merge(found.Nodes[n].Digest)
	}
}

// most is the digest that most of the nodes agree on which have the object: a restore loses copies, and does not make any up. Of equals it is the first.
func most(seen []Digest) (best Digest) {
	votes := map[Digest]int{}
	for _, d := range seen {
		if d != (Digest{}) {
			votes[d]++
		}
	}
	for _, d := range seen {
		if votes[d] > votes[best] {
			best = d
		}
	}
	return best
}

// lookAtCopies asks each node for its copy of the first objects that differ, and the source's node for the one that it was restored from: where the source's own copies differ in the same way, the restore has brought back what was there.
func (c *comparison) lookAtCopies(ctx context.Context, w *copied) error {
	own := 0 // that differ on the source as they do here
	for _, id := range w.look {
		bad, alike, err := c.lookAtCopiesOf(ctx, w, id)
		if err != nil {
			return err
		}
		switch {
		case bad:
		case alike:
			c.differ("copy", w.where(), "present", "listed by some nodes only", Corrupt, fmt.Sprintf("%s: the nodes list it differently, and each node's copy by id is right: its storage is damaged", id))
		default:
			own++
		}
	}
	if own > 0 {
		c.note("%s: the copies of %d of the %d objects that were looked at differ on the source in the same way, and came back as each node had them", w.where(), own, len(w.look))
	}
	if rest := w.differs - int64(len(w.look)); rest > 0 && own == len(w.look) {
		c.differ("copy", w.where(), "not looked at", fmt.Sprint(rest, " more objects differ between nodes"), Unverifiable, "only the first that differ are held against the source's copies")
	}
	for n, node := range w.nodes {
		t := w.bad[node]
		if t == nil {
			continue
		}
		says := fmt.Sprintf("%d of %d objects looked at are not the source's, the first %s", t.bad, len(w.look), t.id)
		if w.whole() {
			says = fmt.Sprintf("%d missing and %d different among its copies; %s", w.missing[n], w.changed[n], says)
		}
		c.differ("copy", node+"/"+w.where(), fmt.Sprint(w.sourceCount, " objects"), says, t.worst, t.rule)
	}
	return nil
}

// lookAtCopiesOf judges each copy of an object. bad: one is not the one that it was made from; alike: all are the same.
func (c *comparison) lookAtCopiesOf(ctx context.Context, w *copied, id uuid.UUID) (bad, alike bool, err error) {
	var nodes []string
	var copies []*weaviate.Object
	var seen []Digest
	var digests digester
	for _, node := range w.nodes {
		restored, held, err := copyOn(ctx, w.timeout(), c.restored, node, w.part, id)
		switch {
		case err != nil:
			return false, false, &sideError{"restored", err}
		case !held && w.whole():
			w.testify(node, id, Unverifiable, "it differs between nodes, and this one did not give its copy")
			bad = true
			continue
		case !held: // the object is in another shard
			continue
		}
		digest := Digest{}
		if restored != nil {
			digest = digests.digest(restored)
		}
		nodes, copies, seen = append(nodes, node), append(copies, restored), append(seen, digest)
	}
	if len(nodes) < w.factor && !bad {
		c.differ("copy", w.where(), fmt.Sprintf("at least %d copies", w.factor), fmt.Sprintf("%d nodes gave theirs", len(nodes)), Unverifiable, fmt.Sprintf("%s differs between nodes, and not all of them gave their copies", id))
		bad = true
	}
	agreed := most(seen)
	alike = !slices.ContainsFunc(seen, func(d Digest) bool { return d != agreed })
	for n, node := range nodes {
		if err := c.throttle(ctx, 1); err != nil {
			return false, false, err
		}
		source, held, err := copyOn(ctx, w.timeout(), c.source, c.sourceNode(node), w.part, id)
		if err != nil {
			return false, false, &sideError{"source", err}
		}
		restored := copies[n]
		verdict, rule := Match, ""
		switch {
		case !held:
			verdict, rule = Unverifiable, "it differs between nodes, and the source's node did not give its copy"
		case source != nil || restored != nil:
			verdict, rule = c.rules.judge(source, restored, source != nil && restored != nil && source.Equal(restored))
		}
		// A later write on the source explains that a copy is older, and not that it is unlike the others, which were last written well before the capture point.
		switch {
		case verdict != Drift:
		case seen[n] == agreed:
			verdict = Match
		case restored == nil:
			verdict, rule = Lost, "most other nodes have it, last written well before the capture point; the source has written it since"
		default:
			verdict, rule = Corrupt, "most other nodes have it otherwise, last written well before the capture point; the source has written it since"
		}
		if verdict != Match {
			w.testify(node, id, verdict, rule)
			bad = true
		}
	}
	return bad, alike, nil
}

// testify notes what is wrong with a node's copy of an object.
func (w *copied) testify(node string, id uuid.UUID, verdict Verdict, rule string) {
	t := w.bad[node]
	if t == nil {
		t = &testimony{id: id}
		w.bad[node] = t
	}
	t.bad++
	if t.worst == "" || worse(verdict, t.worst) {
		t.worst, t.rule = verdict, rule
	}
}

// worse orders verdicts by what they mean for a drill.
func worse(a, b Verdict) bool {
	order := []Verdict{Unverifiable, Unexpected, Corrupt, Lost}
	return slices.Index(order, a) > slices.Index(order, b)
}

// copyOn reads the copy of an object that a node holds; nil: it holds the shard, and no such object. held is false when the node cannot be asked for it, as when it does not hold the shard.
func copyOn(ctx context.Context, timeout time.Duration, conn *weaviate.Conn, node string, p *part, id uuid.UUID) (o *weaviate.Object, held bool, err error) {
	short, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch got, err := conn.ObjectOn(short, node, p.collection, p.tenant, id); {
	case err == nil:
		return &got, true, nil
	case errors.Is(err, weaviate.ErrNotFound):
		return nil, true, nil
	case ctx.Err() != nil:
		return nil, false, context.Cause(ctx)
	case errors.Is(err, weaviate.ErrUnauthorized):
		return nil, false, err
	}
	return nil, false, nil
}

// sourceNode is the node whose data a node of the restored side got.
func (c *comparison) sourceNode(restored string) string {
	for from, to := range c.NodeMapping {
		if to == restored {
			return from
		}
	}
	return restored
}

// mergeAll is merge for any number of sides: each gets, for every id that is on any of them, an object or nil for each side.
func mergeAll(ctx context.Context, sides []pages, names []string, each func(objects []*weaviate.Object)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cursors := make([]*cursor, len(sides))
	for i := range sides {
		cursors[i] = prefetch(ctx, sides[i], names[i])
		defer cursors[i].wait()
	}
	defer cancel()
	heads, objects := make([]*weaviate.Object, len(sides)), make([]*weaviate.Object, len(sides))
	for {
		var least *weaviate.Object
		for i, c := range cursors {
			var err error
			if heads[i], err = c.peek(ctx); err != nil {
				return err
			}
			if heads[i] != nil && (least == nil || bytes.Compare(heads[i].ID[:], least.ID[:]) < 0) {
				least = heads[i]
			}
		}
		if least == nil {
			return nil
		}
		for i, head := range heads {
			if objects[i] = nil; head != nil && head.ID == least.ID {
				objects[i] = head
				cursors[i].skip()
			}
		}
		each(objects)
	}
}
