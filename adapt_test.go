package drill

import (
	"errors"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// TestFits has what a whole backup is refused for; the nodes are TestCheckMapping's.
func TestFits(t *testing.T) {
	known := func(schema string) *backup.Catalogue {
		return &backup.Catalogue{Chain: []backup.Descriptor{{ServerVersion: "1.38.5"}}, Nodes: map[string]backup.NodeDescriptor{"node1": {Classes: []backup.ClassDescriptor{{Name: "A", Schema: []byte(schema)}}}}}
	}
	const plain, picture = `{"class":"A","vectorizer":"none"}`, `{"class":"A","vectorizer":"img2vec-neural"}`
	for _, c := range []struct {
		sandbox Sandbox
		schema  string
		want    error
		says    string
	}{
		{Sandbox{}, plain, nil, ""},
		{Sandbox{}, "", nil, ""},
		{Sandbox{Version: "1.38.12"}, plain, nil, ""},
		{Sandbox{Version: "1.38.5"}, plain, nil, ""},
		{Sandbox{Version: "1.37.14"}, plain, ErrConfig, "1.37.14 is older than the backup's 1.38.5"},
		{Sandbox{}, picture, sandbox.ErrModule, "A names img2vec-neural"},
		{Sandbox{Kind: "external"}, picture, nil, ""},
	} {
		err := (&Config{Sandbox: c.sandbox}).fits(known(c.schema))
		if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v, %s: %v", c.sandbox, c.schema, err)
		}
		if c.want != nil && StatusOf(err) != evidence.Usage {
			t.Errorf("status %s", StatusOf(err))
		}
	}
}

func TestCheckMapping(t *testing.T) {
	nodes := map[string]backup.NodeSummary{"weaviate-0": {}, "weaviate-1": {}}
	for _, c := range []struct {
		mapping map[string]string
		want    string // "": it is right
	}{
		{nil, ""},
		{map[string]string{"weaviate-0": "a", "weaviate-1": "weaviate-1"}, ""},
		{map[string]string{"weaviate-0": "a"}, "names the nodes weaviate-0, and the backup was taken on weaviate-0, weaviate-1"},
		{map[string]string{"weaviate-0": "a", "weaviate-1": "b", "ghost": "c"}, "names the nodes ghost, weaviate-0, weaviate-1"},
		{map[string]string{"weaviate-0": "a", "weaviate-1": "a"}, "gives two nodes of the backup the same name"},
	} {
		err := (&Config{Restore: Restore{NodeMapping: c.mapping}}).checkMapping(nodes)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v: %v", c.mapping, err)
		case c.want != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v: %v, want %q", c.mapping, err, c.want)
		}
	}
}

func TestChosen(t *testing.T) {
	all := []string{"Article", "Author", "Order"}
	for _, c := range []struct {
		restore           Restore
		restored, leftOut string
		says              string
	}{
		{Restore{}, "Article,Author,Order", "", ""},
		{Restore{Include: []string{"A*"}}, "Article,Author", "Order", ""},
		{Restore{Include: []string{"Order", "Art*"}}, "Article,Order", "Author", ""},
		{Restore{Exclude: []string{"A*", "Gone"}}, "Order", "Article,Author", ""},
		{Restore{Include: []string{"Order", "B*"}}, "", "", "restore.include: no collection of the backup is B*: it has Article, Author, Order"},
		{Restore{Exclude: []string{"*"}}, "", "", "restore.exclude leaves no collection of the backup"},
	} {
		restored, leftOut, err := (&Config{Restore: c.restore}).Chosen(all)
		if strings.Join(restored, ",") != c.restored || strings.Join(leftOut, ",") != c.leftOut || (c.says == "") != (err == nil) || err != nil && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, %v, %v", c.restore, restored, leftOut, err)
		}
	}
}

// Whoever compares roles and users must be allowed to see all of them.
func TestAccessNeeded(t *testing.T) {
	for _, c := range []struct{ restore, want string }{
		{"", ""}, {"restore: {users: all}", "read_users"}, {"restore: {roles: all}", "read_roles read_users read_groups"}, {"restore: {roles: all}\nverify: {level: archive}", ""},
	} {
		cfg, err := ParseConfig("drill.yaml", []byte(least+c.restore))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range cfg.permissions() {
			if p.For == "compare roles and users" {
				got = append(got, p.Action)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.restore, got, c.want)
		}
	}
}
