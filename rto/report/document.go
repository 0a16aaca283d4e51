package report

// document is what the terminal and Markdown show alike.
type document []section

// section shows its parts in the order of its fields; what is empty is left out.
type section struct {
	title string
	tone  tone // of the title
	lines []string
	items []string // a list
	block string   // verbatim, with its lines as they are
	table table
	more  []string // lines below the table
}

type table struct {
	columns []column
	rows    [][]cell
}

type column struct {
	name  string
	right bool // numbers, which are never wrapped
	whole bool // never wrapped either
	bars  bool // drawn, for a terminal only
	least int  // columns of a terminal that it needs
}

type cell struct {
	text string
	tone tone
	code bool // an identifier or a value: verbatim, where the format can tell
}

// tone is how good what is shown is.
type tone int

const (
	plain tone = iota
	good
	bad
	warn
	faint
)

func text(s string) cell          { return cell{text: s} }
func code(s string) cell          { return cell{text: s, code: true} }
func toned(s string, t tone) cell { return cell{text: s, tone: t} }

// zero is a number that is good to be zero.
func zero(n int64, otherwise tone) cell {
	if n == 0 {
		return text("0")
	}
	return toned(count(n), otherwise)
}

// Long lists are cut in the summaries; JSON and the HTML page have them whole.
const (
	few        = 20
	everything = 1 << 30
)
