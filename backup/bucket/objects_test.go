package bucket_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// head is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html, with some headers changed; an empty one is left out.
func head(changed map[string]string) reply {
	headers := map[string]string{
		"Last-Modified": "Tue, 24 Nov 2026 21:30:00 GMT", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": keyARN, "X-Amz-Replication-Status": "COMPLETED",
		"X-Amz-Object-Lock-Mode": "COMPLIANCE", "X-Amz-Object-Lock-Retain-Until-Date": "2026-12-29T21:30:00.000Z",
	}
	maps.Copy(headers, changed)
	r := reply{status: http.StatusOK, header: http.Header{}}
	for name, value := range headers {
		if value != "" {
			r.header.Set(name, value)
		}
	}
	return r
}

// replication is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketReplication.html.
func replication(rules ...string) reply {
	return ok(`<ReplicationConfiguration` + namespace + `><Role>arn:aws:iam::123456789012:role/replication</Role><Rule>` + strings.Join(rules, `</Rule><Rule>`) + `</Rule></ReplicationConfiguration>`)
}

func TestObjects(t *testing.T) {
	const other = "arn:aws:kms:us-east-1:123456789012:key/0987dcba-09fe-87dc-65ba-ab0987654321"
	const sse, sseKey, lockMode, until, copied = "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Replication-Status"
	heads := func(pairs ...string) replies {
		changed := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			changed[pairs[i]] = pairs[i+1]
		}
		return hardened.with("head", head(changed))
	}
	unlocked := heads(lockMode, "", until, "")
	const those = "1 of 1 object (weaviate/drill-1/backup_config.json) of the backups drill-1"
	for _, test := range []struct {
		answers  replies
		check    string
		status   bucket.Status
		detail   string
		severity bucket.Severity
	}{
		{hardened, "s3-object-encryption", bucket.Pass, "1 object below", bucket.Medium},
		{heads(sse, "", sseKey, ""), "s3-object-encryption", bucket.Fail, "are not encrypted: " + those, bucket.Medium},
		{heads(sse, "AES256", sseKey, ""), "s3-object-encryption", bucket.Fail, "weaker than the default aws:kms: " + those, bucket.Medium},
		{heads(sse, "aws:kms:dsse"), "s3-object-encryption", bucket.Pass, "or stronger", bucket.Medium},
		{heads(sseKey, other), "s3-object-encryption", bucket.Fail, "by another key than the default: " + those, bucket.Medium},
		{heads(sseKey, other).with("kms DescribeKey "+other, describeKey(`"Arn":"`+other+`","KeyState":"PendingDeletion","DeletionDate":1796083200`)), "s3-object-encryption", bucket.Fail, other + " is to be deleted on 2026-12-01", bucket.Critical},
		{heads(sseKey, other).with("kms DescribeKey "+other, kmsFailure(400, "NotFoundException", "Key does not exist")), "s3-object-encryption", bucket.Fail, "KMS does not know the key " + other, bucket.Critical},
		{heads(sse, "aws:kms:dsse", sseKey, other).with("encryption", encryption("AES256", "")).with("kms DescribeKey "+other, kmsFailure(400, "AccessDeniedException", "no")), "s3-object-encryption", bucket.Unknown, "kms:DescribeKey is needed", bucket.Medium},
		{hardened.with("head", reply{status: 400}).with("get", failure(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption.")), "s3-object-encryption", bucket.Fail, "that only the writer has, and cannot be restored from: " + those, bucket.Medium},
		{hardened.with("head", reply{status: 400}).with("get", failure(400, "ExpiredToken", "The provided token has expired.")), "s3-object-encryption", bucket.Unknown, "GetObject: access denied (ExpiredToken", bucket.Medium},
		{hardened.with("head", reply{status: 403}), "s3-object-encryption", bucket.Unknown, "s3:GetObject is needed", bucket.Medium},
		{hardened.with("head", reply{status: 404}), "s3-object-encryption", bucket.NotApplicable, "no backup yet", bucket.Medium}, // gone since it was listed
		{hardened.with("head", reply{status: 503}), "s3-object-encryption", bucket.Unknown, "HTTP 503", bucket.Medium},
		{hardened.with("list", ok(noObject)), "s3-object-encryption", bucket.NotApplicable, "no backup yet", bucket.Medium},

		{hardened, "s3-object-retention", bucket.Pass, "locked for 30 days", bucket.Medium},
		{hardened.with("object-lock", failure(404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")), "s3-object-retention", bucket.NotApplicable, "no Object Lock", bucket.Medium},
		{heads(until, "2026-12-20T21:30:00.000Z"), "s3-object-retention", bucket.Fail, "locked for less than 30 days: " + those, bucket.Medium},
		{unlocked.with("retention", failure(404, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration")), "s3-object-retention", bucket.Fail, "are not locked: " + those, bucket.Medium},
		{unlocked.with("retention", denied), "s3-object-retention", bucket.Unknown, "s3:GetObjectRetention is needed", bucket.Medium},
		{heads(lockMode, "", until, "", "X-Amz-Object-Lock-Legal-Hold", "ON"), "s3-object-retention", bucket.Pass, "1 object", bucket.Medium},
		{heads(lockMode, "GOVERNANCE"), "s3-object-retention", bucket.Pass, "of 1 whoever has s3:BypassGovernanceRetention", bucket.Medium},

		{hardened, "s3-replication", bucket.Pass, `rule "away" replicates the backups to arn:aws:s3:::replica-example`, bucket.Low},
		{hardened.with("replication", failure(404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found")), "s3-replication", bucket.Fail, "the only copy", bucket.Low},
		{hardened.with("replication", replication(`<ID>off</ID><Status>Disabled</Status><Prefix></Prefix>`, `<ID>some</ID><Status>Enabled</Status><Prefix>logs/</Prefix>`, `<ID>tagged</ID><Status>Enabled</Status><Filter><And><Prefix></Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>`)), "s3-replication", bucket.Fail, `rule "off" is disabled; rule "some" selects keys that begin with logs/; rule "tagged" selects tagged objects`, bucket.Low},
		{hardened, "s3-object-replication", bucket.Pass, "every one is replicated", bucket.Medium},
		{heads(copied, "FAILED"), "s3-object-replication", bucket.Fail, "FAILED to replicate: " + those, bucket.Medium},
		{heads(copied, "PENDING"), "s3-object-replication", bucket.Pass, "waiting for it for no longer than 30m0s", bucket.Medium},
		{heads(copied, "PENDING", "Last-Modified", "Tue, 24 Nov 2026 20:30:00 GMT"), "s3-object-replication", bucket.Fail, "wait for replication for more than an hour: " + those, bucket.Medium},
		{heads(copied, ""), "s3-object-replication", bucket.Fail, "no replication status", bucket.Medium},
		{hardened.with("replication", failure(404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found")), "s3-object-replication", bucket.NotApplicable, "not replicated", bucket.Medium},
	} {
		t.Run(test.check+" "+test.detail, func(t *testing.T) {
			t.Parallel()
			list, err := bucket.Audit(t.Context(), onAWS(t, test.answers), now)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range list {
				if f.Check == test.check {
					want(t, f, test.status, test.detail)
					if f.Severity != test.severity {
						t.Errorf("the severity is %s", f.Severity)
					}
				}
			}
		})
	}
}

// Every page is listed, each object is looked at once for all checks, and a sample is said to be one.
func TestManyObjects(t *testing.T) {
	const pages, each = 3, 40
	heads := make(chan string, pages*each)
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case asked(r) == "list" && q.Get("max-keys") == "":
			page := 0
			_, _ = fmt.Sscan(q.Get("continuation-token"), &page)
			var b strings.Builder
			for i := range each {
				fmt.Fprintf(&b, "<Contents><Key>weaviate/drill-%d/chunk-%02d</Key></Contents>", page, i)
			}
			if page+1 < pages {
				fmt.Fprintf(&b, "<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", page+1)
			}
			_, _ = fmt.Fprint(w, "<ListBucketResult>"+b.String()+"</ListBucketResult>")
			return
		case asked(r) == "head":
			heads <- r.URL.Path
			if strings.HasPrefix(r.URL.Path, "/weaviate/drill-2/") {
				hardened.with("head", head(map[string]string{"X-Amz-Server-Side-Encryption": "AES256"})).ServeHTTP(w, r)
				return
			}
		}
		hardened.ServeHTTP(w, r)
	})
	want(t, findings(t, onAWS(t, server))["s3-object-encryption"], bucket.Fail, "weaker than the default aws:kms: 40 of 120 objects (weaviate/drill-2/chunk-00, weaviate/drill-2/chunk-01, weaviate/drill-2/chunk-02 and 37 more) of the backups drill-2")
	looked := map[string]bool{}
	for range len(heads) {
		looked[<-heads] = true
	}
	if len(looked) != pages*each {
		t.Errorf("%d of %d objects were looked at", len(looked), pages*each)
	}
	f := findings(t, onAWS(t, server), bucket.WithObjects(10))["s3-object-replication"]
	want(t, f, bucket.Pass, "a sample of 10 out of 120 objects")
	if len(heads) != 10 {
		t.Errorf("%d objects were looked at and not 10", len(heads))
	}
}

// One that hangs is given up in time, and no object is then said to be well.
func TestObjectsOfASlowServer(t *testing.T) {
	b := onAWS(t, hang{hardened, func(asked string) bool { return asked == "head" }})
	want(t, findings(t, b, bucket.WithCallTimeout(100*time.Millisecond))["s3-object-encryption"], bucket.Unknown, "does not answer in time")
}
