package main

import (
	"testing"
	"time"

	drill "github.com/weaviate-drill/weaviate-drill"
)

func TestDescribeProgress(t *testing.T) {
	for _, tt := range []struct {
		progress drill.Progress
		want     string
	}{
		{drill.Progress{}, ""},
		{drill.Progress{Done: 1 << 20, Total: 4 << 20, Unit: "bytes"}, "  1.0 MiB of 4.0 MiB, 30s left"},
		{drill.Progress{Done: 5 << 20, Unit: "bytes", Detail: "STARTED"}, "  5.0 MiB, STARTED"},
		{drill.Progress{Done: 100, Total: 100, Unit: "objects"}, "  100 of 100"},
		{drill.Progress{Detail: "2 shards not ready, 7 vectors queued"}, "  2 shards not ready, 7 vectors queued"},
	} {
		if got := describe(tt.progress, 10*time.Second); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.progress, got, tt.want)
		}
	}
}
