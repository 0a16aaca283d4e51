package detection

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the page from what was measured, instead of requiring that it agrees")

// holds requires that a page in docs is the text that was measured.
func holds(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", name)
	if *update {
		check(t, os.WriteFile(path, []byte(text), 0o644))
		return
	}
	have, err := os.ReadFile(path)
	check(t, err)
	if string(have) == text {
		return
	}
	old := map[string]bool{}
	for line := range strings.Lines(string(have)) {
		old[line] = true
	}
	for line := range strings.Lines(text) {
		if !old[line] {
			t.Errorf("measured, and not in docs/%s: %s", name, line)
		}
		delete(old, line)
	}
	for line := range old {
		t.Errorf("in docs/%s, and not measured: %s", name, line)
	}
	t.Errorf("docs/%s is not what was measured; to write it: go test ./internal/detection -run TestDetection -update", name)
}

// document is docs/detection.md.
func document(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# What is noticed

Weaviate's word for a restore, SUCCESS, proves little: it is given for %d of the %d kinds of damage below. This page says, for each, what Weaviate reports, what a check by counts and ten sampled
vectors sees, and what a drill says. It is written by the test that does the damage to real backups and real servers (Weaviate 1.38.5) and requires that each is noticed, so it holds for the version
that it comes with:

    go test ./internal/detection -run TestDetection            # does all of it again, and fails where this page does not agree
    go test ./internal/detection -run TestDetection -update    # writes this page

How to read a line:

- **Weaviate** is the status of a plain restore of the damaged backup into an empty Weaviate, without the tool.
- **counts and ten vectors** is what a usual check of that Weaviate sees: the object counts of all collections and tenants, and where they are equal the vectors of ten random objects, asked for by
  id. The data here is small (%d objects), so a sample of ten meets a damaged object more often than it would in earnest.
- **drill** is what `+"`weaviate-drill run`"+` says of the damaged backup, with no other knowledge of it than the source, unless the line says otherwise: the phase that noticed first, what it found (a verdict
  on objects, or a kind of problem), the exit status, and the reason, shortened. 1 is a failure of the data, 5 a refusal to begin, 6 inconclusive: none of them is a pass.
- What single objects suffered by the API of a restored Weaviate is looked at by the comparison alone, since there is no backup to drill. `+"`weaviate-drill selftest`"+` does such damage, and more of the kind,
  to a restored copy of your own data.
- **One of three** copies or nodes: a backup of three nodes that all hold the same, but for one collection with a single copy. The usual check reads through the first node, whose own copies are whole, as
  any client does whose node is. One drill sees all damages of copies at once, each in a tenant of its own, and the line has what it says of that one.
- **comparison alone** is the verdict of `+"`weaviate-drill verify`"+` on what Weaviate restored, for damage that a drill finds in the bucket and does not restore: what would be left if the checks of
  the bucket were skipped. "passed" means that the damage did not reach what is compared.

A backup without damage passes: the same test drills one of each compression and one that builds on another.

| damage | Weaviate | counts and ten vectors | drill: phase | finding | exit | reason | comparison alone |
| --- | --- | --- | --- | --- | --- | --- | --- |
`, count(rows, func(r row) bool { return r.weaviate == "SUCCESS" }), len(rows), articles-1+products+notes)
	for _, r := range rows {
		cells := []string{r.damage, r.weaviate, r.naive, string(r.phase), r.verdict, fmt.Sprint(int(r.status)), r.says, r.alone}
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	fmt.Fprintf(&b, "\nAll %d are noticed. Weaviate reports SUCCESS for %d of them, and of these counts and ten vectors see nothing of %d.\n", len(rows),
		count(rows, func(r row) bool { return r.weaviate == "SUCCESS" }), count(rows, func(r row) bool { return r.weaviate == "SUCCESS" && r.naive == "nothing" }))
	b.WriteString(byLuck)
	b.WriteString(knownFailures())
	return b.String()
}

// byLuck is what the table cannot have.
const byLuck = `
What is noticed only with luck, and so is not in the table:

- A few lost entries of an inverted index. Level ` + "`index`" + ` asks for one entry of each of ` + "`verify.index.sample`" + ` objects in every index, and of a collection that has no more objects, of all. With 299 of them, 1 % lost is
  noticed 95 times in a hundred; the record says for each index what its sample bounds ([indexes.md](indexes.md)). Of several values or tokens of an object one is drawn.
- A part of an index of places, which is an approximate one: ` + "`verify.index.values`" + ` of its values are asked for.
- Bits of a chunk that is not compressed where they reach neither an object nor an answer of an index, such as a Bloom filter's, when nothing was recorded when the backup was made. With the record of the
  ` + "`run`" + ` that made it, or of ` + "`backup create`" + `, any is noticed.
- That an index of a copy is damaged, where the nodes of the restored side cannot be reached by themselves (` + "`sandbox.external_nodes`" + `): the outcome is then inconclusive, since their copies were not compared.
`

func count(rows []row, is func(row) bool) (n int) {
	for _, r := range rows {
		if is(r) {
			n++
		}
	}
	return n
}
