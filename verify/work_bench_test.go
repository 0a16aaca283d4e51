package verify

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

var benchTenants = flag.Int("tenants", 2000, "tenants in BenchmarkManyTenants")

const (
	tenantsClass = "Small"
	perTenant    = 3
)

func tenantName(i int) string { return fmt.Sprintf("tenant-%06d", i) }

// BenchmarkManyTenants compares a collection of many tenants of three objects with itself at level full, in turn with a bare loop that reads every tenant twice over gRPC, as many at once, and throws the objects away.
// "ratio" is the median of the one rate by the other's, "requests/tenant" how many requests of any kind went to both sides, "peak-MB" the peak of the resident memory of a process that does nothing else, "B/tenant" what a planned comparison of 100,000 tenants holds in memory.
func BenchmarkManyTenants(b *testing.B) {
	w := servertest.Weaviate(b, servertest.Bucket(b, "backups"), map[string]string{"PERSISTENCE_MEMTABLES_FLUSH_DIRTY_AFTER_SECONDS": "1", "PERSISTENCE_MAX_REUSE_WAL_SIZE": "0"})
	c := servertest.Dial(b, w)
	stub := bareStub(b, w.Endpoints[0])
	fillTenants(b, c, stub, *benchTenants)
	compareAll := func(c *weaviate.Conn) time.Duration {
		began := time.Now()
		r, err := Compare(b.Context(), c, c, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if r.Outcome() != Passed || r.Verdicts.Match != int64(perTenant**benchTenants) {
			b.Fatalf("%s, %+v", r.Outcome(), r.Verdicts)
		}
		return time.Since(began)
	}
	counted, requests := counting(b, w.Endpoints[0])
	compareAll(counted)
	asked := float64(requests.Load()) / float64(*benchTenants)
	rate := func(took time.Duration) float64 { return float64(*benchTenants) / took.Seconds() }
	alternate(b, "tenants/s", func() float64 { return rate(compareAll(c)) }, func() float64 { return rate(bareTenants(b, stub)) })
	b.ReportMetric(asked, "requests/tenant")
	b.ReportMetric(peakMB(b, []weaviate.Endpoint{w.Endpoints[0], w.Endpoints[0]}, perTenant**benchTenants), "peak-MB")
	b.ReportMetric(planBytes(b), "B/tenant")
}

// fillTenants makes a collection of so many tenants, and waits for each thousand until all is flushed, as it is after a restore: a tenant that was just written to holds six files open, and then one.
func fillTenants(t testing.TB, c *weaviate.Conn, stub pb.WeaviateClient, tenants int) {
	t.Helper()
	do(t, c, http.MethodPost, "/schema", object{"class": tenantsClass, "vectorizer": "none", "vectorIndexConfig": object{"skip": true}, "multiTenancyConfig": object{"enabled": true},
		"properties": []object{{"name": "title", "dataType": []string{"text"}, "indexFilterable": false, "indexSearchable": false}}})
	properties, err := structpb.NewStruct(map[string]any{"title": "Article on harbours, lanterns and orchards"})
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < tenants; from += 1000 {
		var names []object
		batch := &pb.BatchObjectsRequest{}
		for i := from; i < min(from+1000, tenants); i++ {
			names = append(names, object{"name": tenantName(i)})
			for j := range perTenant {
				batch.Objects = append(batch.Objects, &pb.BatchObject{
					Uuid: id(tenantsClass, i*perTenant+j), Collection: tenantsClass, Tenant: tenantName(i), VectorBytes: make([]byte, 4*16), Properties: &pb.BatchObject_Properties{NonRefProperties: properties},
				})
			}
		}
		do(t, c, http.MethodPost, "/schema/"+tenantsClass+"/tenants", names)
		reply, err := stub.BatchObjects(authorized(t.Context()), batch)
		if err != nil || len(reply.Errors) > 0 {
			t.Fatal(err, reply.GetErrors())
		}
		for flushed := 0; flushed < perTenant*min(from+1000, tenants); time.Sleep(200 * time.Millisecond) {
			counts, err := shardCounts(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			flushed = 0
			for _, n := range counts {
				flushed += int(n)
			}
		}
	}
}

// bareTenants reads every tenant twice.
func bareTenants(b *testing.B, stub pb.WeaviateClient) time.Duration {
	b.Helper()
	began := time.Now()
	var objects atomic.Int64
	group, ctx := errgroup.WithContext(authorized(b.Context()))
	group.SetLimit(2 * 2 * atOnce) // two workers by default, and both sides
	for i := range 2 * *benchTenants {
		group.Go(func() error {
			reply, err := stub.Search(ctx, &pb.SearchRequest{
				Collection: tenantsClass, Tenant: tenantName(i / 2), Limit: perTenant + 1, Uses_127Api: true,
				Metadata:   &pb.MetadataRequest{Uuid: true, Vector: true, CreationTimeUnix: true, LastUpdateTimeUnix: true},
				Properties: &pb.PropertiesRequest{ReturnAllNonrefProperties: true},
			})
			objects.Add(int64(len(reply.GetResults())))
			return err
		})
	}
	if err := group.Wait(); err != nil || objects.Load() != int64(2*perTenant**benchTenants) {
		b.Fatal(objects.Load(), err)
	}
	return time.Since(began)
}

// counting connects through a proxy that counts requests, REST and gRPC.
func counting(b *testing.B, e weaviate.Endpoint) (*weaviate.Conn, *atomic.Int64) {
	b.Helper()
	var requests atomic.Int64
	proxy := func(to string) string {
		var protocols http.Protocols
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		target, err := url.Parse(to)
		if err != nil {
			b.Fatal(err)
		}
		forward := httputil.NewSingleHostReverseProxy(target)
		if !strings.HasPrefix(to, e.URL) { // gRPC
			forward.Transport = &http.Transport{Protocols: new(http.Protocols)}
			forward.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
		}
		forward.FlushInterval = -1
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			forward.ServeHTTP(w, r)
		})}
		go func() { _ = server.Serve(l) }()
		b.Cleanup(func() { _ = server.Close() })
		return l.Addr().String()
	}
	e.URL, e.GRPC = "http://"+proxy(e.URL), proxy("http://"+e.GRPC)
	c, err := weaviate.Dial(context.Background(), e)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c, &requests
}

// planBytes is how much memory the parts of a comparison take, a tenant.
func planBytes(b *testing.B) float64 {
	b.Helper()
	const n = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	parts := make([]*part, n)
	for i := range parts {
		parts[i] = &part{collection: tenantsClass, tenant: tenantName(i)}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(parts)
	return float64(after.HeapAlloc-before.HeapAlloc) / n
}
