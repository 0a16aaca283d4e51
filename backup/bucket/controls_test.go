package bucket

import (
	"regexp"
	"slices"
	"testing"
)

// forms are how each catalogue writes its clauses.
var forms = map[string]*regexp.Regexp{
	"AWS Security Hub":                     regexp.MustCompile(`^(S3|KMS|CloudTrail|EC2)\.[1-9][0-9]?$`),
	"CIS AWS Foundations Benchmark v5.0.0": regexp.MustCompile(`^[1-5](\.[1-9][0-9]?){1,2}$`),
	"NIST SP 800-53 Rev. 5":                regexp.MustCompile(`^[A-Z]{2}-[1-9][0-9]?(\([1-9][0-9]?\))?$`),
	"PCI DSS v4.0.1":                       regexp.MustCompile(`^[1-9][0-9]?\.[1-9][0-9]?\.[1-9]$`),
	"HIPAA Security Rule":                  regexp.MustCompile(`^164\.3(08|12)\([a-e]\)(\([0-9]\))?(\([ivx]+\))?(\([A-E]\))?$`),
	"ISO/IEC 27001:2022":                   regexp.MustCompile(`^A\.(5\.([1-9]|[12][0-9]|3[0-7])|8\.([1-9]|[12][0-9]|3[0-4]))$`),
	"SOC 2 (TSC 2017)":                     regexp.MustCompile(`^(CC[1-9]\.[1-8]|A1\.[1-3]|C1\.[12])$`),
	"DORA (EU) 2022/2554":                  regexp.MustCompile(`^Art\. (9|12)\([1-7]\)(\([a-f]\))?$`),
}

func TestControls(t *testing.T) {
	for _, c := range Checks() {
		for i, control := range c.Controls {
			if form := forms[control.Standard]; form == nil || !form.MatchString(control.Clause) || control.Reason == "" {
				t.Errorf("%s: %+v", c.ID, control)
			}
			if slices.ContainsFunc(c.Controls[:i], func(other Control) bool { return other.String() == control.String() }) {
				t.Errorf("%s names %s twice", c.ID, control)
			}
		}
	}
	for id := range controls {
		if !slices.ContainsFunc(Checks(), func(c Check) bool { return c.ID == id }) {
			t.Errorf("controls are mapped to %s, which is no check", id)
		}
	}
}
