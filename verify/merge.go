package verify

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// pages is a sequence of objects in the order of their ids, a page at a time; io.EOF ends it.
type pages interface {
	Next(ctx context.Context) ([]weaviate.Object, error)
}

// none is a side that has nothing: a collection that was not restored.
type none struct{}

func (none) Next(context.Context) ([]weaviate.Object, error) { return nil, io.EOF }

// sideError says which side could not be read.
type sideError struct {
	side string // source or restored
	err  error
}

func (e *sideError) Error() string { return fmt.Sprintf("read the %s: %v", e.side, e.err) }
func (e *sideError) Unwrap() error { return e.err }

// merge joins two sequences by id and calls each once for every id that is on either side, in order; the side that lacks it is nil. It holds one page of
// each side, while the next one of each is being fetched.
func merge(ctx context.Context, source, restored pages, each func(source, restored *weaviate.Object)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	left, right := prefetch(ctx, source, "source"), prefetch(ctx, restored, "restored")
	// Both fetchers are waited for, so that nothing reads from a server after merge has returned.
	defer left.wait()
	defer right.wait()
	defer cancel()
	for {
		a, err := left.peek(ctx)
		if err != nil {
			return err
		}
		b, err := right.peek(ctx)
		if err != nil {
			return err
		}
		var order int
		switch {
		case a == nil && b == nil:
			return nil
		case a == nil:
			order = 1
		case b == nil:
			order = -1
		default:
			order = bytes.Compare(a.ID[:], b.ID[:])
		}
		switch {
		case order < 0:
			each(a, nil)
			left.skip()
		case order > 0:
			each(nil, b)
			right.skip()
		default:
			each(a, b)
			left.skip()
			right.skip()
		}
	}
}

type fetched struct {
	page []weaviate.Object
	err  error
}

// cursor is one side of a merge.
type cursor struct {
	side    string
	next    chan fetched
	stopped chan struct{}
	page    []weaviate.Object
	at      int
	end     bool
}

func prefetch(ctx context.Context, from pages, side string) *cursor {
	c := &cursor{side: side, next: make(chan fetched), stopped: make(chan struct{})}
	go func() {
		defer close(c.stopped)
		for {
			page, err := from.Next(ctx)
			select {
			case c.next <- fetched{page, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

func (c *cursor) wait() { <-c.stopped }

func (c *cursor) skip() { c.at++ }

// peek is the next object, or nil at the end.
func (c *cursor) peek(ctx context.Context) (*weaviate.Object, error) {
	for !c.end && c.at == len(c.page) {
		c.page, c.at = nil, 0
		select {
		case f := <-c.next:
			if f.err == io.EOF { //nolint:errorlint // a broken connection wraps io.EOF, and is no end of the data
				c.end = true
				break
			}
			if f.err != nil {
				return nil, &sideError{c.side, f.err}
			}
			c.page = f.page
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if c.end {
		return nil, nil
	}
	return &c.page[c.at], nil
}
