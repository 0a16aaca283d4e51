package detection

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// everywhere flips one bit at places spread over a whole chunk, one after the other. In a compressed chunk the archive check must find each that changes what is unpacked, and in one that is not compressed
// the check against what was recorded when the backup was made. What Weaviate would make of it differs from place to place and is not tried.
func (w *world) everywhere(t *testing.T) (rows []row) {
	const places = 16
	for _, d := range []struct{ id, compression string }{{"gzip", "gzip"}, {"zstd", "zstd"}, {"none", "not compressed"}} {
		b := w.clone(t, d.id)
		before, err := backup.ReadCatalogue(t.Context(), b, d.id)
		check(t, err)
		key := chunkOf(t, b, d.id, "Article")
		whole := get(t, b, key)
		tried, found := 0, 0
		for i := range places {
			content := flipped(whole, i*(len(whole)-1)/(places-1))
			if after, err := unpacked(content); err == nil && d.id != "none" {
				if want, _ := unpacked(whole); bytes.Equal(after, want) {
					continue // such as the name of the system that made a gzip stream
				}
			}
			tried++
			put(t, b, key, content)
			c, err := backup.ReadCatalogue(t.Context(), b, d.id)
			check(t, err)
			problems := backup.CompareObjects(before.Objects(), c.Objects())
			if d.id != "none" {
				r, err := backup.CheckArchive(t.Context(), b, c, backup.ArchiveOptions{})
				check(t, err)
				problems = r.Problems
			}
			if slices.ContainsFunc(problems, func(p backup.Problem) bool { return p.Key == key }) {
				found++
			} else {
				t.Errorf("%s: a bit flipped at place %d of %d is not found", d.id, i+1, places)
			}
		}
		r := row{damage: fmt.Sprintf("one bit flipped at any place of a chunk (%s)", d.compression), weaviate: "differs", naive: none, alone: none, phase: rto.Archive, verdict: "chunk-corrupt", status: evidence.DataFailed}
		if d.id == "none" {
			r.phase, r.verdict = rto.Catalogue, string(backup.ProblemObjectReplaced)
		}
		if tried < places/2 {
			t.Errorf("%s: only %d flips were tried", d.id, tried)
		}
		r.says = fmt.Sprintf("found at all of %d places spread over the chunk", places)
		rows = append(rows, r)
	}
	return rows
}

// notEmpty restores into a Weaviate without collections whose data folder holds what an earlier restore left: the server logs that it cannot move the files, and reports a success.
func (w *world) notEmpty(t *testing.T) []row {
	b := w.clone(t, "zstd")
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, node, "data", "article", "left"), 0o700))
	start, err := servers.StartWeaviate(t.Context(), servers.WeaviateOptions{
		Dir: dir, Nodes: []string{node}, APIKey: secret.New(servertest.APIKey), Env: servers.SourceEnv(servertest.MinIO(t), b.Name, b.Path, secret.New(servertest.APIKey)),
	})
	check(t, err)
	t.Cleanup(start.Kill)
	e := start.Endpoints[0]
	record := w.drill(t, b, "zstd", nil, fmt.Sprintf("sandbox: {kind: external, external: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}}", e.URL, e.GRPC))
	if record.Status == evidence.Passed {
		t.Fatal("the drill passes")
	}
	c := servertest.Dial(t, start)
	r := w.row(t, "restore into a data folder that is not empty", record, "")
	r.weaviate, r.naive, r.alone = record.Restore.Status, w.naive(t, c), firstVerdict(w.compare(t, c, b, "zstd"))
	return []row{r}
}

// changed changes objects of a restored Weaviate, one after the other: each change must be found, and only what the change before had left may be there besides.
func (w *world) changed(t *testing.T) (rows []row) {
	b := w.clone(t, "none")
	c := restore(t, b, "none").conn
	path := func(i int) string { return "/objects/Article/" + article(i).String() }
	known := 0
	for _, d := range []struct {
		damage string
		victim int
		do     func()
	}{
		{"property of an object lost", 241, func() {
			do(t, c, http.MethodPut, path(241), object{"class": "Article", "id": article(241), "vector": w.vectors["Article241"], "properties": object{"title": "Article number 241 of 300"}})
		}},
		{"vector of an object lost", 242, func() {
			do(t, c, http.MethodPut, path(242), object{"class": "Article", "id": article(242), "properties": object{"title": "Article number 242 of 300", "words": 242, "published": "2026-01-02T03:04:05Z"}})
		}},
		{"object removed", 243, func() { do(t, c, http.MethodDelete, path(243), nil) }},
		{"object added, so that the count is as it was", articles, func() {
			do(t, c, http.MethodPost, "/objects", object{"class": "Article", "id": article(articles), "vector": w.vectors["Article0"], "properties": object{"title": "Nobody wrote this"}})
		}},
	} {
		d.do()
		r := w.compare(t, c, b, "none")
		x := difference(r, article(d.victim))
		if known++; x == nil || r.Outcome() != verify.Failed || len(r.Differences) != known {
			t.Fatalf("%s: %+v", d.damage, r.Differences)
		}
		rows = append(rows, row{
			damage: d.damage, weaviate: none, naive: w.naive(t, c), alone: string(x.Verdict), phase: rto.Verify, verdict: string(x.Verdict), status: evidence.DataFailed, says: w.stable(cmp.Or(x.Detail, x.Rule)),
		})
	}
	return rows
}
