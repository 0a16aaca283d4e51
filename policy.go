package drill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/document"
)

// Judge returns the findings as the policy leaves them, and a sentence about each waiver that waives nothing.
func (p Policy) Judge(findings []bucket.Finding, now time.Time) (judged []bucket.Finding, idle []string) {
	judged = bucket.ApplyWaivers(bucket.Regrade(findings, p.Severity), p.Waivers, now)
	for _, w := range bucket.Idle(judged, p.Waivers) {
		idle = append(idle, fmt.Sprintf("the waiver of %s for %s waives nothing: there is nothing to waive, and it can be taken out", w.Owner, w.Check))
	}
	return judged, idle
}

func (p Policy) check(at string, fault func(path, format string, args ...any)) {
	checkWaivers(at+".waivers", p.Waivers, fault)
	for id := range p.Severity {
		if _, err := bucket.CheckOf(id); err != nil && !slices.Contains(isolationChecks(), id) {
			fault(at+".severity."+id, "%v", err)
		}
	}
}

func checkWaivers(at string, waivers []bucket.Waiver, fault func(path, format string, args ...any)) {
	for _, f := range bucket.CheckWaivers(waivers, isolationChecks()...) {
		fault(fmt.Sprintf("%s[%d]", at, f.Index), "%s", f.Problem)
	}
}

// readWaivers adds those of the file to those of the configuration itself. Errors are as those of ParseConfig.
func (p *Policy) readWaivers() error {
	if p.WaiverFile == "" {
		return nil
	}
	raw, err := os.ReadFile(p.WaiverFile)
	if err != nil {
		return fmt.Errorf("%w: policy.waiver_file: %w", ErrConfig, err)
	}
	var file struct {
		Waivers []bucket.Waiver `yaml:"waivers"`
	}
	d := document.Read(raw, waiversSchema())
	if len(d.Problems()) == 0 {
		if err := d.Decode(&file); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrConfig, p.WaiverFile, err)
		}
		checkWaivers("waivers", file.Waivers, d.Fault)
	}
	if len(d.Problems()) > 0 {
		return problems(p.WaiverFile, d)
	}
	p.Waivers = append(p.Waivers, file.Waivers...)
	return nil
}

// waiversSchema is of a document with the one key waivers, which takes what policy.waivers takes.
var waiversSchema = sync.OnceValue(func() *jsonschema.Schema {
	type section struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var whole, policy section
	if err := json.Unmarshal(schemaJSON, &whole); err != nil {
		panic(err)
	}
	if err := json.Unmarshal(whole.Properties["policy"], &policy); err != nil {
		panic(err)
	}
	const form = `{"type": "object", "additionalProperties": false, "required": ["waivers"], "properties": {"waivers": %s}}`
	return compile("waivers.schema.json", bytes.NewReader(fmt.Appendf(nil, form, policy.Properties["waivers"])))
})
