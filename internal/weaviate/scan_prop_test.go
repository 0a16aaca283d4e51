package weaviate

import (
	"bytes"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func drawID(t *rapid.T, label string) uuid.UUID {
	return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

// TestPageProperties: whatever a scan has seen, it asks for at least one object and for no more than the server, the memory and the caller allow.
func TestPageProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Scanner{r: Range{
			From: drawID(t, "from"), To: drawID(t, "to"), Size: new(Size), Expect: rapid.Int64Range(0, 1<<40).Draw(t, "expected"),
			Most: rapid.IntRange(0, 2*MaxPage).Draw(t, "most"), REST: rapid.Bool().Draw(t, "REST"), IDs: rapid.Bool().Draw(t, "ids"),
		}}
		if rapid.Bool().Draw(t, "to the end") {
			s.r.To = uuid.Nil
		}
		var mean int64 // of the last page
		for range rapid.IntRange(0, 5).Draw(t, "pages") {
			objects := rapid.IntRange(1, MaxPage).Draw(t, "objects")
			total := rapid.Int64Range(0, maxMessage).Draw(t, "bytes")
			s.r.Size.observe(total, objects)
			mean = total / int64(objects)
			after := drawID(t, "after")
			s.after, s.seen = &after, s.seen+int64(objects)
		}
		most, unknown := MaxPage, firstPage
		budget := int64(pageBytes)
		if s.r.REST && !s.r.IDs {
			unknown, budget = firstREST, restBytes
		}
		if s.r.Most > 0 {
			most = min(most, s.r.Most)
		}
		got := s.limit()
		if got < 1 || got > most {
			t.Fatalf("%d objects in a page of at most %d", got, most)
		}
		if s.seen == 0 && got > unknown {
			t.Fatalf("%d objects in a page, although their size is not known", got)
		}
		if s.seen > 0 && got > 1 && int64(got)*mean > budget {
			t.Fatalf("a page of %d objects, where the last ones had %d bytes each and %d are allowed", got, mean, budget)
		}
	})
}

// TestNeighboursOfIDs: Before and Next undo each other, and nothing lies between.
func TestNeighboursOfIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := drawID(t, "id")
		copy(id[rapid.IntRange(0, 16).Draw(t, "from"):], bytes.Repeat([]byte{rapid.SampledFrom([]byte{0, 0xff}).Draw(t, "rest")}, 16)) // carries
		next := Next(id)
		if Before(next) != id || next != uuid.Nil && bytes.Compare(id[:], next[:]) >= 0 {
			t.Fatalf("%v follows %v", next, id)
		}
		if id != uuid.Nil && (Next(Before(id)) != id || position(Before(id)) > position(id)) {
			t.Fatalf("%v comes before %v", Before(id), id)
		}
	})
}
