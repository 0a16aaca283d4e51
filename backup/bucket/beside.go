package bucket

import (
	"cmp"
	"context"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Source is the Weaviate that is backed up, as its cluster knows it. It holds names only, and no value of a variable.
type Source struct {
	Name           string   // such as "the StatefulSet weaviate/weaviate"
	Volumes        []Volume // that its pods claim
	Keys           []string // variables of its server that hold an access key of AWS
	Unread         []string // where more variables come from, which was not read: "the secret backup-s3"
	ServiceAccount string   // namespace/name
	Role           string   // ARN of the role that the service account is annotated with (IRSA)
}

// Volume is a persistent volume.
type Volume struct {
	Name string // of the claim, or of the volume
	EBS  string // id of the volume of EBS; empty when it is none
	Kind string // what it is, such as "the CSI driver ebs.csi.aws.com"
}

// WithSource lets the audit look at the volumes and the identity of the source. read is called once, when the first check needs it.
func WithSource(read func(context.Context) (Source, error)) Option {
	return func(a *audit) { a.readSource = read }
}

// WithVolumes names the EBS volumes of the source, in place of those that its cluster knows.
func WithVolumes(ids []string) Option {
	return func(a *audit) {
		for _, id := range ids {
			a.volumeIDs = append(a.volumeIDs, Volume{Name: id, EBS: id})
		}
	}
}

// beside is what the checks beside the bucket are given, and what they ask for once.
type beside struct {
	readSource func(context.Context) (Source, error)
	volumeIDs  []Volume
	restore    *Restore
	auditor    bool

	source  func() (Source, error)
	volumes func() answer[ec2.DescribeVolumesOutput]
	trails  func() trails
	caller  func() answer[sts.GetCallerIdentityOutput]
}

// prepareBeside sees that what several checks rest on is asked for once.
func (a *audit) prepareBeside(ctx context.Context) {
	a.source = sync.OnceValues(func() (Source, error) {
		limited, cancel := context.WithTimeout(ctx, a.callTimeout)
		defer cancel()
		return a.readSource(limited)
	})
	a.volumes = sync.OnceValue(func() answer[ec2.DescribeVolumesOutput] { return a.describeVolumes(ctx) })
	a.trails = sync.OnceValue(func() trails { return a.describeTrails(ctx) })
	a.caller = sync.OnceValue(func() answer[sts.GetCallerIdentityOutput] { return a.identify(ctx, a.b) })
}

// known is the source as its cluster tells it, or the outcome of a check that needs it.
func (p *probe) known() (Source, *outcome) {
	if p.readSource == nil {
		o := p.configured("the source's StatefulSet: not named", unknown("not known: sandbox.kubernetes.twin does not name the source's StatefulSet"))
		return Source{}, &o
	}
	s, err := p.source()
	if err != nil {
		o := unknown("not known: %s", oneLine(err.Error()))
		p.calls = append(p.calls, Call{Request: "read the source's StatefulSet", Answer: cut(oneLine(err.Error()))})
		return s, &o
	}
	p.calls = append(p.calls, Call{Request: "read " + s.Name, Answer: cut(plainJSON(s))})
	return s, nil
}

// elsewhere is the outcome of a check of AWS beside a bucket that is not there.
func (p *probe) elsewhere() *outcome {
	if p.b.IsAWS() {
		return nil
	}
	o := p.configured("S3 server: "+host(p.b.Endpoint), notApplicable("the backups are not in AWS, but at %s", host(p.b.Endpoint)))
	return &o
}

// configured is an outcome that rests on what the configuration says, and on no answer.
func (p *probe) configured(what string, o outcome) outcome {
	p.calls = append(p.calls, Call{Request: "the configuration", Answer: what})
	return o
}

// together decides parts of a check at once, and keeps their evidence in their order.
func (p *probe) together(parts ...func(*probe) outcome) []outcome {
	all, probes := make([]outcome, len(parts)), make([]probe, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		probes[i].audit = p.audit
		wg.Go(func() { all[i] = part(&probes[i]) })
	}
	wg.Wait()
	for _, one := range probes {
		p.calls = append(p.calls, one.calls...)
	}
	return all
}

// worst sums up the outcomes of several things: any failure is one, then anything unknown. Only what decides is told.
func worst(all []outcome) outcome {
	for _, s := range []Status{Fail, Unknown, Pass} {
		var details []string
		var remedy string
		for _, o := range all {
			if o.status == s {
				details, remedy = append(details, o.detail), cmp.Or(remedy, o.remedy)
			}
		}
		if len(details) > 0 {
			return outcome{status: s, detail: strings.Join(details, "; "), remedy: remedy}
		}
	}
	return unknown("not known: there was nothing to look at")
}

// The other services are asked in the bucket's region, by the same credentials and the same way as the bucket is.

func (b *Bucket) ec2() *ec2.Client {
	o := b.Client.Options()
	return ec2.New(ec2.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
		EndpointOptions: ec2.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
	})
}

func (b *Bucket) cloudTrail() *cloudtrail.Client {
	o := b.Client.Options()
	return cloudtrail.New(cloudtrail.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
		EndpointOptions: cloudtrail.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
	})
}

func (b *Bucket) iam() *iam.Client {
	o := b.Client.Options()
	return iam.New(iam.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
		EndpointOptions: iam.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
	})
}

func (b *Bucket) sts() *sts.Client {
	o := b.Client.Options()
	return sts.New(sts.Options{
		Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: o.Retryer,
		EndpointOptions: sts.EndpointResolverOptions{UseFIPSEndpoint: o.EndpointOptions.UseFIPSEndpoint, UseDualStackEndpoint: o.EndpointOptions.UseDualStackEndpoint},
	})
}
