package bucket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Explain returns errors that match these, so that a caller can decide by errors.Is.
var (
	ErrNoSuchBucket  = errors.New("the bucket does not exist")
	ErrNoSuchObject  = errors.New("the object does not exist")
	ErrDenied        = errors.New("access denied")
	ErrNoCredentials = errors.New("no usable AWS credentials")
	ErrWrongRegion   = errors.New("the bucket lies in another region")
	ErrUnreachable   = errors.New("the S3 server does not answer") // not reached, too slow, overloaded, or no S3 server at all; worth another try
)

// explainedError is an SDK error in one line. It still matches what the SDK returned, as well as one of the sentinels.
type explainedError struct {
	text        string
	kind, cause error
}

func (e *explainedError) Error() string { return e.text }

func (e *explainedError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// What the SDK's errors offer, declared here by what is used of them.
type (
	operationError interface {
		error
		Operation() string
		Unwrap() error
	}
	apiError interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}
)

// Explain turns an error of the S3 client, wrapped or not, into one line that says what was refused and what to do, without request ids and
// wrapping noise. What callers wrapped around it stays. The result matches one of the sentinels where one applies, and still matches what it was
// made from (*types.NoSuchKey, context.Canceled). An error that is not of the S3 client, and nil, come back as they are.
func Explain(err error) error {
	var done *explainedError
	var op operationError
	if err == nil || errors.As(err, &done) || !errors.As(err, &op) {
		return err
	}
	text, kind := explain(op)
	text = op.Operation() + ": " + text
	if whole := err.Error(); strings.Contains(whole, op.Error()) {
		text = strings.Replace(whole, op.Error(), text, 1)
	}
	return &explainedError{text: oneLine(text), kind: kind, cause: err}
}

func explain(op operationError) (text string, kind error) {
	var api apiError
	var other *answerError
	var transport *url.Error
	switch credentials := strings.Contains(op.Error(), "get credentials: "); {
	case errors.Is(op, context.Canceled):
		return context.Canceled.Error(), nil
	case credentials:
		return explainCredentials(op.Unwrap()), ErrNoCredentials
	case errors.Is(op, context.DeadlineExceeded):
		return server(op) + " does not answer in time", ErrUnreachable
	case errors.As(op, &other):
		return other.Error(), ErrUnreachable
	case errors.As(op, &api) && api.ErrorCode() != "" && api.ErrorCode() != "UnknownError" && !bare(op, api):
		return explainAnswer(op, api)
	case status(op) != 0:
		if who := server(op); who != s3Server {
			return fmt.Sprintf("%[1]s answered HTTP %[2]d and nothing of %[1]s: does a proxy answer in its place?", who, status(op)), ErrUnreachable
		}
		return fmt.Sprintf("the server answered HTTP %d and no S3 error: is the endpoint an S3 server?", status(op)), ErrUnreachable
	case errors.As(op, &transport):
		return "cannot reach " + host(transport.URL) + ": " + deepest(transport).Error(), ErrUnreachable
	}
	return op.Unwrap().Error(), nil
}

// bare says whether the answer held no S3 error, so that the SDK made one of the status line, in a case in which S3 sends one.
func bare(op operationError, api apiError) bool {
	text := http.StatusText(status(op))
	if api.ErrorMessage() != text || api.ErrorCode() != strings.ReplaceAll(text, " ", "") || header(op, regionHeader) != "" || op.Operation() == "HeadObject" { // whose answer has no body
		return false
	}
	switch status(op) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented: // the status says it all
		return false
	case http.StatusNotFound: // of a bucket to HEAD, or of an object to others
		return op.Operation() != "HeadBucket" && !strings.HasSuffix(op.Operation(), "Object")
	}
	return true
}

// explainCredentials is about an error of the chain of credentials, as it is or within that of a call.
func explainCredentials(err error) string {
	if strings.Contains(err.Error(), "no EC2 IMDS role found") {
		return "no AWS credentials found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run under a role (IRSA, Pod Identity, instance role)"
	}
	var api apiError
	var inner operationError
	if errors.As(err, &inner) && errors.As(inner, &api) { // such as STS refusing AssumeRoleWithWebIdentity
		return fmt.Sprintf("%s: %s: %s: %s", ErrNoCredentials, inner.Operation(), api.ErrorCode(), api.ErrorMessage())
	}
	detail := err.Error()
	if _, cause, ok := strings.Cut(detail, "get credentials: "); ok {
		detail = cause
	}
	return ErrNoCredentials.Error() + ": " + strings.TrimPrefix(detail, "failed to refresh cached credentials, ")
}

// What AWS's error codes mean here. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; "Forbidden" and "NotFound" are
// the SDK's words for an answer to HEAD, which has no body. Those of other services, where they differ, are in the CommonErrors.html of each, such as
// https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html, and https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html.
var (
	deniedCodes = []string{
		"AccessDenied", "Forbidden", "AllAccessDisabled", "AccountProblem", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
		"InvalidTokenId", "RequestTimeTooSkewed", "NotSignedUp", "InvalidSecurity",
		"ExpiredTokenException", "RequestExpired", "UnrecognizedClientException", "InvalidSignatureException",
	}
	overloadedCodes = []string{"SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "InternalError", "RequestTimeout", "ThrottlingException", "Throttling"}
	missingCodes    = []string{"NoSuchKey", "NotFound", "NoSuchVersion"}
)

// A server that wants another region names it in this header, or in the message of AuthorizationHeaderMalformed. Regions opened after March 2019 answer
// IllegalLocationConstraintException. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ErrorCodeBilling.html.
const regionHeader = "X-Amz-Bucket-Region"

var expectedRegion = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

// kmsDenial is in the message of an AccessDenied that is not of S3 but of KMS: "... is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:...".
var kmsDenial = regexp.MustCompile(`(kms:[A-Za-z]+)(?: on (?:the )?resource: (arn:\S+:key/[0-9A-Za-z-]+))?`)

func explainAnswer(op operationError, api apiError) (string, error) {
	code, message := api.ErrorCode(), api.ErrorMessage()
	answer := code
	if message != "" && message != "Access Denied" && message != "Access Denied." && message != code {
		answer += ": " + message
	}
	switch {
	case code == "NoSuchBucket" || code == "NotFound" && op.Operation() == "HeadBucket":
		return ErrNoSuchBucket.Error() + ": check bucket.name and bucket.endpoint", ErrNoSuchBucket
	case status(op) == http.StatusMovedPermanently || code == "TemporaryRedirect" || code == "IllegalLocationConstraintException" ||
		code == "AuthorizationHeaderMalformed" && strings.Contains(message, "region"):
		region := header(op, regionHeader)
		if found := expectedRegion.FindStringSubmatch(message); region == "" && found != nil {
			region = found[1]
		}
		if region == "" {
			return fmt.Sprintf("%s: correct bucket.region (%s)", ErrWrongRegion, answer), ErrWrongRegion
		}
		return fmt.Sprintf("%s: set bucket.region to %s", ErrWrongRegion, region), ErrWrongRegion
	case slices.Contains(missingCodes, code):
		return ErrNoSuchObject.Error() + " (" + code + ")", ErrNoSuchObject
	case code == "AccessDenied" || code == "AccessDeniedException" || code == "UnauthorizedOperation" || code == "Forbidden":
		action := actionOf(op)
		if found := kmsDenial.FindStringSubmatch(message); found != nil {
			action = found[1]
		}
		return fmt.Sprintf("%s, %s is needed (%s)", ErrDenied, action, answer), ErrDenied
	case slices.Contains(deniedCodes, code) || status(op) == http.StatusForbidden || status(op) == http.StatusUnauthorized:
		return fmt.Sprintf("%s (%s)", ErrDenied, answer), ErrDenied
	case slices.Contains(overloadedCodes, code) || status(op) >= 500 && status(op) != http.StatusNotImplemented:
		return fmt.Sprintf("%s is overloaded or broken (HTTP %d %s): try again later", server(op), status(op), answer), ErrUnreachable
	}
	return answer, nil
}

// actions maps an operation to the IAM action that allows it, where their names differ from "s3:" and the operation's name.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html.
var actions = map[string]string{
	"CopyObject":                      "s3:GetObject and s3:PutObject",
	"CompleteMultipartUpload":         "s3:PutObject",
	"CreateMultipartUpload":           "s3:PutObject",
	"DeleteObjects":                   "s3:DeleteObject",
	"GetBucketEncryption":             "s3:GetEncryptionConfiguration",
	"GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
	"GetBucketReplication":            "s3:GetReplicationConfiguration",
	"GetObjectLockConfiguration":      "s3:GetBucketObjectLockConfiguration",
	"GetPublicAccessBlock":            "s3:GetBucketPublicAccessBlock",
	"HeadBucket":                      "s3:ListBucket",
	"HeadObject":                      "s3:GetObject",
	"ListMultipartUploads":            "s3:ListBucketMultipartUploads",
	"ListObjectVersions":              "s3:ListBucketVersions",
	"ListParts":                       "s3:ListMultipartUploadParts",
	"ListObjectsV2":                   "s3:ListBucket",
	"PutBucketEncryption":             "s3:PutEncryptionConfiguration",
	"PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
	"PutPublicAccessBlock":            "s3:PutBucketPublicAccessBlock",
	"UploadPart":                      "s3:PutObject",
	"UploadPartCopy":                  "s3:GetObject and s3:PutObject",
}

// services are the prefixes of IAM actions by the SDK's name of the service. That of S3 Control is the one of S3.
var services = map[string]string{"KMS": "kms:", "STS": "sts:", "EC2": "ec2:", "CloudTrail": "cloudtrail:", "IAM": "iam:"}

// server is who was asked: the S3 server, or another service of AWS by its name.
func server(op operationError) string {
	var of interface{ Service() string }
	if errors.As(op, &of) && services[of.Service()] != "" {
		return of.Service()
	}
	return s3Server
}

const s3Server = "the S3 server"

// actionOf is the IAM action that the operation of any service needs.
func actionOf(op operationError) string {
	var of interface{ Service() string }
	if !errors.As(op, &of) {
		return Action(op.Operation())
	}
	if prefix, known := services[of.Service()]; known {
		return prefix + op.Operation()
	}
	if of.Service() == "S3 Control" && op.Operation() == "GetPublicAccessBlock" {
		return "s3:GetAccountPublicAccessBlock"
	}
	return Action(op.Operation())
}

// Action is the IAM action (or actions) that an S3 operation, such as ListObjectsV2, needs.
func Action(operation string) string {
	if action, ok := actions[operation]; ok {
		return action
	}
	return "s3:" + operation
}

func code(err error) string {
	var api apiError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// status is the HTTP status of the answer in err, or 0 when there was none.
func status(err error) int {
	var r *awshttp.ResponseError
	if errors.As(err, &r) && r.Response != nil && r.Response.Response != nil {
		return r.Response.StatusCode
	}
	return 0
}

func header(err error, name string) string {
	var r *awshttp.ResponseError
	if errors.As(err, &r) && r.Response != nil && r.Response.Response != nil {
		return r.Response.Header.Get(name)
	}
	return ""
}

// host is the part of an address that an operator recognises; never its user, password or query.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the endpoint"
	}
	return u.Scheme + "://" + u.Host
}

// deepest is the error that names the fault: that of the network, which has its address, else the innermost.
func deepest(err error) error {
	var network *net.OpError
	if errors.As(err, &network) {
		return network
	}
	for next := err; next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Reachable proves that the bucket exists, lies in the configured region, and lets the caller list below the prefix. It makes one listing of at most
// one key instead of a HeadBucket: a HEAD has no body to say why it was refused, and is refused to a caller who may list below the prefix only.
// The error names the bucket, says what to do, and matches a sentinel of this package.
func (b *Bucket) Reachable(ctx context.Context) error {
	_, err := b.first(ctx)
	return err
}

// first returns a key below the prefix, or an empty string when there is none.
func (b *Bucket) first(ctx context.Context) (string, error) {
	prefix, one := b.prefix(), int32(1)
	out, err := b.Client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix, MaxKeys: &one}, rooted(listing))
	if err != nil {
		where := "bucket " + b.Name
		if b.Endpoint != "" {
			where += " at " + host(b.Endpoint)
		}
		return "", fmt.Errorf("%s: %w", where, b.disown(ctx, Explain(err)))
	}
	if len(out.Contents) == 0 || out.Contents[0].Key == nil {
		return "", nil
	}
	return *out.Contents[0].Key, nil
}

// prefix is what every key of every backup begins with; empty when backups lie at the bucket's root.
func (b *Bucket) prefix() string {
	if b.Path == "" {
		return ""
	}
	return b.Path + "/"
}
