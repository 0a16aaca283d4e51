package drill

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// compareSandbox says in what the sandbox is unlike the source, since what was measured in it depends on that. What is not known of a side stays empty, and is never taken for equal.
func (r *run) compareSandbox(ctx context.Context) ([]sandbox.Difference, error) {
	meta, err := r.restored.Meta(ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := r.restored.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	source := r.record.Source
	all := []sandbox.Difference{
		{What: "version", Source: source.Version, Sandbox: meta.Version},
		{What: "nodes", Source: strings.Join(source.Nodes, ", "), Sandbox: strings.Join(names, ", ")},
		{What: "modules", Source: strings.Join(source.Modules, ", "), Sandbox: strings.Join(slices.Sorted(maps.Keys(meta.Modules)), ", ")},
	}
	if i, can := r.instance.(sandbox.Likened); can {
		all = append(all, i.Fidelity(ctx)...)
	}
	for _, what := range []string{sandbox.CPU, sandbox.Memory, sandbox.Storage, sandbox.Environment, sandbox.Machine} {
		if !slices.ContainsFunc(all, func(d sandbox.Difference) bool { return d.What == what }) {
			all = append(all, sandbox.Difference{What: what})
		}
	}
	return slices.DeleteFunc(all, func(d sandbox.Difference) bool { return d.Source != "" && d.Source == d.Sandbox }), nil
}
