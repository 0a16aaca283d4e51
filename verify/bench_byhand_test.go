package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// The iterator of the TypeScript client asks for a hundred objects for each that it hands out (3.14.0, collections/iterator/index.js), so it gets no further.
const iteratorObjects = 1000

// BenchmarkByHand reads the objects with their vectors from a source and its restored backup, both at once: with the tool, which also compares them, and in the ways a user has without it, which only count them.
// "objects/s" are those of both sides.
func BenchmarkByHand(b *testing.B) {
	source, restored := benchWorld(b, *benchObjects)
	ends := []weaviate.Endpoint{source.Endpoints[0], restored.Endpoints[0]}
	a, z := servertest.Dial(b, source), servertest.Dial(b, restored)
	run := func(name string, objects int, read func(*testing.B) (int64, error)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n, err := read(b)
				if err != nil {
					b.Fatal(err)
				}
				if n != int64(2*objects) {
					b.Fatalf("%d objects were read of twice %d", n, objects)
				}
			}
			b.ReportMetric(float64(2*objects)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
			b.ReportMetric(0, "ns/op")
		})
	}
	run("drill", *benchObjects, func(b *testing.B) (int64, error) {
		r, err := Compare(b.Context(), a, z, Options{})
		if err != nil {
			return 0, err
		}
		return 2 * r.Verdicts.Match, nil
	})
	run("rest-cursor", *benchObjects, func(b *testing.B) (int64, error) { return readByREST(b.Context(), ends) })
	run("typescript-pages", *benchObjects, func(b *testing.B) (int64, error) { return readByTypeScript(b, ends, "pages", *benchObjects) })
	few := min(iteratorObjects, *benchObjects)
	run("typescript-iterator", few, func(b *testing.B) (int64, error) { return readByTypeScript(b, ends, "iterator", few) })
}

// readByTypeScript reads with the official TypeScript client.
func readByTypeScript(b *testing.B, ends []weaviate.Endpoint, how string, most int) (int64, error) {
	b.Helper()
	folder := filepath.Join("..", "testdata", "typescript")
	node, err := exec.LookPath("node")
	if err != nil {
		servertest.Lacking(b, "node is not installed")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "weaviate-client")); err != nil {
		servertest.Lacking(b, "the official TypeScript client is not installed: npm ci --prefix testdata/typescript")
	}
	args := []string{filepath.Join(folder, "read.js"), how, benchClass, strconv.Itoa(most)}
	for _, e := range ends {
		args = append(args, strings.TrimPrefix(e.URL, "http://")+"/"+e.GRPC)
	}
	script := exec.CommandContext(b.Context(), node, args...)
	script.Env = append(os.Environ(), "WEAVIATE_API_KEY="+servertest.APIKey)
	var stderr bytes.Buffer
	script.Stderr = &stderr
	out, err := script.Output()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}

// readByREST follows the cursor of GET /v1/objects, a thousand objects a page.
func readByREST(ctx context.Context, ends []weaviate.Endpoint) (int64, error) {
	var received atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range ends {
		group.Go(func() error {
			for after := ""; ; {
				q := url.Values{"class": {benchClass}, "limit": {strconv.Itoa(benchPage)}, "include": {"vector"}, "after": {after}}
				page, err := getObjects(ctx, e.URL+"/v1/objects?"+q.Encode())
				if err != nil || len(page) == 0 {
					return err
				}
				received.Add(int64(len(page)))
				after = page[len(page)-1].ID
			}
		})
	}
	err := group.Wait()
	return received.Load(), err
}

type restObject struct {
	ID         string
	Vector     []float32
	Properties map[string]any
}

func getObjects(ctx context.Context, address string) ([]restObject, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+servertest.APIKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, resp.Status)
	}
	var answer struct{ Objects []restObject }
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Objects, err
}
