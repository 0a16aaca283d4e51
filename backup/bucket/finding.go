package bucket

import "time"

// Status is the outcome of one check. Only Pass is a pass.
type Status string

// What a check can find.
const (
	Pass         Status = "pass"
	Fail         Status = "fail"
	Unknown      Status = "unknown"       // denied, or an error: nothing is known
	NotSupported Status = "not supported" // an S3-compatible server does not have the feature
	Waived       Status = "waived"        // somebody answers for it, until a date
)

// Severity of a finding, as scanners rank it.
type Severity string

// From the least to the most severe.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Finding is the outcome of one check, with what it rests on.
type Finding struct {
	Check       string   `json:"check"` // stable id, such as s3-default-encryption
	Title       string   `json:"title"`
	Status      Status   `json:"status"`
	Severity    Severity `json:"severity"`
	Detail      string   `json:"detail"` // one sentence: what was found and what follows
	Evidence    []Call   `json:"evidence"`
	Remediation string   `json:"remediation,omitempty"` // a command that mends it
	Reference   string   `json:"reference,omitempty"`   // address of the AWS page that states the rule
	Waiver      *Waiver  `json:"waiver,omitempty"`
}

// Call is a request that was made and what the server answered.
type Call struct {
	Request string `json:"request"` // such as "GetBucketEncryption backups"
	Answer  string `json:"answer"`  // the answer's JSON, or the error code and message, cut to 2,000 characters
}

// Waiver accepts a finding for a while.
type Waiver struct {
	Check   string    `json:"check" yaml:"check"`
	Reason  string    `json:"reason" yaml:"reason"`
	Owner   string    `json:"owner" yaml:"owner"`
	Expires time.Time `json:"expires" yaml:"expires"` // a waiver past this day waives nothing
}
