package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// A list that cannot be whole is none: one line of error, and the status that a job may retry. One that is whole, but with descriptors that may not be read, is printed, and has that status too.
func TestListThatCannotKnow(t *testing.T) {
	for _, test := range []struct {
		name, code string
		status     int
		names      bool // are told
		says       []string
	}{
		{"slowed down for good", "SlowDown", http.StatusServiceUnavailable, false, []string{"SlowDown", "try again later"}},
		{"descriptors denied", "AccessDenied", http.StatusForbidden, true, []string{"s3:GetObject is needed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("AWS_MAX_ATTEMPTS", "2")
			t.Setenv("AWS_ACCESS_KEY_ID", "inventory-key")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "inventory-secret")
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				switch {
				case test.names && q.Has("delimiter"):
					_, _ = w.Write([]byte(`<ListBucketResult><CommonPrefixes><Prefix>weaviate/a/</Prefix></CommonPrefixes></ListBucketResult>`))
				case test.names && q.Has("list-type"):
					_, _ = w.Write([]byte(`<ListBucketResult><Contents><Key>weaviate/a/backup_config.json</Key><Size>1</Size></Contents></ListBucketResult>`))
				default:
					w.WriteHeader(test.status)
					_, _ = w.Write([]byte(`<Error><Code>` + test.code + `</Code></Error>`))
				}
			}))
			defer server.Close()
			b := &bucket.Bucket{Options: bucket.Options{Name: "backups", Path: "weaviate", Region: "us-east-1", Endpoint: server.URL, PathStyle: true}}
			r := siteIn(t, b, "http://127.0.0.1:1", "127.0.0.1:1", nil).do(t, "backup", "list")
			r.wants(t, evidence.NotCarriedOut, test.says...)
			if lines := strings.Count(strings.TrimSpace(r.stderr), "\n") + 1; lines != 1 {
				t.Errorf("the error has %d lines:\n%s", lines, r.stderr)
			}
			if listed := strings.Contains(r.stdout, "unreadable"); listed != test.names {
				t.Errorf("on stdout:\n%s", r.stdout)
			}
		})
	}
}
