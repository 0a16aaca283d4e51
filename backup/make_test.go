package backup_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// gateway stands between a client and the server at address. Each request passes unless before has answered it (and says so by false).
func gateway(t testing.TB, address string, before func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // signatures of S3 cover it
		},
		Transport: &http.Transport{DisableCompression: true},
		ErrorLog:  log.New(io.Discard, "", 0), // requests that a test lets break
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// gate holds requests up while it is shut.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) pass(r *http.Request) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-r.Context().Done():
		}
	}
}

// slowMinIO is a way to MinIO on which chunks are held up, written (PUT, POST) or read (GET), while the gate is closed.
func slowMinIO(t testing.TB, methods ...string) (*gate, map[string]string) {
	t.Helper()
	g := &gate{}
	address := gateway(t, servertest.MinIO(t).Endpoint, func(_ http.ResponseWriter, r *http.Request) bool {
		if slices.Contains(methods, r.Method) && strings.Contains(r.URL.Path, "/chunk-") {
			g.pass(r)
		}
		return true
	})
	t.Cleanup(g.open)
	return g, map[string]string{"BACKUP_S3_ENDPOINT": strings.TrimPrefix(address, "http://")}
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestNewID(t *testing.T) {
	early, late := backup.NewID(time.Date(2026, 11, 24, 22, 26, 55, 0, time.UTC)), backup.NewID(time.Date(2026, 11, 24, 22, 26, 56, 0, time.FixedZone("", 3600)))
	if !strings.HasPrefix(early, "drill-20261124-222655-") || len(early) != len("drill-20261124-222655-k3f9x2") || strings.Trim(early, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		t.Errorf("id %q", early)
	}
	if late > early { // an hour before it, in another time zone
		t.Errorf("%s sorts before %s", early, late)
	}
}

func TestCreate(t *testing.T) {
	b := finished(t, "zstd")
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	var seen []backup.Progress
	r, err := backup.Create(t.Context(), conn, b, backup.CreateOptions{
		Request:  weaviate.BackupRequest{Include: samples, CompressionLevel: "ZstdBestSpeed", CPUPercentage: 40},
		Progress: func(p backup.Progress) { seen = append(seen, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v; noticed %s after the end that the server reports", r, r.Noticed.Sub(r.ReportedEnd))
	if r.Attached || r.Status != "SUCCESS" || !strings.HasPrefix(r.ID, "drill-") {
		t.Errorf("result %+v", r)
	}
	// All on one machine, so the clocks agree.
	if r.CapturePoint.Before(r.Posted) || r.End.Before(r.CapturePoint) || r.ReportedEnd.Before(r.End.Add(-time.Second)) || r.Noticed.Before(r.End) {
		t.Errorf("times in the wrong order: %+v", r)
	}
	if len(seen) < 3 || seen[0].Status != "STARTED" || seen[len(seen)-1].Status != "SUCCESS" || seen[len(seen)-1].Total == 0 {
		t.Errorf("%d times told of progress, the last %+v", len(seen), seen[len(seen)-1])
	}
	none(t, check(t, catalogue(t, b, r.ID)).Problems)

	again, err := backup.Follow(t.Context(), conn, b, r.ID, backup.CreateOptions{})
	if err != nil || !again.Attached || !again.End.Equal(r.End) {
		t.Errorf("followed after its end: %+v, %v", again, err)
	}
	next, err := backup.Create(t.Context(), conn, b, backup.CreateOptions{
		Request: weaviate.BackupRequest{ID: "create-inc", Include: []string{"SampleP*", "SampleTenants", "SampleEmpty"}, CompressionLevel: "ZstdBestSpeed", IncrementalBase: r.ID},
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := catalogue(t, b, next.ID).Backup(); next.ID != "create-inc" || d.BaseBackupID != r.ID {
		t.Errorf("%s builds on %q", next.ID, d.BaseBackupID)
	}
	if err := backup.Cancel(t.Context(), conn, b, next.ID, weaviate.Location{}); err == nil || !strings.Contains(err.Error(), "SUCCESS") {
		t.Errorf("cancelling a finished backup: %v", err)
	}
	is(t, backup.Cancel(t.Context(), conn, b, "nobody", weaviate.Location{}), backup.ErrNoSuchBackup)
	if id, err := backup.Resolve(t.Context(), b, backup.Latest); err != nil || id != next.ID {
		t.Errorf("latest is %q, %v", id, err)
	}
}

func TestCreateElsewhere(t *testing.T) {
	realBackup(t, "zstd")
	w, _ := servertest.Source(t)
	other := servertest.Bucket(t, "other/path")
	r, err := backup.Create(t.Context(), servertest.Dial(t, w), other, backup.CreateOptions{
		Request: weaviate.BackupRequest{Include: []string{"SampleEmpty"}, Location: weaviate.Location{Bucket: other.Name, Path: other.Path}},
	})
	if err != nil {
		t.Fatal(err)
	}
	none(t, check(t, catalogue(t, other, r.ID)).Problems)

	// The same backup, looked for where the server does not write.
	wrong := *other
	wrong.Path = "wrong"
	r, err = backup.Create(t.Context(), servertest.Dial(t, w), &wrong, backup.CreateOptions{
		Request: weaviate.BackupRequest{Include: []string{"SampleEmpty"}, Location: weaviate.Location{Bucket: other.Name, Path: other.Path}},
	})
	is(t, err, backup.ErrFailed, r.ID, "SUCCESS", "/wrong/", "bucket.path")
}

func TestCreateRefused(t *testing.T) {
	b := finished(t, "zstd")
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	before, err := backup.List(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		request weaviate.BackupRequest
		want    error
		says    []string
	}{
		{"the id is taken", weaviate.BackupRequest{ID: "zstd", Include: samples}, backup.ErrExists, []string{"zstd", "SUCCESS"}},
		{"a wildcard matches nothing", weaviate.BackupRequest{Include: []string{"SamplePlain", "Nope*"}}, backup.ErrNoCollection, []string{`"Nope*"`, "SamplePlain"}},
		{"no such collection", weaviate.BackupRequest{ID: "refused", Include: []string{"Nope"}}, weaviate.ErrUnprocessable, []string{"refused", "class Nope doesn't exist"}},
		{"no such base", weaviate.BackupRequest{ID: "refused", Include: samples, IncrementalBase: "nobody"}, weaviate.ErrUnprocessable, []string{"refused", "base"}},
		{"an illegal id", weaviate.BackupRequest{ID: "No Id", Include: samples}, weaviate.ErrUnprocessable, []string{"No Id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := backup.Create(t.Context(), conn, b, backup.CreateOptions{Request: c.request})
			is(t, err, c.want, c.says...)
		})
	}
	if after, err := backup.List(t.Context(), b); err != nil || len(after) != len(before) {
		t.Errorf("%d backups before, %d after, %v", len(before), len(after), err)
	}
}

func TestResolve(t *testing.T) {
	finished(t, "none")
	b := clone(t, finished(t, "zstd"), "zstd", "none")
	_, err := backup.Resolve(t.Context(), b, "nobody")
	is(t, err, backup.ErrNoSuchBackup, "nobody")
	for status, want := range map[string]error{"STARTED": backup.ErrRunning, "TRANSFERRING": backup.ErrRunning, "FAILED": backup.ErrNotSuccessful, "CANCELED": backup.ErrNotSuccessful} {
		id := strings.ToLower(status)
		put(t, b, b.Key(id, "backup_config.json"), []byte(`{"id":"`+id+`","status":"`+status+`","startedAt":"2099-01-01T00:00:00Z","error":"words of the server"}`))
		says := []string{id, status}
		if errors.Is(want, backup.ErrNotSuccessful) {
			says = append(says, "words of the server")
		}
		_, err := backup.Resolve(t.Context(), b, id)
		is(t, err, want, says...)
	}
	put(t, b, b.Key("stray", "file"), []byte("x"))
	newest := "zstd"
	if catalogue(t, b, "none").Backup().StartedAt.After(catalogue(t, b, "zstd").Backup().StartedAt) {
		newest = "none"
	}
	if id, err := backup.Resolve(t.Context(), b, backup.Latest); err != nil || id != newest {
		t.Errorf("latest is %q, %v; want %s", id, err, newest)
	}
	_, err = backup.Resolve(t.Context(), servertest.Bucket(t, ""), backup.Latest)
	is(t, err, backup.ErrNoSuchBackup)
	missing := *b
	missing.Name = "no-such-bucket-anywhere"
	_, err = backup.Resolve(t.Context(), &missing, backup.Latest)
	is(t, err, bucket.ErrNoSuchBucket)
}

// The backups of one Weaviate whose uploads are held up.
func TestBackupUnderWay(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	g, env := slowMinIO(t, http.MethodPut, http.MethodPost)
	w := servertest.Weaviate(t, b, env)
	conn := servertest.Dial(t, w)
	fill(t, conn)
	type outcome struct {
		backup.CreateResult
		err error
	}
	// start creates a backup that hangs, and returns when its descriptor is there.
	start := func(ctx context.Context, t *testing.T, o backup.CreateOptions) <-chan outcome {
		t.Helper()
		g.close()
		done := make(chan outcome, 1)
		go func() {
			r, err := backup.Create(ctx, conn, b, o)
			done <- outcome{r, err}
		}()
		eventually(t, "backup "+o.Request.ID+" has begun", func() bool {
			d, err := backup.ReadDescriptor(ctx, b, o.Request.ID)
			return err == nil && d.Status == "STARTED"
		})
		return done
	}
	request := func(id string) backup.CreateOptions {
		return backup.CreateOptions{Request: weaviate.BackupRequest{ID: id, Include: samples}}
	}

	t.Run("attach, and let an interlock refuse", func(t *testing.T) {
		copyBackups(t, finished(t, "zstd"), b, "zstd")
		first := start(t.Context(), t, request("held"))
		_, err := backup.Resolve(t.Context(), b, "held")
		is(t, err, backup.ErrRunning, "held", "STARTED")
		is(t, backup.NewRestoration(b, catalogue(t, b, "zstd"), backup.RestoreOptions{DrillID: "drill-x", From: backup.ByCopy}).Interlock(t.Context()),
			backup.ErrRefused, "held", "STARTED since", "cancel it")

		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan outcome, 1)
		go func() {
			r, err := backup.Create(ctx, conn, b, request("second"))
			left <- outcome{r, err}
		}()
		time.Sleep(500 * time.Millisecond)
		cancel() // must not touch the backup of the first call
		if gone := <-left; !errors.Is(gone.err, context.Canceled) || !gone.Attached || gone.ID != "held" {
			t.Errorf("attached and left: %+v, %v", gone.CreateResult, gone.err)
		}
		second := make(chan outcome, 1)
		go func() {
			r, err := backup.Create(t.Context(), conn, b, request("second"))
			second <- outcome{r, err}
		}()
		time.Sleep(500 * time.Millisecond)
		g.open()
		one, two := <-first, <-second
		if one.err != nil || one.Attached || one.ID != "held" || one.Status != "SUCCESS" {
			t.Errorf("the first: %+v, %v", one.CreateResult, one.err)
		}
		if two.err != nil || !two.Attached || two.ID != "held" || two.Status != "SUCCESS" || !two.End.Equal(one.End) {
			t.Errorf("the second: %+v, %v", two.CreateResult, two.err)
		}
		if _, err := backup.ReadDescriptor(t.Context(), b, "second"); !errors.Is(err, backup.ErrNoSuchBackup) {
			t.Errorf("the second made a backup of its own: %v", err)
		}
	})
	t.Run("cancelled with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := start(ctx, t, request("interrupted"))
		cancel()
		r := <-done
		is(t, r.err, context.Canceled, "interrupted", "it was cancelled")
		_, err := backup.Resolve(t.Context(), b, "interrupted")
		is(t, err, backup.ErrNotSuccessful, "CANCELED")
	})
	t.Run("not finished in time", func(t *testing.T) {
		o := request("slow")
		o.Timeout = time.Second
		r := <-start(t.Context(), t, o)
		is(t, r.err, backup.ErrTimeout, "slow", "STARTED after 1s", "node node1 has not finished its part", "it was cancelled")
		if errors.Is(r.err, context.DeadlineExceeded) {
			t.Errorf("looks like the caller's own deadline: %v", r.err)
		}
	})
	t.Run("the answer to the POST is lost", func(t *testing.T) {
		server := w.Endpoints[0].URL
		lossy := w.Endpoints[0]
		lossy.URL = gateway(t, server, func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/backups/s3") {
				return true
			}
			forward := r.Clone(r.Context())
			forward.RequestURI = ""
			forward.URL, _ = url.Parse(server + r.URL.Path)
			if answer, err := http.DefaultClient.Do(forward); err != nil || answer.Body.Close() != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		})
		c, err := weaviate.Dial(t.Context(), lossy)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		g.close()
		_, err = backup.Create(t.Context(), c, b, request("lost"))
		is(t, err, weaviate.ErrUnreachable, "lost", "whether it was started is not known", "it was cancelled")
		_, err = backup.Resolve(t.Context(), b, "lost")
		is(t, err, backup.ErrNotSuccessful, "CANCELED")
	})
	t.Run("cancelled by somebody else", func(t *testing.T) {
		done := start(t.Context(), t, request("victim"))
		if err := backup.Cancel(t.Context(), conn, b, "victim", weaviate.Location{}); err != nil {
			t.Fatal(err)
		}
		r := <-done
		is(t, r.err, backup.ErrFailed, "victim", "CANCELED")
		if r.Status != "CANCELED" || r.CapturePoint.IsZero() {
			t.Errorf("result %+v", r.CreateResult)
		}
	})
}
