package bucket

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var objectEncryption = Check{
	ID: "s3-object-encryption", Title: "Every object of the backups is encrypted as the bucket does it now", Severity: Medium,
	Why: "The default encryption is for new objects: what was written before it stays as it was, in clear or under a key that may be gone, and is restored from all the same.",
	How: "HeadObject on every object below the path (of more than 50,000 a sample, and the detail says so): its encryption is no weaker than the default, by the same key, and by no key that only the writer has (SSE-C). " +
		"Another key than the default is looked up in KMS: when it cannot decrypt, or will not for as long as a backup must stay readable, the finding is critical. The auditor of deploy/iam may not look at objects, so there it is unknown; each drill looks.",
	Remediation: `aws s3api copy-object --bucket BUCKET --key OBJECT --copy-source BUCKET/OBJECT # of each such OBJECT up to 5 GiB: the copy is encrypted as the bucket does by default, and in the class STANDARD. On a versioned bucket the old version stays until it expires. Or make a new backup, and let the old one go`,
	Reference:   "https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html",
	Actions:     []string{"s3:GetEncryptionConfiguration", "s3:GetObject", "s3:ListBucket", "kms:DescribeKey"},
}

// strength orders what S3 can do.
var strength = map[types.ServerSideEncryption]int{types.ServerSideEncryptionAes256: 1, types.ServerSideEncryptionAwsKms: 2, types.ServerSideEncryptionAwsKmsDsse: 3}

func decideObjectEncryption(ctx context.Context, p *probe) outcome {
	rule, o := p.encryptionRule()
	if rule == nil && o.status != Fail {
		return o
	}
	all, o := p.eachObject()
	if all == nil {
		return o
	}
	var wanted types.ServerSideEncryption
	var key string
	if rule != nil {
		wanted = rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm
		key = p.keyARN(value(rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID), wanted)
	}
	var clear, foreign, weak, other []object
	others := map[string]bool{}
	for _, o := range all.looked {
		switch {
		case o.foreign:
			foreign = append(foreign, o)
		case o.algorithm == "":
			clear = append(clear, o)
		case strength[o.algorithm] < strength[wanted]:
			weak = append(weak, o)
		case key != "" && o.kmsKey != "" && o.kmsKey != key:
			other = append(other, o)
		}
		if o.kmsKey != "" && o.kmsKey != key {
			others[o.kmsKey] = true
		}
	}
	var faults []string
	for _, f := range []struct {
		what string
		of   []object
	}{
		{"are not encrypted", clear},
		{"are encrypted by a key that only the writer has, and cannot be restored from", foreign},
		{fmt.Sprintf("are encrypted weaker than the default %s", wanted), weak},
		{"are encrypted by another key than the default", other},
	} {
		if len(f.of) > 0 {
			faults = append(faults, f.what+": "+all.those(f.of))
		}
	}
	lost, doubt := p.lostKeys(ctx, slices.Sorted(maps.Keys(others)))
	switch {
	case len(lost) > 0:
		o := fail("%s", strings.Join(append(lost, faults...), "; "))
		o.grave = Critical
		return o
	case len(faults) > 0:
		return fail("%s", strings.Join(append(faults, doubt...), "; "))
	case len(doubt) > 0:
		return unknown("not known: %s", strings.Join(doubt, "; "))
	}
	return pass("%s below %q: every one is encrypted as the bucket does by default, or stronger", all.extent(), p.b.prefix())
}

// keyARN is the default key as objects name it. An id or an alias is told by KMS; when that is not known, nor is whether an object has another.
func (p *probe) keyARN(id string, algorithm types.ServerSideEncryption) string {
	if strings.Contains(id, ":key/") || !p.b.IsAWS() || !byKMS(algorithm) {
		return id
	}
	if out, err := note(p, p.defaultKey()); err == nil && out.KeyMetadata != nil {
		return value(out.KeyMetadata.Arn)
	}
	return ""
}

// lostKeys says which of the keys cannot decrypt, or will not, and of which that is not known. Only the KMS of AWS can be asked.
func (p *probe) lostKeys(ctx context.Context, keys []string) (lost, doubt []string) {
	const most = 20 // a bucket has a few keys in its life
	if !p.b.IsAWS() {
		return nil, nil
	}
	for _, key := range keys[:min(most, len(keys))] {
		switch out, err := note(p, p.describeKey(ctx, key)); {
		case code(err) == noKey:
			lost = append(lost, "KMS does not know the key "+key+" of some objects: they cannot be read")
		case err != nil:
			doubt = append(doubt, "whether key "+key+" can decrypt: "+Explain(err).Error())
		case out.KeyMetadata == nil:
			doubt = append(doubt, "whether key "+key+" can decrypt: the answer says nothing of it")
		default:
			switch o := p.usable(out.KeyMetadata); o.status {
			case Pass:
			case Fail:
				lost = append(lost, o.detail)
			default:
				doubt = append(doubt, o.detail)
			}
		}
	}
	if len(keys) > most {
		doubt = append(doubt, fmt.Sprintf("%d more keys were not asked about", len(keys)-most))
	}
	return lost, doubt
}
