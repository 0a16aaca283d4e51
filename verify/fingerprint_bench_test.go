package verify

import (
	"testing"
	"time"

	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// BenchmarkFingerprint takes the fingerprint of one side, in turn with a bare loop that reads the same ranges over gRPC and throws the objects away. "ratio" is the median over the rounds of the one rate by the
// other's, both in objects read a second; "file-KB" is the size of the fingerprint.
func BenchmarkFingerprint(b *testing.B) {
	server, _ := benchWorld(b, *benchObjects)
	c, stubs := servertest.Dial(b, server), []pb.WeaviateClient{bareStub(b, server.Endpoints[0])}
	var size int
	taken := func() float64 {
		began := time.Now()
		f, err := TakeFingerprint(b.Context(), c, FingerprintOptions{})
		if err != nil {
			b.Fatal(err)
		}
		rate := float64(f.Objects()) / time.Since(began).Seconds()
		raw, err := f.Encode()
		if err != nil || f.Objects() != int64(*benchObjects) {
			b.Fatalf("%d objects, %v", f.Objects(), err)
		}
		size = len(raw)
		return rate
	}
	bare := func() float64 {
		began := time.Now()
		n, err := bareRead(b.Context(), stubs, Ranges(int64(*benchObjects)), 2) // as many ranges at once as FingerprintOptions has by default
		if err != nil || n < int64(*benchObjects) {
			b.Fatalf("the bare loop read %d objects of %d, %v", n, *benchObjects, err)
		}
		return float64(n) / time.Since(began).Seconds()
	}
	alternate(b, "objects/s", taken, bare)
	b.ReportMetric(float64(size)/1000, "file-KB")
}
