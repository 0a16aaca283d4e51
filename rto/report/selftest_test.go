package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// A self-test in which something went unnoticed is shown so in every form.
func TestMissedDamage(t *testing.T) {
	s := &verify.SelfTest{Level: verify.LevelCounts, Trials: []verify.Trial{
		{Kind: "alias lost", Victim: "alias Shop", Noticed: true, Verdict: verify.Lost, Says: "source Product, restored (missing)"},
		{Kind: "vector lost", Victim: "Article, object 1", Says: `wanted corrupt; said: "nothing of it"`},
	}}
	r := drill(true)
	r.SelfTest = s
	r.Fail(evidence.Inconclusive, "self-test", s.Summary())
	for form, says := range map[string][]string{
		"table":    {"Self-test: 1 of 2 damages noticed", "vector lost", "NO"},
		"markdown": {"Self-test: 1 of 2 damages noticed", "| vector lost | **NO** |"},
		"html":     {"Self-test: 1 of 2 damages noticed", `<td class="bad">NO</td>`},
		"junit":    {`<testsuite name="self-test" tests="2" failures="0" errors="1"`, "the comparison did not notice"},
		"json":     {`"selfTest": {`, `"noticed": false`},
	} {
		var b bytes.Buffer
		if err := Write(&b, form, r, Options{}); err != nil {
			t.Fatal(err)
		}
		for _, want := range says {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s does not say %q", form, want)
			}
		}
	}
}
