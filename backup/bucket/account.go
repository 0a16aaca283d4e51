package bucket

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3control"
)

// noBlock is AWS's answer when a bucket, or an account, has no public access block.
const noBlock = "NoSuchPublicAccessBlockConfiguration"

// account is that which owns the bucket: the expected owner, or else the caller's own.
func (p *probe) account() (string, error) {
	if p.b.ExpectedOwner != "" {
		return p.b.ExpectedOwner, nil
	}
	out, err := note(p, p.caller())
	if err != nil {
		return "", err
	}
	if value(out.Account) == "" {
		return "", errors.New("GetCallerIdentity: the answer names no account")
	}
	return *out.Account, nil
}

// accountBlock asks for the public access block of the account that owns the bucket.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetPublicAccessBlock.html.
func (p *probe) accountBlock(ctx context.Context) (*s3control.GetPublicAccessBlockOutput, error) {
	account, err := p.account()
	if err != nil {
		return nil, err
	}
	return note(p, askOf(ctx, p.audit, "GetPublicAccessBlock of account "+account, p.b.control().GetPublicAccessBlock, &s3control.GetPublicAccessBlockInput{AccountId: &account}))
}

// control asks S3 Control, in the bucket's region, by the same credentials and the same way as the bucket is asked.
func (b *Bucket) control() *s3control.Client {
	o := b.Client.Options()
	return s3control.New(s3control.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
		EndpointOptions: s3control.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
	})
}
