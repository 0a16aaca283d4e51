package report

import (
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// What is written of SARIF 2.1.0 with its errata 01, an OASIS standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os-complete.html.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations,omitempty"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifInvocation struct {
		Successful bool   `json:"executionSuccessful"`
		Start      string `json:"startTimeUtc"`
	}
	sarifRule struct {
		ID         string         `json:"id"`
		Short      sarifMessage   `json:"shortDescription"`
		Full       *sarifMessage  `json:"fullDescription,omitempty"`
		Help       *sarifMessage  `json:"help,omitempty"`
		HelpURI    string         `json:"helpUri,omitempty"`
		Default    sarifDefault   `json:"defaultConfiguration"`
		Properties sarifRuleExtra `json:"properties"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifRuleExtra struct {
		Severity string           `json:"security-severity"` // by which code scanning ranks what it shows
		Tags     []string         `json:"tags"`
		Controls []bucket.Control `json:"controls,omitempty"`
	}
	sarifMessage struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifResult struct {
		Rule         string             `json:"ruleId"`
		Index        int                `json:"ruleIndex"`
		Kind         string             `json:"kind"`
		Level        string             `json:"level"`
		Message      sarifMessage       `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Properties   sarifResultExtra   `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifResultExtra struct {
		Status   bucket.Status   `json:"status"`
		Severity bucket.Severity `json:"severity"`
		Evidence []bucket.Call   `json:"evidence,omitempty"`
	}
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// sarifSeverities are SARIF's levels, and the numbers in which code scanning states how severe a security finding is
// (https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning).
var sarifSeverities = map[bucket.Severity]struct{ level, number string }{
	bucket.Critical: {"error", "9.5"}, bucket.High: {"error", "8.0"}, bucket.Medium: {"warning", "5.5"}, bucket.Low: {"note", "2.0"},
}

// sarifKinds are SARIF's words (3.27.9) for what was found; only a failure may have a level. A waiver suppresses a failure.
var sarifKinds = map[bucket.Status]string{
	bucket.Pass: "pass", bucket.Fail: "fail", bucket.Waived: "fail",
	bucket.Unknown:       "open",   // "insufficient information to decide"
	bucket.NotSupported:  "review", // somebody has to decide what to do without it
	bucket.NotApplicable: "notApplicable",
}

// writeSARIF writes what a record found about the bucket and the isolation of the sandbox.
func writeSARIF(w io.Writer, r *evidence.Record) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: tool, Version: r.Tool.Version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	if !r.Began.IsZero() {
		run.Invocations = []sarifInvocation{{Successful: true, Start: r.Began.UTC().Format(time.RFC3339)}}
	}
	for _, on := range examined(r) {
		for _, f := range on.findings {
			result := sarifResult{
				Rule: f.Check, Index: len(run.Tool.Driver.Rules), Kind: sarifKinds[f.Status], Level: "none", Message: sarifMessage{Text: f.Detail},
				Locations: []sarifLocation{sarifPlace(on)}, Fingerprints: map[string]string{"weaviateDrill/v1": f.Check + " " + on.id},
				Properties: sarifResultExtra{f.Status, f.Severity, f.Evidence},
			}
			if result.Kind == "fail" {
				result.Level = sarifSeverities[f.Severity].level
			}
			if f.Waiver != nil {
				result.Suppressions = []sarifSuppression{{"external", "accepted", waiverLine(*f.Waiver)}}
			}
			run.Results = append(run.Results, result)
			rule, err := sarifRuleOf(f)
			if err != nil {
				return err
			}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		}
	}
	return writeJSON(w, sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

// sarifPlace has a path besides what was examined, as code scanning refuses a whole file in which a result has none (https://github.com/github/codeql-action/issues/1738).
func sarifPlace(on target) sarifLocation {
	path := url.URL{Path: strings.ReplaceAll(strings.TrimPrefix(on.id, "s3://"), " ", "/")}
	return sarifLocation{sarifPhysical{sarifArtifact{path.String()}, sarifRegion{1}}, []sarifLogical{{on.name, on.id, "resource"}}}
}

// sarifRuleOf explains the check of a finding as --explain does, where it is one of the bucket.
func sarifRuleOf(f bucket.Finding) (sarifRule, error) {
	severity := sarifSeverities[f.Severity]
	rule := sarifRule{
		ID: f.Check, Short: sarifMessage{Text: f.Title}, HelpURI: f.Reference, Default: sarifDefault{severity.level},
		Properties: sarifRuleExtra{severity.number, []string{"security", "backup"}, f.Controls},
	}
	c, err := bucket.CheckOf(f.Check)
	if err != nil {
		if f.Remediation != "" {
			rule.Help = &sarifMessage{Text: f.Remediation}
		}
		return rule, nil
	}
	var plain, marked strings.Builder
	if err := writeTerminal(&plain, checkDocument(c), Options{}); err != nil {
		return rule, err
	}
	if err := writeMarkdown(&marked, checkDocument(c)); err != nil {
		return rule, err
	}
	rule.Full, rule.Help = &sarifMessage{Text: c.Why}, &sarifMessage{Text: plain.String(), Markdown: marked.String()}
	return rule, nil
}

const tool = "weaviate-drill"

// target is what findings are about.
type target struct {
	name, id, kind string
	findings       []bucket.Finding
}

// examined are what a record has findings about.
func examined(r *evidence.Record) []target {
	return slices.DeleteFunc([]target{
		{r.Bucket.Name, address(r.Bucket), "S3 bucket", r.Posture},
		{"sandbox", strings.TrimSpace("sandbox " + r.ID), "Weaviate sandbox", r.Sandbox.Isolation},
	}, func(t target) bool { return len(t.findings) == 0 })
}

// address is where the backups lie.
func address(b evidence.Bucket) string { return strings.TrimSuffix("s3://"+b.Name+"/"+b.Path, "/") }
