package bucket_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

var now = time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)

// findings audits a bucket and returns the findings by check.
func findings(t *testing.T, b *bucket.Bucket, options ...bucket.Option) map[string]bucket.Finding {
	t.Helper()
	list, err := bucket.Audit(t.Context(), b, now, options...)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bucket.Finding{}
	for i, c := range bucket.Checks() {
		f := list[i]
		if f.Check != c.ID || f.Title != c.Title || f.Severity != c.Severity && (f.Status != bucket.Fail || !f.Severity.AtLeast(c.Severity)) || f.Reference != c.Reference {
			t.Errorf("finding %d is not of check %s: %+v", i, c.ID, f)
		}
		if len(f.Evidence) == 0 || f.Detail == "" || strings.Contains(f.Detail, "\n") {
			t.Errorf("%s: no evidence, or no detail of one line: %+v", f.Check, f)
		}
		if (f.Remediation != "") != (f.Status == bucket.Fail) {
			t.Errorf("%s is %s and has the remediation %q", f.Check, f.Status, f.Remediation)
		}
		found[f.Check] = f
	}
	return found
}

func want(t *testing.T, f bucket.Finding, status bucket.Status, detail string) {
	t.Helper()
	if f.Status != status || !strings.Contains(f.Detail, detail) {
		t.Errorf("%s is %s: %s\nwanted %s: ...%s...\n%v", f.Check, f.Status, f.Detail, status, detail, f.Evidence)
	}
}

// A setting of a bucket on MinIO.
type setting func(context.Context, *bucket.Bucket) error

func encrypt(rule types.ServerSideEncryptionByDefault) setting {
	return func(ctx context.Context, b *bucket.Bucket) error {
		_, err := b.Client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &b.Name, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
			Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &rule}},
		}})
		return err
	}
}

func version(status types.BucketVersioningStatus) setting {
	return func(ctx context.Context, b *bucket.Bucket) error {
		_, err := b.Client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &b.Name, VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
		return err
	}
}

func rules(r ...types.LifecycleRule) setting {
	return func(ctx context.Context, b *bucket.Bucket) error {
		for i := range r {
			if r[i].Status == "" {
				r[i].Status = types.ExpirationStatusEnabled
			}
		}
		_, err := b.Client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: &b.Name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: r}})
		return err
	}
}

// policy sets a bucket policy of one statement for each text, in which BUCKET stands for the bucket's name.
func policy(statements ...string) setting {
	return func(ctx context.Context, b *bucket.Bucket) error {
		document := strings.ReplaceAll(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`, "BUCKET", b.Name)
		_, err := b.Client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b.Name, Policy: &document})
		return err
	}
}

func object(ctx context.Context, b *bucket.Bucket) error {
	_, err := b.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.Name, Key: aws.String(b.Key("drill-1", "backup_config.json")), Body: strings.NewReader("{}")})
	return err
}

func elsewhere(ctx context.Context, b *bucket.Bucket) error {
	_, err := b.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.Name, Key: aws.String("elsewhere/notes"), Body: strings.NewReader("x")})
	return err
}

func lock(retention *types.DefaultRetention) setting {
	return func(ctx context.Context, b *bucket.Bucket) error {
		b.Name = "test-" + strings.ToLower(rand.Text()[:12]) // Object Lock is for buckets that are created with it
		if _, err := b.Client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b.Name, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil || retention == nil {
			return err
		}
		_, err := b.Client.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{Bucket: &b.Name, ObjectLockConfiguration: &types.ObjectLockConfiguration{
			ObjectLockEnabled: types.ObjectLockEnabledEnabled, Rule: &types.ObjectLockRule{DefaultRetention: retention},
		}})
		return err
	}
}

const (
	allowGet  = `{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::BUCKET/*"]}`
	allowList = `{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::BUCKET"}`
	allowAll  = `{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"]}`
	allowHome = `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}`
	denyPlain = `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
)

func expire(after int32) *types.LifecycleExpiration {
	return &types.LifecycleExpiration{Days: aws.Int32(after)}
}

// TestOnMinIO makes each check that MinIO can answer pass and fail.
func TestOnMinIO(t *testing.T) {
	prefix := func(p string) *types.LifecycleRuleFilter { return &types.LifecycleRuleFilter{Prefix: &p} }
	tag := types.Tag{Key: aws.String("keep"), Value: aws.String("no")}
	midnight := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		settings []setting
		check    string
		status   bucket.Status
		detail   string
	}{
		{"encryption off", nil, "s3-default-encryption", bucket.Fail, "no default encryption"},
		{"SSE-S3", []setting{encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256})}, "s3-default-encryption", bucket.Pass, "SSE-S3"},
		{
			"SSE-KMS", []setting{encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("drill-key")})},
			"s3-default-encryption", bucket.Pass, "with SSE-KMS, with a key of the server's own KMS drill-key",
		},
		{"MinIO's key is nobody's", []setting{encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("drill-key")})}, "s3-customer-key", bucket.NotSupported, "its keys are not those of the KMS of AWS"},
		{"no bucket key", []setting{encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("drill-key")})}, "s3-bucket-key", bucket.NotSupported, "says nothing of a bucket key"},
		{"bucket key without KMS", []setting{encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256})}, "s3-bucket-key", bucket.NotApplicable, "knows no bucket key"},
		{"state of a key that is none", nil, "s3-key-state", bucket.NotApplicable, "there is no key: no default encryption"},
		{"rotation of a key that is none", nil, "s3-key-rotation", bucket.NotApplicable, "there is no key"},

		{"never versioned", nil, "s3-versioning", bucket.Fail, "never switched on"},
		{"versioned", []setting{version("Enabled")}, "s3-versioning", bucket.Pass, "versioning is on"},
		{"versioning suspended", []setting{version("Enabled"), version("Suspended")}, "s3-versioning", bucket.Fail, "suspended"},

		{"no version to delete", nil, "s3-mfa-delete", bucket.NotApplicable, "never on"},
		{"versions without a lock", []setting{version("Enabled")}, "s3-mfa-delete", bucket.Fail, "no Object Lock"},
		{"versions under a lock", []setting{lock(&types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Days: aws.Int32(1)})}, "s3-mfa-delete", bucket.Pass, "mode COMPLIANCE"},

		{"no lifecycle", nil, "s3-lifecycle", bucket.Fail, "no lifecycle"},
		{"no lifecycle keeps backups", nil, "s3-lifecycle-backups", bucket.Pass, "no lifecycle"},
		{"no lifecycle keeps parts", nil, "s3-lifecycle-multipart", bucket.Fail, "no lifecycle"},
		{"no versions without versioning", nil, "s3-lifecycle-noncurrent", bucket.Pass, "never on"},
		{"no lifecycle keeps versions", []setting{version("Enabled")}, "s3-lifecycle-noncurrent", bucket.Fail, "no lifecycle"},
		{"hardened", []setting{harden}, "s3-lifecycle", bucket.Pass, `rule "old-versions-and-abandoned-uploads" expires old versions after 30 days`},
		{"hardened, backups", []setting{harden}, "s3-lifecycle-backups", bucket.Pass, "no enabled rule removes or freezes a backup"},
		{"hardened, versions", []setting{harden}, "s3-lifecycle-noncurrent", bucket.Pass, "expires old versions after 30 days"},
		{"hardened, parts", []setting{harden}, "s3-lifecycle-multipart", bucket.Fail, "no enabled rule over all backups aborts"}, // MinIO drops this part of the rule
		{"disabled rule", []setting{rules(types.LifecycleRule{Status: types.ExpirationStatusDisabled, Filter: prefix(""), Expiration: expire(1)})}, "s3-lifecycle", bucket.Fail, "no rule of the lifecycle is enabled"},
		{"disabled rule deletes nothing", []setting{rules(types.LifecycleRule{Status: types.ExpirationStatusDisabled, Filter: prefix(""), Expiration: expire(1)})}, "s3-lifecycle-backups", bucket.Pass, ""},
		{"expires too soon", []setting{rules(types.LifecycleRule{ID: aws.String("week"), Filter: prefix("backups/"), Expiration: expire(7)})}, "s3-lifecycle-backups", bucket.Fail, `rule "week" (keys that begin with backups/) expires them 7 days after`},
		{"expires in time", []setting{rules(types.LifecycleRule{Filter: prefix("backups/"), Expiration: expire(30)})}, "s3-lifecycle-backups", bucket.Pass, "backups stay whole and readable for 30 days; later"},
		{"expires on a date", []setting{rules(types.LifecycleRule{Filter: prefix(""), Expiration: &types.LifecycleExpiration{Date: &midnight}})}, "s3-lifecycle-backups", bucket.Fail, "on 2030-01-01 and every new one from then on"},
		{"expires one backup", []setting{rules(types.LifecycleRule{Filter: prefix("backups/drill-1/"), Expiration: expire(1)})}, "s3-lifecycle-backups", bucket.Fail, "backups/drill-1/"},
		{"expires other keys", []setting{rules(types.LifecycleRule{Filter: prefix("logs/"), Expiration: expire(1)})}, "s3-lifecycle-backups", bucket.Pass, ""},
		{"looks after other keys", []setting{rules(types.LifecycleRule{Filter: prefix("logs/"), Expiration: expire(1)})}, "s3-lifecycle", bucket.Fail, "no enabled rule selects the backups"},
		{"expires tagged objects", []setting{rules(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: &tag}, Expiration: expire(1)})}, "s3-lifecycle", bucket.Fail, "objects tagged keep=no"},
		{
			"expires by prefix and tag", []setting{rules(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("backups/"), Tags: []types.Tag{tag}}}, Expiration: expire(1)})},
			"s3-lifecycle-backups", bucket.Pass, "no enabled rule",
		},
		{
			"expires large objects", []setting{rules(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{ObjectSizeGreaterThan: aws.Int64(1 << 20)}, Expiration: expire(1)})},
			"s3-lifecycle-backups", bucket.Fail, "objects larger than 1048576 bytes",
		},
		{
			"expires by prefix and size",
			[]setting{rules(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("backups/"), ObjectSizeLessThan: aws.Int64(4096)}}, Expiration: expire(1)})},
			"s3-lifecycle-backups", bucket.Fail, "keys that begin with backups/, objects smaller than 4096 bytes",
		},
		{
			"versions of other keys", []setting{version("Enabled"), rules(types.LifecycleRule{Filter: prefix("logs/"), NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1)}})},
			"s3-lifecycle-noncurrent", bucket.Fail, "no enabled rule over all backups",
		},

		{"no lifecycle, no base lost", nil, "s3-lifecycle-bases", bucket.Pass, "no lifecycle"},
		{"backups not looked at", []setting{rules(types.LifecycleRule{Filter: prefix(""), Expiration: expire(90)})}, "s3-lifecycle-bases", bucket.Unknown, "the backups were not looked at"},
		{"no transition", []setting{rules(types.LifecycleRule{Filter: prefix(""), Expiration: expire(90)})}, "s3-lifecycle-rto", bucket.Pass, "no enabled rule moves backups"},
		{"nothing left behind", []setting{object}, "s3-lifecycle-idle", bucket.Pass, "0 enabled rules"},
		{"old versions left behind", []setting{version("Enabled"), object, object, object}, "s3-lifecycle-idle", bucket.Fail, "2 old versions with 4 bytes stay for ever"},
		{"old versions kept by number", []setting{version("Enabled"), object, object, object, rules(types.LifecycleRule{Filter: prefix("backups/"), NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(9), NewerNoncurrentVersions: aws.Int32(1)}})},
			"s3-lifecycle-idle", bucket.Pass, "1 enabled rule"},
		{"old versions of one backup only", []setting{version("Enabled"), object, object, rules(types.LifecycleRule{Filter: prefix("backups/drill-1/"), NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(9)}})},
			"s3-lifecycle-idle", bucket.Pass, "1 enabled rule"},
		{"a rule over nothing", []setting{object, rules(types.LifecycleRule{Filter: prefix("bakcups/"), Expiration: expire(90)})}, "s3-lifecycle-idle", bucket.Fail, "(keys that begin with bakcups/) selects nothing"},
		{"a rule over other keys", []setting{object, elsewhere, rules(types.LifecycleRule{Filter: prefix("elsewhere/"), Expiration: expire(90)})}, "s3-lifecycle-idle", bucket.Pass, "1 enabled rule"},
		{"versions where there are none", []setting{rules(types.LifecycleRule{Filter: prefix(""), NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(9)}})},
			"s3-lifecycle-idle", bucket.Fail, "never does anything: it is about old versions, and versioning was never on"},
		{"always later", []setting{object, rules(types.LifecycleRule{ID: aws.String("keep"), Filter: prefix("backups/"), Expiration: expire(365)}, types.LifecycleRule{ID: aws.String("all"), Filter: prefix(""), Expiration: expire(90)})},
			"s3-lifecycle-idle", bucket.Fail, `rule "keep" (keys that begin with backups/) never expires anything: rule "all" does so 275 days before`},

		{"public access block", nil, "s3-public-access-block", bucket.NotSupported, "does not have this feature"},

		{"no policy", nil, "s3-bucket-policy-status", bucket.Pass, "there is no bucket policy"},
		{"policy lets do all", []setting{policy(allowAll)}, "s3-bucket-policy-status", bucket.Fail, "makes the bucket public"},
		{"policy lets read", []setting{policy(allowGet)}, "s3-bucket-policy-status", bucket.Fail, "allows to everybody: s3:GetObject"}, // not public, says MinIO
		{"policy lets some read", []setting{policy(allowHome)}, "s3-bucket-policy-status", bucket.Unknown, "conditions that are not judged: s3:GetObject"},
		{"policy only denies", []setting{policy(denyPlain)}, "s3-bucket-policy-status", bucket.Pass, "allows nothing to everybody"},

		{"policy that names nobody", []setting{policy(denyPlain)}, "s3-bucket-policy-accounts", bucket.Pass, "nothing to a principal by name"},

		{"policy by network", []setting{policy(denyUnless(`"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}`))}, "s3-bucket-policy-network", bucket.Pass, "by aws:SourceIp"},
		{"no policy by network", nil, "s3-bucket-policy-network", bucket.NotApplicable, "no bucket policy"},

		{"owner's ACL", nil, "s3-acl", bucket.Pass, "grants nothing to everybody"},

		{"ownership", nil, "s3-object-ownership", bucket.NotSupported, "does not have this feature"},
		{"no access points", nil, "s3-access-points", bucket.NotSupported, "access points are of AWS"},
		{"no website", nil, "s3-website", bucket.Pass, "is no website"},

		{"private", []setting{object}, "s3-anonymous-access", bucket.Pass, "nobody can list the backups or read one"},
		{"private and empty", nil, "s3-anonymous-access", bucket.Pass, "there is none yet to try reading, and there is no bucket policy"},
		{"open to readers", []setting{object, policy(allowGet)}, "s3-anonymous-access", bucket.Fail, "anybody can read a backup"},
		{"open to readers and empty", []setting{policy(allowGet)}, "s3-anonymous-access", bucket.Fail, "anybody can read a backup"},
		{"open to lists", []setting{object, policy(allowList)}, "s3-anonymous-access", bucket.Fail, "anybody can list the backups"},
		{"open to both", []setting{object, policy(allowList, allowGet)}, "s3-anonymous-access", bucket.Fail, "anybody can list the backups and read a backup"},
		{"open to both and empty", []setting{policy(allowList, allowGet)}, "s3-anonymous-access", bucket.Fail, "anybody can list the backups and read a backup"},
		{"open to some and empty", []setting{policy(allowHome)}, "s3-anonymous-access", bucket.Unknown, "there is no backup yet to try reading"},

		{"plain HTTP", []setting{policy(denyPlain)}, "s3-secure-transport", bucket.Fail, "plain http"},

		{"no Object Lock", nil, "s3-object-lock", bucket.Fail, "no Object Lock"},
		{"Object Lock without retention", []setting{lock(nil)}, "s3-object-lock", bucket.Fail, "without a default retention"},
		{"governance", []setting{lock(&types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)})}, "s3-object-lock", bucket.Pass, "locked for 1 day in mode GOVERNANCE"},
		{"compliance", []setting{lock(&types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Years: aws.Int32(2)})}, "s3-object-lock", bucket.Pass, "locked for 2 years in mode COMPLIANCE"},

		{"objects without a default", []setting{object}, "s3-object-encryption", bucket.Fail, "are not encrypted: 1 of 1 object (backups/drill-1/backup_config.json) of the backups drill-1"},
		{"objects older than the default", []setting{object, encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256})}, "s3-object-encryption", bucket.Fail, "are not encrypted: 1 of 1 object"},
		{"objects as by default", []setting{encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}), object}, "s3-object-encryption", bucket.Pass, "1 object below"},
		{
			"objects weaker than the default", []setting{
				encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}), object,
				encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("drill-key")}),
			},
			"s3-object-encryption", bucket.Fail, "are encrypted weaker than the default aws:kms: 1 of 1 object",
		},
		{"no objects", nil, "s3-object-encryption", bucket.NotApplicable, "there is no backup yet"},

		{"retention without Object Lock", []setting{object}, "s3-object-retention", bucket.NotApplicable, "no Object Lock"},
		{"objects are not locked", []setting{lock(nil), object}, "s3-object-retention", bucket.Fail, "are not locked: 1 of 1 object"},
		{"objects are locked too briefly", []setting{lock(&types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}), object}, "s3-object-retention", bucket.Fail, "are locked for less than 30 days: 1 of 1 object"},
		{"objects are locked", []setting{lock(&types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(30)}), object}, "s3-object-retention", bucket.Pass, "locked for 30 days from when it was written; of 1 whoever has s3:BypassGovernanceRetention"},

		{"no replication", nil, "s3-replication", bucket.Fail, "the only copy"},
		{"nothing to arrive", []setting{object}, "s3-object-replication", bucket.NotApplicable, "is not replicated"},

		{"no logging", nil, "s3-access-logging", bucket.Fail, "logging is off"},

		{"expected owner", nil, "s3-expected-owner", bucket.NotSupported, "takes no notice"},
	}
	seen := map[string]bool{}
	for _, test := range tests {
		seen[test.check] = true
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := servertest.Bucket(t, "backups")
			for _, set := range test.settings {
				if err := set(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			want(t, findings(t, b)[test.check], test.status, test.detail)
		})
	}
	for _, c := range bucket.Checks() {
		if strings.HasPrefix(c.ID, "s3-") && !seen[c.ID] {
			t.Errorf("check %s is not tried on a real server", c.ID)
		}
	}
}

// harden sets up a bucket as the demo does.
func harden(ctx context.Context, b *bucket.Bucket) error {
	b.Name = "test-" + strings.ToLower(rand.Text()[:12])
	return demo.Harden(ctx, b)
}

// MinIO behind TLS: the policy that passes the check is the one by which MinIO refuses a plain read that it lets in otherwise.
func TestSecureTransport(t *testing.T) {
	m := servertest.MinIO(t)
	target, err := url.Parse(m.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	tls := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}})
	defer tls.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", ca)

	plain := servertest.Bucket(t, "backups")
	options := plain.Options
	options.Endpoint = tls.URL
	b, err := bucket.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := object(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want(t, findings(t, b)["s3-secure-transport"], bucket.Fail, "no bucket policy")

	for _, test := range []struct {
		statements []string
		status     bucket.Status
		detail     string
		overPlain  int
	}{
		{[]string{allowGet}, bucket.Fail, "s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject", http.StatusOK},
		{[]string{allowGet, denyPlain}, bucket.Pass, "the bucket policy denies plain HTTP", http.StatusForbidden},
		{[]string{allowGet, strings.Replace(denyPlain, `"arn:aws:s3:::BUCKET/*"`, `"arn:aws:s3:::BUCKET/other/*"`, 1)}, bucket.Fail, "s3:GetObject, s3:PutObject, s3:DeleteObject", http.StatusOK},
		{[]string{allowGet, strings.Replace(denyPlain, `"s3:*"`, `["s3:List*","s3:Put*","s3:Delete*"]`, 1)}, bucket.Fail, "s3:GetObject", http.StatusOK},
	} {
		if err := policy(test.statements...)(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		want(t, findings(t, b)["s3-secure-transport"], test.status, test.detail)
		response, err := http.Get(m.Endpoint + "/" + b.Name + "/" + b.Key("drill-1", "backup_config.json"))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != test.overPlain {
			t.Errorf("%v: over plain HTTP the object is answered with %d and not %d", test.statements, response.StatusCode, test.overPlain)
		}
	}
}

// A caller who may list and nothing else knows nothing: here everybody is that caller.
func TestMayOnlyList(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	if err := policy(allowList)(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	o := b.Client.Options()
	o.Credentials = aws.AnonymousCredentials{}
	b.Client = s3.New(o)
	supported := slices.DeleteFunc(bucket.Checks(), func(c bucket.Check) bool {
		return !strings.HasPrefix(c.ID, "s3-") || slices.Contains([]string{"s3-public-access-block", "s3-anonymous-access", "s3-secure-transport", "s3-expected-owner", "s3-object-ownership", "s3-access-points"}, c.ID)
	})
	found := findings(t, b)
	for _, c := range supported {
		want(t, found[c.ID], bucket.Unknown, "access denied, "+c.Actions[0]+" is needed")
	}
}

// To deny plain HTTP at a server that is reached by it would lock out the tool and Weaviate.
func TestPlainEndpointIsNotLockedOut(t *testing.T) {
	if got := findings(t, servertest.Bucket(t, "backups"))["s3-secure-transport"].Remediation; strings.Contains(got, "aws s3api") || !strings.Contains(got, "bucket.endpoint") {
		t.Errorf("the remediation is: %s", got)
	}
}

func TestRetention(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	if err := rules(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")}, Expiration: expire(7)})(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want(t, findings(t, b, bucket.WithRetention(7*24*time.Hour))["s3-lifecycle-backups"], bucket.Pass, "for 7 days; later rule")
	want(t, findings(t, b, bucket.WithRetention(8*24*time.Hour))["s3-lifecycle-backups"], bucket.Fail, "for 8 days: rule")
}

// The requests of an audit are signed, and its evidence holds what the server answers: neither may show a credential.
func TestEvidenceHoldsNoCredentials(t *testing.T) {
	m := servertest.MinIO(t)
	b := servertest.Bucket(t, "backups")
	for _, set := range []setting{object, policy(allowGet), version("Enabled")} {
		if err := set(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	list, err := bucket.Audit(t.Context(), b, now)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), `"request":"GetBucketPolicy `+b.Name) {
		t.Errorf("the evidence does not show what was asked: %s", raw)
	}
	noCredentials(t, string(raw), m.AccessKey, m.SecretKey)
}

func noCredentials(t *testing.T, text string, credentials ...string) {
	t.Helper()
	for _, word := range append(credentials, "Authorization", "Signature=", "X-Amz-Credential", "X-Amz-Security-Token") {
		if strings.Contains(text, word) {
			t.Errorf("%q is in: %s", word, text)
		}
	}
}

func TestReachable(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	if err := b.Reachable(t.Context()); err != nil {
		t.Errorf("an empty bucket: %v", err)
	}
	changed := func(change func(*bucket.Options, *s3.Options)) *bucket.Bucket {
		b, o := *b, b.Client.Options()
		change(&b.Options, &o)
		b.Client = s3.New(o)
		return &b
	}
	credentials := func(key, secret string) aws.CredentialsProviderFunc {
		return func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}
	}
	m := servertest.MinIO(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, test := range []struct {
		name   string
		bucket *bucket.Bucket
		kind   error
		text   string
	}{
		{"no such bucket", changed(func(b *bucket.Options, _ *s3.Options) { b.Name = "no-such-bucket" }), bucket.ErrNoSuchBucket, "bucket no-such-bucket at " + m.Endpoint + ": ListObjectsV2: the bucket does not exist: check bucket.name"},
		{"no such key", changed(func(_ *bucket.Options, o *s3.Options) { o.Credentials = credentials("nobody", "secret-of-nobody") }), bucket.ErrDenied, "access denied (InvalidAccessKeyId"},
		{"wrong secret", changed(func(_ *bucket.Options, o *s3.Options) { o.Credentials = credentials(m.AccessKey, "secret-of-nobody") }), bucket.ErrDenied, "access denied (SignatureDoesNotMatch"},
		{"unsigned", changed(func(_ *bucket.Options, o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} }), bucket.ErrDenied, "access denied, s3:ListBucket is needed"},
		{"nobody listens", changed(func(b *bucket.Options, o *s3.Options) {
			b.Endpoint = strings.Replace(closed.URL, "http://", "http://user:word@", 1)
			o.BaseEndpoint, o.Retryer = &b.Endpoint, aws.NopRetryer{}
		}), bucket.ErrUnreachable, "cannot reach " + closed.URL},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.bucket.Reachable(t.Context())
			wantError(t, err, test.kind, test.text)
			noCredentials(t, fmt.Sprint(err), m.SecretKey, "secret-of-nobody", "user:word")
			if list, again := bucket.Audit(t.Context(), test.bucket, now); list != nil || !errors.Is(again, test.kind) {
				t.Errorf("the audit says: %v, %v", list, again)
			}
		})
	}
}

// wantError wants an error of one line, without the noise of the SDK.
func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("got  %v\nwant %v: ...%s...", err, kind, text)
	}
	for _, noise := range []string{"\n", "RequestID", "operation error", "https response error"} {
		if strings.Contains(fmt.Sprint(err), noise) {
			t.Errorf("%q is in: %v", noise, err)
		}
	}
}

func TestExplainObjects(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	_, err := b.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String("no-such-key")})
	err = bucket.Explain(fmt.Errorf("read it: %w", err))
	wantError(t, err, bucket.ErrNoSuchObject, "read it: GetObject: the object does not exist (NoSuchKey)")
	var typed *types.NoSuchKey
	if !errors.As(err, &typed) || bucket.Explain(err).Error() != err.Error() {
		t.Errorf("the SDK's own error is lost, or what is explained is explained again: %v", err)
	}
	_, err = b.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: aws.String("no-such-key")})
	wantError(t, bucket.Explain(err), bucket.ErrNoSuchObject, "HeadObject: the object does not exist (NotFound)")
	_, err = b.Client.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("no-such-bucket")})
	wantError(t, bucket.Explain(err), bucket.ErrNoSuchBucket, "HeadBucket: the bucket does not exist")
}

// What the SDK finds in the environment is what the bucket says of itself: the sandbox is given the same, and checks decide by it.
func TestOpenTakesTheEnvironment(t *testing.T) {
	m := servertest.MinIO(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", m.Endpoint)
	t.Setenv("AWS_REGION", "eu-central-1")
	b, err := bucket.Open(t.Context(), bucket.Options{Name: "backups", Path: "/weaviate/"})
	if err != nil {
		t.Fatal(err)
	}
	if b.Endpoint != m.Endpoint || b.Region != "eu-central-1" || b.IsAWS() || b.Path != "weaviate" || b.URL("drill-1") != "s3://backups/weaviate/drill-1" {
		t.Errorf("opened as %+v", b.Options)
	}
}

func TestIsAWS(t *testing.T) {
	for endpoint, is := range map[string]bool{
		"": true, "https://s3.eu-west-1.amazonaws.com": true, "https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com": true, "https://s3.cn-north-1.amazonaws.com.cn:443": true,
		"http://127.0.0.1:9000": false, "https://minio.example.com/s3.amazonaws.com": false, "https://s3.amazonaws.com.example.com": false, "127.0.0.1:9000": false,
	} {
		if b := (&bucket.Bucket{Options: bucket.Options{Endpoint: endpoint}}); b.IsAWS() != is {
			t.Errorf("%q: %v", endpoint, !is)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	m := servertest.MinIO(t)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		t.Setenv(name, "")
	}
	b, err := bucket.Open(t.Context(), bucket.Options{Name: "backups", Region: "us-east-1", Endpoint: m.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, b.Reachable(t.Context()), bucket.ErrNoCredentials, "no AWS credentials found: set AWS_PROFILE")
	_, _, _, err = b.Credentials(t.Context())
	wantError(t, err, bucket.ErrNoCredentials, "no AWS credentials found: set AWS_PROFILE")
}

func TestCredentials(t *testing.T) {
	m := servertest.MinIO(t)
	key, word, token, err := servertest.Bucket(t, "backups").Credentials(t.Context())
	if err != nil || key.Reveal() != m.AccessKey || word.Reveal() != m.SecretKey || token.Reveal() != "" {
		t.Errorf("credentials %v %v %v, %v", key, word, token, err)
	}
}
