package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// ending is what comes after the last page of a scripted side.
type ending string

const (
	endOfData   ending = "the end of the data"
	failure     ending = "a failure"
	cutOff      ending = "a failure that wraps io.EOF"
	standsStill ending = "no answer"
)

var errScripted = errors.New("scripted")

// scripted hands out its pages, then ends. It tells when it was asked after its end, which a reader of a real server must not do.
type scripted struct {
	keys  []byte // of its objects, in order
	pages []int  // their sizes; the rest is one page
	ends  ending

	asked int // after the end
}

func (s *scripted) reader() pages {
	var all []weaviate.Object
	for _, key := range s.keys {
		all = append(all, weaviate.Object{ID: idOf(key)})
	}
	return &scriptedReader{scripted: s, rest: all}
}

type scriptedReader struct {
	*scripted
	rest []weaviate.Object
	page int
}

func (r *scriptedReader) Next(ctx context.Context) ([]weaviate.Object, error) {
	if len(r.rest) > 0 {
		n := len(r.rest)
		if r.page < len(r.pages) {
			n = min(n, r.pages[r.page])
		}
		r.page++
		page := r.rest[:n:n]
		r.rest = r.rest[n:]
		return page, nil
	}
	r.asked++
	switch r.ends {
	case failure:
		return nil, errScripted
	case cutOff:
		return nil, fmt.Errorf("%w: %w", errScripted, io.EOF)
	case standsStill:
		<-ctx.Done()
		return nil, context.Cause(ctx)
	default:
		return nil, io.EOF
	}
}

// idOf spreads a key over the first and the last byte, so that ids are ordered by all their bytes or not at all.
func idOf(key byte) uuid.UUID { return uuid.UUID{0: key >> 4, 15: key & 15} }

func keyOf(id uuid.UUID) byte { return id[0]<<4 | id[15] }

func drawSide(t *rapid.T, label string, ends ...ending) *scripted {
	keys := rapid.SliceOfDistinct(rapid.Byte(), rapid.ID[byte]).Draw(t, label)
	slices.Sort(keys)
	return &scripted{keys: keys, pages: rapid.SliceOfN(rapid.IntRange(0, 9), 0, 40).Draw(t, label+" pages"), ends: rapid.SampledFrom(ends).Draw(t, label+" ends with")}
}

// pair is what merge handed out for one id.
type pair struct {
	key              byte
	source, restored bool
}

// joined is what merge must hand out of two sides, written without looking at it: the ids of both, up to the last one that is known of both.
func joined(source, restored *scripted) (out []pair) {
	for key := range 256 {
		for _, s := range []*scripted{source, restored} {
			if s.ends != endOfData && (len(s.keys) == 0 || key > int(s.keys[len(s.keys)-1])) {
				return out
			}
		}
		p := pair{byte(key), slices.Contains(source.keys, byte(key)), slices.Contains(restored.keys, byte(key))}
		if p.source || p.restored {
			out = append(out, p)
		}
	}
	return out
}

// brokenFirst is the side at whose end the other one is not known yet.
func brokenFirst(source, restored *scripted) *scripted {
	last := func(s *scripted) int {
		switch {
		case s.ends == endOfData:
			return 256
		case len(s.keys) == 0:
			return -1
		}
		return int(s.keys[len(s.keys)-1])
	}
	if last(restored) < last(source) {
		return restored
	}
	return source
}

var errEnough = errors.New("enough")

// run merges two sides in a bubble, which ends only when every goroutine in it has ended, and whose clock jumps ahead when all of them wait. It cancels with errEnough after so many pairs, unless that is negative.
func run(t *testing.T, source, restored *scripted, cancelAfter int) (got []pair, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if cancelAfter == 0 {
			cancel(errEnough)
		}
		err = merge(ctx, source.reader(), restored.reader(), func(a, b *weaviate.Object) {
			p := pair{source: a != nil, restored: b != nil}
			switch {
			case a == nil && b == nil || p.source && p.restored && a.ID != b.ID:
				t.Errorf("joined %v with %v", a, b)
				return
			case p.source:
				p.key = keyOf(a.ID)
			default:
				p.key = keyOf(b.ID)
			}
			got = append(got, p)
			if len(got) == cancelAfter {
				cancel(errEnough)
			}
		})
	})
	return got, err
}

// TestMergeProperties: whatever the borders of the pages, each id on either side is handed out exactly once and in order; nothing is handed out of which one side is not known, however a side breaks; the error is
// that of the side which broke first; and no goroutine is left.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		source, restored := drawSide(r, "source", endOfData, failure, cutOff, standsStill), drawSide(r, "restored", endOfData, failure, cutOff, standsStill)
		got, err := run(t, source, restored, -1)
		if want := joined(source, restored); !slices.Equal(got, want) {
			r.Fatalf("got %v\nwant %v", got, want)
		}
		if source.asked > 1 || restored.asked > 1 {
			r.Fatalf("asked %d and %d times after the end", source.asked, restored.asked)
		}
		broken := brokenFirst(source, restored)
		var side *sideError
		switch broken.ends {
		case endOfData:
			if err != nil {
				r.Fatalf("both sides were read to their ends: %v", err)
			}
		case standsStill:
			if !errors.Is(err, context.DeadlineExceeded) {
				r.Fatalf("a side stood still: %v", err)
			}
		default:
			if want := map[*scripted]string{source: "source", restored: "restored"}[broken]; !errors.Is(err, errScripted) || !errors.As(err, &side) || side.side != want {
				r.Fatalf("the %s broke: %v", want, err)
			}
		}
	})
}

// TestMergeCancelled: cancelled at any point, it hands out what comes first and nothing else, gives the cause, and leaves no goroutine.
func TestMergeCancelled(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		source, restored := drawSide(r, "source", endOfData, standsStill), drawSide(r, "restored", endOfData, standsStill)
		want := joined(source, restored)
		at := rapid.IntRange(0, len(want)).Draw(r, "cancelled after")
		got, err := run(t, source, restored, at)
		if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || len(got) < at {
			r.Fatalf("got %v\nof %v", got, want)
		}
		complete := len(got) == len(want) && brokenFirst(source, restored).ends == endOfData
		if (err != nil || !complete) && !errors.Is(err, errEnough) { // the end may have been known before
			r.Fatalf("cancelled after %d of %d: %v", at, len(want), err)
		}
	})
}

// TestRangesProperties: the ranges follow one another from the first id to the last, so that every id lies in exactly one, and those of fewer objects hold those of more.
func TestRangesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objects := rapid.Int64Range(0, 1<<40).Draw(t, "objects")
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		holds := func(r [2]uuid.UUID, id uuid.UUID) bool {
			return bytes.Compare(r[0][:], id[:]) <= 0 && (r[1] == uuid.Nil || bytes.Compare(id[:], r[1][:]) < 0)
		}
		ranges := Ranges(objects)
		in := 0
		for i, r := range ranges {
			if holds(r, id) {
				in++
			}
			if i > 0 && r[0] != ranges[i-1][1] || !holds(r, r[0]) {
				t.Fatalf("range %d of %d, %v, does not follow %v", i, len(ranges), r, ranges[max(0, i-1)])
			}
		}
		if in != 1 || ranges[0][0] != uuid.Nil || ranges[len(ranges)-1][1] != uuid.Nil {
			t.Fatalf("%v lies in %d of %d ranges, from %v to %v", id, in, len(ranges), ranges[0][0], ranges[len(ranges)-1][1])
		}
		if len(ranges) > maxRanges || len(ranges) < maxRanges && objects > int64(len(ranges))*perRange || len(ranges) > 1 && objects <= int64(len(ranges))*perRange/2 {
			t.Fatalf("%d ranges for %d objects", len(ranges), objects)
		}
		borders := map[uuid.UUID]bool{}
		for _, r := range ranges {
			borders[r[0]] = true
		}
		for _, wide := range Ranges(rapid.Int64Range(0, objects).Draw(t, "fewer objects")) {
			if !borders[wide[0]] {
				t.Fatalf("%v cuts through the ranges of more objects", wide[0])
			}
		}
	})
}
