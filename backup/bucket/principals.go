package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

var policyAccounts = Check{
	ID: "s3-bucket-policy-accounts", Title: "The bucket policy lets in no other account", Severity: Medium,
	Why: "What another account may do with the backups is decided there: whoever administers it hands the right on, and nobody here sees to whom.",
	How: "No statement of the bucket policy allows anything to a principal of another account than the one that owns the bucket (bucket.expected_owner; without it the caller's own, by GetCallerIdentity), or to a canonical user, whose account does not show. " +
		"Everybody is s3-bucket-policy-status; services of AWS are let in for what they do for the owner. From where they come is s3-bucket-policy-network. Who has another account on purpose waives it.",
	Remediation: `aws s3api get-bucket-policy --bucket BUCKET --query Policy --output text > policy.json; "${EDITOR:-vi}" policy.json && ` +
		`aws s3api put-bucket-policy --bucket BUCKET --policy file://policy.json # take out what is allowed to principals of other accounts`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-bucket-user-policy-specifying-principal-intro.html",
	Actions:   []string{"s3:GetBucketPolicy"},
}

func decidePolicyAccounts(_ context.Context, p *probe) outcome {
	out, err := note(p, p.policy())
	if code(err) == noPolicy {
		return pass("there is no bucket policy that could let another account in")
	}
	if err != nil {
		return p.undecided(err)
	}
	parsed, err := parsePolicy(value(out.Policy))
	if err != nil {
		return unknown("not known: %v", err)
	}
	named := slices.ContainsFunc(parsed, func(s statement) bool { return s.Effect == "Allow" && len(s.Principal.named) > 0 })
	switch {
	case !named:
		return pass("the bucket policy allows nothing to a principal by name")
	case !p.b.IsAWS():
		return decided(NotSupported, "the S3 server does not have this feature: its principals are of no account", nil)
	}
	// S3 tells a policy to the owner's account alone (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html): the caller is of it.
	owner, err := p.account()
	if err != nil {
		return p.undecided(err)
	}
	var others []string
	for _, s := range parsed {
		for _, name := range s.Principal.named {
			if s.Effect == "Allow" && accountOf(name) != owner {
				others = append(others, fmt.Sprintf("%s (%s)", name, strings.Join(s.Action, ", ")))
			}
		}
	}
	if len(others) > 0 {
		return fail("the bucket policy lets in others than account %s: %s", owner, list(others))
	}
	return pass("the bucket policy names principals of account %s alone", owner)
}

// accountOf is the account of a principal: an id, or an ARN whose fifth part is one. It is something else of what belongs to none that shows.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
func accountOf(principal string) string {
	if parts := strings.SplitN(principal, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return parts[4]
	}
	return principal
}

// principal is "*", {"AWS": "*"}, or some in particular, of whom those are named that are people's or accounts': no services.
type principal struct {
	everybody bool
	named     []string
}

func (p *principal) UnmarshalJSON(raw []byte) error {
	if raw[0] != '{' {
		var word string
		err := json.Unmarshal(raw, &word)
		p.everybody = word == "*"
		return err
	}
	var kinds map[string]texts
	err := json.Unmarshal(raw, &kinds)
	p.everybody = slices.Contains(kinds["AWS"], "*")
	p.named = slices.DeleteFunc(slices.Concat(kinds["AWS"], kinds["CanonicalUser"]), func(name string) bool { return name == "*" })
	return err
}
