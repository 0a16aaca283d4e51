package rto

import "time"

// Objectives are the documented targets, one file under version control.
type Objectives struct {
	RTO        time.Duration `json:"rto" yaml:"rto"` // nanoseconds in JSON
	RPO        time.Duration `json:"rpo" yaml:"rpo"`
	Owner      string        `json:"owner" yaml:"owner"`
	ApprovedOn time.Time     `json:"approvedOn" yaml:"approved_on"`
	ReviewBy   time.Time     `json:"reviewBy" yaml:"review_by"`
	// Allowance is declared for detection and decision; it is added to the milestone "in total" and always shown as an assumption.
	Allowance time.Duration `json:"allowance,omitempty" yaml:"allowance"`
}

// Measured is a duration with where its clock starts and ends, in words.
type Measured struct {
	Duration time.Duration `json:"duration"` // nanoseconds
	From     string        `json:"from"`
	To       string        `json:"to"`
	Known    bool          `json:"known"`         // false: the phases that it needs did not all happen
	Why      string        `json:"why,omitempty"` // why it is not known
}

// Judgement is one objective held against what was measured.
type Judgement struct {
	Objective string        `json:"objective"` // RTO or RPO
	Target    time.Duration `json:"target"`
	Actual    Measured      `json:"actual"`
	Met       bool          `json:"met"` // never true when Actual is not known
	Detail    string        `json:"detail"`
}

// Assessment is the outcome of a drill against the objectives.
type Assessment struct {
	DataBack    Measured    `json:"dataBack"`  // provision + restore
	Recovered   Measured    `json:"recovered"` // technically recovered: the RTO actual
	InTotal     Measured    `json:"inTotal"`   // with the declared allowance
	RPO         Measured    `json:"rpo"`       // RPO actual
	Judgements  []Judgement `json:"judgements"`
	Findings    []string    `json:"findings,omitempty"` // on the document itself: past its review date, no owner
	Assumptions []string    `json:"assumptions,omitempty"`
}
