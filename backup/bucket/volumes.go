package bucket

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

var (
	volumeEncryption = Check{
		ID: "ebs-encryption", Title: "The volumes of the source are encrypted", Severity: Medium,
		Why: "The source's volumes hold what the backups hold: encrypting the one and not the other protects neither. Snapshots of a volume in clear are in clear as well.",
		How: "EC2 says of each volume that it is encrypted (DescribeVolumes). The volumes are those of source.volumes, or else those that the claims of the StatefulSet under sandbox.kubernetes.twin are bound to. " +
			"Without either it is unknown, and not applicable where the backups are not in AWS, or no volume is one of EBS.",
		Remediation: `aws ec2 enable-ebs-encryption-by-default # for new volumes of the Region; one that is there is replaced by one of an encrypted copy of its snapshot: aws ec2 create-snapshot, aws ec2 copy-snapshot --encrypted, aws ec2 create-volume`,
		Terraform:   "resource \"aws_ebs_encryption_by_default\" \"this\" {\n  enabled = true\n}",
		Reference:   "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html",
		Actions:     []string{"ec2:DescribeVolumes"},
	}
	volumeKeys = Check{
		ID: "ebs-key", Title: "The volumes of the source are encrypted with a key of your own, which rotates", Severity: Medium,
		Why:         "Who may use a key that AWS manages cannot be narrowed, nor the key ended; and a volume whose key is disabled or deleted cannot be attached again.",
		How:         "KMS says of the key of each volume that a customer manages it, that it is enabled, and that it rotates (DescribeKey, GetKeyRotationStatus). The volumes are those of ebs-encryption.",
		Remediation: `aws kms enable-key-rotation --key-id KEY-ARN # KEY-ARN: of a key from aws kms create-key, set as kmsKeyId in the storage class (parameters of ebs.csi.aws.com), for new volumes`,
		Terraform:   "resource \"aws_kms_key\" \"volumes\" {\n  enable_key_rotation = true\n}\n\nresource \"aws_ebs_default_kms_key\" \"volumes\" {\n  key_arn = aws_kms_key.volumes.arn\n}",
		Reference:   "https://docs.aws.amazon.com/ebs/latest/userguide/how-ebs-encryption-works.html",
		Actions:     []string{"ec2:DescribeVolumes", "kms:DescribeKey", "kms:GetKeyRotationStatus"},
	}
)

// named are the volumes to look at: those of the configuration, else those of the source.
func (p *probe) named() ([]Volume, *outcome) {
	if o := p.elsewhere(); o != nil {
		return nil, o
	}
	if len(p.volumeIDs) > 0 {
		return p.volumeIDs, nil
	}
	if p.readSource == nil {
		o := p.configured("volumes of the source: not named", unknown("not known: neither source.volumes nor sandbox.kubernetes.twin tells which volumes the source has"))
		return nil, &o
	}
	s, o := p.known()
	if o == nil && len(s.Volumes) == 0 {
		none := notApplicable("%s claims no volume", s.Name)
		o = &none
	}
	return s.Volumes, o
}

func (a *audit) describeVolumes(ctx context.Context) answer[ec2.DescribeVolumesOutput] {
	named := a.volumeIDs
	if len(named) == 0 {
		s, err := a.source()
		if err != nil {
			return answer[ec2.DescribeVolumesOutput]{err: err}
		}
		named = s.Volumes
	}
	var ids []string
	for _, v := range named {
		if v.EBS != "" {
			ids = append(ids, v.EBS)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return askOf(ctx, a, "DescribeVolumes "+strings.Join(ids, " "), a.b.ec2().DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: ids})
}

// described are the volumes of EBS as EC2 describes them, and an outcome for each that it does not, or that is none; or the outcome of a check when there is nothing to look at.
func (p *probe) described() (volumes []ec2types.Volume, rest []outcome, none *outcome) {
	named, none := p.named()
	if none != nil {
		return nil, nil, none
	}
	var others []string
	for _, v := range named {
		if v.EBS == "" {
			others = append(others, fmt.Sprintf("%s is of %s", v.Name, v.Kind))
		}
	}
	stop := func(o outcome) ([]ec2types.Volume, []outcome, *outcome) { return nil, nil, &o }
	if len(others) == len(named) {
		return stop(notApplicable("no volume of the source is one of EBS: %s", strings.Join(others, ", ")))
	}
	out, err := note(p, p.volumes())
	var api apiError
	if errors.As(err, &api) && api.ErrorCode() == "InvalidVolume.NotFound" { // https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
		return stop(unknown("not known: %s: is the source in another account, or region than %s?", oneLine(api.ErrorMessage()), p.b.Region))
	}
	if err != nil {
		return stop(p.undecided(err))
	}
	for _, v := range named {
		i := slices.IndexFunc(out.Volumes, func(is ec2types.Volume) bool { return value(is.VolumeId) == v.EBS })
		switch {
		case v.EBS == "":
		case i < 0:
			rest = append(rest, unknown("not known: EC2 says nothing of volume %s", v.EBS))
		default:
			volumes = append(volumes, out.Volumes[i])
		}
	}
	if len(others) > 0 {
		rest = append(rest, unknown("not known of what is no volume of EBS: %s", strings.Join(others, ", ")))
	}
	return volumes, rest, nil
}

func decideVolumeEncryption(_ context.Context, p *probe) outcome {
	volumes, all, none := p.described()
	if none != nil {
		return *none
	}
	for _, v := range volumes {
		id := value(v.VolumeId)
		switch {
		case v.Encrypted == nil:
			all = append(all, unknown("not known: EC2 does not say whether volume %s is encrypted", id))
		case !*v.Encrypted:
			all = append(all, fail("volume %s is not encrypted", id))
		default:
			all = append(all, pass("volume %s is encrypted with key %s", id, value(v.KmsKeyId)))
		}
	}
	return worst(all)
}

func decideVolumeKeys(ctx context.Context, p *probe) outcome {
	volumes, all, none := p.described()
	if none != nil {
		return *none
	}
	with := map[string][]string{} // volumes by the ARN of their key, which they may share
	for _, v := range volumes {
		switch id, key := value(v.VolumeId), value(v.KmsKeyId); {
		case !value(v.Encrypted):
			all = append(all, fail("volume %s is encrypted with no key", id))
		case key == "":
			all = append(all, unknown("not known: EC2 does not say which key volume %s is encrypted with", id))
		default:
			with[key] = append(with[key], id)
		}
	}
	var parts []func(*probe) outcome
	for _, key := range slices.Sorted(maps.Keys(with)) {
		parts = append(parts, func(p *probe) outcome {
			o := p.own(ctx, key)
			o.detail = fmt.Sprintf("of volume %s: %s", strings.Join(with[key], ", "), o.detail)
			return o
		})
	}
	return worst(append(all, p.together(parts...)...))
}

// own decides whether a key is a customer's, can decrypt, and rotates.
func (p *probe) own(ctx context.Context, arn string) outcome {
	out, err := note(p, p.describeKey(ctx, arn))
	switch {
	case code(err) == noKey:
		return fail("KMS does not know its key %s, so that it cannot be attached again", arn)
	case err != nil:
		return p.undecided(err)
	case out.KeyMetadata == nil:
		return unknown("not known: the answer says nothing of key %s", arn)
	case out.KeyMetadata.KeyManager != kmstypes.KeyManagerTypeCustomer:
		return fail("key %s is not customer-managed", arn)
	}
	if usable := p.usable(out.KeyMetadata); usable.status != Pass {
		return usable
	}
	rotation := p.rotation(ctx, out.KeyMetadata)
	if rotation.status == NotApplicable { // it is rotated by hand, which nobody can see
		return unknown("not known whether it is rotated: %s", rotation.detail)
	}
	return rotation
}
