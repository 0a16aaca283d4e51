package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Restore is the identity by which a Weaviate restores.
type Restore struct {
	From *Bucket // what it restores from: the bucket of the backups, or that of copies
	// As says whether From's credentials are those of the restore. If not, only the pods of Role have them.
	As   bool
	Role string // ARN, where it is known
	Err  error  // why nothing of it is known, such as that a secret cannot be resolved
}

// WithRestore lets the audit try what a restore may do.
func WithRestore(r Restore) Option { return func(a *audit) { a.restore = &r } }

// AsAuditor says that the caller is to see how the bucket is configured, and no backup.
func AsAuditor() Option { return func(a *audit) { a.auditor = true } }

const simulatePolicy = "iam:SimulatePrincipalPolicy"

var (
	restoreRights = Check{
		ID: "iam-restore-rights", Title: "A restore can read backups, and write nothing but restore_config.json (tried)", Severity: Medium,
		Why: "A sandbox runs restored data: whatever breaks out of it has the rights of the restore. With more than a restore needs it overwrites or removes the backups.",
		How: "Tried with the credentials that the sandbox is given (sandbox.s3, or the tool's own): reading and writing restore_config.json are let in, writing a chunk and deleting are denied; with restore.from: copy so is any write beside the backups. " +
			"Each write carries the digest of another body, and each delete names an object that is not there, so that nothing changes. A role that only pods have (eks.amazonaws.com/role-arn) is simulated instead (SimulatePrincipalPolicy), by its identity policies.",
		Remediation: `terraform apply # of deploy/iam, whose role of the restore has these rights only; or give keys with its policy under sandbox.s3`,
		Reference:   "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege",
		Actions:     []string{simulatePolicy},
	}
	restoreBucket = Check{
		ID: "iam-restore-bucket", Title: "A restore cannot change the bucket (simulated)", Severity: Medium,
		Why:         "Who may put a policy or a lifecycle on the bucket has all backups in his hand, whatever else he is denied.",
		How:         "IAM says that the identity policies of the restore allow no change of the bucket's policy, lifecycle, versioning or existence, and no removal of a version (SimulatePrincipalPolicy). Where it may not be asked, it is unknown. Nothing is tried, because nothing of this can be tried without harm.",
		Remediation: `terraform apply # of deploy/iam, whose role of the restore has no right to change the bucket`,
		Reference:   "https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html",
		Actions:     []string{simulatePolicy},
	}
	auditorRights = Check{
		ID: "iam-auditor-rights", Title: "The auditor cannot read backups (tried)", Severity: Medium,
		Why:         "Who looks after the configuration needs no data: an auditor's credentials that read backups are one more way to all vectors and texts.",
		How:         "With policy.auditor, weaviate-drill audit asks for the first byte of a backup, which must be denied. A drill reads backups: there, and without policy.auditor, it is not applicable.",
		Remediation: `terraform apply # of deploy/iam, whose role of the auditor has no s3:GetObject`,
		Reference:   "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege",
		Actions:     []string{},
	}
)

// What a restore needs to write, and what it must not.
const (
	restoreKeys = "*/restore_config.json"
	chunkKeys   = "*/chunk-1"
)

func decideRestoreRights(ctx context.Context, p *probe) outcome {
	r := p.restore
	switch {
	case r == nil:
		return p.configured("a restore: none", notApplicable("no restore is configured whose rights could be tried"))
	case r.Err != nil:
		return p.configured("credentials of the restore: not known", unknown("not known: %s", oneLine(r.Err.Error())))
	case !r.As && r.Role == "":
		return p.configured("credentials of the restore: not known", unknown("not known: the credentials of the restore are those of a role of its pods, which sandbox.kubernetes.service_account_annotations does not name"))
	case !r.As:
		return p.simulateRestore(ctx)
	}
	o := p.b.Client.Options()
	o.Credentials = r.From.Client.Options().Credentials
	backups := &Bucket{Client: s3.New(o), Options: p.b.Options}
	tries := []func(*probe) outcome{
		tried(true, func() Right { return r.From.TryRead(ctx, r.From.ProbeKey("*/backup_config.json")) }),
		tried(true, func() Right { return r.From.TryWrite(ctx, restoreKeys) }),
		tried(false, func() Right { return backups.TryWrite(ctx, chunkKeys) }),
		tried(false, func() Right { return backups.TryDelete(ctx, "*") }),
	}
	if r.From.Name != p.b.Name || r.From.Path != p.b.Path {
		tries = append(tries, tried(false, func() Right { return backups.TryWrite(ctx, restoreKeys) }))
	}
	if sum := worst(p.together(tries...)); sum.status != Pass {
		return sum
	}
	return pass("reading and writing restore_config.json are let in; writing chunks and deleting are denied")
}

// tried holds a right against whether a restore needs it.
func tried(needed bool, try func() Right) func(*probe) outcome {
	return func(p *probe) outcome {
		r := try()
		what := r.Action + " on " + r.Resource
		p.calls = append(p.calls, Call{Request: "try " + what, Answer: cut(oneLine(r.Detail))})
		denied := r.Status == Fail && errors.Is(r.Err, ErrDenied) && !r.Unaccepted() // as who could not ask at all is told nothing of rights
		switch {
		case r.Status != Pass && !denied:
			return unknown("not known: %s: %s", what, oneLine(r.Detail))
		case needed && denied:
			o := fail("%s is denied, and a restore needs it", what)
			o.remedy = r.Remedy
			return o
		case !needed && !denied:
			return fail("%s is let in, and no restore needs it", what)
		}
		return pass("%s is as it should be", what)
	}
}

// simulateRestore asks IAM about the role of the restore.
func (p *probe) simulateRestore(ctx context.Context) outcome {
	if o := p.elsewhere(); o != nil {
		return *o
	}
	from, r := p.restore.From, p.restore
	chunk, config := from.arn(from.ProbeKey(chunkKeys)), from.arn(from.ProbeKey(restoreKeys))
	questions := []func(*probe) outcome{
		simulated(ctx, r.Role, chunk, true, "s3:GetObject"),
		simulated(ctx, r.Role, config, true, "s3:PutObject"),
		simulated(ctx, r.Role, p.b.arn(p.b.ProbeKey(chunkKeys)), false, "s3:PutObject", "s3:DeleteObject"),
	}
	if from.Name != p.b.Name || from.Path != p.b.Path {
		questions = append(questions, simulated(ctx, r.Role, p.b.arn(p.b.ProbeKey(restoreKeys)), false, "s3:PutObject"))
	}
	if sum := worst(p.together(questions...)); sum.status != Pass {
		return sum
	}
	return pass("simulated: the identity policies of %s allow to read and to write restore_config.json, but not to write chunks or delete", r.Role)
}

func decideRestoreBucket(ctx context.Context, p *probe) outcome {
	if o := p.elsewhere(); o != nil {
		return *o
	}
	if p.restore == nil {
		return p.configured("a restore: none", notApplicable("no restore is configured whose rights could be simulated"))
	}
	if err := p.restore.Err; err != nil {
		return p.configured("credentials of the restore: not known", unknown("not known: %s", oneLine(err.Error())))
	}
	who := p.restore.Role
	if p.restore.As {
		out, err := note(p, p.identify(ctx, p.restore.From))
		if err != nil {
			return p.undecided(err)
		}
		if who, err = policyHolder(value(out.Arn)); err != nil {
			return unknown("not known: %v", err)
		}
	}
	if who == "" {
		return p.configured("role of the restore: not known", unknown("not known: sandbox.kubernetes.service_account_annotations does not name the role of the restore"))
	}
	sum := worst(p.together(
		simulated(ctx, who, p.b.arn(), false, "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning", "s3:DeleteBucket"),
		simulated(ctx, who, p.b.arn(p.b.ProbeKey(chunkKeys)), false, "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"),
	))
	if sum.status != Pass {
		return sum
	}
	return pass("simulated: the identity policies of %s allow no change of the bucket, and no removal of a version", who)
}

// policyHolder is the user or role whose policies IAM knows; the ARN of a session leaves out the path of its role, without which IAM does not find one that has a path.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns.
func policyHolder(caller string) (string, error) {
	who, err := arn.Parse(caller)
	kind, rest, _ := strings.Cut(who.Resource, "/")
	switch {
	case err != nil:
		return "", fmt.Errorf("STS names the caller %q, which is no ARN", caller)
	case kind == "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		who.Service, who.Resource = "iam", "role/"+role
	case kind != "user":
		return "", fmt.Errorf("the policies of %s cannot be simulated", caller)
	}
	return who.String(), nil
}

// simulated asks IAM whether the identity policies of a principal allow actions on one resource, and holds that against whether a restore needs them.
func simulated(ctx context.Context, who, resource string, needed bool, actions ...string) func(*probe) outcome {
	return func(p *probe) outcome {
		out, err := note(p, askOf(ctx, p.audit, "SimulatePrincipalPolicy "+who+" "+strings.Join(actions, " ")+" "+resource, p.b.iam().SimulatePrincipalPolicy,
			&iam.SimulatePrincipalPolicyInput{PolicySourceArn: &who, ActionNames: actions, ResourceArns: []string{resource}}))
		if err != nil {
			return p.undecided(err)
		}
		var wrong, silent []string
		for _, action := range actions {
			i := slices.IndexFunc(out.EvaluationResults, func(e iamtypes.EvaluationResult) bool { return value(e.EvalActionName) == action })
			switch {
			case i < 0:
				silent = append(silent, action)
			case (out.EvaluationResults[i].EvalDecision == iamtypes.PolicyEvaluationDecisionTypeAllowed) != needed:
				wrong = append(wrong, action)
			}
		}
		switch {
		case len(wrong) > 0 && needed:
			return fail("simulated: %s is denied %s on %s, and a restore needs it", who, strings.Join(wrong, ", "), resource)
		case len(wrong) > 0:
			return fail("simulated: %s is allowed %s on %s, and no restore needs it", who, strings.Join(wrong, ", "), resource)
		case len(silent) > 0:
			return unknown("not known: IAM says nothing of %s on %s", strings.Join(silent, ", "), resource)
		}
		return pass("%s is as it should be on %s", strings.Join(actions, ", "), resource)
	}
}

func decideAuditorRights(ctx context.Context, p *probe) outcome {
	switch {
	case !p.auditor:
		return p.configured("an auditor: no", notApplicable("the caller is no auditor: policy.auditor is not set, or this is a drill, which must read backups"))
	case p.sample == "":
		return p.configured("an auditor: yes", unknown("not known: there is no backup yet that could be read"))
	}
	_, err := note(p, ask(ctx, p.audit, "GetObject (first byte) "+p.sample, p.b.firstByte, &s3.GetObjectInput{Bucket: &p.b.Name, Key: &p.sample, Range: aws.String("bytes=0-0")}))
	switch {
	case answered(err):
		return fail("the auditor can read %s", p.sample)
	case errors.Is(Explain(err), ErrDenied) && !unaccepted(err):
		return pass("reading %s is denied", p.sample)
	}
	return p.undecided(err)
}
