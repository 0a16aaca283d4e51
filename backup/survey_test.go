package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
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
	broken(func() { remove(t, b, chunks[gapped]) }, "full", backup.NotRestorable, "1 of ")
	if l := described(t, b, "full"); l.Completeness != backup.Incomplete || l.Restorable != backup.NotRestorable || len(l.Missing) == 0 {
		t.Errorf("a chunk is gone: %+v", l)
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
	names   []string // of one backup's objects, sorted
	refuse  func(n int64) (status int, code string)
	delay   time.Duration // of each answer
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
	return b
}

func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := f.now.Add(1)
	defer f.now.Add(-1)
	for most := f.most.Load(); at > most && !f.most.CompareAndSwap(most, at); most = f.most.Load() {
	}
	time.Sleep(f.delay)
	if f.refuse != nil {
		if status, code := f.refuse(f.asked.Add(1)); status != 0 {
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
		_, _ = w.Write(f.page(q.Get("delimiter") != "", q.Get("start-after"), q.Get("continuation-token")))
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
func (f *fleet) page(names bool, after, token string) []byte {
	from, _ := strconv.Atoi(token)
	each := len(f.names)
	if token == "" && after != "" {
		n, _ := strconv.Atoi(strings.TrimLeft(strings.TrimSuffix(strings.TrimPrefix(after, fleetPrefix+"nightly-"), "/"), "0"))
		from = n * each
	}
	total := f.backups * each
	if names {
		total = f.backups
	}
	to := min(from+1000, total)
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
	f.refuse = func(n int64) (int, string) {
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

// A service that refuses everything, and rights that are lacking, are told and never an empty list.
func TestSurveyRefused(t *testing.T) {
	f := newFleet(3, 3)
	f.refuse = func(n int64) (int, string) {
		if n > 2 { // the names, and the lifecycle
			return http.StatusForbidden, "AccessDenied"
		}
		return 0, ""
	}
	if found, err := backup.Survey(t.Context(), f.bucket(t), time.Now()); found != nil || err == nil || !strings.Contains(bucket.Explain(err).Error(), "s3:ListBucket is needed") {
		t.Errorf("%v, %v", found, err)
	}
	f = newFleet(3, 3)
	var asked atomic.Int64
	f.refuse = func(int64) (int, string) {
		if asked.Add(1) == 2 { // the lifecycle
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
}
