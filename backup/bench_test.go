package backup_test

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

const (
	benchClass       = "BenchVectors"
	benchObjects     = 20_000
	benchDimensions  = 1536 // 123 MB of vectors
	benchRounds      = 5
	benchConcurrency = 4
)

// BenchmarkArchiveCheck reads a backup with CheckArchive, in turn with a bare loop that gets the same objects, as many at once, and decompresses them to
// nowhere. "ratio" is the median over the rounds of the one rate by the other's; "peak-MB" is what the check adds to the heap, garbage included. Decompression compares
// the checksums of gzip and zstd; an uncompressed chunk has only the MD5 of its ETag, which the bare loop does not compute: "hashed-ratio" is against a loop that does.
func BenchmarkArchiveCheck(b *testing.B) {
	place := benchBackups(b)
	for id := range benchLevels {
		b.Run(id, func(b *testing.B) {
			c := catalogue(b, place, id)
			size := c.Backup().PreCompressionSizeBytes
			var keys []string
			var biggest int64
			for _, o := range c.Objects() {
				if strings.Contains(o.Key, "/chunk-") {
					keys, biggest = append(keys, o.Key), max(biggest, o.Size)
				}
			}
			checkRate := func() float64 {
				began := time.Now()
				r, err := backup.CheckArchive(b.Context(), place, c, backup.ArchiveOptions{Concurrency: benchConcurrency})
				if err != nil {
					b.Fatal(err)
				}
				none(b, r.Problems)
				if r.ContentBytes != size || r.Chunks != len(keys) {
					b.Fatalf("read %+v of %d chunks with %d bytes", r, len(keys), size)
				}
				return float64(size) / 1e6 / time.Since(began).Seconds()
			}
			bareRate := func(hashed bool) float64 {
				began := time.Now()
				if n := bareRead(b, place, keys, id, hashed); n < size {
					b.Fatalf("the bare loop read %d bytes of %d", n, size)
				}
				return float64(size) / 1e6 / time.Since(began).Seconds()
			}
			bareRate(false) // once for the caches
			peak := backup.PeakHeap(func() { checkRate() })
			var ratios, hashedRatios, checked, bare []float64
			for b.Loop() {
				for round := range benchRounds {
					var c, r float64
					if round%2 == 0 {
						c, r = checkRate(), bareRate(false)
					} else {
						r, c = bareRate(false), checkRate()
					}
					ratios, checked, bare = append(ratios, c/r), append(checked, c), append(bare, r)
					if id == "none" {
						hashedRatios = append(hashedRatios, c/bareRate(true))
					}
				}
			}
			b.ReportMetric(median(ratios), "ratio")
			if id == "none" {
				b.ReportMetric(median(hashedRatios), "hashed-ratio")
			}
			b.ReportMetric(median(checked), "MB/s")
			b.ReportMetric(median(bare), "bare-MB/s")
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
			b.ReportMetric(float64(biggest)/1e6, "biggest-chunk-MB")
			b.ReportMetric(0, "ns/op") // of all rounds together it would say nothing
		})
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// bareRead gets and decompresses the objects, or hashes them, and returns how many bytes came out.
func bareRead(b *testing.B, place *bucket.Bucket, keys []string, compression string, hashed bool) int64 {
	b.Helper()
	group, ctx := errgroup.WithContext(b.Context())
	var next, bytes atomic.Int64
	for range benchConcurrency {
		group.Go(func() error {
			var unzip gzip.Reader
			unzstd, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
			if err != nil {
				return err
			}
			defer unzstd.Close()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(keys) {
					return nil
				}
				got, err := place.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &place.Name, Key: &keys[i]})
				if err != nil {
					return err
				}
				var plain io.Reader = got.Body
				switch compression {
				case "gzip":
					err, plain = unzip.Reset(got.Body), &unzip
				case "zstd":
					err, plain = unzstd.Reset(got.Body), unzstd
				}
				if err != nil {
					return err
				}
				to := io.Discard
				if hashed {
					to = md5.New()
				}
				n, err := io.Copy(to, plain)
				got.Body.Close()
				if err != nil {
					return err
				}
				bytes.Add(n)
			}
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return bytes.Load()
}

var benchLevels = map[string]string{"gzip": "DefaultCompression", "zstd": "ZstdDefaultCompression", "none": "NoCompression"}

// benchBackups fills a Weaviate with vectors, which hardly compress, and backs it up in each compression.
func benchBackups(b *testing.B) *bucket.Bucket {
	b.Helper()
	place := servertest.Bucket(b, "backups")
	w := servertest.Weaviate(b, place, nil)
	c := servertest.Dial(b, w)
	// Without an index, which would take minutes to build.
	class := map[string]any{"class": benchClass, "vectorizer": "none", "vectorIndexConfig": map[string]any{"skip": true}}
	if err := c.Do(b.Context(), http.MethodPost, "/schema", class, nil); err != nil {
		b.Fatal(err)
	}
	conn, err := grpc.NewClient(w.Endpoints[0].GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	stub, ctx := pb.NewWeaviateClient(conn), metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+servertest.APIKey)
	random := rand.New(rand.NewPCG(3, 4))
	for from := 0; from < benchObjects; from += 1000 {
		if err := addVectors(ctx, stub, random, from, 1000); err != nil {
			b.Fatal(err)
		}
	}
	for id, level := range benchLevels {
		if _, err := backup.Create(b.Context(), c, place, backup.CreateOptions{Request: weaviate.BackupRequest{ID: id, CompressionLevel: level, CPUPercentage: 80}}); err != nil {
			b.Fatal(err)
		}
	}
	return place
}

func addVectors(ctx context.Context, stub pb.WeaviateClient, random *rand.Rand, from, n int) error {
	batch := &pb.BatchObjectsRequest{}
	for i := from; i < from+n; i++ {
		vector := make([]byte, 0, 4*benchDimensions)
		for range benchDimensions {
			vector = binary.LittleEndian.AppendUint32(vector, math.Float32bits(float32(random.NormFloat64())))
		}
		batch.Objects = append(batch.Objects, &pb.BatchObject{
			Collection: benchClass, Uuid: fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), i),
			VectorBytes: vector,
		})
	}
	reply, err := stub.BatchObjects(ctx, batch)
	if err == nil && len(reply.Errors) > 0 {
		err = fmt.Errorf("object %d: %s", reply.Errors[0].Index, reply.Errors[0].Error)
	}
	return err
}
