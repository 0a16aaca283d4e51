package report

import (
	"fmt"
	"io"
	"slices"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// Need is one thing that a drill needs, of one of its parts.
type Need struct {
	Area string `json:"area"`
	sandbox.Check
}

// Needs renders what was found of the things that a drill needs.
func Needs(w io.Writer, format string, list []Need, o Options) error {
	return write(w, format, list, o, needsDocument)
}

var toneOfResult = map[sandbox.Result]tone{sandbox.Pass: good, sandbox.Fail: bad, sandbox.Unknown: warn}

func needsDocument(list []Need) document {
	var d document
	var mend []string
	counts := map[sandbox.Result]int{}
	for _, n := range list {
		i := slices.IndexFunc(d, func(s section) bool { return s.title == n.Area })
		if i < 0 {
			i = len(d)
			d = append(d, section{title: n.Area, table: table{columns: []column{{name: "result", whole: true}, {name: "what"}, {name: "detail"}}}})
		}
		d[i].table.rows = append(d[i].table.rows, []cell{toned(string(n.Result), toneOfResult[n.Result]), text(n.Name), text(n.Detail)})
		if n.Result != sandbox.Pass && n.Remedy != "" {
			mend = append(mend, fmt.Sprintf("%s, %s: %s", n.Area, n.Name, n.Remedy))
		}
		counts[n.Result]++
	}
	if len(mend) > 0 {
		d = append(d, section{title: "What to do", items: mend})
	}
	closing := fmt.Sprintf("A drill can begin: %d checks passed", counts[sandbox.Pass])
	if n := counts[sandbox.Fail]; n > 0 {
		closing = fmt.Sprintf("A drill cannot begin: %d of %d checks failed", n, len(list))
	}
	if n := counts[sandbox.Unknown]; n > 0 {
		closing += fmt.Sprintf(", %d could not be decided, which is no pass", n)
	}
	return append(d, section{lines: []string{closing + "."}})
}
