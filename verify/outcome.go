package verify

// Outcome is what a comparison as a whole says.
type Outcome string

// The outcomes.
const (
	Passed       Outcome = "passed"
	Failed       Outcome = "failed"       // something is lost, corrupt or unexpected
	Inconclusive Outcome = "inconclusive" // nothing is known to be wrong, and not everything needed is known to be right
)

// Outcome judges a result. It passes only when something was compared and found equal, nothing is lost, corrupt or unexpected, and nothing is left
// unverifiable or unknown. Zero collections, zero objects and nothing but drift are never a pass.
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
	if r.Verdicts.Bad() > 0 {
		return Failed
	}
	if r.Level == LevelCounts {
		var counted int64
		for _, c := range r.Collections {
			counted += min(c.SourceCount, c.RestoredCount)
		}
		inconclusive = inconclusive || counted == 0
	} else {
		inconclusive = inconclusive || r.Verdicts.Match == 0
	}
	if inconclusive {
		return Inconclusive
	}
	return Passed
}
