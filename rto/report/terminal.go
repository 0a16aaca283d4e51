package report

import (
	"bytes"
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

const (
	defaultWidth = 100
	leastWidth   = 80 // a narrower terminal breaks the lines itself
	leastColumn  = 10
	gap          = 2 // between columns
)

// ansi are SGR sequences (ECMA-48, 8.3.117) in the eight colours that every terminal's theme adapts.
var ansi = map[tone]string{good: "\x1b[32m", bad: "\x1b[31m", warn: "\x1b[33m", faint: "\x1b[2m"}

const (
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

type terminal struct {
	bytes.Buffer
	Options
}

func writeTerminal(w io.Writer, d document, o Options) error {
	t := &terminal{Options: o}
	t.Width = max(cmp.Or(o.Width, defaultWidth), leastWidth)
	for _, s := range d {
		if err := t.section(s); err != nil {
			return err
		}
	}
	_, err := w.Write(bytes.TrimLeft(t.Bytes(), "\n"))
	return err
}

func (t *terminal) section(s section) error {
	if s.title != "" {
		t.WriteString("\n" + t.paint(s.title, bold+ansi[s.tone]) + "\n")
	} else if len(s.table.rows) > 0 {
		t.WriteString("\n")
	}
	for _, line := range s.lines {
		t.paragraph("  ", "  ", line)
	}
	for _, item := range s.items {
		t.paragraph("  - ", "    ", item)
	}
	for line := range strings.Lines(s.block) {
		t.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
	}
	if len(s.table.rows) > 0 {
		if err := t.table(s.table); err != nil {
			return err
		}
	}
	for _, line := range s.more {
		t.paragraph("  ", "  ", line)
	}
	return nil
}

func (t *terminal) paint(s, with string) string {
	if !t.Color || with == "" || s == "" {
		return s
	}
	return with + s + reset
}

func (t *terminal) paragraph(first, rest, text string) {
	for _, line := range wrap(text, t.Width-len(rest)) {
		t.WriteString(first + line + "\n")
		first = rest
	}
}

// table lays a table out in the terminal's width: the widest columns give way and wrap. Lines are painted after they are wrapped, so that no line ends within a colour.
func (t *terminal) table(content table) error {
	widths := t.widths(content)
	cells := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Padding:    tw.CellPadding{Global: tw.Padding{Left: strings.Repeat(" ", gap), Overwrite: true}},
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft},
	}
	var drawn bytes.Buffer
	out := tablewriter.NewTable(&drawn,
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithConfig(tablewriter.Config{Header: cells, Row: cells}),
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
			Symbols:  tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{Separators: tw.Separators{BetweenColumns: tw.Off}, Lines: tw.Lines{ShowHeaderLine: tw.On}},
		})),
	)
	if slices.ContainsFunc(content.columns, func(c column) bool { return c.name != "" }) {
		header := make([]any, len(widths))
		for i, c := range content.columns {
			header[i] = t.cell(text(c.name), c, widths[i])
		}
		out.Header(header...)
	}
	for _, row := range content.rows {
		line := make([]any, len(row))
		for i, c := range row {
			line[i] = t.cell(c, content.columns[i], widths[i])
		}
		if err := out.Append(line...); err != nil {
			return err
		}
	}
	if err := out.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(drawn.String()) {
		t.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}

// widths gives each column what its text takes, and then takes from the widest until the table fits or no column can give.
func (t *terminal) widths(content table) []int {
	widths := make([]int, len(content.columns))
	least := make([]int, len(content.columns))
	total := gap * len(widths)
	for i, c := range content.columns {
		widths[i] = twwidth.Width(c.name)
		for _, row := range content.rows {
			widths[i] = max(widths[i], twwidth.Width(row[i].text))
		}
		least[i] = max(leastColumn, c.least, twwidth.Width(c.name))
		if c.right || c.bars || c.whole {
			least[i] = widths[i]
		}
		total += widths[i]
	}
	for ; total > t.Width; total-- {
		widest := -1
		for i, w := range widths {
			if w > least[i] && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func (t *terminal) cell(c cell, in column, width int) string {
	lines := wrap(c.text, width)
	for i, line := range lines {
		indent := ""
		if in.right {
			indent = strings.Repeat(" ", width-twwidth.Width(line))
		}
		lines[i] = indent + t.paint(line, ansi[c.tone])
	}
	return strings.Join(lines, "\n")
}

// wrap breaks text into lines of at most width columns, between words where it can.
func wrap(text string, width int) []string {
	if twwidth.Width(text) <= width {
		return []string{text}
	}
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		size := twwidth.Width(word)
		if used > 0 && used+1+size > width {
			lines = append(lines, line)
			line, used = "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		for _, r := range word { // one that is longer than a line is cut
			w := twwidth.Width(string(r))
			if used > 0 && used+w > width {
				lines = append(lines, line)
				line, used = "", 0
			}
			line, used = line+string(r), used+w
		}
	}
	return slices.DeleteFunc(append(lines, line), func(l string) bool { return l == "" })
}
