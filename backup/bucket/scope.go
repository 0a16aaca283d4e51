package bucket

import (
	"slices"
	"strings"
)

// Scope is what an IAM action of a check is granted on.
type Scope string

// The resources of the actions of checks.
const (
	OnBucket  Scope = "bucket"
	OnObjects Scope = "objects" // those below the path
	OnKey     Scope = "key"     // of KMS, when the bucket has one
	OnAccount Scope = "account" // no resource can be named, or none is known beforehand: "*"
)

// ScopeOf tells what an action of Check.Actions is granted on.
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html, and the pages of the other services beside it.
func ScopeOf(action string) Scope {
	switch {
	case slices.Contains([]string{"s3:GetObject", "s3:GetObjectRetention"}, action):
		return OnObjects
	case slices.Contains([]string{"s3:GetAccountPublicAccessBlock", "s3:ListAccessPoints", "s3:GetAccessPoint", "s3:GetAccessPointPolicyStatus"}, action):
		return OnAccount
	case strings.HasPrefix(action, "kms:"):
		return OnKey
	case strings.HasPrefix(action, "s3:"):
		return OnBucket
	}
	return OnAccount
}
