package bucket

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	wholeBucket = `"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]`
	overPlain   = `"Condition":{"Bool":{"aws:SecureTransport":"false"}}`
)

func TestPolicy(t *testing.T) {
	all := []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
	objects := all[1:]
	tests := []struct {
		name          string
		statement     string   // one statement or a list
		plain         []string // what is not denied over plain HTTP
		always, maybe []string // what everybody may
	}{
		{name: "the statement of the AWS guide", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*",` + wholeBucket + `,` + overPlain + `}`},
		{name: "in a list, with other spellings", statement: `[{"Effect":"Deny","Principal":{"AWS":["*"]},"Action":["S3:*"],` + wholeBucket + `,"Condition":{"boolifexists":{"AWS:securetransport":[false]}}}]`},
		{name: "every action and resource", statement: `{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*",` + overPlain + `}`},
		{name: "two statements", statement: `[{"Effect":"Deny","Principal":"*","Action":"s3:List*","Resource":"arn:aws:s3:::b",` + overPlain + `},{"Effect":"Deny","Principal":"*","Action":["s3:*Object"],"Resource":"arn:*:s3:::b/backups/*",` + overPlain + `}]`},
		{name: "another partition", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws-cn:s3:::b","arn:aws-cn:s3:::b/*"],` + overPlain + `}`},
		{name: "the bucket only", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b",` + overPlain + `}`, plain: objects},
		{name: "one key", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/backups/?"],` + overPlain + `}`, plain: objects},
		{name: "another prefix", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/logs/*"],` + overPlain + `}`, plain: objects},
		{name: "another bucket", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bb","arn:aws:s3:::bb/*"],` + overPlain + `}`, plain: all},
		{name: "all but an action", statement: `{"Effect":"Deny","Principal":"*","NotAction":"s3:GetObject",` + wholeBucket + `,` + overPlain + `}`, plain: all},
		{name: "all but a principal", statement: `{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"s3:*",` + wholeBucket + `,` + overPlain + `}`, plain: all},
		{name: "one principal", statement: `{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"s3:*",` + wholeBucket + `,` + overPlain + `}`, plain: all},
		{name: "over TLS", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*",` + wholeBucket + `,"Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, plain: all},
		{name: "with a further key", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*",` + wholeBucket + `,"Condition":{"Bool":{"aws:SecureTransport":"false","aws:ViaAWSService":"false"}}}`, plain: all},
		{name: "with a further operator", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*",` + wholeBucket + `,"Condition":{"Bool":{"aws:SecureTransport":"false"},"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}`, plain: all},
		{name: "another operator", statement: `{"Effect":"Deny","Principal":"*","Action":"s3:*",` + wholeBucket + `,"Condition":{"Null":{"aws:SecureTransport":"false"}}}`, plain: all},
		{name: "allowed over TLS", statement: `{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:*",` + wholeBucket + `,"Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, plain: all},
		{name: "public", statement: `{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],` + wholeBucket + `}`, plain: all, always: []string{"s3:GetObject", "s3:ListBucket"}},
		{name: "public but for one", statement: `{"Effect":"Allow","NotPrincipal":{"AWS":"123456789012"},"Action":"s3:*",` + wholeBucket + `}`, plain: all, always: []string{"s3:*"}},
		{name: "public but for an action", statement: `{"Effect":"Allow","Principal":{"AWS":"*"},"NotAction":"s3:DeleteObject",` + wholeBucket + `}`, plain: all, always: []string{"all but some actions"}},
		{name: "public in an organisation", statement: `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",` + wholeBucket + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1a2b3c"}}}`, plain: all, maybe: []string{"s3:GetObject"}},
		{name: "a service", statement: `{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject",` + wholeBucket + `}`, plain: all},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parsePolicy(`{"Version":"2012-10-17","Statement":` + test.statement + `}`)
			if err != nil {
				t.Fatal(err)
			}
			if plain := p.allowsPlainHTTP("b", "backups/"); !slices.Equal(plain, test.plain) {
				t.Errorf("over plain HTTP: %v and not %v", plain, test.plain)
			}
			if always, maybe := p.everybody(); !slices.Equal(always, test.always) || !slices.Equal(maybe, test.maybe) {
				t.Errorf("everybody may %v, on a condition %v", always, maybe)
			}
		})
	}
}

func TestPolicyUnreadable(t *testing.T) {
	for document, want := range map[string]string{
		``:                                    "unexpected end of JSON input",
		`<Error/>`:                            "invalid character",
		`[]`:                                  "cannot unmarshal array",
		`{}`:                                  "holds no statement",
		`{"Statement":[]}`:                    "holds no statement",
		`{"Statement":null}`:                  "holds no statement",
		`{"Statement":"Deny"}`:                "cannot unmarshal string",
		`{"Statement":[{"Action":{}}]}`:       "a string was expected and not {}",
		`{"Statement":{"Resource":[["a"]]}}`:  `a string was expected and not [["a"]]`,
		`{"Statement":{"Principal":7}}`:       "cannot unmarshal number",
		`{"Statement":{"Condition":"false"}}`: "cannot unmarshal string",
	} {
		if p, err := parsePolicy(document); err == nil || !strings.Contains(err.Error(), want) || p != nil {
			t.Errorf("%s: %v, %v", document, p, err)
		}
	}
}

// FuzzPolicy: whatever a server answers is read or refused, and only statements that deny close anything, and only those that allow open anything.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*",` + wholeBucket + `,` + overPlain + `}}`)
	f.Add(`{"Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":["*"]},"NotAction":[],"Resource":"*"}]}`)
	f.Add(`{"Statement":[null,{"Principal":null,"Condition":{"Bool":{"aws:SecureTransport":[true,0.5]}}}]}`)
	f.Fuzz(func(t *testing.T, document string) {
		p, err := parsePolicy(document)
		if err != nil {
			return
		}
		var denials, rest policy
		for _, s := range p {
			if s.Effect == "Deny" {
				denials = append(denials, s)
			} else {
				rest = append(rest, s)
			}
		}
		if open := rest.allowsPlainHTTP("b", "backups/"); len(open) != 4 {
			t.Errorf("no statement denies, and only %v are open", open)
		}
		if all, few := p.allowsPlainHTTP("b", "backups/"), denials.allowsPlainHTTP("b", "backups/"); !slices.Equal(all, few) {
			t.Errorf("what does not deny changes what is open: %v and not %v", all, few)
		}
		if always, maybe := denials.everybody(); always != nil || maybe != nil {
			t.Errorf("what denies opens %v %v", always, maybe)
		}
	})
}

// reference is glob by the regular expression of the pattern.
func reference(pattern, text string) bool {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(quoted)
	return regexp.MustCompile(`(?s)^` + quoted + `$`).MatchString(text)
}

func TestGlob(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"?", "", false}, {"?", "ü", true}, {"**", "ab", true}, {"a*b*c", "a-b-b-c", true}, {"a*b", "abc", false},
		{"s3:Get*", "s3:GetObject", true}, {"s3:Get*", "s3:PutObject", false}, {"*a*a*a*", "aa", false},
	} {
		if got := glob(test.pattern, test.text); got != test.want {
			t.Errorf("glob(%q, %q) is %v", test.pattern, test.text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := rapid.StringMatching(`[ab*?]{0,12}`).Draw(t, "pattern"), rapid.StringMatching(`[abü]{0,16}`).Draw(t, "text")
		if got, want := glob(pattern, text), reference(pattern, text); got != want {
			t.Fatalf("glob(%q, %q) is %v", pattern, text, got)
		}
	})
}

// What is said to cover all keys below a prefix matches each of them.
func TestCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := statement{Action: texts{"s3:*"}, Resource: texts{"arn:aws:s3:::" + rapid.StringMatching(`[b/*?]{0,8}`).Draw(t, "resource")}}
		key := rapid.StringMatching(`b/b/[b/]{1,8}`).Draw(t, "key")
		if s.covers("s3:GetObject", "b/b/*") && !glob(s.Resource[0], "arn:aws:s3:::"+key) {
			t.Fatalf("%s does not match %s", s.Resource[0], key)
		}
	})
}
