package report

import (
	"bytes"
	"io"
	"strings"
)

// writeMarkdown renders a document as GitHub's Markdown, for a comment or a ticket.
func writeMarkdown(w io.Writer, d document) error {
	var b bytes.Buffer
	for i, s := range d {
		if s.title != "" {
			level := "### "
			if i == 0 {
				level = "## "
			}
			b.WriteString(level + mark(s.tone) + escape(s.title) + "\n\n")
		}
		for _, line := range s.lines {
			b.WriteString(escape(line) + "\n\n")
		}
		for _, item := range s.items {
			b.WriteString("- " + escape(item) + "\n")
		}
		if len(s.items) > 0 {
			b.WriteString("\n")
		}
		if s.block != "" {
			fence := "```"
			for strings.Contains(s.block, fence) {
				fence += "`"
			}
			b.WriteString(fence + "\n" + s.block + "\n" + fence + "\n\n")
		}
		if len(s.table.rows) > 0 {
			markdownTable(&b, s.table)
		}
		for _, line := range s.more {
			b.WriteString(escape(line) + "\n\n")
		}
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

func mark(t tone) string {
	return map[tone]string{good: "✅ ", bad: "❌ ", warn: "⚠️ "}[t]
}

func markdownTable(b *bytes.Buffer, t table) {
	rule := ""
	for _, c := range t.columns {
		if c.bars {
			continue
		}
		b.WriteString("| " + escape(c.name) + " ")
		if c.right {
			rule += "| ---: "
		} else {
			rule += "| --- "
		}
	}
	b.WriteString("|\n" + rule + "|\n")
	for _, row := range t.rows {
		for i, c := range row {
			if !t.columns[i].bars {
				b.WriteString("| " + markdownCell(c) + " ")
			}
		}
		b.WriteString("|\n")
	}
	b.WriteString("\n")
}

func markdownCell(c cell) string {
	switch {
	case c.text == "":
		return ""
	case c.code:
		return verbatim(c.text)
	case c.tone == bad || c.tone == warn:
		return "**" + escape(c.text) + "**"
	}
	return escape(c.text)
}

// verbatim makes a code span within a table: its fence is longer than any run of backticks in it.
func verbatim(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	s = strings.ReplaceAll(s, "|", `\|`)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// escaper takes their meaning from all characters that Markdown and HTML give one. A word joiner after @ keeps GitHub from notifying whoever an object's value names.
var escaper = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "#", `\#`, "|", `\|`, "~", `\~`, "!", `\!`, "$", `\$`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u2060",
)

func escape(s string) string { return escaper.Replace(s) }
