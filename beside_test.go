package drill

import (
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// What the configuration says of a restore decides how its rights are looked at: tried with the credentials that it will have, or simulated for a role that only its pods have.
func TestRestoreIdentity(t *testing.T) {
	const own, key = "AKIAIOSFODNN7TOOLKEY", "AKIAIOSFODNN7EXAMPLE"
	t.Setenv("AWS_ACCESS_KEY_ID", own)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("SANDBOX_KEY", key)
	t.Setenv("SANDBOX_SECRET", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	const keys = "s3: {access_key_id: env:SANDBOX_KEY, secret_access_key: env:SANDBOX_SECRET}"
	const role = "arn:aws:iam::111122223333:role/weaviate-drill-restore"
	for name, test := range map[string]struct {
		config string
		key    string // that it is tried with; empty: none
		role   string
		from   string
		err    string
	}{
		"the tool's own":           {"", own, "", "backups/production", ""},
		"keys of its own":          {"sandbox: {" + keys + "}", key, "", "backups/production", ""},
		"keys of its own, a copy":  {"sandbox: {" + keys + "}\nrestore: {from: copy, copy: {bucket: drills}}", key, "", "drills/weaviate-drill", ""},
		"a role":                   {`sandbox: {kind: kubernetes, kubernetes: {service_account_annotations: {eks.amazonaws.com/role-arn: "` + role + `"}}}`, "", role, "backups/production", ""},
		"a role that is not named": {"sandbox: {kind: kubernetes}", "", "", "backups/production", ""},
		"keys in a cluster":        {"sandbox: {kind: kubernetes, " + keys + "}", key, "", "backups/production", ""},
		"no such secret":           {"sandbox: {s3: {access_key_id: env:NO_SUCH_VARIABLE, secret_access_key: env:SANDBOX_SECRET}}", "", "", "", "sandbox.s3.access_key_id"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseConfig("drill.yaml", []byte("source: {url: https://weaviate.example}\nbucket: {name: backups, path: production}\n"+test.config))
			if err != nil {
				t.Fatal(err)
			}
			b, err := bucket.Open(t.Context(), c.Bucket.Options())
			if err != nil {
				t.Fatal(err)
			}
			r := c.restoreIdentity(t.Context(), b)
			if test.err != "" {
				if r.Err == nil || !strings.Contains(r.Err.Error(), test.err) || r.As {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.Err != nil || r.Role != test.role || r.As != (test.key != "") || r.From.Name+"/"+r.From.Path != test.from {
				t.Fatalf("%+v", r)
			}
			if id, _, _, err := r.From.Credentials(t.Context()); test.key != "" && (err != nil || id.Reveal() != test.key) {
				t.Errorf("tried with other credentials (%v)", err)
			}
		})
	}
}

// Where nothing is restored, or by settings that are not the drill's, there is no identity to look at.
func TestBesideOptions(t *testing.T) {
	for config, want := range map[string]int{
		"":                         1,
		"verify: {level: archive}": 0,
		"sandbox: {kind: external, external: {url: https://sandbox.example}}":            0,
		"verify: {level: archive}\nsandbox: {kubernetes: {twin: {namespace: weaviate}}}": 1,
	} {
		c, err := ParseConfig("drill.yaml", []byte("source: {url: https://weaviate.example}\nbucket: {name: backups}\n"+config))
		if err != nil {
			t.Fatal(err)
		}
		c.Source.Volumes = []string{"vol-1234567890abcdef0"}
		if got := len(c.BesideOptions(t.Context(), &bucket.Bucket{})); got != want+1 {
			t.Errorf("%q: %d options", config, got)
		}
	}
}
