package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

var benchObjects = flag.Int("objects", 100_000, "objects on each side in the benchmarks")

const (
	benchClass      = "Bench"
	benchDimensions = 256
	benchPage       = 1000 // of the bare loop, and of what is written
	benchRounds     = 5
	benchChild      = "DRILL_BENCH_CHILD" // the two servers, for the process that is measured
)

// BenchmarkCompareFull compares a source and its restored backup at level full, in turn with a bare loop that reads the same ranges of both sides over gRPC and throws the objects away. "ratio" is the median over
// the rounds of the one rate by the other's, both in objects read a second; "peak-MB" is the median, over as many processes that each do one comparison and nothing else, of the peak resident memory.
func BenchmarkCompareFull(b *testing.B) {
	source, restored := benchWorld(b, *benchObjects)
	ends := []weaviate.Endpoint{source.Endpoints[0], restored.Endpoints[0]}
	a, z := servertest.Dial(b, source), servertest.Dial(b, restored)
	stubs := []pb.WeaviateClient{bareStub(b, ends[0]), bareStub(b, ends[1])}
	ranges := Ranges(int64(*benchObjects))
	compareRate := func() float64 {
		began := time.Now()
		r, err := Compare(b.Context(), a, z, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if r.Outcome() != Passed || r.Verdicts.Match != int64(*benchObjects) {
			b.Fatalf("%s, %+v", r.Outcome(), r.Verdicts)
		}
		return float64(r.Collections[0].SourceRead+r.Collections[0].RestoredRead) / time.Since(began).Seconds()
	}
	bareRate := func() float64 {
		began := time.Now()
		n, err := bareRead(b.Context(), stubs, ranges, 2) // as many ranges at once as Options has by default
		if err != nil {
			b.Fatal(err)
		}
		if n < int64(2**benchObjects) {
			b.Fatalf("the bare loop read %d objects of twice %d", n, *benchObjects)
		}
		return float64(n) / time.Since(began).Seconds()
	}
	alternate(b, "objects/s", compareRate, bareRate)
	var peaks []float64
	for range benchRounds {
		peaks = append(peaks, peakMB(b, ends, *benchObjects))
	}
	b.ReportMetric(median(peaks), "peak-MB")
	b.ReportMetric(slices.Max(peaks), "highest-peak-MB")
}

// alternate measures the tool and a bare loop in turns, after one run of each for the caches of the servers, and reports the medians of both rates and of their ratio.
func alternate(b *testing.B, unit string, tool, bare func() float64) {
	b.Helper()
	tool()
	bare()
	var ratios, tools, bares []float64
	for b.Loop() {
		for round := range benchRounds {
			var t, r float64
			if round%2 == 0 {
				t, r = tool(), bare()
			} else {
				r, t = bare(), tool()
			}
			ratios, tools, bares = append(ratios, t/r), append(tools, t), append(bares, r)
		}
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(tools), unit)
	b.ReportMetric(median(bares), "bare-"+unit)
	b.ReportMetric(0, "ns/op") // of set-up, warm-up and rounds together it would say nothing
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// benchWorld fills a source by gRPC, backs it up and restores it.
func benchWorld(b *testing.B, objects int) (source, restored *servers.Weaviate) {
	b.Helper()
	bucket := servertest.Bucket(b, "backups")
	source = servertest.Weaviate(b, bucket, nil)
	c := servertest.Dial(b, source)
	// A comparison never asks the vector index: flat, because HNSW would take minutes to build.
	do(b, c, http.MethodPost, "/schema", object{"class": benchClass, "vectorizer": "none", "vectorIndexType": "flat", "properties": []object{
		{"name": "title", "dataType": []string{"text"}}, {"name": "words", "dataType": []string{"int"}}, {"name": "published", "dataType": []string{"date"}},
	}})
	stub := bareStub(b, source.Endpoints[0])
	group, ctx := errgroup.WithContext(authorized(b.Context()))
	group.SetLimit(4)
	for from := 0; from < objects; from += benchPage {
		group.Go(func() error { return benchBatch(ctx, stub, from, min(from+benchPage, objects)) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	backUp(b, c, "bench")
	restored = servertest.Weaviate(b, bucket, nil)
	restore(b, servertest.Dial(b, restored), "bench")
	return source, restored
}

// benchBatch writes the objects of these numbers, which are the same in every run.
func benchBatch(ctx context.Context, stub pb.WeaviateClient, from, to int) error {
	random := rand.New(rand.NewPCG(11, uint64(from)))
	batch := &pb.BatchObjectsRequest{}
	for i := from; i < to; i++ {
		var vector []byte
		for range benchDimensions {
			vector = binary.LittleEndian.AppendUint32(vector, 0x3f000000|random.Uint32()>>9) // 0.5 to 1
		}
		properties, err := structpb.NewStruct(map[string]any{
			"title": fmt.Sprintf("Article %d on harbours, lanterns and orchards", i), "words": i % 4000, "published": "2026-01-02T03:04:05Z",
		})
		if err != nil {
			return err
		}
		batch.Objects = append(batch.Objects, &pb.BatchObject{
			Uuid: id(benchClass, i), Collection: benchClass, VectorBytes: vector, Properties: &pb.BatchObject_Properties{NonRefProperties: properties},
		})
	}
	reply, err := stub.BatchObjects(ctx, batch)
	if err == nil && len(reply.Errors) > 0 {
		err = errors.New(reply.Errors[0].Error)
	}
	return err
}

func authorized(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+servertest.APIKey)
}

func bareStub(b testing.TB, e weaviate.Endpoint) pb.WeaviateClient {
	b.Helper()
	c, err := grpc.NewClient("passthrough:///"+e.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(100<<20)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return pb.NewWeaviateClient(c)
}

// bareRead reads ranges from all servers, so many ranges at once and all servers of a range at once, and returns how many objects were received.
func bareRead(ctx context.Context, stubs []pb.WeaviateClient, ranges [][2]uuid.UUID, concurrency int) (int64, error) {
	ctx = authorized(ctx)
	var received atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, r := range ranges {
		group.Go(func() error {
			var sides errgroup.Group
			for _, stub := range stubs {
				sides.Go(func() error {
					n, err := bareRange(ctx, stub, r[0], r[1])
					received.Add(n)
					return err
				})
			}
			return sides.Wait()
		})
	}
	err := group.Wait()
	return received.Load(), err
}

func bareRange(ctx context.Context, stub pb.WeaviateClient, from, to uuid.UUID) (n int64, err error) {
	one := pb.ConsistencyLevel_CONSISTENCY_LEVEL_ONE
	after := ""
	if from != uuid.Nil {
		after = weaviate.Before(from).String()
	}
	for {
		reply, err := stub.Search(ctx, &pb.SearchRequest{
			Collection: benchClass, Limit: benchPage, After: after, Uses_127Api: true, ConsistencyLevel: &one,
			Metadata:   &pb.MetadataRequest{Uuid: true, Vector: true, CreationTimeUnix: true, LastUpdateTimeUnix: true},
			Properties: &pb.PropertiesRequest{ReturnAllNonrefProperties: true},
		})
		if err != nil {
			return n, err
		}
		n += int64(len(reply.Results))
		if len(reply.Results) < benchPage {
			return n, nil
		}
		after = reply.Results[benchPage-1].Metadata.Id
		if to != uuid.Nil && after >= to.String() {
			return n, nil
		}
	}
}

// peakMB runs this program again to do one comparison of so many objects, and returns the peak of its resident memory as Linux counts it.
func peakMB(b *testing.B, ends []weaviate.Endpoint, objects int) float64 {
	b.Helper()
	var list []string
	for _, e := range ends {
		list = append(list, e.URL, e.GRPC)
	}
	child := exec.CommandContext(b.Context(), os.Args[0])
	child.Env = append(os.Environ(), benchChild+"="+strings.Join(list, " "))
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.Output()
	if err != nil {
		b.Fatalf("%v: %s", err, stderr.String())
	}
	var answer struct{ Match, PeakKB int64 }
	if err := json.Unmarshal(out, &answer); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	if answer.Match != int64(objects) {
		b.Fatalf("the measured process compared %d objects", answer.Match)
	}
	return float64(answer.PeakKB) / 1024
}

// compareOnce is what the measured process does instead of running tests.
func compareOnce(list string) error {
	ends := strings.Fields(list)
	var conns []*weaviate.Conn
	for i := 0; i+1 < len(ends); i += 2 {
		c, err := weaviate.Dial(context.Background(), weaviate.Endpoint{URL: ends[i], GRPC: ends[i+1], APIKey: secret.New(servertest.APIKey)})
		if err != nil {
			return err
		}
		defer c.Close()
		conns = append(conns, c)
	}
	r, err := Compare(context.Background(), conns[0], conns[1], Options{})
	if err != nil {
		return err
	}
	// Not getrusage: its peak begins with that of the program that started this one.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	peak, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"Match": r.Verdicts.Match, "PeakKB": peak})
}
