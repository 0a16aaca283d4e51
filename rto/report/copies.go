package report

import (
	"fmt"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/verify"
)

// copiesLines says of each replicated collection what its copies were found to be. What is wrong with one is among the differences of structure.
func copiesLines(v *verify.Result) (lines []string) {
	for _, c := range v.Copies {
		line := fmt.Sprintf("Copies of %s: listed through %s", c.Collection, number(len(c.Nodes), "node"))
		if c.Differing == 0 {
			lines = append(lines, line+", and all are the same.")
			continue
		}
		var counts []string
		for _, n := range c.Nodes {
			counts = append(counts, n.Node+" "+count(n.Objects))
		}
		line += fmt.Sprintf(" (%s); %s not the same on all", strings.Join(counts, ", "), isOrAre(c.Differing))
		if c.Drift > 0 {
			line += fmt.Sprintf(", %s of them written at about the capture point", count(c.Drift))
		}
		lines = append(lines, line+".")
	}
	return lines
}

func isOrAre(objects int64) string {
	if objects == 1 {
		return "1 object is"
	}
	return count(objects) + " objects are"
}
