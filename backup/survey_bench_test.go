package backup_test

import (
	"bytes"
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

var (
	fleetSize  = flag.Int("fleet", 10_000, "backups that the in-process S3 server of BenchmarkInventory answers for, of 100 chunks each")
	fleetMinIO = flag.Int("fleet-minio", 60, "backups that BenchmarkInventory puts into MinIO")
)

// BenchmarkInventory takes a whole inventory with Survey, in turn with a bare paginated ListObjectsV2 over the same keys. The inventory's time holds all that it does: the names, every key, each backup's
// descriptor and the lifecycle. "ratio" is the median over the rounds of the one rate in keys by the other's; "peak-MB" is what the inventory adds to the heap, garbage included. "served" is by an in-process
// server that answers at once, so that nothing is gained by waiting for several answers together; "far" by the same, 30 ms away.
func BenchmarkInventory(b *testing.B) {
	b.Run("served", func(b *testing.B) { benchInventory(b, newFleet(*fleetSize, 100), nil) })
	b.Run("far", func(b *testing.B) {
		f := newFleet(*fleetSize, 100)
		f.delay = 30 * time.Millisecond
		benchInventory(b, f, nil)
	})
	b.Run("minio", func(b *testing.B) {
		f := newFleet(*fleetMinIO, 100)
		place := servertest.Bucket(b, "weaviate")
		var puts errgroup.Group
		puts.SetLimit(16)
		for n := range f.backups {
			for _, name := range f.names {
				content := []byte("x")
				if name == "backup_config.json" {
					content = f.descriptor(n)
				}
				puts.Go(func() error {
					_, err := place.Client.PutObject(b.Context(), &s3.PutObjectInput{Bucket: &place.Name, Key: aws.String(place.Key(f.id(n), name)), Body: bytes.NewReader(content)})
					return err
				})
			}
		}
		if err := puts.Wait(); err != nil {
			b.Fatal(err)
		}
		benchInventory(b, f, place)
	})
}

func benchInventory(b *testing.B, f *fleet, place *bucket.Bucket) {
	if place == nil {
		place = f.bucket(b)
	}
	keys := float64(f.backups * len(f.names))
	bare := func() float64 {
		began, n := time.Now(), 0
		list := s3.NewListObjectsV2Paginator(place.Client, &s3.ListObjectsV2Input{Bucket: &place.Name, Prefix: aws.String("weaviate/")})
		for list.HasMorePages() {
			page, err := list.NextPage(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			n += len(page.Contents)
		}
		if n != int(keys) {
			b.Fatalf("%d keys", n)
		}
		return keys / time.Since(began).Seconds()
	}
	inventory := func() float64 {
		began := time.Now()
		found, err := backup.Survey(b.Context(), place, fleetBegan)
		if err != nil || len(found) != f.backups || found[f.backups-1].Completeness != backup.NoGap {
			b.Fatal(len(found), err)
		}
		return keys / time.Since(began).Seconds()
	}
	var ratios, rates []float64
	peak := peakHeap(func() { inventory() })
	for b.Loop() {
		reference := bare()
		rates = append(rates, inventory())
		ratios = append(ratios, rates[len(rates)-1]/reference)
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(rates), "keys/s")
	b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
	b.ReportMetric(0, "ns/op")
}

// peakHeap is how far the heap rises while work is done, looked at every few milliseconds.
func peakHeap(work func()) (peak uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, done := m.HeapAlloc, make(chan struct{})
	go func() { defer close(done); work() }()
	for {
		select {
		case <-done:
			return peak
		case <-time.After(20 * time.Millisecond):
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc-min(before, m.HeapAlloc))
		}
	}
}
