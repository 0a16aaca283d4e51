package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// exits are the exit statuses, in the order in which the help lists them.
var exits = []struct {
	status evidence.Status
	means  string
}{
	{evidence.Passed, "passed"},
	{evidence.DataFailed, "verification failed: what came back is not what was there, or the backup is damaged"},
	{evidence.Usage, "the command line, the configuration or a name in it is wrong"},
	{evidence.Policy, "an objective was missed, or the bucket has a finding that the policy does not allow"},
	{evidence.NotCarriedOut, "could not be carried out: unreachable, denied, timed out; the only one worth a retry"},
	{evidence.Refused, "refused by a safety interlock"},
	{evidence.Inconclusive, "inconclusive: nothing was compared, or something needed could not be known"},
	{evidence.Interrupted, "interrupted by a signal"},
}

// describeExits adds the section EXIT STATUS to the help of every command that does something.
func describeExits(c *cobra.Command) {
	for _, sub := range c.Commands() {
		describeExits(sub)
	}
	if c.Runnable() || c.Parent() == nil {
		c.Long = strings.TrimSpace(c.Long) + "\n\n" + exitSection()
	}
}

func exitSection() string {
	var b strings.Builder
	b.WriteString("EXIT STATUS\n")
	for _, e := range exits {
		fmt.Fprintf(&b, "  %-4d %s\n", int(e.status), e.means)
	}
	b.WriteString("The worst applies; the record holds all reasons.")
	return b.String()
}
