package bucket

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

var (
	toolIdentity = Check{
		ID: "iam-tool-identity", Title: "The tool asks as a role, not by static keys", Severity: Medium,
		Why: "A static access key works for whoever finds it, from anywhere, until somebody ends it. The credentials of a role end by themselves.",
		How: "STS says that the caller is an assumed role (GetCallerIdentity, which needs no permission). The detail says where the SDK found the credentials: IRSA (WebIdentityCredentials), Pod Identity or ECS (CredentialsEndpointProvider), " +
			"an instance (EC2RoleProvider), and so on. Keys from which a role was taken first are not seen.",
		Remediation: `kubectl annotate serviceaccount weaviate-drill --namespace weaviate-drill eks.amazonaws.com/role-arn=ROLE-ARN # deploy/iam makes the role; then remove the keys: aws iam delete-access-key`,
		Reference:   "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#bp-workloads-use-roles",
		Actions:     []string{},
	}
	sourceIdentity = Check{
		ID: "iam-source-identity", Title: "The source writes backups as a role, not by static keys", Severity: Medium,
		Why: "The source's identity may write to the bucket: a static key in its environment, or in a secret, lets whoever finds it overwrite backups until somebody ends it.",
		How: "The StatefulSet under sandbox.kubernetes.twin is read: no variable of its server is named as an access key, and its service account has a role by IRSA (eks.amazonaws.com/role-arn). " +
			"What a secret or config map that is taken in whole holds is not read, and what Pod Identity associates is not seen in the cluster: then it is unknown. Not applicable where the backups are not in AWS.",
		Remediation: `kubectl annotate serviceaccount NAME --namespace NAMESPACE eks.amazonaws.com/role-arn=ROLE-ARN # deploy/iam makes the role; then remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the values of Weaviate's chart`,
		Reference:   "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
		Actions:     []string{},
	}
)

func (a *audit) identify(ctx context.Context, as *Bucket) answer[sts.GetCallerIdentityOutput] {
	return askOf(ctx, a, "GetCallerIdentity", as.sts().GetCallerIdentity, &sts.GetCallerIdentityInput{})
}

func decideToolIdentity(ctx context.Context, p *probe) outcome {
	if o := p.elsewhere(); o != nil {
		return *o
	}
	out, err := note(p, p.caller())
	if err != nil {
		return p.undecided(err)
	}
	c, err := p.b.Client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return unknown("not known: %s", oneLine(explainCredentials(err)))
	}
	p.calls = append(p.calls, Call{Request: "the SDK's credentials", Answer: fmt.Sprintf("from %s, expiring: %v", c.Source, c.CanExpire)})
	who, err := arn.Parse(value(out.Arn))
	if err != nil {
		return unknown("not known: STS names the caller %q, which is no ARN", value(out.Arn))
	}
	kind, name, _ := strings.Cut(who.Resource, "/")
	switch kind {
	case "assumed-role":
		role, _, _ := strings.Cut(name, "/")
		return pass("the caller is the role %s, by credentials from %s", role, c.Source)
	case "federated-user":
		return pass("the caller is the federated user %s, by temporary credentials from %s", name, c.Source)
	case "user":
		return fail("the caller is the IAM user %s, by static keys from %s", name, c.Source)
	case "root":
		return fail("the caller is the account's root user, by credentials from %s", c.Source)
	}
	return unknown("not known: the caller is %s, which this version cannot judge", who)
}

func decideSourceIdentity(_ context.Context, p *probe) outcome {
	if o := p.elsewhere(); o != nil {
		return *o
	}
	s, o := p.known()
	switch {
	case o != nil:
		return *o
	case len(s.Keys) > 0:
		return fail("%s has static keys in its environment: %s", s.Name, strings.Join(s.Keys, ", "))
	case len(s.Unread) > 0:
		return unknown("not known: %s takes variables from %s, which is not read", s.Name, strings.Join(s.Unread, ", "))
	case s.Role == "":
		return unknown("not known: the service account %s has no role by IRSA; Pod Identity, or the role of the node, cannot be seen from here", s.ServiceAccount)
	}
	return pass("the service account %s has the role %s, and the server no static keys", s.ServiceAccount, s.Role)
}
