package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

var secureTransport = Check{
	ID: "s3-secure-transport", Title: "Requests over plain HTTP are denied", Severity: Medium,
	Why: "S3 serves plain HTTP too: one client with the wrong endpoint sends a backup in clear over the network.",
	How: "The endpoint in use is https, and the bucket policy denies to everybody, under the one condition aws:SecureTransport = false, listing the bucket and reading, writing and deleting objects below the backup prefix.",
	Remediation: `aws s3api put-bucket-policy --bucket BUCKET --policy ` +
		`'{"Version":"2012-10-17","Statement":[{"Sid":"DenyPlainHTTP","Effect":"Deny","Principal":"*","Action":"s3:*",` +
		`"Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}'` +
		` # replaces the policy: where there is one, add this statement to what get-bucket-policy gives`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html",
	Actions:   []string{"s3:GetBucketPolicy"},
}

// noPolicy is AWS's answer when there is no bucket policy.
const noPolicy = "NoSuchBucketPolicy"

func decideSecureTransport(ctx context.Context, p *probe) outcome {
	out, err := note(p, ask(ctx, p.audit, "GetBucketPolicy", p.b.Client.GetBucketPolicy, &s3.GetBucketPolicyInput{Bucket: &p.b.Name}))
	plain := strings.HasPrefix(strings.ToLower(p.b.Endpoint), "http://")
	switch {
	case plain:
		return fail("the endpoint in use is plain http: backups travel in clear")
	case code(err) == noPolicy:
		return fail("no bucket policy, so nothing denies plain HTTP")
	case err != nil:
		return p.undecided(err)
	}
	open, err := allowsPlainHTTP(value(out.Policy), p.b.Name, p.b.prefix())
	if err != nil {
		return unknown("not known: the bucket policy cannot be read: %v", err)
	}
	if len(open) > 0 {
		return fail("the bucket policy does not deny over plain HTTP: %s", strings.Join(open, ", "))
	}
	return pass("the bucket policy denies plain HTTP")
}

// allowsPlainHTTP lists the actions on backups that no statement of the policy denies over plain HTTP. Only statements that surely deny are
// counted: one with a further condition, a NotAction or a NotPrincipal is not.
func allowsPlainHTTP(document, bucket, prefix string) ([]string, error) {
	var policy struct{ Statement statements }
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return nil, err
	}
	var open []string
	for _, need := range []struct{ action, resource string }{
		{"s3:ListBucket", bucket}, {"s3:GetObject", bucket + "/" + prefix + "~"},
		{"s3:PutObject", bucket + "/" + prefix + "~"}, {"s3:DeleteObject", bucket + "/" + prefix + "~"},
	} {
		denied := false
		for _, s := range policy.Statement {
			denied = denied || s.deniesPlainHTTP() && s.covers(need.action, need.resource)
		}
		if !denied {
			open = append(open, need.action)
		}
	}
	return open, nil
}

// statement is one statement of a bucket policy.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
type statement struct {
	Effect    string
	Principal principal
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts
}

func (s statement) deniesPlainHTTP() bool {
	if s.Effect != "Deny" || !s.Principal.everybody || len(s.Condition) != 1 {
		return false
	}
	for operator, keys := range s.Condition {
		if !strings.EqualFold(operator, "Bool") && !strings.EqualFold(operator, "BoolIfExists") || len(keys) != 1 {
			return false
		}
		for key, values := range keys {
			return strings.EqualFold(key, "aws:SecureTransport") && len(values) == 1 && strings.EqualFold(values[0], "false")
		}
	}
	return false
}

// covers says whether the statement names the action and the resource, which is a bucket's or an object's name as in an ARN of any partition.
func (s statement) covers(action, resource string) bool {
	named := false
	for _, pattern := range s.Action {
		named = named || glob(strings.ToLower(pattern), strings.ToLower(action))
	}
	if !named {
		return false
	}
	for _, pattern := range s.Resource {
		for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
			if glob(pattern, "arn:"+partition+":s3:::"+resource) {
				return true
			}
		}
	}
	return false
}

// glob matches a policy's pattern, in which * is any text and ? one character.
func glob(pattern, text string) bool {
	star, from := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// statements is one statement, or a list of them.
type statements []statement

func (s *statements) UnmarshalJSON(raw []byte) error {
	var many []statement
	if json.Unmarshal(raw, &many) == nil {
		*s = many
		return nil
	}
	var one statement
	if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	*s = statements{one}
	return nil
}

// texts is one string (or true, or false), or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(raw []byte) error {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return err
	}
	many, ok := tree.([]any)
	if !ok {
		many = []any{tree}
	}
	*t = nil
	for _, v := range many {
		switch v := v.(type) {
		case string, bool, float64:
			*t = append(*t, fmt.Sprint(v))
		default:
			return fmt.Errorf("a string was expected and not %s", cut(string(raw)))
		}
	}
	return nil
}

// principal is "*", {"AWS": "*"}, or somebody in particular.
type principal struct{ everybody bool }

func (p *principal) UnmarshalJSON(raw []byte) error {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		p.everybody = word == "*"
		return nil
	}
	var kinds map[string]texts
	if err := json.Unmarshal(raw, &kinds); err != nil {
		return err
	}
	for _, who := range kinds["AWS"] {
		p.everybody = p.everybody || who == "*"
	}
	return nil
}
