package bucket

import "slices"

// Status is the outcome of one check. Only Pass is a pass.
type Status string

// What a check can find.
const (
	Pass         Status = "pass"
	Fail         Status = "fail"
	Unknown      Status = "unknown"       // denied, or an error: nothing is known
	NotSupported Status = "not supported" // an S3-compatible server does not have the feature; never on AWS
	Waived       Status = "waived"        // somebody answers for it, until a date
	// NotApplicable: there is nothing that the check could be about, such as the rotation of a key where none is used. Neither a pass nor a fault.
	NotApplicable Status = "not applicable"
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

var severities = []Severity{Low, Medium, High, Critical}

// Valid says whether s is one of the four.
func (s Severity) Valid() bool { return slices.Contains(severities, s) }

// AtLeast says whether s is as severe as floor, or more.
func (s Severity) AtLeast(floor Severity) bool {
	return slices.Index(severities, s) >= slices.Index(severities, floor)
}

// Finding is the outcome of one check, with what it rests on.
type Finding struct {
	Check       string    `json:"check"` // stable id, such as s3-default-encryption
	Title       string    `json:"title"`
	Status      Status    `json:"status"`
	Severity    Severity  `json:"severity"`
	Detail      string    `json:"detail"` // one sentence: what was found and what follows
	Evidence    []Call    `json:"evidence"`
	Remediation string    `json:"remediation,omitempty"` // a command that mends it, or what to do first
	Terraform   string    `json:"terraform,omitempty"`   // the same as a resource of the provider hashicorp/aws
	Reference   string    `json:"reference,omitempty"`   // address of the AWS page that states the rule
	Controls    []Control `json:"controls,omitempty"`    // the same demand in other catalogues
	Waiver      *Waiver   `json:"waiver,omitempty"`
}

// Call is a request that was made and what the server answered.
type Call struct {
	Request string `json:"request"` // such as "GetBucketEncryption backups"
	Answer  string `json:"answer"`  // the answer's JSON, or the error code and message, cut to 2,000 characters
}
