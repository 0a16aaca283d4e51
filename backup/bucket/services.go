package bucket

import (
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// keys asks the KMS of the bucket's region, by the same credentials and the same way as the bucket is asked.
func (b *Bucket) keys() *kms.Client {
	o := b.Client.Options()
	return kms.New(kms.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
		EndpointOptions: kms.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
	})
}
