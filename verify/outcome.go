package verify

import "slices"

// Outcome is what a comparison as a whole says.
type Outcome string

// The outcomes.
const (
	Passed       Outcome = "passed"
	Failed       Outcome = "failed"       // something is lost, corrupt or unexpected
	Inconclusive Outcome = "inconclusive" // nothing is known to be wrong, and not everything needed is known to be right
)

// Outcome judges a result. It passes only when something was compared and found equal, nothing is lost, corrupt or unexpected, no index answers wrongly, and nothing is left
// unverifiable or unknown. Zero collections, zero objects (above level structure, where none is asked for) and nothing but drift are never a pass.
func (r *Result) Outcome() Outcome {
	inconclusive := len(r.Unknown) > 0 || r.Verdicts.Unverifiable > 0
	for _, d := range r.Structure {
		switch d.Verdict {
		case Lost, Corrupt, Unexpected:
			return Failed
		case Unverifiable:
			inconclusive = true
		}
	}
	if r.Verdicts.Bad() > 0 || r.Index != nil && r.Index.Failed > 0 {
		return Failed
	}
	if r.Level.AtLeast(LevelIndex) {
		inconclusive = inconclusive || r.Index == nil || r.Index.Outcome() != Passed
	}
	if inconclusive || !r.compared() {
		return Inconclusive
	}
	return Passed
}

// compared says whether there was anything, of what the level is about, that both sides have.
func (r *Result) compared() bool {
	if r.Level.AtLeast(LevelSample) {
		return r.Verdicts.Match > 0
	}
	return slices.ContainsFunc(r.Collections, func(c Collection) bool {
		if r.Level.AtLeast(LevelCounts) {
			return c.SourceCount > 0 && c.RestoredCount > 0
		}
		return !slices.ContainsFunc(r.Structure, func(d StructureDifference) bool { return d.Kind == "collection" && d.Where == c.Name })
	})
}
