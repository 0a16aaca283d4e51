package bucket_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// alike is a server that answers all that is asked of it alike, but for the first listing, without which no audit begins.
func alike(first, rest reply) replies {
	all := replies{}
	for asked := range protected {
		if all[asked] = rest; strings.HasPrefix(asked, "control ") { // which wraps its errors once more
			wrapped := rest
			wrapped.body = strings.NewReplacer("<Error>", "<ErrorResponse><Error>", "</Error>", "</Error></ErrorResponse>").Replace(rest.body)
			all[asked] = wrapped
		}
	}
	return all.with("list", first)
}

// Nothing passes where nothing was learnt: whatever a server denies, breaks, or leaves empty. What passes on a denial is what the denial proves.
func TestNothingPassesUnlearnt(t *testing.T) {
	proved := []string{"s3-anonymous-access", "s3-expected-owner", "iam-auditor-rights"}
	for _, test := range []struct {
		name   string
		answer reply
		passes []string // by what the answer itself proves
	}{
		{"everything is denied", denied, proved},
		{"everything breaks", failure(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."), nil},
		{"everything is throttled", failure(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."), nil},
		{"everything is moved", failure(http.StatusMovedPermanently, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint."), nil},
		{"everything is empty", reply{status: http.StatusOK}, nil},
		{"everything is a page of HTML", reply{status: http.StatusOK, body: "<!DOCTYPE html><html><body>Log in</body></html>"}, nil},
		{"everything is an empty element", ok("<Empty/>"), nil},
		{"everything is an empty JSON", reply{status: http.StatusOK, body: "{}"}, nil},
	} {
		for first, list := range map[string]reply{"a backup": ok(oneObject), "no backup": ok(noObject)} {
			t.Run(test.name+", with "+first, func(t *testing.T) {
				t.Parallel()
				b := onAWS(t, alike(list, test.answer))
				for check, f := range findings(t, b, append(besides(b), bucket.AsAuditor())...) {
					switch {
					case f.Status == bucket.Pass && !slices.Contains(test.passes, check) && check != "iam-source-identity": // which the cluster tells
						t.Errorf("%s passes: %s\n%v", check, f.Detail, f.Evidence)
					case f.Status == bucket.NotSupported:
						t.Errorf("%s is not supported by AWS: %s", check, f.Detail)
					}
				}
			})
		}
	}
}
