package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// memory is a ledger that lasts as long as the test. Those that last are tested where they are: rto/evidence.
type memory struct {
	sync.Mutex
	plan    []byte
	batches [][]byte
}

func (m *memory) Settle(_ context.Context, plan []byte) ([]byte, error) {
	m.Lock()
	defer m.Unlock()
	if m.plan == nil {
		m.plan = plan
	}
	return m.plan, nil
}

func (m *memory) Plan(context.Context) ([]byte, error) {
	m.Lock()
	defer m.Unlock()
	return m.plan, nil
}

func (m *memory) Keep(_ context.Context, batch []byte) error {
	m.Lock()
	defer m.Unlock()
	m.batches = append(m.batches, batch)
	return nil
}

func (m *memory) Kept(_ context.Context, take func([]byte) error) error {
	for _, b := range m.batches {
		if err := take(b); err != nil {
			return err
		}
	}
	return nil
}

// workWorld is a source and what was restored of it: a collection of several ranges, one of many tenants, one that was not restored, and damage in each.
func workWorld(t *testing.T) (source, restored *weaviate.Conn, capture time.Time) {
	t.Helper()
	b := servertest.Bucket(t, "backups")
	w := servertest.Weaviate(t, b, nil)
	source = servertest.Dial(t, w)
	title := []object{{"name": "title", "dataType": []string{"text"}}}
	do(t, source, http.MethodPost, "/schema", object{"class": "Large", "vectorizer": "none", "vectorIndexType": "flat", "properties": title})
	do(t, source, http.MethodPost, "/schema", object{"class": "Gone", "vectorizer": "none", "vectorIndexType": "flat", "properties": title})
	do(t, source, http.MethodPost, "/schema", object{"class": "Tenants", "vectorizer": "none", "vectorIndexType": "flat", "properties": title, "multiTenancyConfig": object{"enabled": true}})
	var tenants []object
	for i := range manyTenants + 50 {
		tenants = append(tenants, object{"name": tenantName(i)})
	}
	do(t, source, http.MethodPost, "/schema/Tenants/tenants", tenants)
	insert := func(class string, n int, tenant func(i int) string) {
		conn, ctx := bareStub(t, w.Endpoints[0]), authorized(t.Context())
		for from := 0; from < n; from += 2000 {
			batch := &pb.BatchObjectsRequest{}
			for i := from; i < min(from+2000, n); i++ {
				p, err := structpb.NewStruct(map[string]any{"title": fmt.Sprint("number ", i)})
				if err != nil {
					t.Fatal(err)
				}
				batch.Objects = append(batch.Objects, &pb.BatchObject{Uuid: id(class, i), Collection: class, Tenant: tenant(i), VectorBytes: make([]byte, 16), Properties: &pb.BatchObject_Properties{NonRefProperties: p}})
			}
			reply, err := conn.BatchObjects(ctx, batch)
			if err != nil || len(reply.Errors) > 0 {
				t.Fatal(err, reply.GetErrors())
			}
		}
	}
	insert("Large", 20_000, func(int) string { return "" })
	insert("Gone", 10, func(int) string { return "" })
	insert("Tenants", 3*(manyTenants+50), func(i int) string { return tenantName(i / 3) })
	time.Sleep(2 * time.Second)
	capture = backUp(t, source, "work")
	restored = servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "work")
	do(t, restored, http.MethodDelete, "/schema/Gone", nil)
	do(t, restored, http.MethodDelete, "/schema/Tenants/tenants", []string{tenantName(7)})
	do(t, restored, http.MethodDelete, "/objects/Tenants/"+id("Tenants", 30)+"?tenant="+tenantName(10), nil)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		do(t, restored, http.MethodDelete, "/objects/Large/"+id("Large", random.IntN(20_000)), nil)
	}
	do(t, restored, http.MethodPatch, "/objects/Large/"+id("Large", 20_000-1), object{"class": "Large", "properties": object{"title": "other"}})
	batch(t, source, []object{{"class": "Tenants", "id": id("Tenants", 10_000), "tenant": tenantName(20), "properties": object{"title": "new"}}})
	do(t, source, http.MethodPatch, "/objects/Large/"+id("Large", 2), object{"class": "Large", "properties": object{"title": "later"}})
	return source, restored, capture
}

// same holds two results against each other: how much was read at the ends of ranges, and how long it took, are all that may differ.
func same(t *testing.T, got, want *Result) {
	t.Helper()
	a, b := *got, *want
	a.Duration, b.Duration, a.BytesRead, b.BytesRead = 0, 0, 0, 0
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got  %+v\nwant %+v", a, b)
	}
}

func TestWork(t *testing.T) {
	source, restored, capture := workWorld(t)
	options := Options{CapturePoint: capture, ClockSkew: 300 * time.Millisecond, Included: []string{"Large", "Gone", "Tenants"}, Backup: "work"}
	whole := compare(t, source, restored, options)
	if whole.Outcome() != Failed || whole.Verdicts.Lost < 10+3+1+15 || whole.Verdicts.Corrupt != 1 || whole.Verdicts.Drift != 2 {
		dump(t, whole)
		t.Fatalf("%+v", whole.Verdicts)
	}
	tenants := whole.Collections[2]
	if tenants.Name != "Tenants" || tenants.SourceCount != 3*(manyTenants+50)+1 || tenants.RestoredCount != tenants.SourceCount-1-3-1 || tenants.SourceRead != tenants.SourceCount {
		t.Errorf("counted otherwise than there is: %+v", tenants)
	}
	share := func(t *testing.T, o Options, part, parts int) *Shared {
		t.Helper()
		s, err := Share(t.Context(), source, restored, o, part, parts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const parts = 3
	const pieces = 4 + 1 + manyTenants + 50

	t.Run("three parts make the whole", func(t *testing.T) {
		o, ledger := options, &memory{}
		o.Ledger = ledger
		var running sync.WaitGroup
		shares := make([]*Shared, parts)
		for n := range parts { // all at once, so that each would make the plan
			running.Go(func() { shares[n] = share(t, o, n, parts) })
		}
		running.Wait()
		total := 0
		for _, s := range shares {
			total += s.Items
		}
		if total != pieces {
			t.Errorf("%d pieces, want %d", total, pieces)
		}
		r, err := Reduce(t.Context(), source, restored, o)
		if err != nil {
			t.Fatal(err)
		}
		same(t, r, whole)
		if again := share(t, o, 1, parts); again.Before != again.Items || again.Verdicts != shares[1].Verdicts {
			t.Errorf("%+v, then %+v", shares[1], again)
		}

		t.Run("as do few differences of many", func(t *testing.T) {
			o := options
			o.MaxDifferences = 3
			whole := compare(t, source, restored, o)
			o.Ledger = &memory{}
			for n := range parts {
				share(t, o, n, parts)
			}
			r, err := Reduce(t.Context(), source, restored, o)
			if err != nil {
				t.Fatal(err)
			}
			same(t, r, whole)
		})
		t.Run("a batch cut in half is done again", func(t *testing.T) {
			last := len(ledger.batches) - 1
			full := ledger.batches[last]
			ledger.batches[last] = full[:len(full)/2]
			r, err := Reduce(t.Context(), source, restored, o)
			if err != nil || len(r.Unknown) != 1 || !r.CompletenessHorizon.IsZero() {
				t.Fatalf("%v, %+v", err, r)
			}
			repeated := 0
			for n := range parts {
				s := share(t, o, n, parts)
				repeated += s.Items - s.Before
			}
			if repeated == 0 || repeated == pieces {
				t.Errorf("%d pieces repeated", repeated)
			}
			if r, err = Reduce(t.Context(), source, restored, o); err != nil {
				t.Fatal(err)
			}
			same(t, r, whole)
		})
		t.Run("other terms are refused", func(t *testing.T) {
			for _, change := range []struct {
				says   string
				change func(o *Options)
			}{
				{"the capture point", func(o *Options) { o.CapturePoint = o.CapturePoint.Add(time.Second) }},
				{"the backup", func(o *Options) { o.Backup = "another" }},
				{"the level", func(o *Options) { o.Level = LevelIndex }},
				{"the options", func(o *Options) { o.ClockSkew = time.Minute }},
			} {
				o := o
				change.change(&o)
				if _, err := Share(t.Context(), source, restored, o, 0, parts); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), change.says) {
					t.Errorf("%s: %v", change.says, err)
				}
			}
			if _, err := Share(t.Context(), source, source, o, 0, parts); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), "the restored Weaviate") {
				t.Error(err)
			}
			if _, err := Share(t.Context(), source, restored, o, 0, 4); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), "the number of parts") {
				t.Error(err)
			}
		})
	})
	t.Run("a part that did not run is named", func(t *testing.T) {
		o := options
		o.Ledger = &memory{}
		if _, err := Reduce(t.Context(), source, restored, o); !errors.Is(err, ErrNoPlan) {
			t.Error(err)
		}
		share(t, o, 0, parts)
		share(t, o, 2, parts)
		r, err := Reduce(t.Context(), source, restored, o)
		if err != nil || len(r.Unknown) != 1 || !strings.HasPrefix(r.Unknown[0], "part 1 of 3 has done 0 of its 85 pieces of work") {
			t.Fatalf("%v, %q", err, r.Unknown)
		}
		if d := r.structureAt("Tenants/" + tenantName(7)); r.Verdicts.Total() >= whole.Verdicts.Total() || d.Verdict == Lost && r.Verdicts.Lost == 0 {
			t.Errorf("%+v", r.Verdicts)
		}
	})
	t.Run("broken off and resumed", func(t *testing.T) {
		o := options
		ledger := &memory{}
		o.Ledger, o.MaxRate = ledger, 8000
		ctx, cancel := context.WithCancel(t.Context())
		var done int64
		o.Progress = func(n, total int64) {
			if done = n; n > total/2 {
				cancel()
			}
		}
		if _, err := Compare(ctx, source, restored, o); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		var before []int64 // objects done after each report of the resumption
		o.MaxRate, o.Progress = 0, func(n, _ int64) { before = append(before, n) }
		r := compare(t, source, restored, o)
		same(t, r, whole)
		if len(before) == 0 || !slices.IsSorted(before) || before[len(before)-1] != 20_000+10+3*(manyTenants+50)+1 {
			t.Fatal(before)
		}
		t.Logf("broken off at %d objects, resumed with %d", done, before[0])
		if before[0] == 0 || len(ledger.batches) == 0 {
			t.Error("the resumption began anew")
		}
	})
	t.Run("what cannot be split", func(t *testing.T) {
		o := options
		o.Ledger, o.Level = &memory{}, LevelSample
		if _, err := Share(t.Context(), source, restored, o, 0, 2); !errors.Is(err, ErrWhole) {
			t.Error(err)
		}
		if _, err := Reduce(t.Context(), source, restored, o); !errors.Is(err, ErrWhole) {
			t.Error(err)
		}
		o.Level = LevelFull
		if _, err := Share(t.Context(), source, restored, o, 2, 2); err == nil {
			t.Error("there is a part 2 of 2")
		}
		if _, err := Share(t.Context(), source, restored, options, 0, 2); err == nil {
			t.Error("a part has nowhere to keep its results")
		}
	})
}
