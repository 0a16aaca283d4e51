package bucket_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// faulty answers the listing of the objects with two pages, and some requests of the pass over them as fault says: it is asked with what a request is about and how often that came.
func faulty(t *testing.T, fault func(what string, times int) *reply) http.Handler {
	t.Helper()
	var mu sync.Mutex
	times := map[string]int{}
	page := func(key, next string) reply {
		truncated := "false"
		if next != "" {
			truncated, next = "true", `<NextContinuationToken>`+next+`</NextContinuationToken>`
		}
		return ok(`<ListBucketResult` + namespace + `><IsTruncated>` + truncated + `</IsTruncated>` + next + `<Contents><Key>` + key + `</Key></Contents></ListBucketResult>`)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, answers := asked(r), hardened
		switch q := r.URL.Query(); {
		case what == "list" && q.Get("continuation-token") == "two":
			what, answers = "list two", hardened.with("list", page("weaviate/drill-2/chunk-1", ""))
		case what == "list" && q.Get("max-keys") == "":
			what, answers = "list one", hardened.with("list", page("weaviate/drill-1/chunk-1", "two"))
		case what == "head":
			what += " " + subject(r)
		}
		mu.Lock()
		times[what]++
		n := times[what]
		mu.Unlock()
		if answer := fault(what, n); answer != nil {
			answers = hardened.with(asked(r), *answer).with(asked(r)+" "+subject(r), *answer)
		}
		answers.ServeHTTP(w, r)
	})
}

// One request of the pass over the objects that fails for good leaves all of it unknown; one that is let in when it is asked again does not.
func TestObjectsOfAFaultyServer(t *testing.T) {
	const second = "head weaviate/drill-2/chunk-1"
	// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
	moved := failure(301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.")
	slow := failure(503, "SlowDown", "Please reduce your request rate.")
	cutOff := reply{status: http.StatusOK, body: xmlHead + `<ListBucketResult><Contents><Key>weaviate/dr`}
	for _, test := range []struct {
		name   string
		on     string
		answer reply
		first  int // so many times; then as it should be
		status bucket.Status
		detail string
		says   string // in the evidence
	}{
		{"a page is moved", "list two", moved, 9, bucket.Unknown, "the bucket lies in another region", ""},
		{"an object is moved", second, reply{status: 301, header: http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}}, 9, bucket.Unknown, "set bucket.region to eu-west-1", ""},
		{"a page is throttled once", "list two", slow, 1, bucket.Pass, "2 objects", "after 1 further attempt,"},
		{"every object is throttled once", "head ", reply{status: 503}, 1, bucket.Pass, "2 objects", "after 2 further attempts,"},
		{"an object is throttled for good", second, reply{status: 503}, 99, bucket.Unknown, "the S3 server is overloaded or broken (HTTP 503 ServiceUnavailable", ""},
		{"a page is cut off", "list two", cutOff, 99, bucket.Unknown, "not known", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := onAWS(t, faulty(t, func(what string, times int) *reply {
				if strings.HasPrefix(what, test.on) && times <= test.first {
					return &test.answer
				}
				return nil
			}))
			found := findings(t, b)
			for _, check := range []string{"s3-object-encryption", "s3-object-retention", "s3-object-replication"} {
				want(t, found[check], test.status, test.detail)
				if evidence := fmt.Sprint(found[check].Evidence); !strings.Contains(evidence, test.says) {
					t.Errorf("%s: the evidence is %s", check, evidence)
				}
			}
		})
	}
}
