package bucket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// DefaultRetention is how long a backup must at least stay whole and readable at once, unless WithRetention says otherwise. It is a choice of this
// tool: long enough to notice silent damage and go back to a backup from before it.
const DefaultRetention = 30 * 24 * time.Hour

const (
	defaultCallTimeout = 30 * time.Second // with the client's own retries in it
	maxAnswer          = 2000             // characters of an answer kept as evidence
)

// Option changes what an audit is judged by.
type Option func(*audit)

// WithRetention sets how long a backup must stay whole and readable at once; s3-lifecycle-backups and s3-lifecycle-bases are judged by it.
func WithRetention(d time.Duration) Option { return func(a *audit) { a.retention = d } }

// WithCallTimeout bounds each call with its retries; a call that takes longer leaves its check unknown. The default is 30 seconds.
func WithCallTimeout(d time.Duration) Option { return func(a *audit) { a.callTimeout = d } }

// Audit runs every check on the bucket, in parallel, and returns one finding for each in the order of Checks. It writes nothing.
// It returns an error, and no findings, when the bucket cannot be listed (see Reachable for what the error matches) or when ctx ends.
func Audit(ctx context.Context, b *Bucket, now time.Time, options ...Option) ([]Finding, error) {
	a := &audit{b: b, now: now, retention: DefaultRetention, callTimeout: defaultCallTimeout, mostObjects: DefaultObjects}
	for _, o := range options {
		o(a)
	}
	if err := a.reach(ctx); err != nil {
		return nil, err
	}
	a.versioning = sync.OnceValue(func() answer[s3.GetBucketVersioningOutput] {
		return ask(ctx, a, "GetBucketVersioning", b.Client.GetBucketVersioning, &s3.GetBucketVersioningInput{Bucket: &b.Name}, rooted("VersioningConfiguration"))
	})
	a.lifecycle = sync.OnceValue(func() answer[s3.GetBucketLifecycleConfigurationOutput] {
		return ask(ctx, a, "GetBucketLifecycleConfiguration", b.Client.GetBucketLifecycleConfiguration,
			&s3.GetBucketLifecycleConfigurationInput{Bucket: &b.Name}, rooted("LifecycleConfiguration"))
	})
	a.encryption = sync.OnceValue(func() answer[s3.GetBucketEncryptionOutput] {
		return ask(ctx, a, "GetBucketEncryption", b.Client.GetBucketEncryption, &s3.GetBucketEncryptionInput{Bucket: &b.Name}, rooted("ServerSideEncryptionConfiguration"))
	})
	a.lock = sync.OnceValue(func() answer[s3.GetObjectLockConfigurationOutput] { return a.askLock(ctx) })
	a.replication = sync.OnceValue(func() answer[s3.GetBucketReplicationOutput] { return a.askReplication(ctx) })
	a.objects = sync.OnceValue(func() objects { return a.readObjects(ctx) })
	a.defaultKey = sync.OnceValue(func() answer[kms.DescribeKeyOutput] { return a.describeKey(ctx, a.defaultKeyID()) })
	a.policy = sync.OnceValue(func() answer[s3.GetBucketPolicyOutput] {
		return ask(ctx, a, "GetBucketPolicy", b.Client.GetBucketPolicy, &s3.GetBucketPolicyInput{Bucket: &b.Name})
	})
	a.prepareBeside(ctx)
	findings := make([]Finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { findings[i] = a.run(ctx, c) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("audit of bucket %s: %w", b.Name, err)
	}
	return findings, nil
}

// audit is one run of all checks over one bucket.
type audit struct {
	beside
	b           *Bucket
	now         time.Time
	retention   time.Duration
	callTimeout time.Duration
	objective   time.Duration // of the recovery time; zero: none
	measured    time.Duration // by the last drill; zero: none did
	held        func(context.Context) ([]Held, error)
	mostObjects int
	sample      string // key of an object below the prefix; empty when there is none

	// Answers that several checks rest on: asked for once.
	encryption  func() answer[s3.GetBucketEncryptionOutput]
	defaultKey  func() answer[kms.DescribeKeyOutput]
	lock        func() answer[s3.GetObjectLockConfigurationOutput]
	replication func() answer[s3.GetBucketReplicationOutput]
	objects     func() objects
	versioning  func() answer[s3.GetBucketVersioningOutput]
	lifecycle   func() answer[s3.GetBucketLifecycleConfigurationOutput]
	policy      func() answer[s3.GetBucketPolicyOutput]
}

func (a *audit) reach(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, a.callTimeout)
	defer cancel()
	a.sample, err = a.b.first(ctx)
	return err
}

func (a *audit) run(ctx context.Context, c check) Finding {
	p := &probe{audit: a}
	o := c.decide(ctx, p)
	f := Finding{
		Check: c.ID, Title: c.Title, Severity: cmp.Or(o.grave, c.Severity), Reference: c.Reference,
		Status: o.status, Detail: o.detail, Evidence: p.calls, Controls: controlsOf(c.ID),
	}
	if f.Status == Fail {
		f.Remediation = cmp.Or(o.remedy, c.remedy(a.b))
		if o.remedy == "" && a.b.IsAWS() {
			f.Terraform = strings.ReplaceAll(c.Terraform, "BUCKET", a.b.Name)
		}
	}
	return f
}

// probe is what one check works with: the audit it belongs to, and the evidence it gathers.
type probe struct {
	*audit
	calls []Call
}

// outcome is what a check decided.
type outcome struct {
	status Status
	detail string
	remedy string   // of a failure that the check's own remediation does not mend
	grave  Severity // of a failure that is more severe than the check
}

func decided(s Status, format string, args []any) outcome {
	return outcome{status: s, detail: fmt.Sprintf(format, args...)}
}

func pass(format string, args ...any) outcome    { return decided(Pass, format, args) }
func fail(format string, args ...any) outcome    { return decided(Fail, format, args) }
func unknown(format string, args ...any) outcome { return decided(Unknown, format, args) }

func notApplicable(format string, args ...any) outcome { return decided(NotApplicable, format, args) }

// undecided is the outcome when a call failed with an error that is no answer to the check's question.
func (p *probe) undecided(err error) outcome {
	if p.unsupported(err) {
		return decided(NotSupported, "the S3 server does not have this feature: %v", []any{Explain(err)})
	}
	return unknown("not known: %v", Explain(err))
}

// unsupported says whether err is an S3-compatible server's way to say that it does not have a feature: a word for it, or the listing that a server
// answers which takes no notice of a subresource that it does not know. AWS has them all; there such an answer has another reason, as MethodNotAllowed
// to a caller whose account does not own the bucket (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html).
func (p *probe) unsupported(err error) bool {
	if p.b.IsAWS() {
		return false
	}
	var other *answerError
	return slices.Contains([]string{"NotImplemented", "MethodNotAllowed", "NotSupported", "UnsupportedOperation", "OperationNotSupported"}, code(err)) ||
		slices.Contains([]int{http.StatusNotImplemented, http.StatusMethodNotAllowed}, status(err)) || errors.As(err, &other) && other.got == listing
}

// answer is what a call returned, and the same as evidence.
type answer[O any] struct {
	out  *O
	err  error
	call Call
}

// ask makes one call on the bucket within the audit's bound of time. request names it for people; the bucket's name is added.
func ask[I, O any](
	ctx context.Context, a *audit, request string, operation func(context.Context, *I, ...func(*s3.Options)) (*O, error), in *I, options ...func(*s3.Options),
) answer[O] {
	return askOf(ctx, a, request+" "+a.b.Name, operation, in, options...)
}

// askOf is ask for any service of AWS, with the whole request in words.
func askOf[I, O, S any](ctx context.Context, a *audit, request string, operation func(context.Context, *I, ...func(*S)) (*O, error), in *I, options ...func(*S)) answer[O] {
	limited, cancel := context.WithTimeout(ctx, a.callTimeout)
	defer cancel()
	out, err := operation(limited, in, options...)
	r := answer[O]{out: out, err: err, call: Call{Request: request}}
	if err != nil {
		r.call.Answer = cut(describe(err))
	} else {
		r.call.Answer = cut(plainJSON(out))
	}
	return r
}

// note keeps an answer as evidence of the check and hands it on.
func note[O any](p *probe, r answer[O]) (*O, error) {
	p.calls = append(p.calls, r.call)
	return r.out, r.err
}

// describe gives the server's own words where there are any.
func describe(err error) string {
	var api apiError
	if errors.As(err, &api) && api.ErrorCode() != "" {
		return oneLine(fmt.Sprintf("HTTP %d %s: %s", status(err), api.ErrorCode(), api.ErrorMessage()))
	}
	return Explain(err).Error()
}

// plainJSON is the SDK's output without its empty members and its own metadata.
func plainJSON(out any) string {
	raw, err := json.Marshal(out)
	if err != nil {
		return err.Error()
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return err.Error()
	}
	if members, ok := tree.(map[string]any); ok {
		delete(members, "ResultMetadata")
	}
	raw, err = json.Marshal(prune(tree))
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// prune drops null and empty strings from objects: members that the server did not send.
func prune(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		for k, v := range t {
			if v == nil || v == "" {
				delete(t, k)
			} else {
				t[k] = prune(v)
			}
		}
	case []any:
		for i := range t {
			t[i] = prune(t[i])
		}
	}
	return tree
}

// cut shortens text to at most maxAnswer characters, and says so by its last one.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= maxAnswer {
		return text
	}
	return string([]rune(text)[:maxAnswer-1]) + "…"
}
