package evidence

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"path"
	"strings"
)

// Comparison is what a comparison under way keeps in a store: a plan, which is written once, and batches of results, each a file of its own. It is a verify.Ledger. Any number of processes may write to one.
type Comparison struct {
	store *Store
	id    string
}

// Comparison gives the one of an id. Nothing is read or written.
func (s *Store) Comparison(id string) (*Comparison, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return &Comparison{s, id}, nil
}

// Comparisons lists the ids of those that are not removed, in order.
func (s *Store) Comparisons(ctx context.Context) ([]string, error) {
	names, err := s.place.list(ctx, comparisonsDir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, extension); ok && checkID(id) == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// ID is the name that Store.Comparison finds it by.
func (c *Comparison) ID() string { return c.id }

func (c *Comparison) dir() string  { return path.Join(comparisonsDir, c.id) }
func (c *Comparison) plan() string { return c.dir() + extension }

// Settle keeps a plan unless there is one already, and returns the one that is kept.
func (c *Comparison) Settle(ctx context.Context, plan []byte) ([]byte, error) {
	err := c.store.place.create(ctx, c.plan(), plan)
	if errors.Is(err, ErrExists) {
		return c.store.place.read(ctx, c.plan())
	}
	return plan, err
}

// Plan returns the plan, nil when there is none.
func (c *Comparison) Plan(ctx context.Context) ([]byte, error) {
	raw, err := c.store.place.read(ctx, c.plan())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}

// Keep adds a batch. After it has returned, that outlives the process and the machine.
func (c *Comparison) Keep(ctx context.Context, batch []byte) error {
	return c.store.place.create(ctx, path.Join(c.dir(), strings.ToLower(rand.Text())+extension), batch)
}

// Kept hands each batch to take, always in the same order.
func (c *Comparison) Kept(ctx context.Context, take func(batch []byte) error) error {
	names, err := c.batches(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		raw, err := c.store.place.read(ctx, name)
		if err == nil {
			err = take(raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Comparison) batches(ctx context.Context) ([]string, error) {
	names, err := c.store.place.list(ctx, c.dir())
	if err != nil {
		return nil, err
	}
	var batches []string
	for _, name := range names {
		if strings.HasSuffix(name, extension) {
			batches = append(batches, path.Join(c.dir(), name))
		}
	}
	return batches, nil
}

// Remove takes all of it away; the plan goes last, by which it is found.
func (c *Comparison) Remove(ctx context.Context) error {
	names, err := c.batches(ctx)
	if err != nil {
		return err
	}
	return c.store.place.drop(ctx, append(names, path.Join(c.dir(), guardFile), c.dir(), c.plan())...)
}
