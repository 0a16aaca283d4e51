package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

const drillID = "drill-20261124-222655-k3f9x2"

// finished is realBackup when S3 says so too: the server says SUCCESS a moment before it writes it.
func finished(t testing.TB, id string) *bucket.Bucket {
	t.Helper()
	b := realBackup(t, id)
	eventually(t, id+" is finished", func() bool {
		_, err := backup.Resolve(t.Context(), b, id)
		return err == nil
	})
	return b
}

func restoration(t testing.TB, b *bucket.Bucket, id string, w *servers.Weaviate, o backup.RestoreOptions) *backup.Restoration {
	t.Helper()
	o.DrillID = drillID
	if o.From == "" {
		o.From = backup.InPlace
	}
	if w != nil {
		o.Logs = func(_ context.Context, to io.Writer) error {
			log, err := os.Open(w.Nodes[0].LogFile)
			if err != nil {
				return err
			}
			defer log.Close()
			_, err = io.Copy(to, log)
			return err
		}
	}
	return backup.NewRestoration(b, catalogue(t, b, id), o)
}

func footprint(t testing.TB, r *backup.Restoration) backup.Footprint {
	t.Helper()
	f, err := r.Footprint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// cleanUp expects one note, or none when says is empty.
func cleanUp(t testing.TB, b *bucket.Bucket, f backup.Footprint, says ...string) {
	t.Helper()
	notes, err := backup.CleanUp(t.Context(), b, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("notes: %q", notes)
	if len(notes) != min(1, len(says)) {
		t.Fatalf("%d notes: %q", len(notes), notes)
	}
	for _, s := range says {
		if !strings.Contains(notes[0], s) {
			t.Errorf("note %q does not say %q", notes[0], s)
		}
	}
}

// everything lists all versions of all objects of a bucket, with delete markers.
func everything(t testing.TB, b *bucket.Bucket, prefix string) []string {
	t.Helper()
	var all []string
	pages := s3.NewListObjectVersionsPaginator(b.Client, &s3.ListObjectVersionsInput{Bucket: &b.Name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			all = append(all, *v.Key+" "+aws.ToString(v.VersionId)+" "+aws.ToString(v.ETag))
		}
		for _, m := range page.DeleteMarkers {
			all = append(all, *m.Key+" "+aws.ToString(m.VersionId)+" deleted")
		}
	}
	return all
}

func exists(t testing.TB, b *bucket.Bucket, key string) bool {
	t.Helper()
	_, err := b.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: &key})
	if err != nil && !errors.Is(bucket.Explain(err), bucket.ErrNoSuchObject) {
		t.Fatal(err)
	}
	return err == nil
}

func empty(t testing.TB, c *weaviate.Conn) {
	t.Helper()
	for _, class := range samples {
		if err := c.Do(t.Context(), http.MethodDelete, "/schema/"+class, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func count(t testing.TB, c *weaviate.Conn, collection string) int64 {
	t.Helper()
	n, err := c.Count(t.Context(), collection, "")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// One target, emptied after each restore that succeeded; the last one hurts it.
func TestRestore(t *testing.T) {
	finished(t, "inc2")
	b := clone(t, finished(t, "zstd"), "zstd", "full", "inc1", "inc2")
	versioned(t, b)
	g, env := slowMinIO(t, http.MethodGet)
	w := servertest.Weaviate(t, b, env)

	var mu sync.Mutex
	var polls []time.Time
	rest := gateway(t, w.Endpoints[0].URL, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/restore") {
			mu.Lock()
			defer mu.Unlock()
			polls = append(polls, time.Now())
		}
		return true
	})
	endpoint := w.Endpoints[0]
	endpoint.URL = rest
	conn, err := weaviate.Dial(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	key := b.Key("zstd", "restore_config.json")

	t.Run("in place", func(t *testing.T) {
		var began []backup.Footprint
		r := restoration(t, b, "zstd", w, backup.RestoreOptions{Began: func(f backup.Footprint) { began = append(began, f) }})
		f := footprint(t, r)
		result, err := r.Run(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v: noticed %s after the server's end, with %d questions", result, result.Noticed.Sub(result.ServerEnd), len(polls))
		if result.Status != "SUCCESS" || !slices.Equal(result.Collections, []string{"SampleEmpty", "SamplePlain", "SampleTenants"}) || result.From != backup.InPlace || result.ServerEnd.Before(result.Posted) {
			t.Errorf("result %+v", result)
		}
		if n := count(t, conn, "SamplePlain"); n < 3000 {
			t.Errorf("%d objects came back", n)
		}
		if len(polls) < 3 || len(polls) > 40 {
			t.Errorf("%d questions in %s", len(polls), result.Noticed.Sub(result.Posted))
		} else if gap := polls[len(polls)-1].Sub(polls[len(polls)-2]); gap > time.Second {
			t.Errorf("the last questions lie %s apart", gap)
		}
		if len(began) != 1 || began[0].Wrote.IsZero() || !footprint(t, r).Wrote.Equal(began[0].Wrote) {
			t.Errorf("footprints of the running restore: %+v", began)
		}
		written := get(t, b, key)
		cleanUp(t, b, f, "removed, it was the drill's", "versioned") // even the footprint from before knows
		put(t, b, key, written)
		cleanUp(t, b, footprint(t, r), "removed, it was the drill's")
		if _, err := backup.CleanUp(t.Context(), b, f); err != nil {
			t.Errorf("once more: %v", err)
		}
		empty(t, conn)
	})
	t.Run("what was there before comes back byte for byte", func(t *testing.T) {
		before := []byte("{\n \"id\": \"zstd\", \"status\":\"FAILED\", \"startedAt\": \"2026-01-01T00:00:00Z\",\"odd\":1}")
		put(t, b, key, before)
		defer remove(t, b, key)
		r := restoration(t, b, "zstd", w, backup.RestoreOptions{Include: []string{"SampleE*"}})
		result, err := r.Run(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(result.Collections, []string{"SampleEmpty"}) {
			t.Errorf("collections %v", result.Collections)
		}
		cleanUp(t, b, footprint(t, r), "put back as it was before the drill")
		if after := get(t, b, key); !bytes.Equal(after, before) {
			t.Errorf("put back: %s", after)
		}
		cleanUp(t, b, footprint(t, r))
		if err := conn.Do(t.Context(), http.MethodDelete, "/schema/SampleEmpty", nil, nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a chain by copy", func(t *testing.T) {
		production := everything(t, b, b.Path+"/")
		r := restoration(t, b, "inc2", w, backup.RestoreOptions{From: backup.ByCopy, Copy: weaviate.Location{Path: "weaviate-drill"}})
		if err := r.Copy(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := footprint(t, r)
		result, err := r.Run(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, conn, "SamplePlain"); n < 3100 || result.From != backup.ByCopy {
			t.Errorf("%d objects came back, %+v", n, result)
		}
		cleanUp(t, b, f, "weaviate-drill/"+drillID, "was removed", "versioned")
		cleanUp(t, b, f)
		copies := *b
		copies.Path = "weaviate-drill"
		if left := list(t, &copies, drillID); len(left) > 0 {
			t.Errorf("left of the copy: %q", left)
		}
		if !slices.Equal(everything(t, b, b.Path+"/"), production) {
			t.Error("the production prefix was written to")
		}
		empty(t, conn)
	})
	t.Run("SUCCESS with an empty collection", func(t *testing.T) {
		// What is in the way of the files that the restore wants to move into place.
		stray := filepath.Join(filepath.Dir(w.Nodes[0].LogFile), "data", "sampleempty", "stray")
		if err := os.MkdirAll(stray, 0o700); err != nil {
			t.Fatal(err)
		}
		r := restoration(t, b, "zstd", w, backup.RestoreOptions{Include: []string{"SampleEmpty"}})
		result, err := r.Run(t.Context(), conn)
		is(t, err, backup.ErrFailed, "SUCCESS", "restore class directory from backup", "file exists")
		if result.Status != "SUCCESS" || result.Cause == "" {
			t.Errorf("result %+v", result)
		}
		cleanUp(t, b, footprint(t, r), "removed")
	})
	t.Run("not finished in time", func(t *testing.T) {
		g.close()
		r := restoration(t, b, "zstd", w, backup.RestoreOptions{Include: []string{"SamplePlain"}, Timeout: time.Second})
		_, err := r.Run(t.Context(), conn)
		is(t, err, backup.ErrTimeout, "zstd", "TRANSFERRING after 1s", "it was cancelled")
		cleanUp(t, b, footprint(t, r), "removed")
	})
}

// A restore that hangs: others are refused, its drill is interrupted or dies.
func TestRestoreUnderWay(t *testing.T) {
	b := clone(t, finished(t, "zstd"), "zstd")
	g, env := slowMinIO(t, http.MethodGet)
	key := b.Key("zstd", "restore_config.json")
	status := func() string {
		var c struct{ Status string }
		if exists(t, b, key) {
			_ = json.Unmarshal(get(t, b, key), &c)
		}
		return c.Status
	}
	w := servertest.Weaviate(t, b, env)
	conn := servertest.Dial(t, w)

	g.close()
	ctx, interrupt := context.WithCancel(t.Context())
	r := restoration(t, b, "zstd", w, backup.RestoreOptions{})
	f := footprint(t, r)
	stored, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := r.Run(ctx, conn)
		done <- err
	}()
	eventually(t, "the restore has begun", func() bool { return status() == "TRANSFERRING" })
	running := get(t, b, key)

	other := restoration(t, b, "zstd", nil, backup.RestoreOptions{})
	is(t, other.Interlock(t.Context()), backup.ErrRefused, "TRANSFERRING", "somebody may be restoring backup zstd for real", "aws s3 rm s3://"+b.Name+"/"+key)
	_, err = other.Run(t.Context(), conn)
	is(t, err, backup.ErrRefused)

	interrupt()
	is(t, <-done, context.Canceled, "zstd", "it was cancelled")
	if s := status(); s != "CANCELED" {
		t.Errorf("status %s after the interruption", s)
	}
	// The drill died instead, and its Weaviate with it: nothing but the footprint from before the restore is left.
	w.Kill()
	put(t, b, key, running)
	var read backup.Footprint
	if err := json.Unmarshal(stored, &read); err != nil {
		t.Fatal(err)
	}
	cleanUp(t, b, read, "removed, it was the drill's")
	if exists(t, b, key) {
		t.Error("it is still there")
	}
	// Somebody restored for real after the drill had died.
	for _, theirs := range []string{
		`{"id":"zstd","status":"TRANSFERRING","startedAt":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`,
		`{"id":"zstd","status":"TRANSFERRING","startedAt":"` + time.Now().UTC().Format(time.RFC3339) + `","node_mapping":{"node1":"other"}}`,
	} {
		put(t, b, key, []byte(theirs))
		cleanUp(t, b, read, "left alone", "somebody else")
		if string(get(t, b, key)) != theirs {
			t.Error("it was touched")
		}
	}
	put(t, b, key, []byte(`{"id":"zstd","status":"SUCCESS","startedAt":"`+time.Now().UTC().Format(time.RFC3339)+`"}`))
	cleanUp(t, b, footprint(t, r), "left alone", "the drill's at") // this one knows exactly
}

// TestRestoreAnswerLost cuts the way to the server while it is asked to restore: once after it was asked, once before.
func TestRestoreAnswerLost(t *testing.T) {
	for name, asked := range map[string]bool{"after the server was asked": true, "before": false} {
		t.Run(name, func(t *testing.T) {
			b := clone(t, finished(t, "zstd"), "zstd")
			w := servertest.Weaviate(t, b, nil)
			target, err := url.Parse(w.Endpoints[0].URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy, cut := httputil.NewSingleHostReverseProxy(target), 0
			way := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/restore") || cut > 0 {
					proxy.ServeHTTP(to, r)
					return
				}
				cut++
				if asked {
					proxy.ServeHTTP(httptest.NewRecorder(), r)
				}
				panic(http.ErrAbortHandler) // the client sees its connection end
			}))
			defer way.Close()
			endpoint := w.Endpoints[0]
			endpoint.URL = way.URL
			conn, err := weaviate.Dial(t.Context(), endpoint)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			result, err := restoration(t, b, "zstd", w, backup.RestoreOptions{}).Run(t.Context(), conn)
			if err != nil || result.Status != "SUCCESS" || cut != 1 {
				t.Errorf("%v, %+v, cut %d times", err, result, cut)
			}
			collections, err := conn.Collections(t.Context())
			if err != nil || len(collections) == 0 {
				t.Errorf("restored: %v, %v", collections, err)
			}
		})
	}
}

func TestRestoreFails(t *testing.T) {
	b := clone(t, finished(t, "zstd"), "zstd")
	chunk := ""
	for _, k := range list(t, b, "zstd") {
		if strings.HasSuffix(k, "/SamplePlain/chunk-1") {
			chunk = k
		}
	}
	w := servertest.Weaviate(t, b, nil)
	conn := servertest.Dial(t, w)
	// An earlier restore went well; what is left of it must not be taken for this one's end.
	stale := []byte(`{"id":"zstd","status":"SUCCESS","startedAt":"2026-01-01T00:00:00Z","nodes":{"node1":{"classes":["SamplePlain"],"status":"SUCCESS"}},"version":"2.1","serverVersion":"1.38.5"}`)
	put(t, b, b.Key("zstd", "restore_config.json"), stale)

	// A mapping of an unknown node: Weaviate 1.38.5 panics and answers 200 with nothing.
	r := restoration(t, b, "zstd", w, backup.RestoreOptions{NodeMapping: map[string]string{"ghost": "node1"}})
	result, err := r.Run(t.Context(), conn)
	is(t, err, weaviate.ErrServer, "zstd could not be started", "the answer is empty", "runtime error: invalid memory address", "panic in")
	t.Logf("unknown node: %v, %+v", err, result)

	remove(t, b, chunk)
	r = restoration(t, b, "zstd", w, backup.RestoreOptions{})
	result, err = r.Run(t.Context(), conn)
	is(t, err, backup.ErrFailed, "zstd", "failed to read chunk from backend", "SamplePlain/chunk-1")
	t.Logf("%v\n%+v", err, result)
	if errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "context canceled") {
		t.Error("the server's words hide the cause")
	}
	cleanUp(t, b, footprint(t, r), "put back")
	if after := get(t, b, b.Key("zstd", "restore_config.json")); !bytes.Equal(after, stale) {
		t.Errorf("put back: %s", after)
	}
}

func TestInterlock(t *testing.T) {
	b := clone(t, finished(t, "zstd"), "zstd")
	key := b.Key("zstd", "restore_config.json")
	r := restoration(t, b, "zstd", nil, backup.RestoreOptions{})
	if err := r.Interlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		content string
		refused bool
		says    []string
	}{
		{`{"id":"zstd","status":"SUCCESS"}`, false, nil},
		{`{"id":"zstd","status":"FAILED"}`, false, nil},
		{`{"id":"zstd","status":"CANCELED"}`, false, nil},
		{`{"id":"zstd","status":"CANCELLING"}`, true, []string{"CANCELLING since 20", "answers STARTED and does nothing", "aws s3 rm s3://" + b.Name + "/" + key}},
		{`{"id":"zstd","status":"STARTED","startedAt":"2026-11-24T10:00:00Z"}`, true, []string{"STARTED", "2026-11-24T10:00:00", "for real"}},
		{`{"id":"zstd","status":"FINALIZING"}`, true, []string{"FINALIZING"}},
		{`{"id":"zstd","sta`, true, []string{"malformed", "not known"}},
	} {
		put(t, b, key, []byte(c.content))
		err := r.Interlock(t.Context())
		if c.refused {
			is(t, err, backup.ErrRefused, c.says...)
		} else if err != nil {
			t.Errorf("%s: %v", c.content, err)
		}
	}
	remove(t, b, key)
	denied := *b
	denied.Name = "no-such-bucket-anywhere"
	unknown := backup.NewRestoration(&denied, catalogue(t, b, "zstd"), backup.RestoreOptions{DrillID: drillID, From: backup.InPlace})
	if err := unknown.Interlock(t.Context()); !errors.Is(err, bucket.ErrNoSuchBucket) {
		t.Errorf("a bucket that cannot be read: %v", err)
	}
	_, err := restoration(t, b, "zstd", nil, backup.RestoreOptions{Include: []string{"Nope*"}}).Run(t.Context(), nil)
	is(t, err, backup.ErrNoCollection, `"Nope*"`, "SamplePlain")
}

// Credentials that may read and write, and not delete.
func TestCleanUpWithoutTheRight(t *testing.T) {
	b := clone(t, finished(t, "zstd"), "zstd")
	address := gateway(t, servertest.MinIO(t).Endpoint, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete && (r.Method != http.MethodPost || !r.URL.Query().Has("delete")) {
			return true
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>`)
		return false
	})
	options := b.Options
	options.Endpoint = address
	limited, err := bucket.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	key := b.Key("zstd", "restore_config.json")
	f := footprint(t, restoration(t, limited, "zstd", nil, backup.RestoreOptions{}))
	for status, says := range map[string]string{"SUCCESS": "overwrites it", "TRANSFERRING": "remove it", "CANCELLING": "REMOVE IT"} {
		put(t, b, key, []byte(`{"id":"zstd","status":"`+status+`","startedAt":"`+time.Now().UTC().Format(time.RFC3339)+`"}`))
		cleanUp(t, limited, f, "was left with status "+status, "s3:DeleteObject", says)
	}
	byCopy := restoration(t, limited, "zstd", nil, backup.RestoreOptions{From: backup.ByCopy, Copy: weaviate.Location{Path: "copies"}})
	if err := byCopy.Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	cleanUp(t, limited, footprint(t, byCopy), "were left below s3://"+b.Name+"/copies/"+drillID, "s3:DeleteObject", "aws s3 rm --recursive")
	cleanUp(t, b, footprint(t, byCopy), "was removed")
}

func TestCopy(t *testing.T) {
	finished(t, "inc2")
	b := clone(t, finished(t, "zstd"), "zstd", "full", "inc1", "inc2")
	to := servertest.Bucket(t, "")
	copying := func(l weaviate.Location, id string) *backup.Restoration {
		return restoration(t, b, id, nil, backup.RestoreOptions{From: backup.ByCopy, Copy: l})
	}
	before := everything(t, b, "")
	r := copying(weaviate.Location{Bucket: to.Name, Path: "/a+b c/"}, "inc2")
	if err := r.Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	there := *to
	there.Path = "a+b c/" + drillID
	copied := catalogue(t, &there, "inc2")
	none(t, check(t, copied).Problems)
	none(t, checkArchive(t, &there, copied).Problems)
	if now := everything(t, b, ""); !slices.Equal(now, before) {
		t.Error("the bucket of the backup was written to")
	}
	put(t, to, "a+b c/other", []byte("not the drill's"))
	cleanUp(t, b, footprint(t, r), "was removed")
	if left := everything(t, to, ""); len(left) != 1 || !strings.HasPrefix(left[0], "a+b c/other") {
		t.Errorf("left: %q", left)
	}

	// The path of a bucket with a plus: the keys to copy from need escaping.
	odd := servertest.Bucket(t, "back+ups/ä")
	copyBackups(t, b, odd, "zstd")
	fromOdd := restoration(t, odd, "zstd", nil, backup.RestoreOptions{From: backup.ByCopy})
	if err := fromOdd.Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	cleanUp(t, odd, footprint(t, fromOdd), "was removed")

	// Refused, or stopped.
	is(t, copying(weaviate.Location{Path: b.Key("inc1")}, "inc2").Copy(t.Context()), backup.ErrRefused, "inside backup inc1")
	f := footprint(t, r)
	for _, bad := range []backup.Footprint{
		{From: backup.ByCopy},
		{From: backup.ByCopy, Copy: weaviate.Location{Bucket: b.Name}, DrillID: ""},
		{From: backup.ByCopy, Copy: weaviate.Location{Bucket: b.Name, Path: b.Path}, DrillID: drillID},
		{From: backup.ByCopy, Copy: weaviate.Location{Bucket: b.Name, Path: "some"}, DrillID: "some"},
		{From: backup.ByCopy, Copy: weaviate.Location{Bucket: b.Name, Path: b.Path + "/.."}, DrillID: ".."},
		{From: backup.ByCopy, Copy: weaviate.Location{Path: f.Copy.Path}, DrillID: drillID},
	} {
		_, err := backup.CleanUp(t.Context(), b, bad)
		is(t, err, backup.ErrRefused)
	}
	if now := everything(t, b, ""); !slices.Equal(now, before) {
		t.Error("a refused clean-up removed something")
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := restoration(t, b, "zstd", nil, backup.RestoreOptions{From: backup.ByCopy, Copy: weaviate.Location{Bucket: to.Name}, Progress: func(p backup.Progress) {
		if p.Status != "COPYING" || p.Total == 0 || p.Bytes > p.Total {
			t.Errorf("progress %+v", p)
		}
		cancel()
	}})
	is(t, stopped.Copy(ctx), context.Canceled)
	replaced := copying(weaviate.Location{Bucket: to.Name}, "zstd")
	put(t, b, b.Key("zstd", "node1", "backup.json"), []byte("{}"))
	if err := replaced.Copy(t.Context()); err == nil || !strings.Contains(err.Error(), "written again since the catalogue was read") {
		t.Errorf("copying what has changed: %v", err)
	}
	if _, err := backup.CleanUp(t.Context(), b, footprint(t, stopped)); err != nil {
		t.Error(err)
	}
	if left := everything(t, to, ""); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}
