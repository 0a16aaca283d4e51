package servertest

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// Session gives temporary credentials on the shared MinIO that may do no more than the statements of an IAM policy say.
func Session(t testing.TB, statements ...string) *types.Credentials {
	t.Helper()
	return SessionOf(t, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)
}

// SessionOf is Session for a whole policy document.
func SessionOf(t testing.TB, policy string) *types.Credentials {
	t.Helper()
	m := MinIO(t)
	client := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &m.Endpoint, Credentials: credentials.NewStaticCredentialsProvider(m.AccessKey, m.SecretKey, "")})
	out, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::000000000000:role/test"), RoleSessionName: aws.String("test"), Policy: &policy, // MinIO looks at the policy alone
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Credentials
}
