package bucket_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// filled puts something into the places of a remediation that a reader fills in.
var filled = strings.NewReplacer(
	"LOG-TARGET", "logs-example", "BUCKET", "backups-example", "REPLICA", "replica-example", "OBJECT", "weaviate/chunk-1",
	"KEY-ARN", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "ROLE-ARN", "arn:aws:iam::111122223333:role/replication",
	"DATE", "2030-01-01T00:00:00Z", "TRAIL", "account", "ACCOUNT", "111122223333", "VPC", "vpc-0123456789abcdef0", "NAME", "backups",
)

// obliging answers as AWS does to who reads a configuration, and takes whatever is sent; it counts the requests.
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html, API_GetBucketPolicy.html, API_CopyObject.html;
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html.
func obliging(asked *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		switch {
		case r.Header.Get("X-Amz-Target") != "":
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			fmt.Fprint(w, `{}`)
		case strings.Contains(string(body), "Action=GetCallerIdentity"):
			fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		case strings.Contains(string(body), "Action="):
			fmt.Fprint(w, `<Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"/>`)
		case r.Method == http.MethodGet && q.Has("lifecycle"):
			w.Header().Set("x-amz-transition-default-minimum-object-size", "all_storage_classes_128K")
			fmt.Fprint(w, `<LifecycleConfiguration`+namespace+`><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix/></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`)
		case r.Method == http.MethodGet && q.Has("policy"):
			fmt.Fprint(w, `{"Version":"2012-10-17","Statement":[]}`)
		case r.Header.Get("X-Amz-Copy-Source") != "":
			fmt.Fprint(w, `<CopyObjectResult`+namespace+`/>`)
		}
	}
}

// The AWS CLI itself takes each command, knows its options, and sends what it says: what it sends is not judged. The server is its proxy, because some operations put the account before the host's name.
func TestRemediationIsTaken(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		servertest.Lacking(t, "the AWS CLI is not on this machine: whether it takes the commands is not looked at")
	}
	command := regexp.MustCompile(`(^|&& )aws `)
	seen := map[string]bool{}
	for _, c := range bucket.Checks() {
		script, _, _ := strings.Cut(c.Remediation, " # ")
		script = filled.Replace(script)
		want := len(command.FindAllString(script, -1))
		if want == 0 || seen[script] { // of kubectl or Terraform
			continue
		}
		seen[script] = true
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(obliging(&asked))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // a command takes a second, on a machine that does nothing else
			defer cancel()
			run := exec.CommandContext(ctx, "sh", "-c", script)
			run.Dir = t.TempDir()
			run.Env = append(os.Environ(), "EDITOR=true", "AWS_ENDPOINT_URL=http://aws.example", "http_proxy="+server.URL, "HTTP_PROXY="+server.URL, "no_proxy=", "NO_PROXY=", "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_MAX_ATTEMPTS=1",
				"AWS_ACCESS_KEY_ID=example", "AWS_SECRET_ACCESS_KEY=example", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
			if out, err := run.CombinedOutput(); err != nil || int(asked.Load()) != want {
				t.Errorf("%s\n%v, and %d requests of %d:\n%s", script, err, asked.Load(), want, out)
			}
		})
	}
}
