package report

import (
	"io"
	"slices"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// What is written of the class Compliance Finding (2003) of OCSF 1.5.0: https://schema.ocsf.io/1.5.0/classes/compliance_finding. Times are milliseconds since 1970.
type (
	ocsfFinding struct {
		ActivityID  int              `json:"activity_id"`
		Activity    string           `json:"activity_name"`
		CategoryUID int              `json:"category_uid"`
		Category    string           `json:"category_name"`
		ClassUID    int              `json:"class_uid"`
		Class       string           `json:"class_name"`
		TypeUID     int              `json:"type_uid"`
		Type        string           `json:"type_name"`
		Time        int64            `json:"time"`
		SeverityID  int              `json:"severity_id"`
		Severity    string           `json:"severity"`
		StatusID    int              `json:"status_id,omitempty"` // where somebody is to look at it, or did
		Status      string           `json:"status,omitempty"`
		Message     string           `json:"message"`
		Comment     string           `json:"comment,omitempty"`
		Metadata    ocsfMetadata     `json:"metadata"`
		FindingInfo ocsfInfo         `json:"finding_info"`
		Compliance  ocsfCompliance   `json:"compliance"`
		Remediation *ocsfRemediation `json:"remediation,omitempty"`
		Resources   []ocsfResource   `json:"resources"`
		Evidences   []ocsfEvidence   `json:"evidences,omitempty"`
	}
	ocsfMetadata struct {
		Version   string      `json:"version"`
		EventCode string      `json:"event_code"`
		Product   ocsfProduct `json:"product"`
	}
	ocsfProduct struct {
		Name    string `json:"name"`
		Vendor  string `json:"vendor_name"`
		Version string `json:"version,omitempty"`
	}
	ocsfInfo struct {
		UID     string `json:"uid"`
		Title   string `json:"title"`
		Desc    string `json:"desc,omitempty"`
		Created int64  `json:"created_time"`
	}
	ocsfCompliance struct {
		Control      string   `json:"control"`
		Standards    []string `json:"standards,omitempty"`
		Requirements []string `json:"requirements,omitempty"`
		StatusID     int      `json:"status_id"`
		Status       string   `json:"status"`
		Details      []string `json:"status_details"` // status_detail is deprecated since 1.4.0
	}
	ocsfRemediation struct {
		Desc       string   `json:"desc"`
		References []string `json:"references,omitempty"`
	}
	ocsfResource struct {
		UID  string `json:"uid"`
		Name string `json:"name"`
		Type string `json:"type"`
	}
	ocsfEvidence struct {
		Data bucket.Call `json:"data"`
	}
	ocsfWord struct {
		id   int
		word string
	}
)

const (
	ocsfVersion = "1.5.0"
	ocsfClass   = 2003
	ocsfCreate  = 1 // the activity: a finding was made
)

var ocsfSeverities = map[bucket.Severity]ocsfWord{
	bucket.Low: {2, "Low"}, bucket.Medium: {3, "Medium"}, bucket.High: {4, "High"}, bucket.Critical: {5, "Critical"},
}

// ocsfStatuses are OCSF's words for what a check found. Warning is "did not yield a result due to missing information".
var ocsfStatuses = map[bucket.Status]ocsfWord{
	bucket.Pass: {1, "Pass"}, bucket.Unknown: {2, "Warning"}, bucket.Fail: {3, "Fail"},
	bucket.NotSupported: {99, "Not supported"}, bucket.NotApplicable: {99, "Not applicable"}, bucket.Waived: {99, "Waived"},
}

// writeOCSF writes a list with an event for each finding of a record about the bucket and the isolation of the sandbox.
func writeOCSF(w io.Writer, r *evidence.Record) error {
	events := []ocsfFinding{}
	for _, on := range examined(r) {
		for _, f := range on.findings {
			events = append(events, ocsfOf(r, on, f))
		}
	}
	return writeJSON(w, events)
}

func ocsfOf(r *evidence.Record, on target, f bucket.Finding) ocsfFinding {
	status, severity := ocsfStatuses[f.Status], ocsfSeverities[f.Severity]
	e := ocsfFinding{
		ActivityID: ocsfCreate, Activity: "Create", CategoryUID: ocsfClass / 1000, Category: "Findings", ClassUID: ocsfClass, Class: "Compliance Finding",
		TypeUID: ocsfClass*100 + ocsfCreate, Type: "Compliance Finding: Create", Time: r.Began.UnixMilli(), SeverityID: severity.id, Severity: severity.word, Message: f.Detail,
		Metadata:    ocsfMetadata{ocsfVersion, f.Check, ocsfProduct{tool, tool, r.Tool.Version}},
		FindingInfo: ocsfInfo{UID: f.Check + " " + on.id, Title: f.Title, Created: r.Began.UnixMilli()},
		Compliance:  ocsfCompliance{Control: f.Check + ": " + f.Title, StatusID: status.id, Status: status.word, Details: []string{string(f.Status) + ": " + f.Detail}},
		Resources:   []ocsfResource{{on.id, on.name, on.kind}},
	}
	if c, err := bucket.CheckOf(f.Check); err == nil {
		e.FindingInfo.Desc = c.Why
	}
	switch f.Status {
	case bucket.Pass, bucket.NotApplicable: // nothing to be alarmed by
		e.SeverityID, e.Severity = 1, "Informational"
	case bucket.Waived:
		e.StatusID, e.Status = 3, "Suppressed"
	default:
		e.StatusID, e.Status = 1, "New"
	}
	if f.Waiver != nil {
		e.Comment = waiverLine(*f.Waiver)
	}
	for _, c := range f.Controls {
		e.Compliance.Requirements = append(e.Compliance.Requirements, c.String()+": "+c.Reason)
		if !slices.Contains(e.Compliance.Standards, c.Standard) {
			e.Compliance.Standards = append(e.Compliance.Standards, c.Standard)
		}
	}
	if f.Remediation != "" {
		e.Remediation = &ocsfRemediation{Desc: f.Remediation}
		if f.Reference != "" {
			e.Remediation.References = []string{f.Reference}
		}
	}
	for _, c := range f.Evidence {
		e.Evidences = append(e.Evidences, ocsfEvidence{c})
	}
	return e
}
