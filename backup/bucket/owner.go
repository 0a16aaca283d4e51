package bucket

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// ErrWrongOwner is that the bucket belongs to another account than Options.ExpectedOwner.
var ErrWrongOwner = errors.New("the bucket belongs to another AWS account")

// owned makes every call on the bucket carry its expected owner, also a copy from it, so that S3 refuses what a bucket of the same name in another account would take.
// Calls on other buckets stay as they are, and without an account all do. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html.
func owned(bucket, account string) func(*s3.Options) {
	carry := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		in.Parameters = expecting(in.Parameters, bucket, account)
		return next.HandleInitialize(ctx, in)
	}
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			_, _ = stack.Initialize.Remove(ownership) // of one call the last word counts
			if account == "" {
				return nil
			}
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(ownership, carry), middleware.Before)
		})
	}
}

const ownership = "weaviate-drill: expected owner"

// expecting is a copy of an operation's input that names the owner wherever it names the bucket. The SDK has one type for each operation and no interface to them.
func expecting(input any, bucket, account string) any {
	given := reflect.ValueOf(input)
	if given.Kind() != reflect.Pointer || given.Elem().Kind() != reflect.Struct {
		return input
	}
	changed := reflect.New(given.Elem().Type())
	changed.Elem().Set(given.Elem())
	for _, where := range []struct{ place, owner string }{{"Bucket", "ExpectedBucketOwner"}, {"CopySource", "ExpectedSourceBucketOwner"}} {
		place, owner := changed.Elem().FieldByName(where.place), changed.Elem().FieldByName(where.owner)
		if !place.IsValid() || !owner.IsValid() {
			continue
		}
		named, ok := place.Interface().(*string)
		if name, _, _ := strings.Cut(strings.TrimPrefix(aws.ToString(named), "/"), "/"); ok && name == bucket {
			owner.Set(reflect.ValueOf(&account))
		}
	}
	return changed.Interface()
}

// disown tells a bucket of another account from one that is denied: S3 answers 403 to both. The same listing is asked for without the owner; what is let in then was refused for the owner alone.
func (b *Bucket) disown(ctx context.Context, refusal error) error {
	if b.ExpectedOwner == "" || !errors.Is(refusal, ErrDenied) {
		return refusal
	}
	prefix, one := b.prefix(), int32(1)
	_, err := b.Client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix, MaxKeys: &one}, rooted(listing), owned(b.Name, ""))
	if err != nil { // a stranger's bucket denies that too
		return fmt.Errorf("%w; or the bucket is not of account %s (bucket.expected_owner)", refusal, b.ExpectedOwner)
	}
	return &explainedError{
		text: fmt.Sprintf("ListObjectsV2: %s than %s: correct bucket.expected_owner, or do not trust bucket.name", ErrWrongOwner, b.ExpectedOwner), kind: ErrWrongOwner, cause: refusal,
	}
}

var expectedOwner = Check{
	ID: "s3-expected-owner", Title: "The bucket is that of the expected account (tried)", Severity: Low,
	Why:         "The name of a bucket that was deleted can be taken by anybody. Backups that are then written to it, and restored from it, are a stranger's; only a call that names the owner's account notices.",
	How:         "bucket.expected_owner is set, so that every call carries it (x-amz-expected-bucket-owner) and S3 refuses a bucket of another account; and a listing that expects an account that does not exist is refused.",
	Remediation: `aws sts get-caller-identity --query Account --output text # where the bucket is the caller's own; then set bucket.expected_owner to it`,
	Reference:   "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html",
	Actions:     []string{"s3:ListBucket"},
}

// nobody is an account that does not exist.
const nobody = "000000000000"

func decideExpectedOwner(ctx context.Context, p *probe) outcome {
	prefix, one := p.b.prefix(), int32(1)
	_, err := note(p, ask(ctx, p.audit, "ListObjectsV2 (expecting the owner "+nobody+")", p.b.Client.ListObjectsV2,
		&s3.ListObjectsV2Input{Bucket: &p.b.Name, Prefix: &prefix, MaxKeys: &one}, rooted(listing), owned(p.b.Name, nobody)))
	switch {
	case err == nil && p.b.IsAWS():
		return unknown("not known: a listing that expects another owner was answered, which S3 never does")
	case err == nil:
		return decided(NotSupported, "the S3 server does not have this feature: it takes no notice of the expected owner", nil)
	case code(err) != "AccessDenied":
		return p.undecided(err)
	case p.b.ExpectedOwner == "":
		return fail("bucket.expected_owner is not set: a bucket of the same name in another account would be taken for this one")
	}
	return pass("every call expects the owner %s, and a listing that expects another is refused", p.b.ExpectedOwner)
}
