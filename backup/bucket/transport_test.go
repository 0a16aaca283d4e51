package bucket_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// A request over plain HTTP shows whether the denial of the policy holds. One that would carry a session token is not sent.
func TestPlainHTTPIsTried(t *testing.T) {
	const denies = "the bucket policy denies plain HTTP"
	for _, test := range []struct {
		name   string
		token  string
		plain  reply // no status: nobody listens
		status bucket.Status
		detail string
		asked  int32
	}{
		{"refused", "", denied, bucket.Pass, denies + ", and it is refused", 1},
		{"answered", "", ok(noObject), bucket.Fail, "was answered", 1},
		{"sent elsewhere", "", reply{status: http.StatusMovedPermanently, header: http.Header{"Location": {"https://backups-example.s3.us-east-1.amazonaws.com/"}}}, bucket.Pass, "had no answer that tells more", 1},
		{"another page", "", reply{status: http.StatusOK, body: "<html>a proxy</html>"}, bucket.Pass, "had no answer that tells more", 1},
		{"overloaded", "", failure(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."), bucket.Pass, "had no answer that tells more", 1},
		{"nobody listens", "", reply{}, bucket.Pass, "had no answer that tells more", 0},
		{"a role", token, ok(noObject), bucket.Pass, denies + "; not tried", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			var secrets atomic.Bool
			plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				secrets.Store(secrets.Load() || r.Header.Get("X-Amz-Security-Token") != "" || !strings.Contains(r.Header.Get("Authorization"), keyID))
				test.plain.write(w)
			}))
			if test.plain.status == 0 {
				plain.Close()
			}
			t.Cleanup(plain.Close)
			b := onAWS(t, hardened)
			o := b.Client.Options()
			o.HTTPClient = o.HTTPClient.(*awshttp.BuildableClient).WithTransportOptions(func(transport *http.Transport) {
				transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, plain.Listener.Addr().String())
				}
			})
			o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: keyWord, SessionToken: test.token}, nil
			})
			b.Client = s3.New(o)
			want(t, findings(t, b)["s3-secure-transport"], test.status, test.detail)
			if asked.Load() != test.asked || secrets.Load() {
				t.Errorf("%d requests over plain HTTP, want %d; a session token or no signature: %v", asked.Load(), test.asked, secrets.Load())
			}
		})
	}
}
