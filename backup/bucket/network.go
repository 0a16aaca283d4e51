package bucket

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

var policyNetwork = Check{
	ID: "s3-bucket-policy-network", Title: "The bucket policy denies reading from other networks", Severity: Low,
	Why: "Credentials that leak are used from elsewhere. Without a limit by network they read every backup from anywhere; with one they are of use in your own networks alone.",
	How: "Two requests are held against the statements that deny: one from the internet, and one through somebody else's VPC endpoint, both made over TLS with credentials of your own account. Both must be denied reading (s3:GetObject) all backups, by statements for everybody on a condition of " +
		"the network: aws:SourceVpce, aws:SourceVpc, aws:VpceAccount, aws:VpceOrgID, aws:VpceOrgPaths or aws:SourceIp; of addresses by no range broader than /8 (IPv6: /32). aws:VpcSourceIp alone is not enough: another VPC can have the same addresses. " +
		"Conditions of one statement must all hold, so each takes something out of what it denies: an organisation (aws:PrincipalOrgID, aws:ResourceOrgID) takes out your own credentials, and is no limit by network; roles and services of AWS that are spared are named in the detail. " +
		"What depends on NotPrincipal, NotAction, NotResource, aws:PrincipalAccount, a variable or another key cannot be told. Limits by SCP, RCP and the policy of an endpoint do not show in the bucket policy. Another server than AWS passes with such a policy; without one it is judged by the network that it stands in, not here.",
	Remediation: `aws s3api get-bucket-policy --bucket BUCKET --query Policy --output text > policy.json; "${EDITOR:-vi}" policy.json && ` +
		`aws s3api put-bucket-policy --bucket BUCKET --policy file://policy.json # add, with the VPC that Weaviate and its drills are in: ` +
		`{"Sid":"DenyOtherNetworks","Effect":"Deny","Principal":"*","Action":["s3:GetObject","s3:GetObjectVersion","s3:PutObject"],"Resource":"arn:aws:s3:::BUCKET/*",` +
		`"Condition":{"StringNotEquals":{"aws:SourceVpc":"VPC"},"Bool":{"aws:ViaAWSService":"false"}}}; whoever works from elsewhere is locked out`,
	Terraform: `resource "aws_s3_bucket_policy" "backups" { # one for a bucket: where there is one, add the statement to it
  bucket = "BUCKET"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "DenyOtherNetworks"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
      Resource  = "arn:aws:s3:::BUCKET/*"
      Condition = {
        StringNotEquals = { "aws:SourceVpc" = "VPC" }
        Bool            = { "aws:ViaAWSService" = "false" }
      }
    }]
  })
}`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies-vpc-endpoint.html",
	Actions:   []string{"s3:GetBucketPolicy"},
}

func decidePolicyNetwork(_ context.Context, p *probe) outcome {
	out, err := note(p, p.policy())
	switch {
	case code(err) == noPolicy && p.b.IsAWS():
		return fail("no bucket policy, so backups can be read from any network")
	case code(err) == noPolicy:
		return notApplicable("there is no bucket policy: from where the server is reached is up to its own network")
	case err != nil:
		return p.undecided(err)
	}
	parsed, err := parsePolicy(value(out.Policy))
	if err != nil {
		return unknown("not known: %v", err)
	}
	limit := parsed.network(p.b.Name, p.b.prefix())
	who := ""
	if len(limit.who) > 0 {
		who = "; " + strings.Join(limit.who, ", ") + " limits who reads, not from where"
	}
	switch {
	case len(limit.open) == 0 && len(limit.doubts) > 0:
		return unknown("not known: whether the bucket policy denies reading backups from other networks depends on %s, which is not judged%s", few(limit.doubts), who)
	case len(limit.open) > 0 && !p.b.IsAWS():
		return notApplicable("the bucket policy is no limit by network: from where the server is reached is up to its own")
	case len(limit.open) > 0 && len(limit.named) == 0:
		return fail("no denial in the bucket policy depends on the network%s", who)
	case len(limit.open) > 0:
		return fail("the bucket policy, though it names %s, does not deny reading backups %s%s", few(limit.named), strings.Join(limit.open, " or "), who)
	case len(limit.spared) > 0:
		who = "; it spares " + few(limit.spared) + who
	}
	return pass("the bucket policy denies reading backups from other networks, by %s%s", few(limit.by), who)
}

// networkLimit is what a policy does to requests from other networks.
type networkLimit struct {
	open   []string // from where reading is surely not denied
	doubts []string // what it depends on whether the rest is
	by     []string // keys of the network by which it is denied
	spared []string // keys by which those denials spare somebody
	named  []string // keys of the network in any denial
	who    []string // keys in any denial that are of an organisation or account
}

// network holds each stranger against all statements: one that denies is enough, and each is judged by itself. A denial that names no key of the network is no limit by it, whatever it denies.
func (p policy) network(bucket, prefix string) (limit networkLimit) {
	for _, from := range strangers {
		denied := never
		var doubts []string
		for _, s := range p {
			d, unsure := s.deniesReading(from, bucket+"/"+prefix+"*")
			denied, doubts = max(denied, d), append(doubts, unsure...)
			if d > never {
				limit.by, limit.spared = append(limit.by, s.keys(isNetwork)...), append(limit.spared, s.keys(spares)...)
			}
		}
		switch denied {
		case never:
			limit.open = append(limit.open, from.comes)
		case perhaps:
			limit.doubts = append(limit.doubts, doubts...)
		}
	}
	for _, s := range p {
		if s.Effect == "Deny" {
			limit.named, limit.who = append(limit.named, s.keys(isNetwork)...), append(limit.who, s.keys(owners)...)
		}
	}
	for _, list := range []*[]string{&limit.open, &limit.doubts, &limit.by, &limit.spared, &limit.named, &limit.who} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return limit
}

// verdict says whether something holds. Of several that must all hold it is the least, of several of which one is enough the greatest.
type verdict int

const (
	never verdict = iota
	perhaps
	surely
)

func is(holds bool) verdict {
	if holds {
		return surely
	}
	return never
}

// stranger is a request that a limit by network has to deny. What it carries is keyed in lower case, as keys do not depend on it.
type stranger struct {
	comes   string
	carries map[string]string
}

// strangers come from the internet, which has no keys of a VPC, and through an endpoint, where there is no aws:SourceIp; that of an account without an organisation has none in its keys.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-network-properties.
var strangers = []stranger{
	{"from the internet", map[string]string{"aws:sourceip": "stranger"}},
	{"through the VPC endpoint of somebody else", map[string]string{
		"aws:sourcevpce": "vpce-stranger", "aws:sourcevpc": "vpc-stranger", "aws:vpcsourceip": "stranger", "aws:vpceaccount": "stranger",
	}},
	{"through the VPC endpoint of somebody else", map[string]string{
		"aws:sourcevpce": "vpce-stranger", "aws:sourcevpc": "vpc-stranger", "aws:vpcsourceip": "stranger", "aws:vpceaccount": "stranger",
		"aws:vpceorgid": "o-stranger", "aws:vpceorgpaths": "o-stranger/r-stranger/ou-stranger/",
	}},
}

// direct are the keys that each stranger carries besides: it comes over TLS and through no service.
var direct = map[string]string{"aws:viaawsservice": "false", "aws:principalisawsservice": "false", "aws:securetransport": "true"}

func isNetwork(key string) bool {
	return slices.ContainsFunc(strangers, func(s stranger) bool { _, carries := s.carries[key]; return carries })
}

// owners says whether the key is about an organisation or account, which are the bucket's own here.
func owners(key string) bool {
	return slices.Contains([]string{"aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:resourceorgid", "aws:resourceorgpaths", "aws:resourceaccount"}, key)
}

// principals says whether the key tells one principal of an account from another.
func principals(key string) bool {
	return key == "aws:principalarn" || key == "aws:userid" || strings.HasPrefix(key, "aws:principaltag/")
}

func spares(key string) bool {
	return principals(key) || key == "aws:viaawsservice" || key == "aws:principalisawsservice"
}

// keys lists those of the statement's conditions that are of a kind, as they are written.
func (s statement) keys(kind func(string) bool) (list []string) {
	for _, keys := range s.Condition {
		for key := range keys {
			if kind(strings.ToLower(key)) {
				list = append(list, key)
			}
		}
	}
	return list
}

// deniesReading says whether the statement denies s3:GetObject of the objects to the stranger, on account of the network, and on what that depends.
func (s statement) deniesReading(from stranger, objects string) (denied verdict, doubts []string) {
	if s.Effect != "Deny" || len(s.keys(isNetwork)) == 0 {
		return never, nil
	}
	for name, element := range map[string]json.RawMessage{"NotPrincipal": s.NotPrincipal, "NotAction": s.NotAction, "NotResource": s.NotResource} {
		if element != nil {
			doubts = append(doubts, name)
		}
	}
	denied = perhaps
	if len(doubts) == 0 {
		denied = is(s.Principal.everybody && s.covers("s3:GetObject", objects))
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			met := from.meets(strings.ToLower(operator), strings.ToLower(key), values)
			if denied = min(denied, met); met == perhaps {
				doubts = append(doubts, operator+" of "+key)
			}
		}
	}
	if denied != perhaps {
		return denied, nil
	}
	return denied, doubts
}

// meets says whether the request meets one condition. Without the key a negated operator holds and any other does not; with IfExists both do, as with ForAllValues, and with ForAnyValue neither.
// Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html, reference_policies_condition-single-vs-multi-valued-context-keys.html.
func (from stranger) meets(operator, key string, values texts) verdict {
	set, base, found := strings.Cut(operator, ":")
	if !found {
		set, base = "", operator
	}
	base, lenient := strings.CutSuffix(base, "ifexists")
	positive := strings.Replace(base, "not", "", 1)
	negated := base != positive
	value, present := from.carries[key]
	if !present {
		value, present = direct[key]
	}
	variable := slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "${") })
	known := slices.Contains([]string{"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "bool", "ipaddress"}, positive)
	switch {
	case len(values) == 0, set != "" && set != "forallvalues" && set != "foranyvalue":
		return perhaps
	case base == "null" && (present || isNetwork(key)):
		return is(len(values) == 1 && strings.EqualFold(values[0], "true") != present)
	case !known:
		return perhaps
	case owners(key) && negated && strings.Contains(key, "org"):
		return never // an account may be a partner's, which is spared
	case principals(key) && set == "" && !variable:
		return is(negated && !slices.ContainsFunc(values, func(pattern string) bool {
			return !strings.HasPrefix(positive, "stringequals") && everyone(key, pattern)
		}))
	case !present && !isNetwork(key):
		return perhaps
	case !present && set == "foranyvalue" && lenient:
		return perhaps // the pages do not say
	case !present:
		return is(set != "foranyvalue" && (negated || lenient || set == "forallvalues"))
	case key == "aws:vpcsourceip":
		return never // a VPC can be given any private addresses: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-vpcsourceip
	case variable, (positive == "ipaddress") != (key == "aws:sourceip"):
		return perhaps
	case positive == "ipaddress" && !negated:
		return never // some address is not in the list
	}
	held := never
	for _, pattern := range values {
		held = max(held, matches(positive, value, pattern))
	}
	if negated {
		return surely - held
	}
	return held
}

// matches says whether an operator that is not negated matches the stranger's value.
func matches(operator, value, pattern string) verdict {
	switch operator {
	case "ipaddress":
		return wide(pattern)
	case "stringequals":
		return is(value == pattern)
	case "stringequalsignorecase", "bool":
		return is(strings.EqualFold(value, pattern))
	}
	if !glob(pattern, value) && strings.ContainsAny(pattern, "*?") {
		return perhaps // it may match that of another stranger
	}
	return is(glob(pattern, value))
}

// wide says whether a range of addresses is too broad to keep strangers out, as S3 itself judges what is public:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status.
func wide(addresses string) verdict {
	if _, err := netip.ParseAddr(addresses); err == nil {
		return never
	}
	prefix, err := netip.ParsePrefix(addresses)
	if err != nil {
		return perhaps
	}
	return is(prefix.Bits() < 8 || prefix.Addr().Is6() && prefix.Bits() < 32)
}

// everyone says whether a pattern of principals takes in any role or user of an account.
func everyone(key, pattern string) bool {
	switch key {
	case "aws:userid":
		return glob(pattern, "stranger:stranger")
	case "aws:principalarn":
		parts := strings.SplitN(pattern, ":", 6)
		return slices.ContainsFunc([]string{"role/stranger", "user/stranger", "assumed-role/stranger/stranger"}, func(name string) bool { return glob(parts[len(parts)-1], name) })
	}
	return false
}
