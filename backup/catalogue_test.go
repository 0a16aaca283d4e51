package backup_test

import (
	"reflect"
	"slices"
	"testing"
)

func TestUndamaged(t *testing.T) {
	for _, id := range []string{"gzip", "zstd", "none", "full", "inc1", "inc2"} {
		t.Run(id, func(t *testing.T) {
			b := finished(t, id)
			c := catalogue(t, b, id)
			found := check(t, c)
			none(t, found.Problems)
			if !slices.Equal(found.Collections, []string{"SampleEmpty", "SamplePlain", "SampleTenants"}) {
				t.Errorf("collections %v", found.Collections)
			}
			if got, want := c.Tenants(), map[string]map[string]string{"SampleTenants": {"warm": "HOT", "cold": "COLD", "bare": "HOT"}}; !reflect.DeepEqual(got, want) {
				t.Errorf("tenants %v, want %v", got, want)
			}
			archive := checkArchive(t, b, c)
			none(t, archive.Problems)
			if archive.ContentBytes != c.Backup().PreCompressionSizeBytes {
				t.Errorf("content of %d bytes, the descriptor says %d", archive.ContentBytes, c.Backup().PreCompressionSizeBytes)
			}
			if archive.Chunks != found.Chunks || archive.Chunks < 5 {
				t.Errorf("%d chunks read, %d named", archive.Chunks, found.Chunks)
			}
		})
	}
}
