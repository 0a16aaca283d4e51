package bucket

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// forms are how each catalogue writes its clauses.
var forms = map[string]*regexp.Regexp{
	securityHub: regexp.MustCompile(`^(S3|KMS|CloudTrail|EC2)\.[1-9][0-9]*$`),
	cis:         regexp.MustCompile(`^[1-5](\.[1-9][0-9]?){1,2}$`),
	nist:        regexp.MustCompile(`^[A-Z]{2}-[1-9][0-9]?(\([1-9][0-9]?\))?$`),
	pci:         regexp.MustCompile(`^([1-9]|1[0-2])\.[1-9][0-9]?\.[1-9][0-9]?(\.[1-9])?$`),
	hipaa:       regexp.MustCompile(`^164\.3(08|10|12|14|16)\([a-e]\)(\([0-9]\))?(\([ivx]+\))?(\([A-E]\))?$`),
	iso:         regexp.MustCompile(`^A\.(5\.([1-9]|[12][0-9]|3[0-7])|6\.[1-8]|7\.([1-9]|1[0-4])|8\.([1-9]|[12][0-9]|3[0-4]))$`),
	soc2:        regexp.MustCompile(`^(CC[1-9]\.[1-9]|A1\.[1-3]|C1\.[12]|PI1\.[1-5]|P[1-8]\.[1-9])$`),
	dora:        regexp.MustCompile(`^Art\. [1-9][0-9]?\([1-9]\)(\([a-f]\))?$`),
}

// wrong says what is wrong with what the catalogues, the mapping and the excuses say of these checks.
func wrong(checks []string, list []Catalogue, mapped map[string][]Control, excused map[string]string) []string {
	var all []string
	address := regexp.MustCompile(`https://[a-z0-9.-]+/\S`)
	for _, c := range list {
		switch {
		case c.Standard == "" || forms[c.Standard] == nil:
			all = append(all, c.Standard+": nobody says how its clauses are written")
		case c.Version == "" || !strings.Contains(c.Standard, c.Version):
			all = append(all, c.Standard+": no version")
		case !strings.HasPrefix(c.Text, "https://"), !address.MatchString(c.Checked):
			all = append(all, c.Standard+": no address")
		}
	}
	for id, controls := range mapped {
		if !slices.Contains(checks, id) {
			all = append(all, id+" is no check")
		}
		for i, c := range controls {
			known := slices.ContainsFunc(list, func(of Catalogue) bool { return of.Standard == c.Standard })
			switch form := forms[c.Standard]; {
			case !known:
				all = append(all, id+": "+c.String()+" is of no known catalogue")
			case form == nil || !form.MatchString(c.Clause):
				all = append(all, id+": "+c.String()+" is not how that catalogue writes its clauses")
			case c.Reason == "" || !strings.HasPrefix(c.Link(), "https://"):
				all = append(all, id+": "+c.String()+" says nothing")
			case slices.ContainsFunc(controls[:i], func(other Control) bool { return other.String() == c.String() }):
				all = append(all, id+" names "+c.String()+" twice")
			}
		}
	}
	for id := range excused {
		if !slices.Contains(checks, id) {
			all = append(all, id+" is excused, and is no check")
		}
	}
	for _, id := range checks {
		if (len(mapped[id]) > 0) == (excused[id] != "") {
			all = append(all, id+": either clauses, or why there is none")
		}
	}
	return all
}

func TestControls(t *testing.T) {
	var ids []string
	for _, c := range Checks() {
		ids = append(ids, c.ID)
	}
	for _, fault := range wrong(ids, Catalogues(), controls, unclaimed) {
		t.Error(fault)
	}
	for _, c := range Catalogues() {
		used := func(list []Control) bool {
			return slices.ContainsFunc(list, func(of Control) bool { return of.Standard == c.Standard })
		}
		if !slices.ContainsFunc(Checks(), func(check Check) bool { return used(check.Controls) }) {
			t.Errorf("no check names %s", c.Standard)
		}
	}
}

// A mapping that is wrong in one way is refused, so TestControls can fail.
func TestControlsAreRefused(t *testing.T) {
	checks, good := []string{"a"}, []Control{{nist, "CP-9", "backups are protected"}}
	list := Catalogues()
	of := func(c ...Control) map[string][]Control { return map[string][]Control{"a": c} }
	for _, x := range []struct {
		name    string
		list    []Catalogue
		mapped  map[string][]Control
		excused map[string]string
		want    string
	}{
		{"nothing is wrong", list, of(good...), nil, ""},
		{"unknown catalogue", list, of(Control{"NIST SP 800-53 Rev. 4", "CP-9", "backups"}), nil, "no known catalogue"},
		{"malformed clause", list, of(Control{nist, "CP9", "backups"}), nil, "not how that catalogue writes"},
		{"a clause of another catalogue", list, of(Control{iso, "8.13", "backups"}), nil, "not how that catalogue writes"},
		{"no reason", list, of(Control{nist, "CP-9", ""}), nil, "says nothing"},
		{"twice", list, of(good[0], good[0]), nil, "twice"},
		{"no check", list, map[string][]Control{"a": good, "b": good}, nil, "b is no check"},
		{"neither clauses nor an excuse", list, nil, nil, "a: either"},
		{"both", list, of(good...), map[string]string{"a": "because"}, "a: either"},
		{"an excuse for no check", list, of(good...), map[string]string{"b": "because"}, "b is excused"},
		{"no version", []Catalogue{{Standard: nist, Text: "https://doi.org/x", Checked: "https://doi.org/x"}}, of(good...), nil, "no version"},
		{"no address", []Catalogue{{Standard: nist, Version: "Rev. 5", Checked: "https://doi.org/x"}}, of(good...), nil, "no address"},
		{"no public text", []Catalogue{{Standard: nist, Version: "Rev. 5", Text: "https://doi.org/x"}}, of(good...), nil, "no address"},
		{"a catalogue without a form", append(Catalogues(), Catalogue{Standard: "BSI C5:2020", Version: "2020", Text: "https://x/y", Checked: "https://x/y"}), of(good...), nil, "how its clauses are written"},
	} {
		got := wrong(checks, x.list, x.mapped, x.excused)
		if x.want == "" && len(got) > 0 || x.want != "" && (len(got) != 1 || !strings.Contains(got[0], x.want)) {
			t.Errorf("%s: %q", x.name, got)
		}
	}
}

func TestControlLink(t *testing.T) {
	for c, want := range map[Control]string{
		{securityHub, "CloudTrail.4", ""}:   "https://docs.aws.amazon.com/securityhub/latest/userguide/cloudtrail-controls.html#cloudtrail-4",
		{hipaa, "164.308(a)(7)(ii)(A)", ""}: "https://www.ecfr.gov/current/title-45/section-164.308",
		{dora, "Art. 12(1)", ""}:            "https://eur-lex.europa.eu/eli/reg/2022/2554/oj",
		{"another", "1", ""}:                "",
	} {
		if got := c.Link(); got != want {
			t.Errorf("%s: %s", c, got)
		}
	}
}
