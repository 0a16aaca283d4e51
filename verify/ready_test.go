package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// TestReady: a Weaviate that is up is not ready while vectors wait for their index, nor when an object cannot be got by its id though every count and scan is right.
func TestReady(t *testing.T) {
	const n = 3000
	b, dir := servertest.Bucket(t, ""), t.TempDir()
	start := func() (*servers.Weaviate, *weaviate.Conn) {
		env := servers.SourceEnv(servertest.MinIO(t), b.Name, b.Path, secret.New(servertest.APIKey))
		env["ASYNC_INDEXING"] = "true"
		w, err := servers.StartWeaviate(t.Context(), servers.WeaviateOptions{Dir: dir, Nodes: []string{"node1"}, APIKey: secret.New(servertest.APIKey), Env: env})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Kill)
		return w, servertest.Dial(t, w)
	}
	server, c := start()
	if _, err := FirstAnswer(t.Context(), c); !errors.Is(err, ErrNoAnswer) || !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing there: %v", err)
	}
	do(t, c, http.MethodPost, "/schema", object{"class": "Queued", "vectorizer": "none", "vectorIndexConfig": object{"distance": "dot"}, "properties": []object{{"name": "text", "dataType": []string{"text"}}}})
	random := rand.New(rand.NewPCG(9, 10))
	var all []object
	var ids []uuid.UUID
	for i := range n {
		ids = append(ids, uuid.MustParse(id("Queued", i)))
		all = append(all, object{"class": "Queued", "id": ids[i].String(), "vector": floats(random, 64), "properties": object{"text": fmt.Sprint(i)}})
	}
	for part := range slices.Chunk(all, 1000) {
		batch(t, c, part)
	}
	var waiting int64
	err := WaitIndexed(t.Context(), c, 0, func(_ int, queue int64) { waiting = queue })
	if !errors.Is(err, ErrNotIndexed) || waiting == 0 {
		t.Errorf("%d vectors wait, and yet: %v", waiting, err)
	}
	if err := WaitIndexed(t.Context(), c, time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	if a, err := FirstAnswer(t.Context(), c); err != nil || a.Collections != 1 || a.ByID != 1 || a.ByVector != 1 {
		t.Errorf("%+v, %v", a, err)
	}

	server.Stop(20 * time.Second)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	damageKey(t, filepath.Join(dir, "node1", "data", "queued"), ids[0])
	_, c = start()
	if err := WaitIndexed(t.Context(), c, time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	count, err := c.Count(t.Context(), "Queued", "")
	page, scanErr := c.Scan(weaviate.Range{Collection: "Queued"}).Next(t.Context())
	if count != n || err != nil || scanErr != nil || page[0].ID != ids[0] {
		t.Fatalf("the damage is wider than it should be: counted %d, %v, %v", count, err, scanErr)
	}
	if _, err := FirstAnswer(t.Context(), c); !errors.Is(err, ErrNoAnswer) || !errors.Is(err, weaviate.ErrNotFound) {
		t.Errorf("an object that is not found by its id: %v", err)
	}
}

// damageKey changes one byte of an object's key in the index of the segment that holds it; its key beside the data, which a scan reads, stays. The header of a segment is four uint16, then where the index
// begins (adapters/repos/db/lsmkv/segmentindex/header.go).
func damageKey(t *testing.T, collection string, id uuid.UUID) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(collection, "*", "lsm", "objects", "*.db"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segment in %s: %v", collection, err)
	}
	for _, file := range segments {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		index := binary.LittleEndian.Uint64(raw[8:])
		at := bytes.Index(raw[index:], id[:])
		if at < 0 {
			continue
		}
		raw[int(index)+at+len(id)-1] ^= 1
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no segment indexes %s", id)
}

func TestDistanceToItself(t *testing.T) {
	vector := func(floats ...float32) (v weaviate.Vector) {
		for _, f := range floats {
			v.Bytes = binary.LittleEndian.AppendUint32(v.Bytes, math.Float32bits(f))
		}
		return v
	}
	for _, tt := range []struct {
		name      string
		index     vectorIndex
		vector    weaviate.Vector
		ask       bool
		low, high float64 // between which the bound lies
	}{
		{"cosine", vectorIndex{Distance: "cosine"}, vector(1, 2), true, 0, 1e-4},
		{"dot", vectorIndex{Distance: "dot"}, vector(3, 4), true, -25, -24.99},
		{"index switched off", vectorIndex{Skip: true}, vector(1, 2), false, 0, 1},
		{"no direction", vectorIndex{Distance: "cosine"}, vector(0, 0), false, 0, 1},
		{"rows under dot", vectorIndex{Distance: "dot"}, weaviate.Vector{Multi: true, Bytes: []byte{1, 0, 1, 0, 0, 0}}, false, math.Inf(-1), 0},
		{"rows", vectorIndex{Distance: "cosine"}, weaviate.Vector{Multi: true, Bytes: []byte{1, 0, 1, 0, 0, 0}}, true, math.Inf(-1), 0},
	} {
		if got := tt.index.answersItself(tt.vector); got != tt.ask {
			t.Errorf("%s: asked %t", tt.name, got)
		}
		if got := tt.index.distanceToItself(tt.vector); got < tt.low || got > tt.high {
			t.Errorf("%s: at most %g", tt.name, got)
		}
	}
}
