// Package evidence keeps what a drill found: one Record a drill, from which every report is made, now or years later.
package evidence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// Schema names the form of a Record. It changes when a reader would have to.
const Schema = "weaviate-drill/record/v1"

// Status is a drill's outcome and the program's exit status.
type Status int

// The exit statuses.
const (
	Passed        Status = 0
	DataFailed    Status = 1   // verification failed: what came back is not what was there
	Usage         Status = 2   // usage or configuration
	Policy        Status = 3   // an objective missed, or a posture finding that the policy does not allow
	NotCarriedOut Status = 4   // unreachable, denied, timed out: the only one that a Job may retry
	Refused       Status = 5   // a safety interlock refused
	Inconclusive  Status = 6   // nothing was compared, or something needed could not be known
	Interrupted   Status = 130 // SIGINT or SIGTERM
)

// severity orders statuses from harmless to worst; an interruption outweighs all, since the rest was not looked at.
var severity = map[Status]int{Passed: 0, Policy: 1, Inconclusive: 2, Usage: 3, NotCarriedOut: 4, Refused: 5, DataFailed: 6, Interrupted: 7}

// Worst returns the worse of two statuses.
func (s Status) Worst(other Status) Status {
	if severity[other] > severity[s] {
		return other
	}
	return s
}

var words = map[Status]string{
	Passed: "passed", DataFailed: "verification failed", Usage: "wrong usage or configuration", Policy: "objective missed or policy not met",
	NotCarriedOut: "could not be carried out", Refused: "refused by a safety interlock", Inconclusive: "inconclusive", Interrupted: "interrupted",
}

func (s Status) String() string {
	if w, ok := words[s]; ok {
		return w
	}
	return fmt.Sprintf("status %d", int(s))
}

// Record is one drill: what was done, when, and what was found. Everything a person sees is rendered from it.
type Record struct {
	Schema  string    `json:"schema"`
	ID      string    `json:"id"` // the drill's: sorts by time
	Tool    Tool      `json:"tool"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
	Status  Status    `json:"status"`
	Reasons []Reason  `json:"reasons,omitempty"` // why Status is not Passed, all of them, the worst first
	// Level is how much was to be proved; empty in records of the first versions, all of which restore.
	Level verify.Level `json:"level,omitempty"`

	Source       Source                  `json:"source"`
	Sandbox      Sandbox                 `json:"sandbox"`
	Bucket       Bucket                  `json:"bucket"`
	Posture      []bucket.Finding        `json:"posture,omitempty"`
	FailOn       bucket.Severity         `json:"failOn,omitempty"` // the policy of bucket.Violations; empty: high
	Backup       *Backup                 `json:"backup,omitempty"`
	Catalogue    *backup.CatalogueResult `json:"catalogue,omitempty"`
	Archive      *backup.ArchiveResult   `json:"archive,omitempty"`
	Restore      *backup.RestoreResult   `json:"restore,omitempty"`
	Verification *verify.Result          `json:"verification,omitempty"`
	Checks       []verify.CheckResult    `json:"checks,omitempty"` // the user's own
	SelfTest     *verify.SelfTest        `json:"selfTest,omitempty"`
	Tracer       *tracer.Result          `json:"tracer,omitempty"`

	Timeline   rto.Timeline    `json:"timeline"`
	Objectives *rto.Objectives `json:"objectives,omitempty"`
	Assessment *rto.Assessment `json:"assessment,omitempty"`

	Notes []string `json:"notes,omitempty"` // what was done to the bucket and put back, assumptions, choices made by default
	Logs  []string `json:"logs,omitempty"`  // of the restored server when a restore failed, cut to the telling lines
}

// Restores says whether a restore was part of the drill. Without one a pass says nothing of recovery.
func (r *Record) Restores() bool { return r.Level == "" || r.Level.Restores() }

// Tool is the program that made the record.
type Tool struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
}

// Reason is one reason why a drill did not pass.
type Reason struct {
	Status  Status    `json:"status"`
	Phase   rto.Phase `json:"phase"`
	Message string    `json:"message"` // one line: what, where, what to do
}

// Source is the Weaviate that was backed up.
type Source struct {
	URL         string   `json:"url"`
	Version     string   `json:"version"`
	Nodes       []string `json:"nodes"`
	Modules     []string `json:"modules,omitempty"`
	Collections []string `json:"collections"`
}

// Sandbox is where the backup was restored.
type Sandbox struct {
	Kind    string   `json:"kind"`
	Version string   `json:"version,omitempty"`
	Nodes   []string `json:"nodes,omitempty"`
	Kept    string   `json:"kept,omitempty"` // where it still is, when it was kept on purpose
	// Steps are the parts of the phase provision, for kinds that can tell.
	Steps []sandbox.Step `json:"steps,omitempty"`
	// Fidelity is in what it is unlike the source, and what of that is not known; nil when it was not looked at.
	Fidelity []sandbox.Difference `json:"fidelity,omitzero"`
	// Isolation is what was tried of it, for kinds that can.
	Isolation []bucket.Finding `json:"isolation,omitempty"`
}

// Bucket is where the backup lies.
type Bucket struct {
	Name     string `json:"name"`
	Path     string `json:"path,omitempty"`
	Region   string `json:"region,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
}

// Backup is the backup that was drilled, with every object that it consists of.
type Backup struct {
	ID            string          `json:"id"`
	Created       bool            `json:"created"` // by this drill
	CapturePoint  time.Time       `json:"capturePoint"`
	ReportedEnd   time.Time       `json:"reportedEnd"` // as the server says: up to 10 s late
	End           time.Time       `json:"end"`         // LastModified of the last node's backup.json
	Compression   string          `json:"compression"`
	ServerVersion string          `json:"serverVersion"`
	Chain         []string        `json:"chain,omitempty"` // ids of the bases, the nearest first
	Bytes         int64           `json:"bytes"`           // before compression
	Collections   []string        `json:"collections"`
	Objects       []backup.Object `json:"objects"`
	Impact        *backup.Impact  `json:"impact,omitempty"` // of a backup that this drill made
}

// Fail adds a reason and keeps Status and Reasons in step: the worst reason first, and among equals the one that came first.
func (r *Record) Fail(status Status, phase rto.Phase, message string) {
	r.Status = r.Status.Worst(status)
	r.Reasons = append(r.Reasons, Reason{status, phase, message})
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int { return cmp.Compare(severity[b.Status], severity[a.Status]) })
}

// Parse reads a stored record. Fields that it does not know are passed over; an unknown schema is an error.
func Parse(raw []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, notARecord(err)
	}
	if err := checkSchema(r.Schema); err != nil {
		return nil, err
	}
	return &r, nil
}

func notARecord(err error) error { return fmt.Errorf("not a drill record: %w", err) }

func checkSchema(schema string) error {
	if schema != Schema {
		return fmt.Errorf("not a drill record of a known form: schema %q, known is %q", schema, Schema)
	}
	return nil
}
