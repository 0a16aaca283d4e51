package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"human": rto.Human, "bytes": Bytes, "at": at, "day": day, "join": strings.Join, "reason": reasonLine, "place": place, "collection": collection, "what": what,
	"count": count[int64], "len64": func(n int) string { return count(n) }, "percent": func(part float64) string { return fmt.Sprintf("%.2f%%", 100*part) },
	"status": func(s bucket.Status) string { return statusTone(s).class() }, "verdict": func(v verify.Verdict) string { return verdictTone(v).class() },
	"outcome": func(o verify.CheckOutcome) string { return outcomeTone(o).class() },
}).Parse(pageSource))

// mostObjects bounds the objects of the backup that a page lists: a backup can have 100,000, and the record has them all.
const mostObjects = 500

// page is what page.html shows.
type page struct {
	*evidence.Record
	CSS        template.CSS
	Policy     string // for Content-Security-Policy: nothing but this very style sheet
	Verdict    verdict
	Facts      []fact
	Tiles      []tile
	Milestones []milestone
	Objective  string
	Steps      []step
	Ticks      []tick
	Fidelity   table // in what the sandbox is unlike the source
	Clock      *step // the recovery, from the first phase of it to the last
	Posture    string
	Findings   []bucket.Finding
	Isolated   string // as Posture, of the sandbox
	Isolation  []bucket.Finding
	Provision  string
	Problems   []backup.Problem
	Watched    []section // the source while the backup was made, and what tracers tell
	Checks     []string
	Comparison *comparison
	Indexes    []section // the reasons of verdicts, and level index
	SelfTests  []section // none or one
	Objects    []backup.Object
	MoreBackup int
}

// tile is one of the figures at the top.
type tile struct {
	Name, Figure, Note string
	tone               tone
	Part               float64 // of the target, 0 to 1; negative: there is none
}

// tick is a mark on the time axis.
type tick struct {
	Place float64
	Label string
	End   bool // the label would leave the axis if it stood in the middle
}

// comparison is a verify.Result with its lines.
type comparison struct {
	*verify.Result
	Outcome string
	Lines   []string
	Totals  string
	Table   table
	tone    tone
}

func (t tone) class() string {
	return map[tone]string{good: "good", bad: "bad", warn: "warn", faint: "faint"}[t]
}

// Tone is for the template: the class of the style sheet.
func (v verdict) Tone() string    { return v.tone.class() }
func (m milestone) Tone() string  { return m.tone.class() }
func (t tile) Tone() string       { return t.tone.class() }
func (s step) Tone() string       { return s.tone.class() }
func (c comparison) Tone() string { return c.tone.class() }
func (c cell) Tone() string       { return c.tone.class() }
func (c cell) Text() string       { return c.text }
func (t table) Columns() []column { return t.columns }
func (t table) Rows() [][]cell    { return t.rows }
func (c column) Name() string     { return c.name }
func (c column) Right() bool      { return c.right }
func (c cell) Code() bool         { return c.code }
func (s section) Title() string   { return s.title }
func (s section) Lines() []string { return s.lines }
func (s section) Table() table    { return s.table }
func (s section) More() []string  { return s.more }

// writeHTML makes one page that needs nothing else: no script, no request.
func writeHTML(w io.Writer, r *evidence.Record) error {
	sum := sha256.Sum256([]byte(pageCSS))
	css := template.CSS(pageCSS) //nolint:gosec // a file of this package, in which nothing is filled
	p := page{
		Record: r, CSS: css, Verdict: judge(r), Facts: facts(r), Tiles: tiles(r), Objective: objectivesLine(r.Objectives),
		Policy:   "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		Findings: byStatus(r.Posture), Problems: problems(r.Catalogue, r.Archive), Checks: []string{catalogueLine(r.Catalogue), archiveLine(r.Archive)},
	}
	if r.Assessment != nil {
		p.Milestones = milestones(r.Assessment)
	}
	if len(r.Posture) > 0 {
		line, _ := policyLine(r, r.Posture)
		p.Posture = findingCounts(r.Posture) + ". " + line
	}
	if len(r.Sandbox.Isolation) > 0 {
		line, _ := policyLine(r, r.Sandbox.Isolation)
		p.Isolated, p.Isolation = findingCounts(r.Sandbox.Isolation)+". "+line, byStatus(r.Sandbox.Isolation)
	}
	p.Provision = provisionLine(r.Sandbox.Steps)
	p.Fidelity = fidelityTable(r.Sandbox.Fidelity)
	for _, s := range []section{impactSection(impactOf(r)), tracerSection(r)} {
		if s.title != "" {
			p.Watched = append(p.Watched, s)
		}
	}
	if s := selfTestSection(r.SelfTest, true); s.title != "" {
		p.SelfTests = []section{s}
	}
	if v := r.Verification; v != nil {
		s := verificationSection(v)
		p.Comparison = &comparison{v, string(v.Outcome()), s.lines, verdictTotals(v), s.table, s.tone}
		p.Indexes = slices.DeleteFunc([]section{rulesSection(v), indexSection(v), indexFailuresSection(v, everything)}, func(s section) bool { return s.title == "" })
	}
	if r.Backup != nil {
		p.Objects = r.Backup.Objects[:min(len(r.Backup.Objects), mostObjects)]
		p.MoreBackup = len(r.Backup.Objects) - len(p.Objects)
	}
	var total time.Duration
	p.Steps, total = steps(r.Timeline)
	p.Ticks = ticks(total)
	p.Clock = clock(p.Steps, r.Assessment)
	return pageTemplate.Execute(w, p)
}

// clock spans the phases of the recovery, when it was measured.
func clock(list []step, a *rto.Assessment) *step {
	first := slices.IndexFunc(list, func(s step) bool { return s.Recovery })
	if first < 0 || a == nil || !a.Recovered.Known {
		return nil
	}
	c := step{Start: list[first].Start, Took: duration(a.Recovered)}
	for _, s := range list {
		if s.Recovery {
			c.Size = max(c.Size, s.Start+s.Size-c.Start)
		}
	}
	return &c
}

// ticks puts three to seven marks at round times.
func ticks(total time.Duration) (list []tick) {
	if total <= 0 {
		return nil
	}
	for _, every := range []time.Duration{
		time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second,
		30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	} {
		if total/every > 6 {
			continue
		}
		for t := every; t <= total; t += every {
			place := float64(t) / float64(total)
			list = append(list, tick{place, rto.Human(t), place > 0.95})
		}
		break
	}
	return list
}

func tiles(r *evidence.Record) []tile {
	list := []tile{{Name: "Recovery time", Figure: "not known", Note: "not measured", Part: -1}, {Name: "Writes lost", Figure: "not known", Note: "not measured", Part: -1}}
	if a := r.Assessment; a != nil {
		all := milestones(a)
		recovered, total := all[1], all[2]
		list[0].show(recovered, "RTO actual")
		if total.target > 0 { // the headline stays what was measured
			list[0].hold(total, "in total "+total.Measured)
		} else {
			list[0].hold(recovered, "RTO actual")
		}
		list[1].show(all[3], "RPO actual")
		list[1].hold(all[3], "RPO actual")
	}
	objects := tile{Name: "Objects compared", Figure: "0", Note: "nothing was compared", tone: warn, Part: -1}
	if v := r.Verification; v != nil {
		n := v.Verdicts
		objects.Figure, objects.tone = count(n.Total()), verificationSection(v).tone
		objects.Note = "level " + string(v.Level) + ": " + string(v.Outcome())
		if n.Total() > 0 {
			objects.Note = fmt.Sprintf("%s equal, %s lost or corrupt", count(n.Match), count(n.Bad()))
			objects.Part = float64(n.Match) / float64(n.Total())
		}
	}
	posture := tile{Name: "Bucket checks passed", Figure: "none", Note: "the bucket was not audited", tone: warn, Part: -1}
	if len(r.Posture) > 0 {
		passed := 0
		posture.tone = good
		for _, f := range r.Posture {
			switch {
			case f.Status == bucket.Pass:
				passed++
			case blocking(r, f):
				posture.tone = bad
			case posture.tone == good:
				posture.tone = warn
			}
		}
		posture.Figure = fmt.Sprintf("%d of %d", passed, len(r.Posture))
		_, posture.Note, _ = strings.Cut(findingCounts(r.Posture), ": ")
		posture.Part = float64(passed) / float64(len(r.Posture))
	}
	return append(list, objects, posture)
}

// show puts a milestone's figure on the tile.
func (t *tile) show(m milestone, name string) {
	t.Figure, t.Note = m.Measured, name+"; no objective"
	if !m.actual.Known {
		t.Note, t.tone = m.actual.Why, warn
	}
}

// hold adds how a milestone stands against its objective, when there is one.
func (t *tile) hold(m milestone, name string) {
	if m.target > 0 && m.actual.Known {
		t.Note, t.tone = fmt.Sprintf("%s; objective %s: %s", name, rto.Human(m.target), m.Verdict), m.tone
		t.Part = min(1, float64(m.actual.Duration)/float64(m.target))
	}
}
