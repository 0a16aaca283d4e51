package bucket_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// pointsOf is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListAccessPoints.html.
func pointsOf(next, origin string, names ...string) reply {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(`<AccessPoint><Name>` + name + `</Name><NetworkOrigin>` + origin + `</NetworkOrigin><Bucket>backups-example</Bucket><BucketAccountId>123456789012</BucketAccountId></AccessPoint>`)
	}
	if next != "" {
		next = `<NextToken>` + next + `</NextToken>`
	}
	return ok(`<ListAccessPointsResult` + controlNamespace + `>` + next + `<AccessPointList>` + b.String() + `</AccessPointList></ListAccessPointsResult>`)
}

const controlNamespace = ` xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"`

// pointOf is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetAccessPoint.html.
func pointOf(origin, restrict string) reply {
	return ok(`<GetAccessPointResult` + controlNamespace + `><Name>reader</Name><Bucket>backups-example</Bucket><NetworkOrigin>` + origin + `</NetworkOrigin><PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>` +
		`<IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>` + restrict + `</RestrictPublicBuckets></PublicAccessBlockConfiguration></GetAccessPointResult>`)
}

// pointStatus is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetAccessPointPolicyStatus.html.
func pointStatus(public string) reply {
	return ok(`<GetAccessPointPolicyStatusResult` + controlNamespace + `><PolicyStatus><IsPublic>` + public + `</IsPublic></PolicyStatus></GetAccessPointPolicyStatusResult>`)
}

func TestAccessPoints(t *testing.T) {
	const list, get, status = "control accesspoints", "control accesspoint", "control accesspoint policyStatus"
	two := hardened.with(list, pointsOf("", "Internet", "reader", "writer"))
	// The code is in the page of access point policies: https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetAccessPointPolicy.html.
	none := controlFailure(404, "NoSuchAccessPointPolicy", "The specified accesspoint policy does not exist")
	for _, test := range []struct {
		name     string
		answers  replies
		status   bucket.Status
		detail   string
		severity bucket.Severity
	}{
		{"of a VPC", hardened, bucket.Pass, "each has all its blocks on: reader; reached from a VPC alone", bucket.Medium},
		{"of the internet", two, bucket.Pass, "from the internet by whom its policy or his own lets in: reader, writer", bucket.Medium},
		{"without a policy", hardened.with(status, none), bucket.Pass, "no access point is public", bucket.Medium},
		{"none", hardened.with(list, pointsOf("", "")), bucket.NotApplicable, "no access point in account 123456789012", bucket.Medium},
		{"no list", hardened.with(list, ok(`<ListAccessPointsResult/>`)), bucket.Unknown, "holds no list", bucket.Medium},
		{"a block off", two.with(get+" writer", pointOf("Internet", "false")), bucket.Fail, "access point writer (internet) has blocks off: RestrictPublicBuckets", bucket.Medium},
		{"no block said", hardened.with(get, ok(`<GetAccessPointResult/>`)), bucket.Unknown, "no public access block of access point reader", bucket.Medium},
		{"public", two.with(status+" writer", pointStatus("true")), bucket.Fail, "the policy of access point writer makes it public", bucket.Critical},
		{"public and a block off", two.with(status+" writer", pointStatus("true")).with(get+" reader", pointOf("VPC", "false")), bucket.Fail, "access point reader (vpc) has blocks off: RestrictPublicBuckets; the policy of access point writer", bucket.Critical},
		{"no status said", hardened.with(status, ok(`<GetAccessPointPolicyStatusResult/>`)), bucket.Unknown, "does not say whether the policy of access point reader", bucket.Medium},
		{"list denied", hardened.with(list, controlFailure(403, "AccessDenied", "Access Denied")), bucket.Unknown, "s3:ListAccessPoints is needed", bucket.Medium},
		{"one denied", two.with(get+" writer", controlFailure(403, "AccessDenied", "Access Denied")), bucket.Unknown, "s3:GetAccessPoint is needed", bucket.Medium},
		{"status denied", hardened.with(status, controlFailure(403, "AccessDenied", "Access Denied")), bucket.Unknown, "s3:GetAccessPointPolicyStatus is needed", bucket.Medium},
		{"gone since", hardened.with(get, controlFailure(404, "NoSuchAccessPoint", "The specified accesspoint does not exist")), bucket.Unknown, "NoSuchAccessPoint", bucket.Medium},
		{"overloaded", hardened.with(list, controlFailure(503, "SlowDown", "Please reduce your request rate.")), bucket.Unknown, "overloaded", bucket.Medium},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := findings(t, onAWS(t, test.answers))["s3-access-points"]
			want(t, f, test.status, test.detail)
			if f.Severity != test.severity {
				t.Errorf("the severity is %s", f.Severity)
			}
		})
	}
}

// What is on the second page counts, and without it nothing is known.
func TestAccessPointsOnPages(t *testing.T) {
	pages := func(second reply) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			first := hardened.with("control accesspoints", pointsOf("more", "VPC", "reader"))
			if r.URL.Query().Get("nextToken") == "more" {
				first = hardened.with("control accesspoints", second)
			}
			first.with("control accesspoint policyStatus writer", pointStatus("true")).ServeHTTP(w, r)
		})
	}
	want(t, findings(t, onAWS(t, pages(pointsOf("", "VPC", "writer"))))["s3-access-points"], bucket.Fail, "access point writer makes it public")
	want(t, findings(t, onAWS(t, pages(controlFailure(503, "SlowDown", "Please reduce your request rate."))))["s3-access-points"], bucket.Unknown, "overloaded")
	want(t, findings(t, onAWS(t, pages(ok(`<ListAccessPointsResult/>`))))["s3-access-points"], bucket.Unknown, "holds no list")
}
