package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// junitForm is what Jenkins takes, https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd,
// as far as it is written here: the attributes of an element, the required ones with a star, and what may be in it. One attribute is not of Jenkins: the sum of skipped
// on testsuites is of https://github.com/testmoapp/junitxml.
var junitForm = map[string]struct{ attributes, children []string }{
	"testsuites": {[]string{"name", "tests", "failures", "errors", "skipped", "time"}, []string{"testsuite"}},
	"testsuite":  {[]string{"name*", "tests*", "failures*", "errors*", "skipped", "timestamp", "time"}, []string{"testcase"}},
	"testcase":   {[]string{"name*", "classname", "time"}, []string{"skipped", "error", "failure", "system-out"}},
	"skipped":    {[]string{"message", "type"}, nil},
	"error":      {[]string{"message", "type"}, nil},
	"failure":    {[]string{"message", "type"}, nil},
	"system-out": {nil, nil},
}

// wellFormed holds a document against junitForm: nothing unknown in it, nothing required missing, numbers where they belong.
func wellFormed(document string) error {
	d := xml.NewDecoder(strings.NewReader(document))
	var open []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.StartElement:
			name := e.Name.Local
			form, known := junitForm[name]
			within := len(open) == 0 && name == "testsuites" || len(open) > 0 && slices.Contains(junitForm[open[len(open)-1]].children, name)
			if !known || !within {
				return fmt.Errorf("%s in %v", name, open)
			}
			open = append(open, name)
			if err := attributesOf(e, form.attributes); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
}

func attributesOf(e xml.StartElement, allowed []string) error {
	has := map[string]bool{}
	for _, a := range e.Attr {
		has[a.Name.Local] = true
		var n float64
		switch a.Name.Local {
		case "tests", "failures", "errors", "skipped", "time":
			if _, err := fmt.Sscan(a.Value, &n); err != nil || n < 0 {
				return fmt.Errorf("%s=%q", a.Name.Local, a.Value)
			}
		case "timestamp":
			if _, err := time.Parse("2006-01-02T15:04:05", a.Value); err != nil {
				return err
			}
		}
		if !slices.Contains(allowed, a.Name.Local) && !slices.Contains(allowed, a.Name.Local+"*") {
			return fmt.Errorf("attribute %s", a.Name.Local)
		}
	}
	for _, a := range allowed {
		if name, required := strings.CutSuffix(a, "*"); required && !has[name] {
			return fmt.Errorf("without %s", name)
		}
	}
	return nil
}

func TestJUnitForm(t *testing.T) {
	whole := audit(t, "junit", everyStatus())
	for name, document := range map[string]string{
		"audit": whole, "hostile": audit(t, "junit", hostileRecord()), "passed": render(t, "junit", drill(true), Options{}), "failed": render(t, "junit", drill(false), Options{}),
	} {
		if err := wellFormed(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The form would notice.
	for old, bad := range map[string]string{
		`<skipped `: `<skipped why="" `, `<testcase `: `<testcase severity="high" `, `<testsuite name=`: `<testsuite title=`, ` tests="`: ` tests="some`, `timestamp="`: `timestamp="at `, "testsuites": "suites", "system-out": "out",
	} {
		if !strings.Contains(whole, old) || wellFormed(strings.ReplaceAll(whole, old, bad)) == nil {
			t.Errorf("%s passes for %s", bad, old)
		}
	}
}
