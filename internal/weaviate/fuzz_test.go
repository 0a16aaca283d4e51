package weaviate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/weaviate/weaviate-go-client/v5/weaviate"
	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// addSeeds hands what Weaviate 1.38.5 answered (testdata/seed) to add.
func addSeeds(f *testing.F, pattern string, add func([]byte)) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "seed", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seed %s: %v", pattern, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		add(raw)
	}
}

// sentinels are what an error of a server's answer wraps, one of them.
var sentinels = []error{ErrUnreachable, ErrUnauthorized, ErrForbidden, ErrNotFound, ErrUnprocessable, ErrServer}

// faulty says what is wrong with an error that an answer led to, or "".
func faulty(err error) string {
	wrapped := 0
	for _, s := range sentinels {
		if errors.Is(err, s) {
			wrapped++
		}
	}
	switch text := err.Error(); {
	case wrapped != 1:
		return "it does not wrap one of the errors of this package"
	case strings.ContainsAny(text, "\r\n"):
		return "it is more than a line"
	case len(text) > 4000:
		return "it is as long as the answer"
	case strings.Contains(text, fuzzKey):
		return "it shows the key"
	}
	return ""
}

const fuzzKey = "key-of-the-fuzz-tests"

// sameAnswer is a server that answers every request alike.
type sameAnswer struct {
	status int
	body   []byte
}

func (a sameAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

func (a sameAnswer) dial(t testing.TB) *Conn {
	t.Helper()
	c := &Conn{Endpoint: Endpoint{URL: "http://weaviate.example", APIKey: secret.New(fuzzKey)}}
	c.http = &http.Client{Transport: authTransport{next: a, authorization: c.authorization}}
	var err error
	if c.official, err = weaviate.NewClient(weaviate.Config{Host: "weaviate.example", Scheme: "http", ConnectionClient: c.http}); err != nil {
		t.Fatal(err)
	}
	return c
}

// restCalls are all that read an answer over REST. Each returns what is wrong with what it read, or "".
var restCalls = map[string]func(context.Context, *Conn) (string, error){
	"meta": func(ctx context.Context, c *Conn) (string, error) { _, err := c.Meta(ctx); return "", err },
	"nodes": func(ctx context.Context, c *Conn) (string, error) {
		list, err := c.Nodes(ctx)
		return unsorted(list, func(n Node) string { return n.Name }), err
	},
	"collections": func(ctx context.Context, c *Conn) (string, error) {
		list, err := c.Collections(ctx)
		for _, one := range list {
			if one.NeedsREST(); !json.Valid(one.Schema) {
				return "a schema is no JSON", err
			}
		}
		return unsorted(list, func(c Collection) string { return c.Name }), err
	},
	"tenants": func(ctx context.Context, c *Conn) (string, error) {
		list, err := c.Tenants(ctx, "Note")
		return unsorted(list, func(t Tenant) string { return t.Name }), err
	},
	"aliases": func(ctx context.Context, c *Conn) (string, error) { _, err := c.Aliases(ctx); return "", err },
	"access": func(ctx context.Context, c *Conn) (string, error) {
		a, err := c.Access(ctx)
		if err == nil && a.Controlled && len(a.Permissions) == 0 && a.Allows(Permission{Action: "read_data"}) {
			return "no permission allows something", nil
		}
		return "", err
	},
	"node names": func(ctx context.Context, c *Conn) (string, error) {
		list, err := c.NodeNames(ctx)
		return unsorted(list, strings.Clone), err
	},
	"roles": func(ctx context.Context, c *Conn) (string, error) {
		list, err := c.Roles(ctx)
		return unsorted(list, func(r Role) string { return r.Name }), err
	},
	"users": func(ctx context.Context, c *Conn) (string, error) {
		list, err := c.Users(ctx)
		return unsorted(list, func(u User) string { return u.Name }), err
	},
	"counts of tenants": func(ctx context.Context, c *Conn) (string, error) {
		counts, err := c.CountTenants(ctx, "Note", []string{"acme", "globex"})
		for _, n := range counts {
			if n < 0 {
				return "a tenant has less than no object", err
			}
		}
		return "", err
	},
	"backup": func(ctx context.Context, c *Conn) (string, error) {
		_, err := c.BackupStatus(ctx, "drill-1", Location{})
		return "", err
	},
	"create": func(ctx context.Context, c *Conn) (string, error) {
		s, err := c.CreateBackup(ctx, BackupRequest{ID: "drill-1"})
		if err == nil && s.Status == "" {
			return "a backup without a status was created", nil
		}
		return "", err
	},
	"restore": func(ctx context.Context, c *Conn) (string, error) {
		s, err := c.Restore(ctx, RestoreRequest{ID: "drill-1"})
		if err == nil && s.Status != "STARTED" {
			return "a restore began with " + s.Status, nil
		}
		return "", err
	},
	"object": func(ctx context.Context, c *Conn) (string, error) {
		o, err := c.Object(ctx, "Article", "", uuid.Max)
		if err != nil {
			return "", err
		}
		return misread(&o), nil
	},
	"scan": func(ctx context.Context, c *Conn) (string, error) {
		return scanned(ctx, c, Range{Collection: "Media", To: uuid.Max, REST: true})
	},
}

func unsorted[T any](list []T, name func(T) string) string {
	if !slices.IsSortedFunc(list, func(a, b T) int { return strings.Compare(name(a), name(b)) }) {
		return "a list is not in order"
	}
	return ""
}

// misread says what is wrong with an object, or "".
func misread(o *Object) string {
	deep := bytes.Count(o.Properties, []byte{tagList})+bytes.Count(o.Properties, []byte{tagObject}) >= maxDepth
	if d, err := DiffProperties(o.Properties, o.Properties); len(d) > 0 || err != nil && !deep {
		return "its properties have no canonical form"
	}
	for _, value := range Fields(o.Properties) {
		for range value.Scalars() {
			_ = value.List()
		}
	}
	for _, v := range o.Vectors {
		if v.Shape() == "" {
			return "a vector has no shape"
		}
	}
	if !o.Equal(o) {
		return "it is not equal to itself"
	}
	return ""
}

// scanned reads a range of a server that gives the same page for ever: what comes lies in the range and in order, and it ends.
func scanned(ctx context.Context, c *Conn, r Range) (string, error) {
	scan := c.Scan(r)
	var before *uuid.UUID
	for page := range 3 {
		objects, err := scan.Next(ctx)
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		if len(objects) == 0 || page == 2 {
			return "a scan does not end", nil
		}
		for i := range objects {
			o := &objects[i]
			if before != nil && bytes.Compare(before[:], o.ID[:]) >= 0 || bytes.Compare(o.ID[:], r.From[:]) < 0 || r.To != uuid.Nil && bytes.Compare(o.ID[:], r.To[:]) >= 0 {
				return "object " + o.ID.String() + " is out of order or of the range", nil
			}
			before = &o.ID
			if wrong := misread(o); wrong != "" {
				return wrong, nil
			}
		}
	}
	return "", nil
}

// FuzzAnswers: whatever a server answers over REST is read or refused, by an error of one line that a caller can decide on and that does not show the key.
func FuzzAnswers(f *testing.F) {
	statuses := []int{http.StatusOK, http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusFound, http.StatusNoContent}
	addSeeds(f, "*.json", func(raw []byte) { f.Add(uint8(0), raw) })
	f.Add(uint8(0), []byte(`{"data":{"t0":{"Note":[{"meta":{"count":-1}}]},"t1":{"Note":[]}}}`))
	f.Add(uint8(0), []byte(`[{"name":"b","permissions":[{"action":"read_data"}],"userId":"x"},{"name":"a","groupID":"g"}]`))
	for i := range statuses {
		f.Add(uint8(i), []byte(`{"error":[{"message":"two\nlines"}]}`))
		f.Add(uint8(i), []byte(`{"code":422,"message":"in body is required"}`))
		f.Add(uint8(i), []byte("<html>\n<title>504</title>"))
		f.Add(uint8(i), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		answer := sameAnswer{statuses[int(which)%len(statuses)], body}
		c := answer.dial(t)
		for name, call := range restCalls {
			wrong, err := call(t.Context(), c)
			if err != nil {
				wrong = faulty(err)
			}
			if wrong != "" {
				t.Errorf("%s: %s: %v", name, wrong, err)
			}
			if err == nil && answer.status >= 300 && name != "access" && name != "counts of tenants" { // which do without an answer
				t.Errorf("%s: status %d was taken for an answer", name, answer.status)
			}
		}
	})
}

// sameReply is a server that answers every search and every aggregation alike.
type sameReply struct {
	pb.WeaviateClient
	search    *pb.SearchReply
	aggregate *pb.AggregateReply
}

func (r sameReply) Search(context.Context, *pb.SearchRequest, ...grpc.CallOption) (*pb.SearchReply, error) {
	return proto.CloneOf(r.search), nil // the reader takes it apart
}

func (r sameReply) Aggregate(context.Context, *pb.AggregateRequest, ...grpc.CallOption) (*pb.AggregateReply, error) {
	return r.aggregate, nil
}

// FuzzSearchReply: whatever message a server answers a search with is read or refused, and two readings of it are equal.
func FuzzSearchReply(f *testing.F) {
	addSeeds(f, "*.pb", func(raw []byte) { f.Add(raw) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		var reply pb.SearchReply
		if proto.Unmarshal(raw, &reply) != nil {
			return
		}
		c := &Conn{stub: sameReply{search: &reply}}
		for _, r := range []Range{{}, {From: uuid.UUID{0: 0x40}, To: uuid.UUID{0: 0x80}, Expect: 10}, {IDs: true, Most: 1}} {
			wrong, err := scanned(t.Context(), c, r)
			if err != nil {
				wrong = faulty(err)
			}
			if wrong != "" {
				t.Errorf("%+v: %s: %v", r, wrong, err)
			}
		}
		first, _, err := c.pageGRPC(t.Context(), Range{}, nil, MaxPage)
		again, _, errAgain := c.pageGRPC(t.Context(), Range{}, nil, MaxPage)
		if (err == nil) != (errAgain == nil) || !slices.EqualFunc(first, again, func(a, b Object) bool { return a.Equal(&b) }) {
			t.Errorf("two readings differ: %+v, %v; %+v, %v", first, err, again, errAgain)
		}
		if _, err := c.NearVector(t.Context(), "Article", "", Vector{Bytes: make([]byte, 8)}, 10); err != nil && faulty(err) != "" {
			t.Errorf("%s: %v", faulty(err), err)
		}
	})
}

// FuzzAggregateReply: a count is a number of objects, or an error.
func FuzzAggregateReply(f *testing.F) {
	addSeeds(f, "aggregate.pb", func(raw []byte) { f.Add(raw) })
	fewer := int64(-1)
	negative, err := proto.Marshal(&pb.AggregateReply{Result: &pb.AggregateReply_SingleResult{SingleResult: &pb.AggregateReply_Single{ObjectsCount: &fewer}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(negative)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var reply pb.AggregateReply
		if proto.Unmarshal(raw, &reply) != nil {
			return
		}
		c := &Conn{stub: sameReply{aggregate: &reply}}
		switch n, err := c.Count(t.Context(), "Article", ""); {
		case err != nil && faulty(err) != "":
			t.Errorf("%s: %v", faulty(err), err)
		case n < 0:
			t.Errorf("%d objects", n)
		}
	})
}
