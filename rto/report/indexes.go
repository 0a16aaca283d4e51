package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func indexTone(o verify.Outcome) tone {
	switch o {
	case verify.Passed:
		return good
	case verify.Failed:
		return bad
	}
	return warn
}

// indexSection is empty below level index.
func indexSection(v *verify.Result) section {
	if v == nil || v.Index == nil {
		return section{}
	}
	x := v.Index
	s := section{title: "Indexes: " + string(x.Outcome()), tone: indexTone(x.Outcome()), lines: append([]string{indexLine(x)}, storedLines(x.Stored)...), table: indexTable(x)}
	for _, c := range x.Collections[:min(len(x.Collections), few)] {
		if line := entriesLine(c, x.Confidence); line != "" {
			s.more = append(s.more, line)
		}
	}
	for _, f := range []struct {
		what string
		list []string
	}{{"Not known: ", x.Unknown}, {"Note: ", x.Notes}, {"Not asked: ", x.Skipped}} {
		for _, text := range f.list[:min(len(f.list), few)] {
			s.more = append(s.more, f.what+text+".")
		}
		s.more = append(s.more, cutLine(len(f.list), few)...)
	}
	return s
}

func indexLine(x *verify.Index) string {
	return fmt.Sprintf("What the restored indexes answer by id, to filters, to keyword searches (among the filters) and by vector was held against the restored objects. Recall@%d, against exact search, may be lower than on the source by %g and what chance explains. It took %s.",
		x.Options.Neighbours, x.Options.RecallMargin, rto.Human(x.Duration))
}

// entriesLine says what bound the entries of a collection give, by the inverted index of which most can be lost. It is empty when none was asked for.
func entriesLine(c verify.IndexedCollection, confidence float64) string {
	if len(c.Entries) == 0 {
		return ""
	}
	var all verify.Asked
	for _, e := range c.Entries {
		all.Asked, all.Failed = all.Asked+e.Entries.Asked, all.Failed+e.Entries.Failed
	}
	worst := slices.MaxFunc(c.Entries, func(a, b verify.EntryIndex) int { return cmp.Compare(a.MaxLost, b.MaxLost) })
	line := fmt.Sprintf("Entries of %s in inverted indexes: %s were asked for, each by its own object; %s are lost.", c.Name, count(all.Asked), count(all.Failed))
	if worst.MaxLost == 1 && worst.Entries.Failed < worst.Entries.Asked {
		return line + " No share of all follows: which tenants are asked was drawn first, or an index had no entries among the drawn objects."
	}
	return line + fmt.Sprintf(" With %.6g %% confidence no index lost more than %.2f %% of its entries (the least sure is %s, %s).", 100*confidence, 100*worst.MaxLost, worst.Property, worst.Kind)
}

// indexTable has a line for each collection, and one more for each of its vectors after the first.
func indexTable(x *verify.Index) table {
	t := table{columns: []column{
		{name: "collection"}, {name: "by id", right: true}, {name: "filters", right: true}, {name: "vector"}, {name: "by itself", right: true}, {name: "recall", right: true}, {name: "source recall", right: true},
	}}
	for _, c := range x.Collections {
		row := []cell{code(c.Name), answers(c.ByID), answers(c.Inverted())}
		for _, v := range c.Vectors {
			recall := text(v.Restored.String())
			if v.Restored.Of > 0 && slices.ContainsFunc(x.Failures, func(f verify.IndexFailure) bool {
				return f.Kind == "recall" && f.Collection == c.Name && f.Vector == v.Name
			}) {
				recall.tone = bad
			}
			t.rows = append(t.rows, append(row, text(vectorName(v)), answers(v.Itself), recall, text(v.Source.String())))
			row = []cell{{}, {}, {}}
		}
		if len(c.Vectors) == 0 {
			t.rows = append(t.rows, append(row, cell{}, cell{}, cell{}, cell{}))
		}
	}
	return t
}

func answers(a verify.Asked) cell {
	if a.Failed == 0 {
		return text(count(a.Asked))
	}
	return toned(fmt.Sprintf("%s, %s wrong", count(a.Asked), count(a.Failed)), bad)
}

func vectorName(v verify.VectorIndex) string {
	return fmt.Sprintf("%s (%s)", cmp.Or(v.Name, "vector"), v.Metric)
}

// indexFailuresSection lists the questions that are answered wrongly.
func indexFailuresSection(v *verify.Result, most int) section {
	if v == nil || v.Index == nil || v.Index.Failed == 0 {
		return section{}
	}
	x := v.Index
	s := section{title: "Questions to the indexes that are answered wrongly"}
	if int64(len(x.Failures)) < x.Failed {
		s.lines = []string{fmt.Sprintf("Kept are %s of %s.", count(len(x.Failures)), count(x.Failed))}
	}
	s.table.columns = []column{{name: "verdict"}, {name: "where"}, {name: "question"}, {name: "answers, and why"}}
	for _, f := range x.Failures[:min(len(x.Failures), most)] {
		s.table.rows = append(s.table.rows, []cell{toned(string(f.Verdict), verdictTone(f.Verdict)), code(f.Where()), text(f.Question), text(f.Answers() + "; " + f.Rule)})
	}
	s.more = cutLine(len(x.Failures), most)
	return s
}

// indexCases are one for each collection, and one for each thing that is not known.
func indexCases(v *verify.Result) (cases []testcase) {
	if v == nil || v.Index == nil {
		return nil
	}
	for _, c := range v.Index.Collections {
		var first *verify.IndexFailure
		n := 0
		for i := range v.Index.Failures {
			if f := &v.Index.Failures[i]; f.Collection == c.Name {
				if n++; first == nil {
					first = f
				}
			}
		}
		entry := testcase{Name: "indexes of " + c.Name, Out: asked(c)}
		if first != nil {
			entry.Failure = &result{Message: first.String(), Type: string(first.Verdict), Text: fmt.Sprintf("%s; %d failures are listed", asked(c), n)}
		}
		cases = append(cases, entry)
	}
	for _, u := range v.Index.Unknown {
		cases = append(cases, testcase{Name: u, Error: &result{Message: "not known: " + u}})
	}
	return cases
}

// asked says how much was asked of the indexes of a collection.
func asked(c verify.IndexedCollection) string {
	line := fmt.Sprintf("%d by id", c.ByID.Asked)
	for _, v := range c.Vectors {
		line += fmt.Sprintf("; %s: %d own vectors, recall %s, on the source %s", vectorName(v), v.Itself.Asked, v.Restored, v.Source)
	}
	line += fmt.Sprintf("; %d filters and keyword searches", c.Inverted().Asked)
	var entries int64
	for _, e := range c.Entries {
		entries += e.Entries.Asked
	}
	if entries > 0 {
		line += fmt.Sprintf("; %d entries of inverted indexes", entries)
	}
	return line
}
