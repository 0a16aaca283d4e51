package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func openS3(t testing.TB, b *bucket.Bucket) *Store {
	t.Helper()
	s, err := OpenS3(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// with gives the same bucket by another client.
func with(b *bucket.Bucket, changes ...func(*s3.Options)) *bucket.Bucket {
	return &bucket.Bucket{Client: s3.New(b.Client.Options(), changes...), Options: b.Options}
}

// transport is a client's way to the server, with something done to it.
type transport func(*http.Request) (*http.Response, error)

func (t transport) Do(r *http.Request) (*http.Response, error) { return t(r) }

// through makes a client send its requests through do.
func through(do func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error)) func(*s3.Options) {
	return func(o *s3.Options) {
		next := o.HTTPClient
		o.HTTPClient = transport(func(r *http.Request) (*http.Response, error) {
			return do(r, func() (*http.Response, error) { return next.Do(r) })
		})
	}
}

// A copy of the bucket is a folder that reads the same.
func TestBucketIsLaidOutAsTheFolder(t *testing.T) {
	inS3, dir := openS3(t, servertest.Bucket(t, "team/evidence")), t.TempDir()
	onDisk := open(t, filepath.Join(t.TempDir(), "other"))
	for _, s := range []*Store{inS3, onDisk} {
		must(s.Put(t.Context(), record(1)))
		if err := s.PutInventory(t.Context(), Inventory{Bucket: "backups", BackupID: "b1"}); err != nil {
			t.Fatal(err)
		}
		_, j := begin(t, s, "drill-1")
		if err := j.Write(t.Context(), "left"); err != nil {
			t.Fatal(err)
		}
	}
	names := tree(t, inS3)
	for name := range names {
		raw := must(inS3.place.read(t.Context(), name))
		plant(t, &Store{folder{dir}}, name, raw)
		if want, err := onDisk.place.read(t.Context(), name); err != nil || !bytes.Equal(raw, want) && !strings.HasSuffix(name, lockExtension) {
			t.Errorf("%s holds\n%s\nand in a folder\n%s%v", name, raw, want, err)
		}
	}
	if len(names) != len(tree(t, onDisk)) || len(names) != 4 {
		t.Errorf("%v and %v", names, tree(t, onDisk))
	}
	synced := open(t, dir)
	if r, err := synced.Get(t.Context(), Latest); err != nil || !reflect.DeepEqual(r, record(1)) {
		t.Errorf("%v %v", r, err)
	}
	if dead := awaitDead(t, synced); len(dead) != 1 || dead[0].ID != "drill-1" {
		t.Errorf("dead: %v", dead)
	}
}

// A drill that does not renew its journal is taken for dead by others, notices that at its next step, and leaves alone what is there by then.
func TestLostJournal(t *testing.T) {
	b := servertest.Bucket(t, "")
	stalled := openS3(t, b) // renews every 10 s; the others look for twitches
	others := quick(openS3(t, b))
	held, j := begin(t, stalled, "drill-1")
	if err := j.Write(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	if dead := awaitDead(t, others); len(dead) != 1 || dead[0].ID != "drill-1" {
		t.Fatalf("dead: %v", dead)
	}
	if err := others.Forget(t.Context(), "drill-1"); err != nil {
		t.Fatal(err)
	}
	_, second := begin(t, others, "drill-1")
	if err := second.Write(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := j.Write(t.Context(), "third"); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "running/drill-1.lock") {
			t.Errorf("write: %v", err)
		}
	}
	if !errors.Is(context.Cause(held), ErrLost) {
		t.Errorf("held: %v", context.Cause(held))
	}
	if err := j.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if raw := string(must(others.place.read(t.Context(), "running/drill-1.json"))); !strings.Contains(raw, "second") {
		t.Errorf("the journal of another holds %s", raw)
	}
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A drill that waits for something else learns of it too.
func TestLostJournalIsNoticedInTheBackground(t *testing.T) {
	s := quick(openS3(t, servertest.Bucket(t, "")))
	held, j := begin(t, s, "drill-1")
	if err := s.place.(*inBucket).removeJournal(t.Context(), "drill-1"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Done():
	case <-time.After(30 * time.Second):
	}
	if !errors.Is(context.Cause(held), ErrLost) {
		t.Errorf("held: %v", context.Cause(held))
	}
	if err := j.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if files := tree(t, s); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

// Whether a drill lives is a matter of the server's clock alone, and not known without it.
func TestServerClock(t *testing.T) {
	b := servertest.Bucket(t, "")
	begin(t, openS3(t, b), "drill-1")
	noneDead(t, openS3(t, b))
	dated := func(date func(was time.Time) string) *Store {
		return openS3(t, with(b, through(func(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			answer, err := send()
			if err == nil {
				answer.Header.Set("Date", date(must(http.ParseTime(answer.Header.Get("Date")))))
			}
			return answer, err
		})))
	}
	later := dated(func(was time.Time) string { return was.Add(5 * time.Minute).Format(http.TimeFormat) })
	if dead, err := later.Dead(t.Context()); err != nil || len(dead) != 1 {
		t.Errorf("five minutes later: %v %v", dead, err)
	}
	never := dated(func(time.Time) string { return "" })
	if dead, err := never.Dead(t.Context()); len(dead) != 0 || err == nil || !strings.Contains(err.Error(), "sends no Date") {
		t.Errorf("without a date: %v %v", dead, err)
	}
}

// A server that passes over conditions gets no evidence. The client leaves them out here, which to the server's answer is the same.
func TestServerWithoutConditions(t *testing.T) {
	b := servertest.Bucket(t, "")
	if _, err := openS3(t, b).Put(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	before := must(openS3(t, b).place.read(t.Context(), record(1).ID+extension))
	s := openS3(t, with(b, func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("no conditions", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				r := in.Request.(*smithyhttp.Request)
				r.Header.Del("If-None-Match")
				r.Header.Del("If-Match")
				return next.HandleBuild(ctx, in)
			}), middleware.After)
		})
	}))
	other := record(1)
	other.Status = Policy
	for range 2 {
		if _, err := s.Put(t.Context(), other); err == nil || !strings.Contains(err.Error(), "does not support conditional writes") {
			t.Errorf("put: %v", err)
		}
	}
	if _, _, err := s.Begin(t.Context(), "drill-1"); err == nil || !strings.Contains(err.Error(), "does not support conditional writes") {
		t.Errorf("begin: %v", err)
	}
	if after := must(s.place.read(t.Context(), record(1).ID+extension)); !bytes.Equal(before, after) {
		t.Error("the record was overwritten")
	}
}

// The answer to each write gets lost, and the client sends it again: it must know its own write from another's, also where an ETag is no digest of the content, as under SSE-KMS.
func TestLostAnswers(t *testing.T) {
	b := servertest.Bucket(t, "")
	if _, err := b.Client.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{Bucket: &b.Name, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("drill-key")}}},
	}}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	s := quick(openS3(t, with(b, through(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		call := r.Header.Get("Amz-Sdk-Invocation-Id")
		mu.Lock()
		first := !seen[call]
		seen[call] = true
		mu.Unlock()
		answer, err := send()
		if err == nil && first && r.Method == http.MethodPut {
			_ = answer.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
		return answer, err
	}))))
	if _, err := s.Put(t.Context(), record(1)); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Put(t.Context(), record(1)); !errors.Is(err, ErrExists) {
		t.Errorf("put again: %v", err)
	}
	s.place.(*inBucket).every = 50 * time.Millisecond
	held, j := begin(t, s, "drill-1")
	for i := range 5 {
		if err := j.Write(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if held.Err() != nil {
		t.Error(context.Cause(held))
	}
	if err := j.Close(t.Context()); err != nil {
		t.Error(err)
	}
	head := must(b.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: aws.String(record(1).ID + extension)}))
	if head.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
		t.Errorf("the record is encrypted with %q and not as the bucket says", head.ServerSideEncryption)
	}
}

// as opens the bucket with temporary credentials that may do no more than the statements say.
func as(t *testing.T, b *bucket.Bucket, statements ...string) *bucket.Bucket {
	t.Helper()
	c := servertest.Session(t, statements...)
	return with(b, func(o *s3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	})
}

func allow(actions []string, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%s,"Resource":"arn:aws:s3:::%s"}`, must(json.Marshal(actions)), resource)
}

// The actions that are listed are enough, and without each of them the error names it.
func TestPermissions(t *testing.T) {
	b := servertest.Bucket(t, "team/evidence")
	below := b.Name + "/" + b.Path + "/"
	list, objects, journals := allow(BucketActions, b.Name), allow(ObjectActions, below+"*"), allow(JournalActions, below+"running/*")

	s := quick(openS3(t, as(t, b, list, objects, journals)))
	must(s.Put(t.Context(), record(1)))
	if err := s.PutInventory(t.Context(), Inventory{Bucket: "backups", BackupID: "b1"}); err != nil {
		t.Error(err)
	}
	_, j := begin(t, s, "drill-1")
	if err := j.Write(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if err := j.Close(t.Context()); err != nil {
		t.Error(err)
	}
	plant(t, openS3(t, b), "running/drill-2.lock", nil)
	if dead := awaitDead(t, s); len(dead) != 1 {
		t.Errorf("dead: %v", dead)
	}
	if err := s.Forget(t.Context(), "drill-2"); err != nil {
		t.Error(err)
	}

	c := must(s.Comparison("compare-1"))
	must(c.Settle(t.Context(), nil))
	if err := errors.Join(c.Keep(t.Context(), nil), c.Remove(t.Context())); err != nil {
		t.Error(err)
	}

	reader := openS3(t, as(t, b, list, allow(ReadActions[1:], below+"*")))
	if entries, err := reader.List(t.Context()); err != nil || len(entries) != 1 || entries[0].Err != nil {
		t.Errorf("list: %+v %v", entries, err)
	}
	must(reader.Get(t.Context(), Latest))
	if i, err := reader.Inventory(t.Context(), "backups", "", "b1"); err != nil || i == nil {
		t.Errorf("inventory: %v %v", i, err)
	}

	for action, try := range map[string]func() error{
		"s3:ListBucket": func() error { _, err := OpenS3(t.Context(), as(t, b, objects, journals)); return err },
		"s3:PutObject":  func() error { _, err := reader.Put(t.Context(), record(2)); return err },
		"s3:GetObject": func() error {
			_, err := openS3(t, as(t, b, list, allow([]string{"s3:PutObject"}, below+"*"))).Get(t.Context(), Latest)
			return err
		},
		"s3:DeleteObject": func() error {
			_, j := begin(t, openS3(t, as(t, b, list, objects)), "drill-3")
			return j.Close(t.Context())
		},
	} {
		err := try()
		if !errors.Is(err, bucket.ErrDenied) || !strings.Contains(err.Error(), action+" is needed") || !strings.Contains(err.Error(), b.Name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("without %s: %v", action, err)
		}
	}
}

func TestNoSuchBucket(t *testing.T) {
	b := servertest.Bucket(t, "")
	b.Name += "-none"
	if _, err := OpenS3(t.Context(), b); !errors.Is(err, bucket.ErrNoSuchBucket) || !strings.Contains(err.Error(), b.Name) || !strings.Contains(err.Error(), "check evidence.s3.name and evidence.s3.endpoint") {
		t.Error(err)
	}
}

// Records are read several at a time, and not all at once.
func TestListReadsInParallel(t *testing.T) {
	b := servertest.Bucket(t, "evidence")
	fill(t, openS3(t, b), 40)
	var now, most atomic.Int32
	s := openS3(t, with(b, through(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, extension) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(5 * time.Millisecond) // as long as a server nearby takes
		}
		return send()
	})))
	entries, err := s.List(t.Context())
	if err != nil || len(entries) != 40 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, e := range entries {
		if e.Err != nil || e.ID != record(i).ID {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	if m := most.Load(); m < 2 || m > readers {
		t.Errorf("%d were read at once", m)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// fill puts n records, a minute apart.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, readers)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := s.Put(t.Context(), record(i)); err != nil {
				t.Error(err)
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	bucket := servertest.Bucket(b, "evidence")
	for name, s := range map[string]*Store{"folder": must(Open(b.TempDir())), "bucket": openS3(b, bucket)} {
		fill(b, s, 1000)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if entries, err := s.List(b.Context()); err != nil || len(entries) != 1000 {
					b.Fatal(len(entries), err)
				}
			}
		})
	}
}
