package drill

import (
	"errors"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup"
)

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
