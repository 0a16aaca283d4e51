package bucket

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// noBlock is AWS's answer when a bucket, or an account, has no public access block.
const noBlock = "NoSuchPublicAccessBlockConfiguration"

// accountBlock asks for the public access block of the account that owns the bucket: the expected owner, or else the caller's own.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetPublicAccessBlock.html.
func (p *probe) accountBlock(ctx context.Context) (*s3control.GetPublicAccessBlockOutput, error) {
	o := p.b.Client.Options()
	account := p.b.ExpectedOwner
	if account == "" {
		identities := sts.New(sts.Options{
			Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
			EndpointOptions: sts.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
		})
		out, err := note(p, askOf(ctx, p.audit, "GetCallerIdentity", identities.GetCallerIdentity, &sts.GetCallerIdentityInput{}))
		if err != nil {
			return nil, err
		}
		if account = value(out.Account); account == "" {
			return nil, errors.New("GetCallerIdentity: the answer names no account")
		}
	}
	control := s3control.New(s3control.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
		EndpointOptions: s3control.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
	})
	return note(p, askOf(ctx, p.audit, "GetPublicAccessBlock of account "+account, control.GetPublicAccessBlock, &s3control.GetPublicAccessBlockInput{AccountId: &account}))
}
