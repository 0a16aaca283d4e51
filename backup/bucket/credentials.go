package bucket

import (
	"context"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// Credentials are those that the client signs with now, for a sandbox that has none of its own. Temporary ones last as long as the chain says, typically an hour or more.
func (b *Bucket) Credentials(ctx context.Context) (accessKeyID, secretAccessKey, sessionToken secret.Value, err error) {
	c, err := b.Client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return accessKeyID, secretAccessKey, sessionToken, &explainedError{text: oneLine(explainCredentials(err)), kind: ErrNoCredentials, cause: err}
	}
	return secret.New(c.AccessKeyID), secret.New(c.SecretAccessKey), secret.New(c.SessionToken), nil
}
