package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// Right is something that the caller may do, or not, as it was tried. Nothing is changed by a try.
type Right struct {
	Action   string // the IAM action, such as s3:PutObject
	Resource string // the ARN that it is needed on; of kms actions that of the key
	Status   Status // Pass, Fail (Err says why) or Unknown
	Detail   string // one sentence
	Remedy   string // the statement of an IAM policy that grants it, or what else mends it; empty when nothing is to be done
	Err      error  // of Fail; it matches the sentinels of this package
}

const (
	accessTimeout = 20 * time.Second // of one try, with the client's own retries in it
	// wrongDigest is the MD5 of nothing. S3 refuses a body of which it is not the digest with BadDigest, after it has looked at the caller's rights
	// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
	wrongDigest = "1B2M2Y8AsgTpgAmY7PhCfg=="
)

// As is the same bucket with other credentials.
func (b *Bucket) As(accessKeyID, secretAccessKey, sessionToken secret.Value) *Bucket {
	o := b.Client.Options()
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKeyID.Reveal(), SecretAccessKey: secretAccessKey.Reveal(), SessionToken: sessionToken.Reveal()}, nil
	})
	return &Bucket{Client: s3.New(o), Options: b.Options}
}

// TryList lists below the path.
func (b *Bucket) TryList(ctx context.Context) Right {
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	return right("s3:ListBucket", b.arn(), b.Reachable(ctx))
}

// TryVersions lists the versions below the path.
func (b *Bucket) TryVersions(ctx context.Context) Right {
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	_, err := b.Client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &b.Name, Prefix: aws.String(b.prefix()), MaxKeys: aws.Int32(1)}, rooted("ListVersionsResult"))
	return right("s3:ListBucketVersions", b.arn(), err)
}

// TryRead reads an object to its end, which under SSE-KMS proves kms:Decrypt too. One that is not there proves only that S3 looked for it, which it does for who may read and list
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
func (b *Bucket) TryRead(ctx context.Context, key string) Right {
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	out, err := b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Name, Key: &key})
	var encryption string
	if err == nil {
		_, err = io.Copy(io.Discard, out.Body)
		_ = out.Body.Close()
		encryption = string(out.ServerSideEncryption)
	}
	if errors.Is(Explain(err), ErrNoSuchObject) {
		r := right("s3:GetObject", b.arn(b.Key("*")), nil)
		r.Detail = "nothing to read is there; what is not there was looked for, which is denied to who may not read"
		return r
	}
	r := right("s3:GetObject", b.arn(b.Key("*")), err)
	if r.Status == Pass {
		r.Detail = "read s3://" + b.Name + "/" + key
		if strings.HasPrefix(encryption, string(types.ServerSideEncryptionAwsKms)) {
			r.Detail += ", and KMS decrypts it"
		}
	}
	return r
}

// ProbeKey is the key at which rights to keys of a pattern below the path are tried. Nothing is ever there.
func (b *Bucket) ProbeKey(pattern string) string {
	return b.Key(strings.ReplaceAll(pattern, "*", "weaviate-drill-doctor"))
}

// TryWrite asks for the right to write keys of a pattern below the path, such as "*/restore_config.json". The write that is asked for carries the digest of another body, so that it cannot be
// carried out. Whether a key of KMS may be used is looked at after that, by some servers, and so is not proved.
func (b *Bucket) TryWrite(ctx context.Context, pattern string) Right {
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	key := b.ProbeKey(pattern)
	_, err := b.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.Name, Key: &key, ContentMD5: aws.String(wrongDigest), Body: strings.NewReader("{}")})
	r := right("s3:PutObject", b.arn(b.Key(pattern)), err)
	switch url := "s3://" + b.Name + "/" + key; {
	case err == nil:
		r.Status, r.Detail, r.Remedy = Unknown, "the server took an object whose digest was wrong, which S3 never does: it is now at "+url, "remove it: aws s3 rm "+url
	case code(err) == "BadDigest":
		r = right(r.Action, r.Resource, nil)
		r.Detail = "a write with a wrong digest was refused for that alone"
	}
	return unsettled(r)
}

// TryDelete asks for the right to delete keys of a pattern below the path, by one that is not there. On AWS the condition that it must be there keeps a versioned bucket from a delete marker
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html); other servers may not know that condition, and are asked only where there have never been versions.
func (b *Bucket) TryDelete(ctx context.Context, pattern string) Right {
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	const action = "s3:DeleteObject"
	resource, key := b.arn(b.Key(pattern)), b.ProbeKey(pattern)
	if !b.IsAWS() {
		out, err := b.Client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.Name}, rooted("VersioningConfiguration"))
		if err != nil || out.Status != "" {
			return Right{Action: action, Resource: resource, Status: Unknown, Detail: "not tried, since a delete marker might stay", Remedy: grant(action, resource)}
		}
	}
	_, err := b.Client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.Name, Key: &key, IfMatch: aws.String("*")})
	if status(err) == http.StatusPreconditionFailed || errors.Is(Explain(err), ErrNoSuchObject) {
		err = nil
	}
	r := right(action, resource, err)
	if r.Status == Pass {
		r.Detail = "deleting an object that is not there was let through"
	}
	return unsettled(r)
}

// Unaccepted says whether the server does not accept the credentials at all, so that every other try would say the same.
func (r Right) Unaccepted() bool { return unaccepted(r.Err) }

func unaccepted(err error) bool {
	_, known := faults[code(err)]
	return known || errors.Is(Explain(err), ErrNoCredentials)
}

// unsettled makes a try unknown that the server answered with neither yes nor no: a real write or delete may go well.
func unsettled(r Right) Right {
	if r.Status == Fail && status(r.Err) != 0 && !errors.Is(r.Err, ErrDenied) {
		r.Status, r.Detail = Unknown, "not known: "+r.Detail
	}
	return r
}

// TryAudit runs the audit and returns an Unknown for each of its actions that is denied, and one Pass when none is: without them checks of the audit are unknown, which fails no drill.
func (b *Bucket) TryAudit(ctx context.Context) []Right {
	findings, err := Audit(ctx, b, time.Now(), WithCallTimeout(accessTimeout))
	if err != nil {
		return []Right{{Action: auditing, Resource: b.arn(), Status: Unknown, Detail: "not tried: " + Explain(err).Error()}}
	}
	var list []Right
	for i, f := range findings {
		for _, action := range checks[i].Actions {
			denied := f.Status == Unknown && strings.Contains(f.Detail, action+" is needed")
			if denied && !slices.ContainsFunc(list, func(r Right) bool { return r.Action == action }) {
				on := cmp.Or(map[Scope]string{OnBucket: b.arn(), OnObjects: b.arn(b.Key("*"))}[ScopeOf(action)], "*")
				list = append(list, Right{Action: action, Resource: on, Status: Unknown, Detail: "denied, and so the audit cannot tell: " + f.Title, Remedy: grant(action, on)})
			}
		}
	}
	if len(list) == 0 {
		list = []Right{{Action: auditing, Resource: b.arn(), Status: Pass, Detail: "nothing that it asks for is denied"}}
	}
	return list
}

// auditing stands for the actions of all checks.
const auditing = "the audit"

// TryKey tells whether the bucket encrypts by a key of KMS, for which a writer needs a right that only a write proves. It returns nothing where none is needed.
func (b *Bucket) TryKey(ctx context.Context) []Right {
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	out, err := b.Client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b.Name}, rooted("ServerSideEncryptionConfiguration"))
	if err != nil || out.ServerSideEncryptionConfiguration == nil {
		return nil // the audit says so
	}
	for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
		if by := rule.ApplyServerSideEncryptionByDefault; by != nil && strings.HasPrefix(string(by.SSEAlgorithm), string(types.ServerSideEncryptionAwsKms)) {
			key := aws.ToString(by.KMSMasterKeyID)
			if !strings.HasPrefix(key, "arn:") { // an id or alias, or the key that S3 has by itself
				key = "*"
			}
			return []Right{{
				Action: "kms:GenerateDataKey", Resource: key, Status: Unknown, Detail: "not tried: only a write would prove it, and the bucket encrypts what is written by a key of KMS", Remedy: grant("kms:GenerateDataKey", key),
			}}
		}
	}
	return nil
}

// right is what a call says of the right to make it.
func right(action, resource string, err error) Right {
	r := Right{Action: action, Resource: resource, Status: Pass, Detail: "tried, and allowed"}
	if err == nil {
		return r
	}
	r.Err = Explain(err)
	var api apiError
	if errors.As(err, &api) && errors.Is(r.Err, ErrDenied) {
		if found := kmsDenial.FindStringSubmatch(api.ErrorMessage()); found != nil {
			r.Action, r.Resource = found[1], cmp.Or(found[2], "*")
		}
	}
	r.Status, r.Detail, r.Remedy = Fail, r.Err.Error(), remedy(r)
	return r
}

// faults are codes that say what is wrong with the credentials, and what mends it.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
var faults = map[string]string{ //nolint:gosec // G101: names of credentials, and none of them
	"ExpiredToken":          "renew the credentials: they are temporary and have expired (aws sso login, or a new session token)",
	"InvalidToken":          "AWS_SESSION_TOKEN does not belong to AWS_ACCESS_KEY_ID: set the three as they were issued together",
	"InvalidTokenId":        "AWS_SESSION_TOKEN does not belong to AWS_ACCESS_KEY_ID: set the three as they were issued together",
	"InvalidAccessKeyId":    "the server does not know the access key: check AWS_ACCESS_KEY_ID, and that the endpoint is the server that issued it",
	"SignatureDoesNotMatch": "the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY",
	"RequestTimeTooSkewed":  "set the clock of this machine",
}

// remedy is for a Right that is missing; empty where the error itself says what to correct.
func remedy(r Right) string {
	if text, known := faults[code(r.Err)]; known {
		return text
	}
	switch {
	case errors.Is(r.Err, ErrDenied):
		return grant(r.Action, r.Resource)
	case errors.Is(r.Err, ErrNoCredentials):
		return "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run under a role (IRSA, Pod Identity, instance role)"
	case errors.Is(r.Err, ErrUnreachable):
		return "check the endpoint, and the network and firewalls on the way to it"
	}
	return ""
}

// grant is a statement of an IAM policy. A terminal may break it at its spaces without harm.
func grant(action, resource string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": %q}`, action, resource)
}

// arn names the bucket, or objects in it, in the partition of its region (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
func (b *Bucket) arn(key ...string) string {
	partition := "aws"
	for prefix, other := range map[string]string{"cn-": "aws-cn", "us-gov-": "aws-us-gov"} {
		if strings.HasPrefix(b.Region, prefix) {
			partition = other
		}
	}
	return "arn:" + partition + ":s3:::" + strings.Join(append([]string{b.Name}, key...), "/")
}
