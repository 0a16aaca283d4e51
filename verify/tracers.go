package verify

import (
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// tracers says whether a collection is the tool's own, on every side that has it. It was written to while the backup was made and is removed from the source afterwards; what it is to prove is judged by package tracer.
func tracers(sides ...map[string]weaviate.Collection) func(name string) bool {
	return func(name string) bool {
		found := false
		for _, side := range sides {
			if c, there := side[name]; there {
				if _, own := tracer.Owner(c); !own {
					return false
				}
				found = true
			}
		}
		return found
	}
}
