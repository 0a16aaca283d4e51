package backup_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// lifecycleRules sets the rules of a bucket; none removes the lifecycle.
func lifecycleRules(t *testing.T, b *bucket.Bucket, rules ...types.LifecycleRule) {
	t.Helper()
	var err error
	if len(rules) == 0 {
		_, err = b.Client.DeleteBucketLifecycle(t.Context(), &s3.DeleteBucketLifecycleInput{Bucket: &b.Name})
	} else {
		_, err = b.Client.PutBucketLifecycleConfiguration(t.Context(), &s3.PutBucketLifecycleConfigurationInput{Bucket: &b.Name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func expireBelow(id, prefix string, days int32) types.LifecycleRule {
	return types.LifecycleRule{ID: &id, Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: &prefix}, Expiration: &types.LifecycleExpiration{Days: &days}}
}

func surveyed(t *testing.T, b *bucket.Bucket) map[string]backup.Listing {
	t.Helper()
	found, err := backup.Survey(t.Context(), b, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]backup.Listing{}
	for _, l := range found {
		by[l.ID] = l
	}
	return by
}

func described(t *testing.T, b *bucket.Bucket, id string) backup.Listing {
	t.Helper()
	c := catalogue(t, b, id)
	l, err := c.Describe(t.Context(), check(t, c), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestSurvey breaks real backups in the ways that a listing can show, and puts rules over them.
func TestSurvey(t *testing.T) {
	b := clone(t, realBackup(t, "inc2"), "full", "inc1", "inc2")
	put(t, b, b.Key("readme.txt"), []byte("not even a folder"))
	put(t, b, b.Key("foreign", "notes.txt"), []byte("not a backup"))
	put(t, b, b.Key("inc1-x", "backup_config.json"), []byte("cut"))

	by := surveyed(t, b)
	if len(by) != 5 {
		t.Fatalf("found %d backups", len(by))
	}
	listed, err := backup.List(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listed {
		s := by[l.ID]
		if s.Status != l.Status || s.Base != l.Base || s.Bytes != l.Bytes || !s.StartedAt.Equal(l.StartedAt) || !slices.Equal(s.Collections, l.Collections) || (s.Err == nil) != (l.Err == nil) {
			t.Errorf("List says %+v\nand Survey %+v", l, s)
		}
	}
	for _, id := range []string{"full", "inc1", "inc2"} {
		l, keys := by[id], list(t, b, id)
		var stored int64
		for _, k := range keys {
			stored += int64(len(get(t, b, k)))
		}
		if l.Completeness != backup.NoGap || l.Missing != nil || l.Restorable != backup.RestorableAlways || l.Objects != len(keys) || l.StoredBytes != stored || l.AgeSeconds <= 0 || l.AgeSeconds > 3600 ||
			l.Encryption != "none" || l.Lock != "" {
			t.Errorf("%s: %+v", id, l)
		}
		d := described(t, b, id)
		if d.Completeness != backup.Whole || d.Restorable != l.Restorable || d.Objects != l.Objects || d.StoredBytes != l.StoredBytes || d.Encryption != l.Encryption {
			t.Errorf("%s described: %+v", id, d)
		}
	}
	for id, want := range map[string]error{"foreign": backup.ErrNoSuchBackup, "inc1-x": backup.ErrMalformed} {
		if l := by[id]; l.Restorable != backup.NotRestorable || l.Objects != 1 || l.Completeness != "" {
			t.Errorf("%s: %+v", id, l)
		}
		is(t, by[id].Err, want)
	}

	// The base goes first, and takes with it what builds on it. The rules name days that MinIO need not wait for.
	lifecycleRules(t, b, expireBelow("old", b.Key("full")+"/", 3), expireBelow("all", "", 9), expireBelow("descriptors", b.Key("inc2")+"/backup_config.json", 1))
	by = surveyed(t, b)
	written := by["full"].StartedAt.UTC().Truncate(24 * time.Hour)
	for id, want := range map[string]struct {
		until, own int
		why        string
	}{"full": {4, 4, `full/`}, "inc1": {4, 10, `full/`}, "inc2": {2, 2, `inc2/backup_config.json expires on`}} {
		for _, l := range []backup.Listing{by[id], described(t, b, id)} {
			if l.Restorable != backup.RestorableUntil || !l.RestorableUntil.Equal(written.AddDate(0, 0, want.until)) || !l.OwnUntil.Equal(written.AddDate(0, 0, want.own)) || !strings.HasPrefix(l.RestorableWhy, want.why) {
				t.Errorf("%s, %d and %d days: %+v", id, want.until, want.own, l)
			}
		}
	}
	findings, err := bucket.Audit(t.Context(), b, time.Now(), bucket.WithBackups(func(ctx context.Context) ([]bucket.Held, error) { return backup.Held(ctx, b, time.Now()) }))
	if err != nil {
		t.Fatal(err)
	}
	f := findings[slices.IndexFunc(findings, func(f bucket.Finding) bool { return f.Check == "s3-lifecycle-bases" })]
	if f.Status != bucket.Fail || !strings.Contains(f.Detail, "1 of 2 incremental backups are lost with a base within 30 days: inc1 is lost 3 days after its capture point: full/") {
		t.Errorf("the audit says %s: %s", f.Status, f.Detail)
	}
	lifecycleRules(t, b)

	// What cannot be restored.
	chunks := slices.DeleteFunc(list(t, b, "full"), func(k string) bool { return !strings.Contains(k, "/chunk-") })
	first := chunks[slices.IndexFunc(chunks, func(k string) bool { return strings.HasSuffix(k, "/chunk-1") })]
	whole := get(t, b, first)
	broken := func(does func(), id string, restorable backup.Restorability, says string) {
		t.Helper()
		does()
		for _, l := range surveyed(t, b) {
			if l.ID == id && (l.Restorable != restorable || !strings.Contains(l.RestorableWhy, says)) {
				t.Errorf("%s is %s, because %s; wanted %s, because ...%s", id, l.Restorable, l.RestorableWhy, restorable, says)
			}
		}
	}
	broken(func() { put(t, b, first, nil) }, "full", backup.NotRestorable, "has 0 bytes")
	broken(func() {}, "inc1", backup.RestorableUnknown, "backup show")
	put(t, b, first, whole)
	nodePart := b.Key("full", node, "backup.json")
	part := get(t, b, nodePart)
	broken(func() { remove(t, b, nodePart) }, "full", backup.NotRestorable, node+"/backup.json is not there")
	put(t, b, nodePart, part)
	gapped := slices.IndexFunc(chunks, func(k string) bool {
		return slices.Contains(chunks, strings.TrimSuffix(k, "1")+"2") && strings.HasSuffix(k, "/chunk-1")
	})
	if gapped < 0 {
		t.Fatal("no collection of the sample has two chunks")
	}
	lost := get(t, b, chunks[gapped])
	broken(func() { remove(t, b, chunks[gapped]) }, "full", backup.NotRestorable, "1 of ")
	if l := described(t, b, "full"); l.Completeness != backup.Incomplete || l.Restorable != backup.NotRestorable || len(l.Missing) == 0 {
		t.Errorf("a chunk is gone: %+v", l)
	}
	// A lost last chunk leaves no gap: list can say no more than that, and show, which reads the nodes' descriptors, sees it, also from the backup that borrows from it.
	put(t, b, chunks[gapped], lost)
	last := chunks[gapped]
	for n := 2; slices.Contains(chunks, fmt.Sprint(strings.TrimSuffix(chunks[gapped], "1"), n)); n++ {
		last = fmt.Sprint(strings.TrimSuffix(chunks[gapped], "1"), n)
	}
	remove(t, b, last)
	if l := surveyed(t, b)["full"]; l.Completeness != backup.NoGap {
		t.Errorf("without %s, list says %+v", last, l)
	}
	if l := described(t, b, "full"); l.Completeness != backup.Incomplete || l.Restorable != backup.NotRestorable || !strings.Contains(strings.Join(l.Missing, " "), last) {
		t.Errorf("without %s, show says %+v", last, l)
	}
	for _, k := range list(t, b, "full") {
		remove(t, b, k)
	}
	broken(func() {}, "inc2", backup.NotRestorable, "backup full, which it builds on, is not in the bucket")
	broken(func() { edit(t, b, configKey(b, "inc1"), func(d map[string]any) { d["baseBackupId"] = "inc2" }) }, "inc2", backup.NotRestorable, "circle")
	broken(func() { edit(t, b, configKey(b, "inc1"), func(d map[string]any) { d["status"] = "FAILED" }) }, "inc2", backup.NotRestorable, "its status is FAILED")
}

// A backup's own encryption and lock are those of its descriptor.
func TestSurveyProtection(t *testing.T) {
	b := servertest.Bucket(t, "p")
	b.Name = "locked-" + strings.ToLower(t.Name()) + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := b.Client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b.Name, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	if _, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &b.Name, Key: aws.String("p/a/backup_config.json"), Body: strings.NewReader(`{"id":"a","status":"SUCCESS"}`), ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("drill-key"),
		ObjectLockMode: types.ObjectLockModeGovernance, ObjectLockRetainUntilDate: &until, ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn,
	}); err != nil {
		t.Fatal(err)
	}
	if l := surveyed(t, b)["a"]; !strings.HasPrefix(l.Encryption, "aws:kms ") || !strings.Contains(l.Encryption, "drill-key") || l.Lock != "GOVERNANCE legal hold" || !l.LockedUntil.Equal(until) {
		t.Errorf("%+v", l)
	}
}

// fleet is an S3 server that answers for many backups without keeping their objects: each has a descriptor, one node's part and chunks. Every tenth is full; the others build on the one before.
type fleet struct {
	backups int
	names   []string                                                 // of one backup's objects, sorted
	refuse  func(r *http.Request, n int64) (status int, code string) // of the nth request
	uploads string                                                   // the body of ListMultipartUploads; empty: none
	delay   time.Duration                                            // of each answer
	asked   atomic.Int64
	now     atomic.Int64
	most    atomic.Int64 // requests at once
}

const fleetPrefix = "weaviate/"

var fleetBegan = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newFleet(backups, chunks int) *fleet {
	f := &fleet{backups: backups, names: []string{"backup_config.json", "node1/backup.json"}}
	for n := range chunks {
		f.names = append(f.names, fmt.Sprintf("node1/Article/chunk-%d", n+1))
	}
	sort.Strings(f.names)
	return f
}

func (f *fleet) id(n int) string { return fmt.Sprintf("nightly-%06d", n) }

func (f *fleet) descriptor(n int) []byte {
	base := ""
	if n%10 > 0 {
		base = f.id(n - 1)
	}
	return fmt.Appendf(nil, `{"id":%q,"status":"SUCCESS","startedAt":%q,"completedAt":%q,"version":"2.1","serverVersion":"1.38.5","compressionType":"zstd","baseBackupId":%q,`+
		`"preCompressionSizeBytes":1000000000,"nodes":{"node1":{"classes":["Article"],"status":"SUCCESS","preCompressionSizeBytes":1000000000}}}`,
		f.id(n), fleetBegan.Add(time.Duration(n)*time.Hour).Format(time.RFC3339), fleetBegan.Add(time.Duration(n)*time.Hour+time.Minute).Format(time.RFC3339), base)
}

func (f *fleet) bucket(t testing.TB) *bucket.Bucket {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "fleet")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "fleet")
	b, err := bucket.Open(t.Context(), bucket.Options{Name: "b", Path: "weaviate", Region: "us-east-1", Endpoint: server.URL, PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	b.Endpoint = "" // it answers for AWS, where lists are split
	return b
}

func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := f.now.Add(1)
	defer f.now.Add(-1)
	for most := f.most.Load(); at > most && !f.most.CompareAndSwap(most, at); most = f.most.Load() {
	}
	time.Sleep(f.delay)
	if f.refuse != nil {
		if status, code := f.refuse(r, f.asked.Add(1)); status != 0 {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `<Error><Code>%s</Code><Message>Please reduce your request rate.</Message></Error>`, code)
			return
		}
	}
	q := r.URL.Query()
	switch {
	case q.Has("lifecycle"):
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`<Error><Code>NoSuchLifecycleConfiguration</Code><Message>The lifecycle configuration does not exist</Message></Error>`))
	case q.Has("list-type"):
		_, _ = w.Write(f.page(q))
	case q.Has("uploads"):
		_, _ = w.Write([]byte(cmp.Or(f.uploads, `<ListMultipartUploadsResult/>`)))
	case q.Has("uploadId"): // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
		_, _ = w.Write([]byte(`<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><Size>16777216</Size></Part><Part><PartNumber>2</PartNumber><Size>1000</Size></Part></ListPartsResult>`))
	default:
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/b/weaviate/nightly-%d/backup_config.json", &n); err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(f.descriptor(n))
	}
}

var pages = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// page is at most 1,000 keys, or names of folders, from a start or a token on: a token is the number of the next one.
func (f *fleet) page(q url.Values) []byte {
	names, after, token := q.Get("delimiter") != "", q.Get("start-after"), q.Get("continuation-token")
	from, _ := strconv.Atoi(token)
	most, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		most = 1000
	}
	each := len(f.names)
	if token == "" && after != "" {
		n, _ := strconv.Atoi(strings.TrimLeft(strings.TrimSuffix(strings.TrimPrefix(after, fleetPrefix+"nightly-"), "/"), "0"))
		from = n * each
	}
	total := f.backups * each
	if names {
		total = f.backups
	}
	to := min(from+most, total)
	b := pages.Get().(*bytes.Buffer)
	defer pages.Put(b)
	b.Reset()
	fmt.Fprintf(b, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>weaviate/</Prefix><KeyCount>%d</KeyCount><MaxKeys>1000</MaxKeys>`+
		`<IsTruncated>%v</IsTruncated>`, to-from, to < total)
	if to < total {
		fmt.Fprintf(b, `<NextContinuationToken>%d</NextContinuationToken>`, to)
	}
	for i := from; i < to; i++ {
		if names {
			b.WriteString(`<CommonPrefixes><Prefix>` + fleetPrefix + f.id(i) + `/</Prefix></CommonPrefixes>`)
			continue
		}
		b.WriteString(`<Contents><Key>` + fleetPrefix + f.id(i/each) + `/` + f.names[i%each] +
			`</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;fba9dede5f27731c9771645a39863328-1&quot;</ETag><Size>10485760</Size><StorageClass>STANDARD</StorageClass></Contents>`)
	}
	b.WriteString(`</ListBucketResult>`)
	return bytes.Clone(b.Bytes())
}

// S3 refuses a fifth of all requests with SlowDown: everything is listed all the same, and never with more at once than is meant.
func TestSurveySlowedDown(t *testing.T) {
	f := newFleet(50, 30)
	f.delay = 10 * time.Millisecond
	f.refuse = func(_ *http.Request, n int64) (int, string) {
		if n%5 == 0 {
			return http.StatusServiceUnavailable, "SlowDown" // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
		}
		return 0, ""
	}
	found, err := backup.Survey(t.Context(), f.bucket(t), fleetBegan.Add(50*time.Hour))
	if err != nil || len(found) != 50 {
		t.Fatalf("%d backups, %v", len(found), err)
	}
	for i, l := range found {
		if l.ID != f.id(i) || l.Objects != 32 || l.Completeness != backup.NoGap || l.Restorable != backup.RestorableAlways || l.AgeSeconds != int64(50-i)*3600 || l.StoredBytes != 32*10485760 {
			t.Fatalf("%+v", l)
		}
	}
	if most := f.most.Load(); most < 2 || most > 40 {
		t.Errorf("%d requests at once", most)
	}
}

// A server that never stops to refuse ends the inventory with the reason, and without a list: nobody takes a part of it for the whole.
func TestSurveySlowedDownForGood(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "2") // of each request, instead of ten
	for _, test := range []struct {
		name    string
		refused func(*http.Request) bool
	}{
		{"names", func(r *http.Request) bool { return r.URL.Query().Get("delimiter") != "" }},
		{"keys", func(r *http.Request) bool { return r.URL.Query().Has("start-after") }},
		{"one descriptor", func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/nightly-000007/backup_config.json") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFleet(50, 30)
			f.refuse = func(r *http.Request, _ int64) (int, string) {
				if test.refused(r) {
					return http.StatusServiceUnavailable, "SlowDown"
				}
				return 0, ""
			}
			found, err := backup.Survey(t.Context(), f.bucket(t), fleetBegan)
			if found != nil || err == nil {
				t.Fatalf("%d backups, %v", len(found), err)
			}
			is(t, bucket.Explain(err), bucket.ErrUnreachable, "list the backups in s3://b/weaviate", "SlowDown", "try again later")
		})
	}
}

// What lies in uploads that were never completed is summed up, part by part, for the backup that it is of, also for one of which nothing else is left.
func TestSurveyUploads(t *testing.T) {
	f := newFleet(2, 3)
	f.uploads = `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>` + // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
		`<Upload><Key>weaviate/nightly-000001/node1/Article/chunk-4</Key><UploadId>1</UploadId><Initiated>2026-01-01T01:00:30.000Z</Initiated></Upload>` +
		`<Upload><Key>weaviate/nightly-000001/node1/Article/chunk-5</Key><UploadId>2</UploadId><Initiated>2026-01-01T01:00:40.000Z</Initiated></Upload>` +
		`<Upload><Key>weaviate/gone/node1/Article/chunk-1</Key><UploadId>3</UploadId><Initiated>2025-01-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>`
	by := surveyed(t, f.bucket(t))
	if u := by["nightly-000000"].Uploads; u == nil || u.Count != 0 || u.Unknown != "" {
		t.Errorf("a backup without uploads: %+v", u)
	}
	if u := by["nightly-000001"].Uploads; u == nil || u.Count != 2 || u.Bytes != 2*(16777216+1000) || !u.Oldest.Equal(fleetBegan.Add(time.Hour+30*time.Second)) {
		t.Errorf("two uploads: %+v", u)
	}
	gone := by["gone"]
	if is(t, gone.Err, backup.ErrNoSuchBackup, "never completed"); gone.Uploads == nil || gone.Uploads.Count != 1 || gone.Restorable != backup.NotRestorable {
		t.Errorf("a backup of uploads only: %+v", gone)
	}
	for what, want := range map[string]string{"uploads": "s3:ListBucketMultipartUploads is needed", "uploadId": "s3:ListMultipartUploadParts is needed"} {
		f.refuse = func(r *http.Request, _ int64) (int, string) {
			if r.URL.Query().Has(what) {
				return http.StatusForbidden, "AccessDenied"
			}
			return 0, ""
		}
		if u := surveyed(t, f.bucket(t))["nightly-000000"].Uploads; u == nil || !strings.Contains(u.Unknown, want) {
			t.Errorf("%s are denied: %+v", what, u)
		}
	}
}

// MinIO says of any prefix that there are no uploads, and is not believed.
func TestSurveyUploadsOnMinIO(t *testing.T) {
	b := servertest.Bucket(t, "p")
	put(t, b, b.Key("a", "backup_config.json"), []byte(`{"id":"a","status":"STARTED"}`))
	if _, err := b.Client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.Name, Key: aws.String(b.Key("a", "node1", "C", "chunk-1"))}); err != nil {
		t.Fatal(err)
	}
	if u := surveyed(t, b)["a"].Uploads; u == nil || u.Count != 0 || !strings.Contains(u.Unknown, "whole key") {
		t.Errorf("an upload that MinIO does not tell: %+v", u)
	}
}

// Memory grows with the number of backups, not with that of their objects: ten times as many backups, or keys, do not take ten times the memory.
func TestSurveyMemory(t *testing.T) {
	peak := func(backups, chunks int) float64 {
		b := newFleet(backups, chunks).bucket(t)
		return float64(peakHeap(func() {
			if found, err := backup.Survey(t.Context(), b, fleetBegan); err != nil || len(found) != backups {
				t.Error(len(found), err)
			}
		})) / (1 << 20)
	}
	few, many, deep := peak(100, 100), peak(1000, 100), peak(100, 1000)
	t.Logf("MB: %.1f for 10,000 keys, %.1f for 100,000 of 1,000 backups, %.1f for 100,000 of 100 backups", few, many, deep)
	for _, m := range []float64{few, many, deep} {
		if m > 64 {
			t.Errorf("%.0f MB", m)
		}
	}
}

// A service that refuses everything, and rights that are lacking, are told and never an empty list.
func TestSurveyRefused(t *testing.T) {
	f := newFleet(3, 3)
	f.refuse = func(r *http.Request, _ int64) (int, string) {
		if r.URL.Query().Has("start-after") {
			return http.StatusForbidden, "AccessDenied"
		}
		return 0, ""
	}
	if found, err := backup.Survey(t.Context(), f.bucket(t), time.Now()); found != nil || err == nil || !strings.Contains(bucket.Explain(err).Error(), "s3:ListBucket is needed") {
		t.Errorf("%v, %v", found, err)
	}
	f.refuse = func(r *http.Request, _ int64) (int, string) {
		if r.URL.Query().Has("lifecycle") {
			return http.StatusForbidden, "AccessDenied"
		}
		return 0, ""
	}
	found, err := backup.Survey(t.Context(), f.bucket(t), time.Now())
	if err != nil || len(found) != 3 {
		t.Fatal(err)
	}
	for _, l := range found {
		if l.Restorable != backup.RestorableUnknown || !strings.Contains(l.RestorableWhy, "s3:GetLifecycleConfiguration is needed") {
			t.Errorf("%+v", l)
		}
	}
	f.refuse = func(r *http.Request, _ int64) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/backup_config.json") {
			return http.StatusForbidden, "AccessDenied"
		}
		return 0, ""
	}
	for id, l := range surveyed(t, f.bucket(t)) {
		if is(t, l.Err, bucket.ErrDenied, "s3:GetObject is needed"); l.Restorable != backup.RestorableUnknown || l.Objects != 5 {
			t.Errorf("%s: %+v", id, l)
		}
	}
}
