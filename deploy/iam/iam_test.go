// Package iam_test holds the policy documents against the code that needs them, against Terraform, and against a server that obeys them.
package iam_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

// place is a variable of the Terraform module: backups, copy or evidence.
type place struct {
	Bucket string `json:"bucket"`
	Path   string `json:"path"`
	Key    string `json:"kms_key_arn,omitempty"`
}

func (p place) arn() string   { return "arn:aws:s3:::" + p.Bucket }
func (p place) below() string { return strings.Trim(p.arn()+"/"+strings.Trim(p.Path, "/"), "/") }

// setup is what the module's variables say.
type setup struct {
	Backups  place    `json:"backups"`
	Copy     *place   `json:"copy,omitempty"`
	Evidence *place   `json:"evidence,omitempty"`
	Account  *account `json:"account,omitempty"`
	Service  string   `json:"s3_service"`
}

// account is that variable.
type account struct {
	RestoreRole string   `json:"restore_role_arn"`
	VolumeKeys  []string `json:"volume_key_arns,omitempty"`
}

// described are the keys that the audit asks about.
func (s setup) described() []string {
	var keys []string
	if s.Backups.Key != "" {
		keys = append(keys, s.Backups.Key)
	}
	if s.Account != nil {
		keys = append(keys, s.Account.VolumeKeys...)
	}
	return keys
}

const service = "s3.eu-central-1.amazonaws.com"

// setups differ in all that the documents depend on; each is for the drill.yaml beside it.
var setups = map[string]struct {
	setup
	config string
}{
	"in place": {
		setup{Backups: place{Bucket: "weaviate-backups", Path: "production", Key: "arn:aws:kms:eu-central-1:111122223333:key/backups"}},
		"bucket: {name: weaviate-backups, path: production}",
	},
	"in place, at the top of a bucket without a key": {
		setup{Backups: place{Bucket: "weaviate-backups"}},
		"bucket: {name: weaviate-backups}",
	},
	"by copy within the bucket": {
		setup{
			Backups: place{Bucket: "weaviate-backups", Path: "production", Key: "arn:aws:kms:eu-central-1:111122223333:key/backups"},
			Copy:    &place{Bucket: "weaviate-backups", Path: "weaviate-drill", Key: "arn:aws:kms:eu-central-1:111122223333:key/backups"},
		},
		"bucket: {name: weaviate-backups, path: production}\nrestore: {from: copy}",
	},
	"by copy to another bucket, with evidence": {
		setup{
			Backups:  place{Bucket: "weaviate-backups", Path: "/production/eu/", Key: "arn:aws:kms:eu-central-1:111122223333:key/backups"},
			Copy:     &place{Bucket: "weaviate-drills", Path: "drills"},
			Evidence: &place{Bucket: "evidence", Path: "weaviate", Key: "arn:aws:kms:eu-central-1:111122223333:key/evidence"},
		},
		"bucket: {name: weaviate-backups, path: production/eu}\nrestore: {from: copy, copy: {bucket: weaviate-drills, path: drills}}\nevidence: {s3: {name: evidence, path: weaviate}}",
	},
	"with an audit of the account": {
		setup{
			Backups: place{Bucket: "weaviate-backups", Path: "production"},
			Account: &account{RestoreRole: "arn:aws:iam::111122223333:role/weaviate-drill-restore", VolumeKeys: []string{"arn:aws:kms:eu-central-1:111122223333:key/volumes"}},
		},
		"bucket: {name: weaviate-backups, path: production}",
	},
	"evidence at the top of a bucket without a key": {
		setup{
			Backups:  place{Bucket: "weaviate-backups", Path: "production", Key: "arn:aws:kms:eu-central-1:111122223333:key/backups"},
			Evidence: &place{Bucket: "evidence"},
		},
		"bucket: {name: weaviate-backups, path: production}\nevidence: {s3: {name: evidence}}",
	},
}

// keys are those with which a role reads, and those with which it writes.
func (s setup) keys(role string) (decrypt, encrypt []string) {
	restored := s.Backups
	if s.Copy != nil {
		restored = *s.Copy
	}
	switch role {
	case "source":
		decrypt, encrypt = []string{s.Backups.Key}, []string{s.Backups.Key}
	case "restore":
		decrypt, encrypt = []string{restored.Key}, []string{restored.Key}
	case "tool":
		decrypt, encrypt = []string{s.Backups.Key, restored.Key}, []string{restored.Key}
		if s.Evidence != nil {
			decrypt, encrypt = append(decrypt, s.Evidence.Key), append(encrypt, s.Evidence.Key)
		}
	}
	distinct := func(keys []string) []string {
		var all []string
		for _, k := range keys {
			if k != "" && !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
		return all
	}
	return distinct(decrypt), distinct(encrypt)
}

// policy makes a role's policy as policies/main.tf does; TestTerraform holds the one against the other.
func (s setup) policy(t testing.TB, role string) document {
	t.Helper()
	restored := s.Backups
	values := map[string]string{"bucket_arn": s.Backups.arn(), "backups": s.Backups.below() + "/*", "s3_service": service}
	if s.Copy != nil {
		restored = *s.Copy
		values["copy_bucket_arn"], values["copies"] = s.Copy.arn(), s.Copy.below()+"/*"
	}
	if s.Evidence != nil {
		values["evidence_bucket_arn"], values["evidence"] = s.Evidence.arn(), s.Evidence.below()
	}
	values["restored_bucket_arn"], values["restored"] = restored.arn(), restored.below()+"/*"
	decrypt, encrypt := s.keys(role)
	values["decrypt_keys"], values["encrypt_keys"] = text(t, decrypt), text(t, encrypt)
	values["described_keys"] = text(t, s.described())
	if s.Account != nil {
		values["restore_role_arn"] = s.Account.RestoreRole
	}
	holds := map[string]bool{
		"beside the bucket": s.Account != nil, "describes keys": len(s.described()) > 0,
		"always": true, "in place": s.Copy == nil, "by copy": s.Copy != nil, "evidence in s3": s.Evidence != nil, "decrypts": len(decrypt) > 0, "encrypts": len(encrypt) > 0,
	}
	conditions := roles(t)[role]
	all := document{Version: "2012-10-17"}
	for _, condition := range slices.Sorted(maps.Keys(conditions)) {
		if known, there := holds[condition]; !there {
			t.Fatalf("roles.json has the condition %q, which main.tf does not know", condition)
		} else if !known {
			continue
		}
		for _, name := range conditions[condition] {
			all.Statement = append(all.Statement, render(t, name, values).Statement...)
		}
	}
	return all
}

func roles(t testing.TB) map[string]map[string][]string {
	t.Helper()
	var all map[string]map[string][]string
	if err := json.Unmarshal(read(t, "policies/roles.json"), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

var placeholder = regexp.MustCompile(`\$\{(\w+)\}`)

// render fills in a template, which has nothing but ${names}.
func render(t testing.TB, name string, values map[string]string) document {
	t.Helper()
	raw := placeholder.ReplaceAllStringFunc(string(read(t, "policies/"+name+".json.tftpl")), func(found string) string {
		value, there := values[placeholder.FindStringSubmatch(found)[1]]
		if !there {
			t.Fatalf("%s: there is no value for %s", name, found)
		}
		return value
	})
	return parse(t, raw)
}

func parse(t testing.TB, raw string) document {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(raw))
	d.DisallowUnknownFields() // such as NotAction, which grants all but what it names
	var doc document
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v:\n%s", err, raw)
	}
	return doc
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func text(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// grants are the pairs of action and resource that a document allows. Keys of KMS and roles of IAM are not told by their names: a plan does not know them.
func (d document) grants() []string {
	var all []string
	for _, s := range d.Statement {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				all = append(all, grant(action, resource))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func grant(action, resource string) string {
	if strings.HasPrefix(action, "kms:") || strings.HasPrefix(action, "iam:") {
		return action
	}
	return action + " on " + resource
}

// Each role may do exactly what the tool says it needs to (weaviate-drill run --dry-run), and the auditor what the checks of the bucket need.
func TestRolesAreWhatIsNeeded(t *testing.T) {
	for name, s := range setups {
		t.Run(name, func(t *testing.T) {
			cfg, err := drill.ParseConfig("drill.yaml", []byte("source: {url: https://weaviate.example}\n"+s.config))
			if err != nil {
				t.Fatal(err)
			}
			needed := map[string][]string{}
			for _, p := range cfg.Plan().Permissions {
				decrypt, encrypt := s.keys(map[string]string{"tool": "tool", "sandbox": "restore"}[p.Where])
				if p.System != "iam" || p.Action == "kms:Decrypt" && decrypt == nil || p.Action == "kms:GenerateDataKey" && encrypt == nil || s.leftOut(p.Action) {
					continue // such as a key of a bucket that has none
				}
				needed[p.Where] = append(needed[p.Where], grant(p.Action, p.Object))
			}
			for _, c := range bucket.Checks() {
				for _, action := range c.Actions {
					if on := map[bucket.Scope]string{bucket.OnBucket: s.Backups.arn(), bucket.OnAccount: "*", bucket.OnKey: "key"}[bucket.ScopeOf(action)]; on != "" && !s.leftOut(action) {
						needed["auditor"] = append(needed["auditor"], grant(action, on)) // but what is on objects, which are not for an auditor
					}
				}
			}
			for who, role := range map[string]string{"tool": "tool", "sandbox": "restore", "auditor": "auditor"} {
				slices.Sort(needed[who])
				if want, got := slices.Compact(needed[who]), s.policy(t, role).grants(); len(got) == 0 || !slices.Equal(got, want) {
					t.Errorf("the %s may\n\t%s\nand needs\n\t%s", role, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
				}
			}
		})
	}
}

// leftOut says whether an action of the audit is none of this setup: about the account when that is not looked at, and about keys where there is none.
func (s setup) leftOut(action string) bool {
	about := []string{"kms:DescribeKey", "kms:GetKeyRotationStatus"}
	return bucket.ScopeOf(action) == bucket.OnAccount && s.Account == nil || slices.Contains(about, action) && len(s.described()) == 0
}

// No document that allows names actions by a wildcard, or any resource; the policy of a key can speak of no other resource than its own key, and DescribeVolumes and DescribeTrails know none.
func TestNothingIsWide(t *testing.T) {
	templates, err := filepath.Glob("policies/*.json.tftpl")
	if err != nil || len(templates) == 0 {
		t.Fatal(err)
	}
	values := map[string]string{"decrypt_keys": `["arn:k"]`, "encrypt_keys": `["arn:k"]`, "described_keys": `["arn:k"]`, "users": `["arn:r"]`}
	for _, path := range templates {
		name := strings.TrimSuffix(filepath.Base(path), ".json.tftpl")
		for _, found := range placeholder.FindAllStringSubmatch(string(read(t, path)), -1) {
			if values[found[1]] == "" {
				values[found[1]] = "arn:" + found[1]
			}
		}
		doc := render(t, name, values)
		if doc.Version != "2012-10-17" || len(doc.Statement) == 0 {
			t.Errorf("%s is no policy", name)
		}
		for _, s := range doc.Statement {
			if s.Effect != "Allow" {
				continue
			}
			if slices.ContainsFunc(s.Action, func(a string) bool { return strings.ContainsAny(a, "*?") }) {
				t.Errorf("%s, %s: allows %v", name, s.Sid, s.Action)
			}
			if slices.Contains(s.Resource, "*") && name != "key" && s.Sid != "AskAboutVolumesAndTrails" {
				t.Errorf("%s, %s: allows it on everything", name, s.Sid)
			}
			if slices.Contains(s.Principal["AWS"], "*") {
				t.Errorf("%s, %s: allows it to everybody", name, s.Sid)
			}
		}
	}
	for role := range roles(t) {
		var ids []string
		for _, s := range setups["by copy to another bucket, with evidence"].policy(t, role).Statement {
			ids = append(ids, s.Sid)
		}
		slices.Sort(ids)
		if len(slices.Compact(slices.Clone(ids))) != len(ids) {
			t.Errorf("%s: the ids of the statements are not unique, as IAM wants them: %v", role, ids)
		}
	}
}

func TestWhatRolesMayDo(t *testing.T) {
	inPlace := setups["in place"].setup
	byCopy := setups["by copy to another bucket, with evidence"].setup
	account := setups["with an audit of the account"].setup
	viaS3 := map[string]string{"kms:ViaService": service}
	for _, tt := range []struct {
		of     setup
		role   string
		action string
		on     string
		with   map[string]string
		want   bool
	}{
		{inPlace, "auditor", "s3:GetBucketPolicy", "arn:aws:s3:::weaviate-backups", nil, true},
		{inPlace, "auditor", "s3:GetBucketPolicy", "arn:aws:s3:::other", nil, false},
		{inPlace, "auditor", "s3:GetObject", "arn:aws:s3:::weaviate-backups/production/x/node1/backup.json", nil, false},
		{inPlace, "auditor", "s3:PutBucketPolicy", "arn:aws:s3:::weaviate-backups", nil, false},
		{inPlace, "auditor", "kms:Decrypt", inPlace.Backups.Key, viaS3, false},
		{inPlace, "auditor", "kms:DescribeKey", inPlace.Backups.Key, nil, true},
		{inPlace, "auditor", "ec2:DescribeVolumes", "*", nil, false},
		{account, "auditor", "ec2:DescribeVolumes", "*", nil, true},
		{account, "auditor", "iam:SimulatePrincipalPolicy", account.Account.RestoreRole, nil, true},
		{account, "auditor", "iam:SimulatePrincipalPolicy", "arn:aws:iam::111122223333:role/other", nil, false},
		{account, "auditor", "kms:DescribeKey", account.Account.VolumeKeys[0], nil, true},
		{account, "auditor", "kms:Decrypt", account.Account.VolumeKeys[0], nil, false},

		{inPlace, "source", "s3:PutObject", "arn:aws:s3:::weaviate-backups/production/x/node1/Article/chunk-1", nil, true},
		{inPlace, "source", "s3:DeleteObject", "arn:aws:s3:::weaviate-backups/production/x/access-check", nil, true},
		{inPlace, "source", "s3:DeleteObject", "arn:aws:s3:::weaviate-backups/production/x/node1/Article/chunk-1", nil, false},
		{inPlace, "source", "s3:DeleteObjectVersion", "arn:aws:s3:::weaviate-backups/production/x/access-check", nil, false},
		{inPlace, "source", "s3:PutObject", "arn:aws:s3:::weaviate-backups/staging/x", nil, false},
		{inPlace, "source", "kms:GenerateDataKey", inPlace.Backups.Key, viaS3, true},
		{inPlace, "source", "kms:GenerateDataKey", inPlace.Backups.Key, nil, false},

		{inPlace, "restore", "s3:GetObject", "arn:aws:s3:::weaviate-backups/production/x/node1/Article/chunk-1", nil, true},
		{inPlace, "restore", "s3:PutObject", "arn:aws:s3:::weaviate-backups/production/x/restore_config.json", nil, true},
		{inPlace, "restore", "s3:PutObject", "arn:aws:s3:::weaviate-backups/production/x/node1/backup.json", nil, false},
		{inPlace, "restore", "s3:PutObject", "arn:aws:s3:::weaviate-backups/production/x/backup_config.json", nil, false},
		{inPlace, "restore", "s3:DeleteObject", "arn:aws:s3:::weaviate-backups/production/x/restore_config.json", nil, false},
		{inPlace, "restore", "s3:GetObject", "arn:aws:s3:::weaviate-backups/productions/x", nil, false},
		{inPlace, "restore", "kms:Decrypt", inPlace.Backups.Key, viaS3, true},
		{inPlace, "restore", "kms:Decrypt", inPlace.Backups.Key, map[string]string{"kms:ViaService": "ebs.eu-central-1.amazonaws.com"}, false},
		{inPlace, "restore", "kms:Decrypt", byCopy.Evidence.Key, viaS3, false},
		{byCopy, "restore", "s3:GetObject", "arn:aws:s3:::weaviate-backups/production/eu/x/node1/backup.json", nil, false},
		{byCopy, "restore", "s3:PutObject", "arn:aws:s3:::weaviate-drills/drills/drill-1/x/restore_config.json", nil, true},

		{inPlace, "tool", "s3:GetObject", "arn:aws:s3:::weaviate-backups/production/x/node1/Article/chunk-1", nil, true},
		{inPlace, "tool", "s3:DeleteObject", "arn:aws:s3:::weaviate-backups/production/x/restore_config.json", nil, true},
		{inPlace, "tool", "s3:DeleteObject", "arn:aws:s3:::weaviate-backups/production/x/backup_config.json", nil, false},
		{inPlace, "tool", "s3:PutObject", "arn:aws:s3:::weaviate-backups/production/x/backup_config.json", nil, false},
		{inPlace, "tool", "s3:PutObject", "arn:aws:s3:::weaviate-backups/weaviate-drill/x", nil, false},
		{byCopy, "tool", "s3:PutObject", "arn:aws:s3:::weaviate-backups/production/eu/x/restore_config.json", nil, false},
		{byCopy, "tool", "s3:DeleteObject", "arn:aws:s3:::weaviate-drills/drills/drill-1/x/node1/Article/chunk-1", nil, true},
		{byCopy, "tool", "s3:PutObject", "arn:aws:s3:::evidence/weaviate/records/1.json", nil, true},
		{byCopy, "tool", "s3:DeleteObject", "arn:aws:s3:::evidence/weaviate/records/1.json", nil, false},
		{byCopy, "tool", "s3:DeleteObject", "arn:aws:s3:::evidence/weaviate/running/drill-1.json", nil, true},
		{byCopy, "tool", "kms:GenerateDataKey", byCopy.Backups.Key, viaS3, false},
		{byCopy, "tool", "kms:Decrypt", byCopy.Backups.Key, viaS3, true},
	} {
		if got := tt.of.policy(t, tt.role).allows(t, request{action: tt.action, resource: tt.on, context: tt.with}); got != tt.want {
			t.Errorf("%s: %s on %s with %v: allowed %v", tt.role, tt.action, tt.on, tt.with, got)
		}
	}
}

func TestWhoMayTakeARole(t *testing.T) {
	const issuer = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
	const provider = "arn:aws:iam::111122223333:oidc-provider/" + issuer
	values := map[string]string{
		"oidc_provider_arn": provider, "oidc_issuer": issuer, "namespace": "weaviate-drill", "service_account": "tool", "cluster_arn": "arn:aws:eks:eu-central-1:111122223333:cluster/one",
	}
	one := render(t, "trust-irsa", values)
	pods := render(t, "trust-pod-identity", values)
	values["namespace"], values["service_account"] = "weaviate-drill-*", "weaviate"
	sandbox := render(t, "trust-irsa-sandbox", values)
	token := func(sub, aud string) map[string]string {
		return map[string]string{issuer + ":sub": sub, issuer + ":aud": aud}
	}
	tags := func(cluster, namespace, account string) map[string]string {
		return map[string]string{"aws:RequestTag/eks-cluster-arn": cluster, "aws:RequestTag/kubernetes-namespace": namespace, "aws:RequestTag/kubernetes-service-account": account}
	}
	const irsa, assume = "sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"
	for _, tt := range []struct {
		doc       document
		principal string
		action    string
		context   map[string]string
		want      bool
	}{
		{one, provider, irsa, token("system:serviceaccount:weaviate-drill:tool", "sts.amazonaws.com"), true},
		{one, provider, irsa, token("system:serviceaccount:weaviate-drill:other", "sts.amazonaws.com"), false},
		{one, provider, irsa, token("system:serviceaccount:weaviate-drill-1:tool", "sts.amazonaws.com"), false},
		{one, provider, irsa, token("system:serviceaccount:weaviate-drill:tool", "kubernetes.default.svc"), false},
		{one, provider, irsa, map[string]string{issuer + ":aud": "sts.amazonaws.com"}, false},
		{one, provider + "2", irsa, token("system:serviceaccount:weaviate-drill:tool", "sts.amazonaws.com"), false},
		{one, provider, assume, token("system:serviceaccount:weaviate-drill:tool", "sts.amazonaws.com"), false},

		{sandbox, provider, irsa, token("system:serviceaccount:weaviate-drill-drill-20261124-222655-k3f9x2:weaviate", "sts.amazonaws.com"), true},
		{sandbox, provider, irsa, token("system:serviceaccount:weaviate-drill-drill-20261124-222655-k3f9x2:default", "sts.amazonaws.com"), false},
		{sandbox, provider, irsa, token("system:serviceaccount:weaviate:weaviate", "sts.amazonaws.com"), false},
		{sandbox, provider, irsa, token("system:serviceaccount:weaviate-drill-1:weaviate", "other"), false},

		{pods, "pods.eks.amazonaws.com", assume, tags("arn:aws:eks:eu-central-1:111122223333:cluster/one", "weaviate-drill", "tool"), true},
		{pods, "pods.eks.amazonaws.com", assume, tags("arn:aws:eks:eu-central-1:111122223333:cluster/two", "weaviate-drill", "tool"), false},
		{pods, "pods.eks.amazonaws.com", assume, tags("arn:aws:eks:eu-central-1:111122223333:cluster/one", "weaviate-drill", "other"), false},
		{pods, "pods.eks.amazonaws.com", assume, nil, false},
		{pods, "ec2.amazonaws.com", assume, tags("arn:aws:eks:eu-central-1:111122223333:cluster/one", "weaviate-drill", "tool"), false},
	} {
		if got := tt.doc.allows(t, request{principal: tt.principal, action: tt.action, context: tt.context}); got != tt.want {
			t.Errorf("%s, %s with %v: allowed %v", tt.principal, tt.action, tt.context, got)
		}
	}
}

func TestPoliciesOfBucketAndKey(t *testing.T) {
	const root, tool, arn = "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:role/weaviate-drill-tool", "arn:aws:s3:::weaviate-backups"
	denials := render(t, "bucket", map[string]string{"bucket_arn": arn, "key_arn": "arn:key"})
	tls := func(more ...string) map[string]string {
		c := map[string]string{"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
		for i := 0; i < len(more); i += 2 {
			c[more[i]] = more[i+1]
		}
		return c
	}
	for _, tt := range []struct {
		action, on string
		context    map[string]string
		want       bool
	}{
		{"s3:GetObject", arn + "/x", tls(), false},
		{"s3:PutObject", arn + "/x", tls(), false},
		{"s3:GetObject", arn + "/x", tls("aws:SecureTransport", "false"), true},
		{"s3:ListBucket", arn, tls("aws:SecureTransport", "false"), true},
		{"s3:GetObject", arn + "/x", tls("s3:TlsVersion", "1.1"), true},
		{"s3:PutObject", arn + "/x", tls("s3:x-amz-server-side-encryption-aws-kms-key-id", "arn:key"), false},
		{"s3:PutObject", arn + "/x", tls("s3:x-amz-server-side-encryption-aws-kms-key-id", "arn:other"), true},
		{"s3:PutObject", arn + "/x", tls("s3:x-amz-server-side-encryption-customer-algorithm", "AES256"), true},
	} {
		if got := denials.denies(t, request{principal: tool, action: tt.action, resource: tt.on, context: tt.context}); got != tt.want {
			t.Errorf("the bucket: %s on %s with %v: denied %v", tt.action, tt.on, tt.context, got)
		}
	}

	key := render(t, "key", map[string]string{"partition": "aws", "account": "111122223333", "s3_service": service, "users": `["` + tool + `"]`})
	use := func(by, via string) map[string]string {
		return map[string]string{"aws:PrincipalArn": by, "kms:ViaService": via}
	}
	for _, tt := range []struct {
		action  string
		context map[string]string
		want    bool
	}{
		{"kms:Decrypt", use(tool, service), true},
		{"kms:GenerateDataKey", use(tool, service), true},
		{"kms:Decrypt", use(tool, ""), false},
		{"kms:Decrypt", use(tool, "ebs.eu-central-1.amazonaws.com"), false},
		{"kms:Decrypt", use(tool+"-2", service), false},
		{"kms:Decrypt", use("arn:aws:iam::111122223333:role/Admin", service), false},
		{"kms:CreateGrant", use(tool, service), false},
		{"kms:PutKeyPolicy", use("arn:aws:iam::111122223333:role/Admin", ""), true},
		{"kms:Encrypt", use("arn:aws:iam::111122223333:role/Admin", ""), false},
	} {
		if got := key.allows(t, request{principal: root, action: tt.action, resource: "*", context: tt.context}); got != tt.want {
			t.Errorf("the key: %s with %v: allowed %v", tt.action, tt.context, got)
		}
	}
	if key.allows(t, request{principal: "arn:aws:iam::999999999999:root", action: "kms:PutKeyPolicy", resource: "*"}) {
		t.Error("another account may administer the key")
	}
}
