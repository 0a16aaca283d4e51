package bucket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

func TestLifecycleBases(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }
	full := bucket.Held{ID: "full", Captured: day(0), Until: day(40), Own: day(40), Why: "full/backup_config.json expires"}
	inc := func(until, own time.Time) bucket.Held {
		return bucket.Held{ID: "inc", Base: "full", Captured: day(20), Until: until, Own: own, Why: "full/chunk-1 expires on that day"}
	}
	for _, test := range []struct {
		name   string
		held   []bucket.Held
		err    error
		status bucket.Status
		detail string
	}{
		{"no backup", nil, nil, bucket.NotApplicable, "no backup builds on another"},
		{"only full ones", []bucket.Held{full}, nil, bucket.NotApplicable, "no backup builds on another"},
		{"lost with its base", []bucket.Held{full, inc(day(40), day(60))}, nil, bucket.Fail, "1 of 1 incremental backups are lost with a base within 30 days: inc is lost 20 days after its capture point: full/chunk-1 expires on that day"},
		{"lost with its base, itself never", []bucket.Held{full, inc(day(40), time.Time{})}, nil, bucket.Fail, "inc is lost 20 days after"},
		{"lost later", []bucket.Held{full, inc(day(50), day(60))}, nil, bucket.Pass, "keep their bases for 30 days; restorable is inc until 2026-12-21 (full/chunk-1 expires on that day)"},
		{"goes before its base", []bucket.Held{full, inc(day(22), day(22))}, nil, bucket.Pass, "as long as themselves"}, // s3-lifecycle-backups says so
		{"for ever", []bucket.Held{full, inc(time.Time{}, time.Time{})}, nil, bucket.Pass, "as long as themselves"},
		{"lost already", []bucket.Held{{ID: "inc", Base: "gone", Lost: "backup gone is not in the bucket"}}, nil, bucket.Fail, "inc cannot be restored: backup gone is not in the bucket"},
		{"in doubt", []bucket.Held{{ID: "inc", Base: "full", Doubt: "the base is incomplete"}}, nil, bucket.Unknown, "inc: the base is incomplete"},
		{"denied", nil, errors.New("denied"), bucket.Unknown, "not known: denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := onAWS(t, hardened.with("lifecycle", lifecycle(`<Filter/><Status>Enabled</Status><Expiration><Days>40</Days></Expiration>`)))
			found := findings(t, b, bucket.WithBackups(func(context.Context) ([]bucket.Held, error) { return test.held, test.err }))
			want(t, found["s3-lifecycle-bases"], test.status, test.detail)
		})
	}
	found := findings(t, onAWS(t, hardened), bucket.WithBackups(func(context.Context) ([]bucket.Held, error) {
		t.Error("no rule takes anything away, and the backups are listed all the same")
		return nil, nil
	}))
	want(t, found["s3-lifecycle-bases"], bucket.Pass, "no enabled rule")
}

func TestLifecycleRTO(t *testing.T) {
	moves := func(status, class string) reply {
		return lifecycle(fmt.Sprintf(`<ID>cold</ID><Filter/><Status>%s</Status><Transition><Days>90</Days><StorageClass>%s</StorageClass></Transition>`, status, class))
	}
	for _, test := range []struct {
		name                string
		rules               reply
		objective, measured time.Duration
		status              bucket.Status
		detail              string
	}{
		{"read at once", moves("Enabled", "GLACIER_IR"), time.Hour, time.Minute, bucket.Pass, "no enabled rule moves backups to a class that has to be thawed"},
		{"disabled", moves("Disabled", "GLACIER"), time.Hour, time.Minute, bucket.Pass, "no enabled rule"},
		{"no objective", moves("Enabled", "GLACIER"), 0, time.Minute, bucket.NotApplicable, "no recovery time objective"},
		{"too slow", moves("Enabled", "GLACIER"), 4 * time.Hour, 0, bucket.Fail, `the recovery time objective of 4h cannot be met from then on: rule "cold" moves backups to GLACIER 90 days after they were written, whence a restore takes up to 5h`},
		{"too slow together", moves("Enabled", "DEEP_ARCHIVE"), 13 * time.Hour, 90 * time.Minute, bucket.Fail, "up to 12h and the 1h30m that the last drill took, together 13h30m"},
		{"fast enough", moves("Enabled", "DEEP_ARCHIVE"), 14 * time.Hour, 90 * time.Minute, bucket.Pass, "together 13h30m"},
		{"perhaps fast enough", moves("Enabled", "GLACIER"), 14 * time.Hour, 0, bucket.Unknown, "no measured recovery time is at hand"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var options []bucket.Option
			if test.objective > 0 {
				options = append(options, bucket.WithRTO(test.objective, test.measured))
			}
			want(t, findings(t, onAWS(t, hardened.with("lifecycle", test.rules)), options...)["s3-lifecycle-rto"], test.status, test.detail)
		})
	}
}

// lists answers what is below a path, besides what replies do.
type lists struct {
	replies
	versions, uploads reply
}

func (l lists) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch q := r.URL.Query(); {
	case q.Has("versions"):
		w.WriteHeader(l.versions.status)
		_, _ = w.Write([]byte(l.versions.body))
	case q.Has("uploads"):
		w.WriteHeader(l.uploads.status)
		_, _ = w.Write([]byte(l.uploads.body))
	default:
		l.replies.ServeHTTP(w, r)
	}
}

// What MinIO does not answer, or keep: transitions, and rules about uploads.
func TestLifecycleIdle(t *testing.T) {
	const abort = `<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>`
	none := failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	upload := func(initiated time.Time) string {
		return `<Upload><Key>weaviate/a/node/C/chunk-1</Key><UploadId>x</UploadId><Initiated>` + initiated.Format(time.RFC3339) + `</Initiated></Upload>`
	}
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
	uploads := func(list ...string) reply {
		return ok(`<ListMultipartUploadsResult` + namespace + `><Bucket>backups-example</Bucket>` + strings.Join(list, "") + `</ListMultipartUploadsResult>`)
	}
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
	versions := ok(`<ListVersionsResult` + namespace + `><IsTruncated>false</IsTruncated>` +
		`<DeleteMarker><Key>weaviate/a/chunk-1</Key><VersionId>3</VersionId><IsLatest>true</IsLatest><LastModified>2026-10-01T00:00:00.000Z</LastModified></DeleteMarker>` +
		`<Version><Key>weaviate/a/chunk-1</Key><VersionId>2</VersionId><IsLatest>false</IsLatest><LastModified>2026-09-01T00:00:00.000Z</LastModified><Size>1000</Size></Version>` +
		`<Version><Key>weaviate/a/chunk-2</Key><VersionId>1</VersionId><IsLatest>true</IsLatest><LastModified>2026-09-01T00:00:00.000Z</LastModified><Size>1000</Size></Version></ListVersionsResult>`)
	noVersions := ok(`<ListVersionsResult` + namespace + `><IsTruncated>false</IsTruncated></ListVersionsResult>`)
	all := `<Filter/><Status>Enabled</Status>`
	never := lifecycle(all + abort)
	for _, test := range []struct {
		name              string
		rules             reply
		versions, uploads reply
		status            bucket.Status
		detail            string
	}{
		{"as it should be", hardened["lifecycle"], denied, denied, bucket.Pass, "1 enabled rule, each of which"},
		{"uploads", none, noVersions, uploads(upload(now.AddDate(0, 0, -8)), upload(now.AddDate(0, 0, -6))), bucket.Fail, "1 upload older than 7 days"},
		{"young uploads", none, noVersions, uploads(upload(now.AddDate(0, 0, -6))), bucket.Pass, "0 enabled rules"},
		{"a deleted backup", never, versions, denied, bucket.Fail, "1 old versions with 1000 bytes stay for ever"},
		{"denied", never, denied, denied, bucket.Unknown, "s3:ListBucketVersions is needed"},
		{"uploads denied", none, noVersions, denied, bucket.Unknown, "s3:ListBucketMultipartUploads is needed"},
		{"expired before it moves", lifecycle(all + abort + `<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration><Expiration><Days>30</Days></Expiration>` +
			`<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>`), denied, denied, bucket.Fail, "never moves anything to GLACIER: rule 1 has expired it by then"},
		{"a rule of one tag is faster than that of all tags", lifecycle(
			all+abort+`<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration><Expiration><Days>30</Days></Expiration>`,
			`<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`), denied, denied, bucket.Pass, "2 enabled rules"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, findings(t, onAWS(t, lists{hardened.with("lifecycle", test.rules), test.versions, test.uploads}))["s3-lifecycle-idle"], test.status, test.detail)
		})
	}
}
