package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// What ids and node names may be made of. Both become names of folders, containers, networks and hosts (a label of which has at most 63 characters), and
// node names are read from a bucket: a separator in one would reach beyond the sandbox.
var (
	legalID   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	legalNode = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)
)

// Name is what a sandbox calls the things that it makes outside itself: "weaviate-drill-<drill id>".
func Name(drillID string) (string, error) {
	if !legalID.MatchString(drillID) {
		return "", fmt.Errorf("sandbox: %q is not the id of a drill: up to 40 of a to z, 0 to 9, - and _ are allowed", drillID)
	}
	return "weaviate-drill-" + drillID, nil
}

// Check refuses a Spec that no sandbox can be made from.
func (s Spec) Check() error {
	if _, err := Name(s.DrillID); err != nil {
		return err
	}
	if len(s.Nodes) == 0 {
		return errors.New("sandbox: the backup names no node")
	}
	for _, node := range s.Nodes {
		if !legalNode.MatchString(node) {
			return fmt.Errorf("sandbox: %q is not a node name: only letters, digits, dot, - and _ are allowed", node)
		}
	}
	return nil
}

// NewKey makes the API key of one sandbox: 48 characters, 240 random bits.
func NewKey() secret.Value { return secret.New((rand.Text() + rand.Text())[:48]) }

// Fits asks a Weaviate that is up whether it is what s describes: its version (else ErrVersion), node names, the backup-s3 module, and that it
// holds no collection (else ErrNotEmpty).
func (s Spec) Fits(ctx context.Context, e weaviate.Endpoint) error {
	c, err := weaviate.Dial(ctx, e)
	if err != nil {
		return err
	}
	defer c.Close()
	meta, err := c.Meta(ctx)
	if err != nil {
		return err
	}
	if meta.Version != s.Version {
		return fmt.Errorf("%w: Weaviate %s at %s, and it is to be %s", ErrVersion, meta.Version, e.URL, s.Version)
	}
	if _, ok := meta.Modules["backup-s3"]; !ok {
		return fmt.Errorf("sandbox: the Weaviate at %s has no module backup-s3: add it to ENABLE_MODULES", e.URL)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	var have []string
	for _, n := range nodes {
		have = append(have, n.Name)
		if n.Version != s.Version {
			return fmt.Errorf("%w: node %s at %s runs Weaviate %q, and it is to be %s", ErrVersion, n.Name, e.URL, n.Version, s.Version)
		}
	}
	if want := slices.Sorted(slices.Values(s.Nodes)); !slices.Equal(have, want) {
		return fmt.Errorf("sandbox: the Weaviate at %s has the nodes %s, and the backup was taken on %s: a restore needs the same names (CLUSTER_HOSTNAME)",
			e.URL, strings.Join(have, ", "), strings.Join(want, ", "))
	}
	return empty(ctx, c)
}

// empty returns ErrNotEmpty when there are collections, and another error when the credentials could not see them all: Weaviate leaves out
// what they may not read, without a word.
func empty(ctx context.Context, c *weaviate.Conn) error {
	collections, err := c.Collections(ctx)
	if err != nil {
		return err
	}
	if len(collections) > 0 {
		names := make([]string, len(collections))
		for i, each := range collections {
			names[i] = each.Name
		}
		return fmt.Errorf("%w: %s has the collections %s: a restore into it proves nothing and may harm them; name a Weaviate that holds no data",
			ErrNotEmpty, c.Endpoint.URL, strings.Join(names, ", "))
	}
	var self struct {
		Username string
		Roles    []struct {
			Permissions []struct {
				Action      string
				Collections struct{ Collection string }
			}
		}
	}
	err = c.Do(ctx, http.MethodGet, "/users/own-info", nil, &self)
	switch {
	case errors.Is(err, weaviate.ErrUnauthorized), errors.Is(err, weaviate.ErrNotFound): // anonymous access, or older than 1.30
		return nil
	case err != nil:
		return err
	case len(self.Roles) == 0: // no role-based access control: whoever is let in sees everything
		return nil
	}
	for _, role := range self.Roles {
		for _, p := range role.Permissions {
			if p.Action == "read_collections" && p.Collections.Collection == "*" {
				return nil
			}
		}
	}
	return fmt.Errorf("sandbox: %s shows no collection, but its user %q may not read all of them, so it may not be empty: give it read_collections on \"*\"",
		c.Endpoint.URL, self.Username)
}
