package iam_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// document is a policy, as far as those here go. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal principals                  `json:",omitempty"`
	Action    texts                       `json:",omitempty"`
	Resource  texts                       `json:",omitempty"`
	Condition map[string]map[string]texts `json:",omitempty"`
}

// texts is one text or a list of them.
type texts []string

func (x *texts) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*x = texts{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(x))
}

// principals are by kind: AWS, Federated, Service. "*" is every AWS one.
type principals map[string]texts

func (p *principals) UnmarshalJSON(raw []byte) error {
	var everybody string
	if json.Unmarshal(raw, &everybody) == nil {
		*p = principals{"AWS": texts{everybody}}
		return nil
	}
	return json.Unmarshal(raw, (*map[string]texts)(p))
}

// request is what IAM is asked for.
type request struct {
	principal, action, resource string
	context                     map[string]string // condition keys
}

// allows says whether a statement allows a request and none denies it.
func (d document) allows(t testing.TB, r request) bool {
	return d.matches(t, "Allow", r) && !d.matches(t, "Deny", r)
}

func (d document) denies(t testing.TB, r request) bool { return d.matches(t, "Deny", r) }

func (d document) matches(t testing.TB, effect string, r request) bool {
	return slices.ContainsFunc(d.Statement, func(s statement) bool { return s.Effect == effect && s.matches(t, r) })
}

func (s statement) matches(t testing.TB, r request) bool {
	any := func(patterns texts, value string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return like(pattern, value) })
	}
	if s.Principal != nil && !slices.ContainsFunc([]string{"AWS", "Federated", "Service"}, func(kind string) bool { return any(s.Principal[kind], r.principal) }) {
		return false
	}
	if !any(s.Action, r.action) || s.Resource != nil && !any(s.Resource, r.resource) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if value, there := r.context[key]; !holds(t, operator, value, there, values) {
				return false
			}
		}
	}
	return true
}

// holds evaluates a condition; without IfExists, a key that is not there fits none but the negated operators and Null.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html.
func holds(t testing.TB, operator, value string, there bool, wanted texts) bool {
	t.Helper()
	switch operator {
	case "Null":
		return strconv.FormatBool(!there) == wanted[0]
	case "StringNotEquals":
		return !there || !slices.Contains(wanted, value)
	case "StringEquals", "Bool":
		return there && slices.Contains(wanted, value)
	case "StringLike", "ArnEquals":
		return there && slices.ContainsFunc(wanted, func(pattern string) bool { return like(pattern, value) })
	case "NumericLessThan":
		have, err := strconv.ParseFloat(value, 64)
		limit, wrong := strconv.ParseFloat(wanted[0], 64)
		return there && err == nil && wrong == nil && have < limit
	}
	t.Fatalf("the condition operator %s is not evaluated here", operator)
	return false
}

// like matches a pattern in which * stands for any characters, slashes too, and ? for one.
func like(pattern, value string) bool {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + quoted + "$").MatchString(value)
}
