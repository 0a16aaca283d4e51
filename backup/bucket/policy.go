package bucket

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// noPolicy is AWS's answer when there is no bucket policy.
const noPolicy = "NoSuchBucketPolicy"

// policy is a bucket policy, as far as the checks read it.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
type policy []statement

type statement struct {
	Effect       string
	Principal    principal
	NotPrincipal json.RawMessage
	Action       texts
	NotAction    json.RawMessage
	Resource     texts
	NotResource  json.RawMessage
	Condition    map[string]map[string]texts
}

func parsePolicy(document string) (policy, error) {
	var p struct{ Statement policy }
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		return nil, fmt.Errorf("the bucket policy cannot be read: %w", err)
	}
	if len(p.Statement) == 0 {
		return nil, errors.New("the bucket policy cannot be read: it holds no statement")
	}
	return p.Statement, nil
}

// everybody says what the policy allows to everybody: at once, and on some condition, such as a network or an organisation, that is not judged here.
// Denials are left out of account, as in AWS's own meaning of "public":
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status.
func (p policy) everybody() (always, conditionally []string) {
	for _, s := range p {
		if s.Effect != "Allow" || !s.Principal.everybody && s.NotPrincipal == nil {
			continue
		}
		actions := s.Action
		if len(actions) == 0 {
			actions = texts{"all but some actions"} // NotAction
		}
		if len(s.Condition) == 0 {
			always = append(always, actions...)
		} else {
			conditionally = append(conditionally, actions...)
		}
	}
	return always, conditionally
}

// openToAll decides by the bucket policy whether it opens the bucket to everybody.
func (p *probe) openToAll() outcome {
	out, err := note(p, p.policy())
	if code(err) == noPolicy {
		return pass("there is no bucket policy that could make the bucket public")
	}
	if err != nil {
		return p.undecided(err)
	}
	parsed, err := parsePolicy(value(out.Policy))
	if err != nil {
		return unknown("not known: %v", err)
	}
	switch always, conditionally := parsed.everybody(); {
	case len(always) > 0:
		return fail("the bucket policy allows to everybody: %s", list(always))
	case len(conditionally) > 0:
		return unknown("not known: the bucket policy allows to everybody, on conditions that are not judged: %s", list(conditionally))
	}
	return pass("the bucket policy allows nothing to everybody")
}

// covers says whether the statement surely names the action on the resource: a bucket's name, or the beginning of keys in it with a * for all that begin so.
func (s statement) covers(action, resource string) bool {
	begin, below := strings.CutSuffix(resource, "*")
	return slices.ContainsFunc(s.Action, func(pattern string) bool { return glob(strings.ToLower(pattern), strings.ToLower(action)) }) &&
		slices.ContainsFunc(s.Resource, func(pattern string) bool {
			return (!below || strings.HasSuffix(pattern, "*")) &&
				slices.ContainsFunc(partitions, func(arn string) bool { return glob(pattern, arn+begin) })
		})
}

// partitions begin the ARN of a bucket. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html.
var partitions = []string{"arn:aws:s3:::", "arn:aws-cn:s3:::", "arn:aws-us-gov:s3:::", "arn:aws-eusc:s3:::"}

// glob matches a policy's pattern, in which * is any text and ? one character.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html.
func glob(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	star, from := -1, 0 // the last * seen in p, and where in t what follows it is tried
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}

// UnmarshalJSON takes one statement, or a list of them.
func (p *policy) UnmarshalJSON(raw []byte) error {
	if raw[0] != '{' {
		return json.Unmarshal(raw, (*[]statement)(p))
	}
	*p = policy{{}}
	return json.Unmarshal(raw, &(*p)[0])
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
			return fmt.Errorf("a string was expected and not %.60s", raw)
		}
	}
	return nil
}
