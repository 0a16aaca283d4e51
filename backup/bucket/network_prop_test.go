package bucket

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// requests are some of each kind of stranger, whole, by a role and a user of the bucket's own account.
func requests() [][]map[string]string {
	kinds := make([][]map[string]string, len(strangers))
	add := func(kind int, pairs ...string) {
		for _, name := range []string{"role/reader", "user/reader"} {
			request := map[string]string{"aws:principalarn": "arn:aws:iam::123456789012:" + name, "aws:principalorgid": "o-own", "aws:viaawsservice": "false"}
			for i := 0; i < len(pairs); i += 2 {
				request[pairs[i]] = pairs[i+1]
			}
			kinds[kind] = append(kinds[kind], request)
		}
	}
	for _, address := range []string{"198.51.100.7", "2001:db8::1", "2a00::1"} {
		add(0, "aws:sourceip", address)
	}
	for _, address := range []string{"10.0.0.5", "172.16.0.1"} {
		add(1, "aws:sourcevpce", "vpce-x", "aws:sourcevpc", "vpc-x", "aws:vpcsourceip", address)
		add(2, "aws:sourcevpce", "vpce-y", "aws:sourcevpc", "vpc-y", "aws:vpcsourceip", address, "aws:vpceorgid", "o-x")
	}
	return kinds
}

// meetsReally is one condition on a whole request, by the same pages as stranger.meets and without its doubts.
func meetsReally(request map[string]string, operator, key string, values texts) bool {
	value, present := request[strings.ToLower(key)]
	if operator == "Null" {
		return (values[0] == "true") != present
	}
	base, set := operator, ""
	if before, after, found := strings.Cut(operator, ":"); found {
		set, base = before, after
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	if !present {
		return set != "ForAnyValue" && (set == "ForAllValues" || ifExists || strings.Contains(base, "Not"))
	}
	matched := slices.ContainsFunc(values, func(pattern string) bool {
		switch strings.Replace(base, "Not", "", 1) {
		case "IpAddress":
			return netip.MustParsePrefix(pattern).Contains(netip.MustParseAddr(value))
		case "StringLike", "ArnLike":
			return reference(pattern, value)
		}
		return pattern == value
	})
	return matched != strings.Contains(base, "Not")
}

// Whatever conditions are put together: what a policy is said to deny it denies to every request of that kind, and what a statement is said to let through it lets through for one at the least.
func TestNetworkAgainstRequests(t *testing.T) {
	text := []string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotEqualsIfExists", "ForAnyValue:StringNotEquals", "ForAllValues:StringNotEquals", "ForAllValues:StringEquals"}
	pools := map[string]struct{ operators, values []string }{
		"aws:SourceVpce":     {append(text, "Null"), []string{"vpce-1", "vpce-2", "vpce-*", "vpce-1*"}},
		"aws:SourceVpc":      {text, []string{"vpc-1", "*"}},
		"aws:VpceOrgID":      {text, []string{"o-own", "o-*"}},
		"aws:SourceIp":       {[]string{"IpAddress", "NotIpAddress", "NotIpAddressIfExists", "IpAddressIfExists"}, []string{"192.0.2.0/24", "0.0.0.0/0", "2001::/16", "2001:db9::/32"}},
		"aws:VpcSourceIp":    {[]string{"IpAddress", "NotIpAddress", "NotIpAddressIfExists"}, []string{"10.0.0.0/8"}},
		"aws:PrincipalArn":   {[]string{"ArnNotLike", "ArnLike", "StringNotEquals", "ArnNotLikeIfExists"}, []string{"arn:aws:iam::123456789012:role/admin", "arn:aws:iam::*:role/*"}},
		"aws:PrincipalOrgID": {[]string{"StringNotEquals", "StringEquals"}, []string{"o-own"}},
		"aws:ViaAWSService":  {[]string{"Bool", "BoolIfExists"}, []string{"true", "false"}},
	}
	kinds := requests()
	rapid.Check(t, func(t *rapid.T) {
		var p policy
		for range rapid.IntRange(1, 3).Draw(t, "statements") {
			s := statement{Effect: "Deny", Principal: principal{everybody: true}, Action: texts{"s3:*"}, Resource: texts{"*"}, Condition: map[string]map[string]texts{}}
			for range rapid.IntRange(1, 3).Draw(t, "conditions") {
				key := rapid.SampledFrom(slices.Sorted(maps.Keys(pools))).Draw(t, "key")
				operator := rapid.SampledFrom(pools[key].operators).Draw(t, "operator")
				values := rapid.SliceOfNDistinct(rapid.SampledFrom(pools[key].values), 1, min(2, len(pools[key].values)), rapid.ID).Draw(t, "values")
				if operator == "Null" {
					values = []string{rapid.SampledFrom([]string{"true", "false"}).Draw(t, "null")}
				}
				if s.Condition[operator] == nil {
					s.Condition[operator] = map[string]texts{}
				}
				s.Condition[operator][key] = values
			}
			p = append(p, s)
		}
		for kind, from := range strangers {
			through := func(by ...statement) bool {
				return slices.ContainsFunc(kinds[kind], func(request map[string]string) bool { return !deniesReally(by, request) })
			}
			for _, s := range p {
				switch said, _ := s.deniesReading(from, "b/backups/*"); {
				case said == surely && through(s):
					t.Fatalf("%+v is said to deny what comes %s, and lets one through", s, from.comes)
				case said == never && !through(s):
					t.Fatalf("%+v is said to let through what comes %s, and denies it", s, from.comes)
				}
			}
			if limit := p.network("b", "backups/"); len(limit.open)+len(limit.doubts) == 0 && through(p...) {
				t.Fatalf("%+v is said to be a limit, and lets through what comes %s", p, from.comes)
			}
		}
	})
}

// deniesReally says whether a statement denies the request on account of the network.
func deniesReally(p policy, request map[string]string) bool {
	return slices.ContainsFunc(p, func(s statement) bool {
		if len(s.keys(isNetwork)) == 0 {
			return false
		}
		for operator, keys := range s.Condition {
			for key, values := range keys {
				if !meetsReally(request, operator, key, values) {
					return false
				}
			}
		}
		return true
	})
}

// FuzzNetwork: whatever a policy says is judged; only what denies counts, in whatever order; and a denial more never opens anything.
func FuzzNetwork(f *testing.F) {
	for _, condition := range []string{
		`{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}`, `{"NotIpAddressIfExists":{"aws:SourceIp":["192.0.2.0/24","::/0"]},"BoolIfExists":{"aws:ViaAWSService":false}}`,
		`{"ForAnyValue:":{"aws:SourceVpc":[]}}`, `{"ForAllValues:StringNotLikeIfExists":{"aws:VpceOrgPaths":"o-*"},"Null":{"aws:SourceIp":0.5}}`, `{":not":{"AWS:VPCSOURCEIP":"${x}"}}`, `null`,
	} {
		f.Add(`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":` + condition + `},{"Effect":"Allow","NotPrincipal":null,"NotAction":[],"NotResource":{}}]}`)
	}
	elsewhere, err := parsePolicy(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}}`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document string) {
		p, err := parsePolicy(document)
		if err != nil {
			return
		}
		limit := p.network("b", "backups/")
		denials := slices.DeleteFunc(slices.Clone(p), func(s statement) bool { return s.Effect != "Deny" })
		slices.Reverse(denials)
		if other := denials.network("b", "backups/"); !reflect.DeepEqual(limit, other) {
			t.Errorf("%+v, and of its denials from the last to the first %+v", limit, other)
		}
		if more := append(slices.Clone(p), elsewhere...).network("b", "backups/"); len(more.open)+len(more.doubts) > 0 {
			t.Errorf("denied, and yet %+v", more)
		}
		if len(limit.open) == 0 && len(limit.doubts) == 0 && len(limit.by) == 0 {
			t.Errorf("denied by nothing: %+v", p)
		}
	})
}
