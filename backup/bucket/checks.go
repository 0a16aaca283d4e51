package bucket

import (
	"context"
	"slices"
	"strings"
)

// Check says what one check of the audit is. docs/checks.md is made from it.
type Check struct {
	ID          string    `json:"id"`
	Title       string    `json:"title"`
	Severity    Severity  `json:"severity"`
	Why         string    `json:"why"`                 // what can happen to the backups without it
	How         string    `json:"how"`                 // how it is decided
	Remediation string    `json:"remediation"`         // a command that mends it; BUCKET stands for the bucket's name
	Terraform   string    `json:"terraform,omitempty"` // the same as a resource of the provider hashicorp/aws, with BUCKET as above; empty where none mends it
	Reference   string    `json:"reference"`           // address of the AWS page that states the rule
	Controls    []Control `json:"controls,omitempty"`  // the same demand in other catalogues
	Unclaimed   string    `json:"unclaimed,omitempty"` // why there is none
	Actions     []string  `json:"actions"`             // IAM actions that the check needs; without them it is unknown. See ScopeOf
}

// check is a Check with what decides it.
type check struct {
	Check
	decide func(context.Context, *probe) outcome
}

// checks are run and reported in this order. A new check is one line here.
var checks = []check{
	{defaultEncryption, decideDefaultEncryption},
	{customerKey, decideCustomerKey},
	{bucketKey, decideBucketKey},
	{keyState, decideKeyState},
	{keyRotation, decideKeyRotation},
	{objectEncryption, decideObjectEncryption},
	{versioning, decideVersioning},
	{mfaDelete, decideMFADelete},
	{lifecycleRules, decideLifecycleRules},
	{lifecycleBackups, decideLifecycleBackups},
	{lifecycleBases, decideLifecycleBases},
	{lifecycleRTO, decideLifecycleRTO},
	{lifecycleNoncurrent, decideLifecycleNoncurrent},
	{lifecycleMultipart, decideLifecycleMultipart},
	{lifecycleIdle, decideLifecycleIdle},
	{publicAccessBlock, decidePublicAccessBlock},
	{policyStatus, decidePolicyStatus},
	{policyAccounts, decidePolicyAccounts},
	{policyNetwork, decidePolicyNetwork},
	{bucketACL, decideACL},
	{objectOwnership, decideObjectOwnership},
	{website, decideWebsite},
	{accessPoints, decideAccessPoints},
	{anonymousAccess, decideAnonymousAccess},
	{secureTransport, decideSecureTransport},
	{objectLock, decideObjectLock},
	{objectRetention, decideObjectRetention},
	{replicationRules, decideReplication},
	{objectReplication, decideObjectReplication},
	{accessLogging, decideAccessLogging},
	{expectedOwner, decideExpectedOwner},
	{volumeEncryption, decideVolumeEncryption},
	{volumeKeys, decideVolumeKeys},
	{accountTrail, decideAccountTrail},
	{dataEvents, decideDataEvents},
	{toolIdentity, decideToolIdentity},
	{sourceIdentity, decideSourceIdentity},
	{restoreRights, decideRestoreRights},
	{restoreBucket, decideRestoreBucket},
	{auditorRights, decideAuditorRights},
}

// Checks lists what an audit looks at, in the order of its findings.
func Checks() []Check {
	all := make([]Check, len(checks))
	for i, c := range checks {
		all[i] = c.Check
		all[i].Actions, all[i].Controls, all[i].Unclaimed = slices.Clone(c.Actions), controlsOf(c.ID), unclaimed[c.ID]
	}
	return all
}

// remedy is the remediation for bucket b.
func (c Check) remedy(b *Bucket) string {
	command := strings.ReplaceAll(c.Remediation, "BUCKET", b.Name)
	if b.Endpoint != "" {
		command = strings.ReplaceAll(command, "aws s3api", "aws --endpoint-url "+host(b.Endpoint)+" s3api")
	}
	return command
}
