package detection

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// row is one line of the table.
type row struct {
	damage   string
	weaviate string // what Weaviate says of the restore
	naive    string // what counts and ten vectors see
	alone    string // the verdict of the comparison alone, where Weaviate restored something
	phase    rto.Phase
	verdict  string
	status   evidence.Status
	says     string // the reason
}

// none stands for what was not looked at.
const none = "-"

func TestDetection(t *testing.T) {
	w := newWorld(t)
	found := make([][]row, len(damages))
	var everywhere, folder, answered, copied []row
	t.Run("damages", func(t *testing.T) {
		t.Run("none", func(t *testing.T) {
			t.Parallel()
			w.passes(t)
		})
		t.Run("one bit everywhere", func(t *testing.T) {
			t.Parallel()
			everywhere = w.everywhere(t)
		})
		t.Run("folder that is not empty", func(t *testing.T) {
			t.Parallel()
			folder = w.notEmpty(t)
		})
		t.Run("by the API", func(t *testing.T) {
			t.Parallel()
			answered = w.changed(t)
		})
		t.Run("copies", func(t *testing.T) {
			t.Parallel()
			copied = newTrio(t).copies(t)
		})
		for i, d := range damages {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				found[i] = w.try(t, d)
			})
		}
	})
	if t.Failed() || everywhere == nil || folder == nil || answered == nil || copied == nil || slices.ContainsFunc(found, func(rows []row) bool { return rows == nil }) {
		return // the page is about all of it
	}
	rows := slices.Concat(found...)
	holds(t, "detection.md", document(slices.Concat(everywhere, rows, answered, folder, copied)))
}

// passes requires that what is undamaged is found to be so, in the way in which damage is looked for.
func (w *world) passes(t *testing.T) {
	for _, id := range []string{"gzip", "zstd", "none", "inc"} {
		b := w.clone(t, id, "base")
		if r := w.drill(t, b, id, nil); r.Status != evidence.Passed {
			t.Errorf("undamaged, %s: %s: %+v", id, r.Status, r.Reasons)
		}
	}
	r := restore(t, w.bucket, "none")
	if sees := w.naive(t, r.conn); r.weaviate != "SUCCESS" || sees != "nothing" {
		t.Errorf("undamaged: Weaviate says %s, and counts and ten vectors see %s", r.weaviate, sees)
	}
}

// try does a damage, and looks at it in all ways.
func (w *world) try(t *testing.T, d damage) (rows []row) {
	b := w.clone(t, d.backup, "base")
	before, err := backup.ReadCatalogue(t.Context(), b, d.backup)
	check(t, err)
	d.do(t, w, b, d.backup)
	if !d.recorded {
		before = nil
	}
	var sections []string
	if d.restore != "" {
		sections = append(sections, d.restore)
	}
	record := w.drill(t, b, d.backup, before, sections...)
	if record.Status == evidence.Passed {
		t.Fatal("the drill passes")
	}
	common := w.row(t, d.name, record, d.at)
	r := restore(t, b, d.backup)
	common.weaviate = r.weaviate
	var alone *verify.Result
	if r.weaviate == "SUCCESS" {
		common.naive = w.naive(t, r.conn)
		alone = w.compare(t, r.conn, b, d.backup)
		common.alone = firstVerdict(alone)
	}
	if len(d.victims) == 0 {
		return []row{common}
	}
	for _, v := range d.victims {
		one := common
		one.damage = v.name
		x := difference(record.Verification, v.id)
		if x == nil {
			t.Errorf("%s: the object is not among what differs", v.name)
			continue
		}
		one.verdict, one.says = string(x.Verdict), w.stable(cmp.Or(x.Detail, x.Rule))
		one.status = evidence.DataFailed
		if x.Verdict == verify.Unverifiable {
			one.status = evidence.Inconclusive
		}
		one.alone = none
		if x := difference(alone, v.id); x != nil {
			one.alone = string(x.Verdict)
		}
		rows = append(rows, one)
	}
	return rows
}

// row is what a drill says, first or in the given phase. What was restored is left to the caller.
func (w *world) row(t *testing.T, name string, r *evidence.Record, phase rto.Phase) row {
	t.Helper()
	i := slices.IndexFunc(r.Reasons, func(reason evidence.Reason) bool { return phase == "" || reason.Phase == phase })
	if i < 0 {
		t.Fatalf("not noticed in %s: %+v", phase, r.Reasons)
	}
	verdict, says := finding(r, r.Reasons[i])
	return row{damage: name, phase: r.Reasons[i].Phase, status: r.Status, verdict: verdict, says: w.stable(says), naive: none, alone: none}
}

// finding is the word for one reason of a record, and what it says without naming the place.
func finding(r *evidence.Record, reason evidence.Reason) (verdict, says string) {
	switch reason.Phase {
	case rto.Catalogue:
		if r.Catalogue != nil && len(r.Catalogue.Problems) > 0 {
			return string(r.Catalogue.Problems[0].Kind), r.Catalogue.Problems[0].Detail
		}
	case rto.Archive:
		if r.Archive != nil && len(r.Archive.Problems) > 0 {
			return string(r.Archive.Problems[0].Kind), r.Archive.Problems[0].Detail
		}
	case rto.FirstAnswer:
		return "no answer", reason.Message
	case rto.Verify:
		verdict := firstVerdict(r.Verification)
		if x := r.Verification.Index; len(r.Verification.Differences)+len(r.Verification.Structure) == 0 && x.Failed > 0 {
			return verdict, x.Failures[0].Rule
		}
		return verdict, reason.Message
	}
	if r.Status == evidence.Refused {
		return "refused", reason.Message
	}
	return "malformed", reason.Message
}

func difference(r *verify.Result, id uuid.UUID) *verify.Difference {
	if r == nil {
		return nil
	}
	if i := slices.IndexFunc(r.Differences, func(d verify.Difference) bool { return d.ID == id.String() }); i >= 0 {
		return &r.Differences[i]
	}
	return nil
}

// firstVerdict is that of the first difference which is no drift.
func firstVerdict(r *verify.Result) string {
	for _, d := range r.Differences {
		if d.Verdict != verify.Drift {
			return string(d.Verdict)
		}
	}
	for _, d := range r.Structure {
		if d.Verdict != verify.Drift {
			return string(d.Verdict)
		}
	}
	if x := r.Index; x != nil && x.Failed > 0 {
		return "index, " + questions[x.Failures[0].Kind]
	}
	return string(r.Outcome())
}

// questions are the kinds of verify.IndexFailure.
var questions = map[string]string{"id": "by id", "itself": "by vector", "recall": "by vector", "neighbour": "by vector", "filter": "by filter", "keyword": "by keyword", "entries": "by entries"}

// What differs from run to run, and what stands for it in the table.
var unstable = []struct {
	is    *regexp.Regexp
	shown string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`, written at TIME instead of TIME`), ""}, // S3 tells whole seconds
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "ENDPOINT"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{32}(-\d+)?\b`), "ETAG"},
	{regexp.MustCompile(`\btest-[a-z0-9]{12}\b`), "BUCKET"},
	{regexp.MustCompile(`\bchunk-\d+`), "chunk-N"},
	{regexp.MustCompile(`\bsegment-\d+`), "segment-N"},
	{regexp.MustCompile(`\b[1-9]\d* bytes`), "N bytes"},
	{regexp.MustCompile(`\b\d+ (lost|more problems)`), "N $1"},
}

// stable makes a reason the same in every run, and short.
func (w *world) stable(s string) string {
	for _, shard := range w.shards {
		s = strings.ReplaceAll(s, shard, "SHARD")
	}
	for _, u := range unstable {
		s = u.is.ReplaceAllString(s, u.shown)
	}
	const most = 160
	if len(s) > most {
		s = s[:strings.LastIndex(s[:most], " ")] + " ..."
	}
	return s
}
