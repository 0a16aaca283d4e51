package bucket_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// as is b for a caller who has only the rights of these statements, in which BUCKET stands for its name.
func as(t *testing.T, b *bucket.Bucket, statements ...string) *bucket.Bucket {
	t.Helper()
	c := servertest.Session(t, strings.ReplaceAll(strings.Join(statements, ","), "BUCKET", b.Name))
	return b.As(secret.New(*c.AccessKeyId), secret.New(*c.SecretAccessKey), secret.New(*c.SessionToken))
}

// tries are all, by the action that they try.
var tries = map[string]func(context.Context, *bucket.Bucket) bucket.Right{
	"s3:ListBucket":         func(ctx context.Context, b *bucket.Bucket) bucket.Right { return b.TryList(ctx) },
	"s3:ListBucketVersions": func(ctx context.Context, b *bucket.Bucket) bucket.Right { return b.TryVersions(ctx) },
	"s3:GetObject": func(ctx context.Context, b *bucket.Bucket) bucket.Right {
		return b.TryRead(ctx, b.Key("drill-1", "backup_config.json"))
	},
	"s3:PutObject": func(ctx context.Context, b *bucket.Bucket) bucket.Right {
		return b.TryWrite(ctx, "*/restore_config.json")
	},
	"s3:DeleteObject": func(ctx context.Context, b *bucket.Bucket) bucket.Right {
		return b.TryDelete(ctx, "*/restore_config.json")
	},
}

func versions(t *testing.T, b *bucket.Bucket) (all []string) {
	t.Helper()
	out, err := b.Client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &b.Name})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range out.Versions {
		all = append(all, *v.Key+" "+*v.VersionId)
	}
	for _, m := range out.DeleteMarkers {
		all = append(all, *m.Key+" deleted "+*m.VersionId)
	}
	return all
}

// compact is JSON without its spaces.
func compact(text string) string { return strings.ReplaceAll(text, " ", "") }

// Each right is seen where it is and missed where it is not, and no try leaves anything behind.
func TestRights(t *testing.T) {
	const onBucket, onBackups = `"Resource":"arn:aws:s3:::BUCKET"}`, `"Resource":"arn:aws:s3:::BUCKET/backups/*"}`
	statements := map[string]string{
		"s3:ListBucket":         `{"Effect":"Allow","Action":"s3:ListBucket",` + onBucket,
		"s3:ListBucketVersions": `{"Effect":"Allow","Action":"s3:ListBucketVersions",` + onBucket,
		"s3:GetObject":          `{"Effect":"Allow","Action":"s3:GetObject",` + onBackups,
		"s3:PutObject":          `{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::BUCKET/backups/*/restore_config.json"}`,
		"s3:DeleteObject":       `{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::BUCKET/backups/*/restore_config.json"}`,
	}
	for _, versioning := range []types.BucketVersioningStatus{"", "Enabled", "Suspended"} {
		t.Run("versioning "+string(versioning), func(t *testing.T) {
			b := servertest.Bucket(t, "backups")
			if versioning != "" {
				for _, s := range []setting{version("Enabled"), version(versioning)} {
					if err := s(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := object(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			before := versions(t, b)
			var given []string
			for action := range tries {
				given = append(given, statements[action])
			}
			versioningRight := `{"Effect":"Allow","Action":"s3:GetBucketVersioning",` + onBucket
			full := as(t, b, append(given, versioningRight)...)
			for action, try := range tries {
				wanted := bucket.Pass
				if action == "s3:DeleteObject" && versioning != "" { // MinIO is not AWS
					wanted = bucket.Unknown
				}
				if r := try(t.Context(), full); r.Status != wanted || r.Action != action || wanted == bucket.Pass && r.Remedy != "" {
					t.Errorf("%s with every right: %+v", action, r)
				}
				without := slices.DeleteFunc(slices.Clone(given), func(s string) bool {
					return s == statements[action] || action == "s3:ListBucketVersions" && s == statements["s3:ListBucket"] // with which MinIO allows both
				})
				if wanted == bucket.Pass {
					wanted = bucket.Fail
				}
				r := try(t.Context(), as(t, b, append(without, versioningRight)...))
				if r.Status != wanted || r.Action != action || compact(r.Remedy) != strings.ReplaceAll(statements[action], "BUCKET", b.Name) {
					t.Errorf("%s without it: %+v", action, r)
				}
				if wanted == bucket.Fail && !errors.Is(r.Err, bucket.ErrDenied) {
					t.Errorf("%s: %v", action, r.Err)
				}
			}
			if r := full.TryWrite(t.Context(), "*/node1/Article/chunk-1"); r.Status != bucket.Fail {
				t.Errorf("chunks may be written: %+v", r)
			}
			if r := full.TryRead(t.Context(), full.ProbeKey("*/backup_config.json")); r.Status != bucket.Pass || !strings.Contains(r.Detail, "not there") {
				t.Errorf("an object that is not there: %+v", r)
			}
			if after := versions(t, b); !slices.Equal(before, after) {
				t.Errorf("something was changed: %v, before %v", after, before)
			}
		})
	}
}

func TestAuditRights(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	if err := encrypt(types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("drill-key")})(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if all := b.TryAudit(t.Context()); len(all) != 1 || all[0].Status != bucket.Pass {
		t.Errorf("%+v", all)
	}
	if key := b.TryKey(t.Context()); len(key) != 1 || key[0].Status != bucket.Unknown || key[0].Action != "kms:GenerateDataKey" {
		t.Errorf("%+v", key)
	}
	lister := as(t, b, `{"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketVersioning"],"Resource":"arn:aws:s3:::BUCKET"}`)
	denied := lister.TryAudit(t.Context())
	has := func(action string) bool {
		return slices.ContainsFunc(denied, func(r bucket.Right) bool {
			return r.Action == action && r.Status == bucket.Unknown && strings.Contains(r.Remedy, action)
		})
	}
	if !has("s3:GetEncryptionConfiguration") || !has("s3:GetLifecycleConfiguration") || !has("s3:GetBucketPolicy") || has("s3:GetBucketVersioning") || has("s3:ListBucket") {
		t.Errorf("%+v", denied)
	}
}

// What AWS answers by its documentation: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and for a delete with a condition
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html.
func TestRightsOnAWS(t *testing.T) {
	const kms = "User: arn:aws:sts::123456789012:assumed-role/drill/x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab " +
		"because no identity-based policy allows the kms:Decrypt action"
	for _, tt := range []struct {
		name   string
		try    string
		answer reply
		status bucket.Status
		detail string
		remedy string
	}{
		{"wrong digest", "s3:PutObject", failure(400, "BadDigest", "The Content-MD5 you specified did not match what we received."), bucket.Pass, "refused for that alone", ""},
		{"no such feature", "s3:PutObject", failure(400, "InvalidRequest", "Content-MD5 is not supported"), bucket.Unknown, "not known", ""},
		{"an object was taken", "s3:PutObject", ok(""), bucket.Unknown, "s3://backups-example/weaviate/weaviate-drill-doctor/restore_config.json", "aws s3 rm"},
		{"condition not met", "s3:DeleteObject", failure(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"), bucket.Pass, "not there", ""},
		{"KMS", "s3:GetObject", failure(403, "AccessDenied", kms), bucket.Fail, "kms:Decrypt is needed", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"}`},
		{"expired", "s3:ListBucket", failure(400, "ExpiredToken", "The provided token has expired."), bucket.Fail, "ExpiredToken", "renew the credentials"},
		{"unknown key", "s3:ListBucket", failure(403, "InvalidAccessKeyId", "The AWS access key ID that you provided does not exist in our records."), bucket.Fail, "InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"},
		{"wrong secret", "s3:ListBucket", failure(403, "SignatureDoesNotMatch", "The request signature that the server calculated does not match."), bucket.Fail, "SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"},
		{"clock", "s3:ListBucket", failure(403, "RequestTimeTooSkewed", "The difference is too large."), bucket.Fail, "RequestTimeTooSkewed", "set the clock"},
	} {
		b := onAWS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && r.Header.Get("If-Match") != "*" {
				t.Errorf("%s: a delete without a condition", tt.name)
			}
			w.WriteHeader(tt.answer.status)
			_, _ = w.Write([]byte(tt.answer.body))
		}))
		r := tries[tt.try](t.Context(), b)
		if r.Status != tt.status || !strings.Contains(r.Detail, tt.detail) || !strings.Contains(r.Remedy, tt.remedy) && !strings.Contains(compact(r.Remedy), tt.remedy) {
			t.Errorf("%s: %+v", tt.name, r)
		}
		noCredentials(t, r.Detail+r.Remedy, keyID, keyWord, token)
	}
	none := onAWS(t, hardened)
	o := none.Client.Options()
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no EC2 IMDS role found, operation error ec2imds")
	})
	none.Client = s3.New(o)
	if r := none.TryList(t.Context()); r.Status != bucket.Fail || !errors.Is(r.Err, bucket.ErrNoCredentials) || !strings.Contains(r.Remedy, "AWS_PROFILE") {
		t.Errorf("no credentials: %+v", r)
	}
}
