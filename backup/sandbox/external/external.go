// Package external is a sandbox that someone else provides: an empty Weaviate of the right version and node names, which the drill restores into
// and leaves as it then is.
package external

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// New returns the sandbox at e, whose backup-s3 module must be set up for the bucket already. nodes are where its nodes are reached by themselves, by name, as far as that is known.
func New(e weaviate.Endpoint, nodes map[string]weaviate.Endpoint) sandbox.Sandbox {
	return place{e, nodes}
}

type place struct {
	endpoint weaviate.Endpoint
	nodes    map[string]weaviate.Endpoint
}

func (place) Kind() string { return "external" }

func (p place) Up(ctx context.Context, spec sandbox.Spec) (sandbox.Instance, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	if err := spec.Fits(ctx, p.endpoint); err != nil {
		if errors.Is(err, sandbox.ErrVersion) {
			err = fmt.Errorf("%w; set sandbox.external to a Weaviate of that version", err)
		}
		return nil, fmt.Errorf("external sandbox: %w", err)
	}
	return instance(p), nil
}

// Tidy does nothing: what an external sandbox holds is not the drill's.
func (place) Tidy(context.Context, string) error { return nil }

type instance place

func (i instance) Endpoint() weaviate.Endpoint { return i.endpoint }

// Endpoints are the nodes that were named.
func (i instance) Endpoints(context.Context) (map[string]weaviate.Endpoint, error) {
	return i.nodes, nil
}

// Logs says that there are none to be had.
func (i instance) Logs(_ context.Context, w io.Writer) error {
	_, err := fmt.Fprintf(w, "the log of %s is with whoever runs it: an external sandbox gives no access to it\n", i.endpoint.URL)
	return err
}

// Down leaves the instance as it is.
func (instance) Down(context.Context) error { return nil }

func (i instance) Describe() string {
	return fmt.Sprintf("external Weaviate at %s: what was restored stays in it, and it must be emptied before the next drill", i.endpoint.URL)
}
