package bucket_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// opened is the bucket as a configuration with an expected owner opens it, at a server that answers as S3 does.
func opened(t *testing.T, owner string, h http.Handler) *bucket.Bucket {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", keyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keyWord)
	b, err := bucket.Open(t.Context(), bucket.Options{Name: "backups-example", Path: "weaviate", Region: "us-east-1", Endpoint: server.URL, PathStyle: true, ExpectedOwner: owner})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every call on the bucket names its owner, one on another bucket none, and a copy from it the owner of the source.
func TestEveryCallExpectsTheOwner(t *testing.T) {
	const owner = "123456789012"
	var mu sync.Mutex
	var requests []*http.Request
	b := opened(t, owner, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests = append(requests, r)
		mu.Unlock()
		hardened.ServeHTTP(w, r)
	}))
	if _, err := bucket.Audit(t.Context(), b, now); err != nil {
		t.Fatal(err)
	}
	if len(requests) < 12 {
		t.Fatalf("only %d requests", len(requests))
	}
	for _, r := range requests {
		if got := r.Header.Get("X-Amz-Expected-Bucket-Owner"); got != owner && asked(r) != "list wrong owner" {
			t.Errorf("%s %s expects the owner %q", r.Method, r.URL, got)
		}
	}
	requests = nil
	_, _ = b.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("drills"), Key: aws.String("x"), CopySource: aws.String("backups-example/weaviate/x")})
	h := requests[0].Header
	if h.Get("X-Amz-Expected-Bucket-Owner") != "" || h.Get("X-Amz-Source-Expected-Bucket-Owner") != owner {
		t.Errorf("a copy to another bucket: %v", h)
	}
}

// A bucket of another account is told from one that is denied.
func TestWrongOwner(t *testing.T) {
	for _, test := range []struct {
		name   string
		really reply // without the condition
		kind   error
		text   string
	}{
		{"of another account", ok(oneObject), bucket.ErrWrongOwner, "the bucket belongs to another AWS account than 111122223333: correct bucket.expected_owner"},
		{"denied at all", denied, bucket.ErrDenied, "access denied, s3:ListBucket is needed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := opened(t, "111122223333", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answers := hardened.with("list", test.really)
				if r.Header.Get("X-Amz-Expected-Bucket-Owner") != "" {
					answers = hardened.with("list", denied)
				}
				answers.ServeHTTP(w, r)
			}))
			err := b.Reachable(t.Context())
			wantError(t, err, test.kind, test.text)
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}

func TestExpectedOwner(t *testing.T) {
	b := onAWS(t, hardened)
	want(t, findings(t, b)["s3-expected-owner"], bucket.Pass, "every call expects the owner 123456789012")
	b.ExpectedOwner = ""
	want(t, findings(t, b)["s3-expected-owner"], bucket.Fail, "expected_owner is not set")
	ignored := hardened.with("list wrong owner", ok(oneObject))
	want(t, findings(t, onAWS(t, ignored))["s3-expected-owner"], bucket.Unknown, "which S3 never does")
	want(t, findings(t, onAnother(t, ignored))["s3-expected-owner"], bucket.NotSupported, "takes no notice")
}
