package bucket_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// The dates of AWS's own examples: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html (2014-01-15 and 3 days), and the orders of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html and lifecycle-transition-general-considerations.html beside it.
func TestFate(t *testing.T) {
	written := time.Date(2014, 1, 15, 10, 30, 0, 0, time.UTC)
	const (
		enabled = `<Filter/><Status>Enabled</Status>`
		expires = `<Expiration><Days>%d</Days></Expiration>`
		moves   = `<Transition><Days>%d</Days><StorageClass>%s</StorageClass></Transition>`
	)
	minimum := func(is string, r reply) reply {
		r.header = http.Header{"X-Amz-Transition-Default-Minimum-Object-Size": {is}}
		return r
	}
	small := bucket.Version{Key: "weaviate/a/backup_config.json", Bytes: 2000, LastModified: written}
	chunk := bucket.Version{Key: "weaviate/a/node/C/chunk-1", Bytes: 1 << 20, LastModified: written}
	cold, old, kept := chunk, chunk, chunk
	cold.StorageClass = "GLACIER"
	old.Noncurrent, old.Newer = written, 2
	kept.Noncurrent, kept.Newer = written, 1
	tests := []struct {
		name    string
		rules   reply
		version bucket.Version
		fate    string
	}{
		{"none", failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"), chunk, ""},
		{"3 days", lifecycle(`<ID>a</ID>` + enabled + fmt.Sprintf(expires, 3)), chunk, `expires on 2014-01-19 by rule "a"`},
		{"no id", lifecycle(`<Prefix>x</Prefix><Status>Enabled</Status>`+fmt.Sprintf(expires, 1), enabled+fmt.Sprintf(expires, 3)), chunk, `expires on 2014-01-19 by rule 2`},
		{"disabled", lifecycle(`<Filter/><Status>Disabled</Status>` + fmt.Sprintf(expires, 3)), chunk, ""},
		{"the earlier of two", lifecycle(enabled+fmt.Sprintf(expires, 3), enabled+fmt.Sprintf(expires, 2)), chunk, `expires on 2014-01-18 by rule 2`},
		{"legacy prefix", lifecycle(`<Prefix>weaviate/a/node</Prefix><Status>Enabled</Status>` + fmt.Sprintf(expires, 3)), small, ""},
		{"date", lifecycle(enabled + `<Expiration><Date>2014-02-01T00:00:00.000Z</Date></Expiration>`), chunk, `expires on 2014-02-01 by rule 1`},
		{"date before it was written", lifecycle(enabled + `<Expiration><Date>2014-01-01T00:00:00.000Z</Date></Expiration>`), chunk, `expires on 2014-01-15 by rule 1`},
		{"delete markers only", lifecycle(enabled + `<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>`), chunk, ""},
		{"down the waterfall", lifecycle(enabled + fmt.Sprintf(moves+moves+expires, 90, "GLACIER", 30, "STANDARD_IA", 365)), chunk,
			`moves to STANDARD_IA on 2014-02-15 by rule 1, moves to GLACIER on 2014-04-16 by rule 1, expires on 2015-01-16 by rule 1`},
		{"at once", lifecycle(enabled + fmt.Sprintf(moves, 0, "GLACIER")), chunk, `moves to GLACIER on 2014-01-16 by rule 1`},
		{"never up again", lifecycle(enabled + fmt.Sprintf(moves+moves, 1, "GLACIER_IR", 9, "STANDARD_IA")), chunk, `moves to GLACIER_IR on 2014-01-17 by rule 1`},
		{"cold already", lifecycle(enabled + fmt.Sprintf(moves+moves, 1, "GLACIER", 9, "DEEP_ARCHIVE")), cold, `moves to DEEP_ARCHIVE on 2014-01-25 by rule 1`},
		{"the colder of two", lifecycle(enabled+fmt.Sprintf(moves, 9, "STANDARD_IA"), enabled+fmt.Sprintf(moves, 9, "GLACIER")), chunk, `moves to GLACIER on 2014-01-25 by rule 2`},
		{"expiry before a move", lifecycle(enabled+fmt.Sprintf(expires, 9), enabled+fmt.Sprintf(moves, 9, "GLACIER")), chunk, `expires on 2014-01-25 by rule 1`},
		{"small, no minimum told", lifecycle(enabled + fmt.Sprintf(moves, 9, "GLACIER")), small, `moves to GLACIER on 2014-01-25 by rule 1`},
		{"small", minimum("all_storage_classes_128K", lifecycle(enabled+fmt.Sprintf(moves+expires, 9, "GLACIER", 30))), small, `expires on 2014-02-15 by rule 1`},
		{"small, by class", minimum("varies_by_storage_class", lifecycle(enabled+fmt.Sprintf(moves+moves, 9, "STANDARD_IA", 30, "GLACIER"))), small, `moves to GLACIER on 2014-02-15 by rule 1`},
		{"small, and a filter by size", minimum("all_storage_classes_128K", lifecycle(`<Filter><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></Filter><Status>Enabled</Status>`+fmt.Sprintf(moves, 9, "GLACIER"))), small,
			`moves to GLACIER on 2014-01-25 by rule 1`},
		{"not small", minimum("all_storage_classes_128K", lifecycle(enabled+fmt.Sprintf(moves, 9, "GLACIER"))), chunk, `moves to GLACIER on 2014-01-25 by rule 1`},
		{"noncurrent, current rules", lifecycle(enabled + fmt.Sprintf(moves+expires, 1, "GLACIER", 9)), old, ""},
		{"noncurrent", lifecycle(enabled + `<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays></NoncurrentVersionExpiration><NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays>` +
			`<StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>`), old, `moves to GLACIER on 2014-01-17 by rule 1, expires on 2014-01-21 by rule 1`},
		{"current, noncurrent rules", lifecycle(enabled + `<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays></NoncurrentVersionExpiration>`), chunk, ""},
		{"noncurrent, not among the newest", lifecycle(enabled + newerKept), old, `expires on 2014-01-21 by rule 1`},
		{"noncurrent, among the newest", lifecycle(enabled + newerKept), kept, ""},
	}
	for _, test := range tests {
		l, err := onAWS(t, replies{"lifecycle": test.rules}).Lifecycle(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		var steps []string
		for _, c := range l.Fate(test.version) {
			steps = append(steps, c.String())
		}
		if fate := strings.Join(steps, ", "); fate != test.fate {
			t.Errorf("%s: %s", test.name, fate)
		}
		end, ends := l.End(test.version)
		if i := slices.IndexFunc(steps, func(s string) bool { return !strings.Contains(s, "_I") }); ends != (i >= 0) || ends && end.String() != steps[i] { // the classes of which is read at once have it
			t.Errorf("%s: it can be read until it %s, %v", test.name, end, ends)
		}
	}
	if _, err := onAWS(t, replies{"lifecycle": denied}).Lifecycle(t.Context()); err == nil || !strings.Contains(err.Error(), "s3:GetLifecycleConfiguration is needed") {
		t.Errorf("denied: %v", err)
	}
}

const newerKept = `<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>`

var expiration = regexp.MustCompile(`^expiry-date="([^"]+)", rule-id="([^"]*)"$`)

// TestFateAsMinIOTells draws lifecycles, and holds the expiry of each object and old version against the one that MinIO announces in x-amz-expiration.
func TestFateAsMinIOTells(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	if err := version(types.BucketVersioningStatusEnabled)(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	type object struct {
		bucket.Version
		id string
	}
	var objects []object
	for _, o := range []struct {
		key, tag string
		bytes    int
	}{{"backups/a/backup_config.json", "", 20}, {"backups/a/chunk-1", "k=v", 300}, {"backups/b/chunk-1", "", 300}, {"backups/b/chunk-2", "k=w&l=v", 0}, {"other/notes", "k=v&l=v", 100}} {
		tags := map[string]string{}
		for _, pair := range strings.Split(o.tag, "&") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				tags[k] = v
			}
		}
		put := &s3.PutObjectInput{Bucket: &b.Name, Key: &o.key, Body: strings.NewReader(strings.Repeat("x", o.bytes))}
		if o.tag != "" {
			put.Tagging = &o.tag
		}
		out, err := b.Client.PutObject(t.Context(), put)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object{bucket.Version{Key: o.key, Bytes: int64(o.bytes), Tags: tags}, aws.ToString(out.VersionId)})
	}
	was := objects[1] // gets a successor
	was.id, objects[1].id = objects[1].id, ""
	out, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: &was.Key, Body: strings.NewReader(strings.Repeat("x", 300)), Tagging: aws.String("k=v")})
	if err != nil {
		t.Fatal(err)
	}
	objects[1].id = aws.ToString(out.VersionId)
	objects = append(objects, was)
	for i := range objects {
		head, err := b.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: &objects[i].Key, VersionId: &objects[i].id})
		if err != nil {
			t.Fatal(err)
		}
		objects[i].LastModified = aws.ToTime(head.LastModified)
	}
	objects[len(objects)-1].Noncurrent = objects[1].LastModified
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		drawn := make([]types.LifecycleRule, rapid.IntRange(1, 4).Draw(t, "rules"))
		for i := range drawn {
			drawn[i] = drawRule(t, i)
		}
		if err := rules(drawn...)(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		l, err := b.Lifecycle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			head, err := b.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: &o.Key, VersionId: &o.id})
			if err != nil {
				t.Fatal(err)
			}
			announced := ""
			if m := expiration.FindStringSubmatch(aws.ToString(head.Expiration)); m != nil {
				told++
				at, err := http.ParseTime(m[1])
				if err != nil {
					t.Fatal(err)
				}
				announced = bucket.Change{At: at, Rule: fmt.Sprintf("rule %q", m[2])}.String()
			} else if head.Expiration != nil {
				t.Fatalf("MinIO answers %q", *head.Expiration)
			}
			ours := ""
			if end, ok := l.End(o.Version); ok {
				ours = end.String()
			}
			if ours != announced {
				t.Errorf("%s (version of %s): ours is %q, MinIO's %q", o.Key, o.LastModified, ours, announced)
			}
		}
	})
	if told == 0 {
		t.Error("MinIO announced no expiry: nothing was compared")
	}
}

// drawRule draws a rule in any form that MinIO takes: it has no transition without a tier, and needs a day at least. No two rules of a lifecycle expire an object that was
// written today on the same day, of which either could be named.
func drawRule(t *rapid.T, i int) types.LifecycleRule {
	prefix := func() *string {
		return aws.String(rapid.SampledFrom([]string{"", "b", "backups/", "backups/a/", "backups/b/chunk-1", "/backups", "x"}).Draw(t, "prefix"))
	}
	size := func(label string) *int64 {
		return aws.Int64(rapid.SampledFrom([]int64{1, 20, 100, 299, 300}).Draw(t, label))
	}
	tags := func(n int) (list []types.Tag) {
		for _, k := range []string{"k", "l"}[:n] {
			list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(rapid.SampledFrom([]string{"v", "w"}).Draw(t, "tag"))})
		}
		return list
	}
	r := types.LifecycleRule{ID: aws.String(fmt.Sprint("r", i)), Status: rapid.SampledFrom([]types.ExpirationStatus{types.ExpirationStatusEnabled, types.ExpirationStatusEnabled, types.ExpirationStatusDisabled}).Draw(t, "status")}
	switch rapid.IntRange(0, 6).Draw(t, "filter") {
	case 0:
		r.Prefix = prefix() //nolint:staticcheck // such rules are still answered
	case 1:
		r.Filter = &types.LifecycleRuleFilter{Prefix: prefix()}
	case 2:
		r.Filter = &types.LifecycleRuleFilter{ObjectSizeGreaterThan: size("greater")}
	case 3:
		r.Filter = &types.LifecycleRuleFilter{ObjectSizeLessThan: size("less")}
	case 4:
		r.Filter = &types.LifecycleRuleFilter{Tag: &tags(1)[0]}
	case 5:
		r.Filter = &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: prefix(), Tags: tags(rapid.IntRange(1, 2).Draw(t, "tags"))}}
	default:
		less := rapid.SampledFrom([]int64{100, 301, 1000}).Draw(t, "less")
		r.Filter = &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: prefix(), ObjectSizeGreaterThan: size("greater"), ObjectSizeLessThan: &less}}
	}
	days := 8*rapid.Int32Range(1, 5).Draw(t, "days") + 2*int32(i)
	switch rapid.IntRange(0, 2).Draw(t, "action") {
	case 0:
		r.Expiration = &types.LifecycleExpiration{Days: &days}
	case 1:
		r.Expiration = &types.LifecycleExpiration{Date: aws.Time(time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, int(days)))}
	default:
		r.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: &days}
	}
	return r
}
