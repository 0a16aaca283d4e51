package bucket_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// denyUnless denies everybody everything in the bucket where the conditions hold.
func denyUnless(conditions string) string {
	return `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"],"Condition":{` + conditions + `}}`
}

// denyElsewhere is of https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies-vpc-endpoint.html.
const denyElsewhere = `{"Sid":"Access-to-specific-VPCE-only","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"],"Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}}`

func TestPolicyNetwork(t *testing.T) {
	const vpce = `"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}`
	const vpc = `"StringNotEquals":{"aws:SourceVpc":"vpc-111bbb22"}`
	const internet, others, both = "from the internet", "through the VPC endpoint of somebody else", "from the internet or through the VPC endpoint of somebody else"
	for name, test := range map[string]struct {
		policy reply
		status bucket.Status
		detail string
	}{
		"no policy":  {failure(http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist"), bucket.Fail, "from any network"},
		"denied":     {denied, bucket.Unknown, "s3:GetBucketPolicy is needed"},
		"broken":     {reply{status: http.StatusOK, body: "{"}, bucket.Unknown, "cannot be read"},
		"everything": {policyOf(denyUnless(``)), bucket.Fail, "no denial in the bucket policy depends on the network"},
		"plain HTTP": {policyOf(denyPlain), bucket.Fail, "no denial in the bucket policy depends on the network"},

		// https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies-vpc-endpoint.html
		"VPC endpoint": {policyOf(denyPlain, denyElsewhere), bucket.Pass, "by aws:SourceVpce"},
		"VPC":          {policyOf(denyUnless(vpc)), bucket.Pass, "by aws:SourceVpc"},
		// https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html#example-bucket-policies-IP
		"addresses": {policyOf(denyUnless(`"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","2001:db8:1234:5678::/64","203.0.113.7"]}`)), bucket.Pass, "by aws:SourceIp"},
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_data-perimeters.html
		"perimeter": {
			policyOf(denyUnless(`"NotIpAddressIfExists":{"aws:SourceIp":"192.0.2.0/24"},"StringNotEqualsIfExists":{"aws:SourceVpc":["vpc-111bbb22"],"aws:PrincipalTag/network":"any"},` +
				`"BoolIfExists":{"aws:PrincipalIsAWSService":"false","aws:ViaAWSService":false},"ArnNotLikeIfExists":{"aws:PrincipalArn":["arn:aws:iam::*:role/aws-service-role/*"]}`)),
			bucket.Pass, "by aws:SourceIp, aws:SourceVpc; it spares aws:PrincipalArn, aws:PrincipalIsAWSService, aws:PrincipalTag/network and 1 more",
		},
		"endpoints of the organisation": {policyOf(denyUnless(`"StringNotEquals":{"aws:VpceOrgID":"o-1a2b3c"}`)), bucket.Pass, "by aws:VpceOrgID"},
		"endpoints of a unit":           {policyOf(denyUnless(`"ForAllValues:StringNotLike":{"aws:VpceOrgPaths":"o-1a2b3c/r-ab12/ou-1/*"}`)), bucket.Unknown, "depends on ForAllValues:StringNotLike of aws:VpceOrgPaths"},
		"two that together deny": {
			policyOf(denyUnless(`"Null":{"aws:SourceVpce":"true"}`), denyUnless(`"StringNotEqualsIfExists":{"aws:SourceVpce":"vpce-1a2b3c4d"},"Null":{"aws:SourceVpce":false}`)),
			bucket.Pass, "by aws:SourceVpce",
		},
		"also by organisation": {policyOf(denyElsewhere, denyUnless(`"StringNotEquals":{"aws:PrincipalOrgID":"o-1a2b3c"}`)), bucket.Pass, "by aws:SourceVpce; aws:PrincipalOrgID limits who reads, not from where"},
		"other spellings":      {policyOf(strings.NewReplacer("StringNotEquals", "stringnotequals", "aws:SourceVpce", "AWS:sourcevpce", "s3:*", "S3:get*").Replace(denyElsewhere)), bucket.Pass, "by AWS:sourcevpce"},

		"by organisation only":         {policyOf(denyUnless(`"StringNotEquals":{"aws:PrincipalOrgID":"o-1a2b3c"}`)), bucket.Fail, "no denial in the bucket policy depends on the network; aws:PrincipalOrgID limits who reads"},
		"neither organisation nor VPC": {policyOf(denyUnless(`"StringNotEquals":{"aws:SourceVpc":"vpc-111bbb22","aws:PrincipalOrgID":"o-1a2b3c"}`)), bucket.Fail, both + "; aws:PrincipalOrgID limits who reads"},
		"the bucket's organisation":    {policyOf(denyUnless(vpc + `,"StringNotEqualsIfExists":{"aws:ResourceOrgID":"o-1a2b3c"}`)), bucket.Fail, both},
		"allowed from a VPC":           {policyOf(strings.Replace(denyElsewhere, "Deny", "Allow", 1)), bucket.Fail, "no denial"},
		"denied from the VPC":          {policyOf(denyUnless(`"StringEquals":{"aws:SourceVpc":"vpc-111bbb22"}`)), bucket.Fail, both},
		"denied at some addresses":     {policyOf(denyUnless(`"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`)), bucket.Fail, both},
		"one principal":                {policyOf(strings.Replace(denyElsewhere, `"*"`, `{"AWS":"arn:aws:iam::123456789012:user/a"}`, 1)), bucket.Fail, both},
		"writing only":                 {policyOf(strings.Replace(denyElsewhere, "s3:*", "s3:Put*", 1)), bucket.Fail, both},
		"the bucket itself":            {policyOf(strings.Replace(denyElsewhere, "BUCKET/*", "BUCKET", 1)), bucket.Fail, both},
		"another prefix":               {policyOf(strings.Replace(denyElsewhere, "BUCKET/*", "BUCKET/logs/*", 1)), bucket.Fail, both},
		"any VPC endpoint":             {policyOf(denyUnless(`"Null":{"aws:SourceVpce":"true"}`)), bucket.Fail, "does not deny reading backups " + others},
		"any VPC endpoint by pattern":  {policyOf(denyUnless(`"StringNotLike":{"aws:SourceVpce":"vpce-*"}`)), bucket.Fail, "does not deny reading backups " + others},
		"any of the values":            {policyOf(denyUnless(`"ForAnyValue:StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}`)), bucket.Fail, "does not deny reading backups " + internet},
		"all addresses":                {policyOf(denyUnless(`"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","0.0.0.0/1"]}`)), bucket.Fail, "does not deny reading backups " + internet},
		"all addresses of IPv6":        {policyOf(denyUnless(`"NotIpAddress":{"aws:SourceIp":"2001::/16"}`)), bucket.Fail, internet},
		"addresses of any VPC":         {policyOf(denyUnless(`"NotIpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}`)), bucket.Fail, "though it names aws:VpcSourceIp, does not deny reading backups " + others},
		"every role is spared":         {policyOf(denyUnless(vpce + `,"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/*"}`)), bucket.Fail, both},
		"one role is denied":           {policyOf(denyUnless(vpce + `,"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/a"}`)), bucket.Fail, both},
		"through a service only":       {policyOf(denyUnless(vpce + `,"Bool":{"aws:ViaAWSService":"true"}`)), bucket.Fail, both},
		"over plain HTTP only":         {policyOf(denyUnless(vpce + `,"Bool":{"aws:SecureTransport":"false"}`)), bucket.Fail, both},

		"all but a principal":  {policyOf(strings.Replace(denyElsewhere, `"Principal":"*"`, `"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:role/a"}`, 1)), bucket.Unknown, "depends on NotPrincipal, which is not judged"},
		"all but an action":    {policyOf(strings.Replace(denyElsewhere, `"Action":"s3:*"`, `"NotAction":"s3:PutBucketPolicy"`, 1)), bucket.Unknown, "depends on NotAction"},
		"all but a resource":   {policyOf(strings.Replace(denyElsewhere, `"Resource"`, `"NotResource"`, 1)), bucket.Unknown, "depends on NotResource"},
		"an account is spared": {policyOf(denyUnless(vpc + `,"StringNotEqualsIfExists":{"aws:PrincipalAccount":"444455556666"}`)), bucket.Unknown, "depends on StringNotEqualsIfExists of aws:PrincipalAccount"},
		"a variable":           {policyOf(denyUnless(`"StringNotEquals":{"aws:SourceVpc":"${aws:PrincipalTag/vpc}"}`)), bucket.Unknown, "depends on StringNotEquals of aws:SourceVpc"},
		"another key":          {policyOf(denyUnless(vpc + `,"NumericLessThan":{"s3:TlsVersion":1.2}`)), bucket.Unknown, "depends on NumericLessThan of s3:TlsVersion"},
		"no address":           {policyOf(denyUnless(`"NotIpAddress":{"aws:SourceIp":"office"}`)), bucket.Unknown, "depends on NotIpAddress of aws:SourceIp"},
		"addresses as text":    {policyOf(denyUnless(`"StringNotEquals":{"aws:SourceIp":"192.0.2.1"}`)), bucket.Unknown, "depends on StringNotEquals of aws:SourceIp"},
		"no value":             {policyOf(denyUnless(`"StringNotEquals":{"aws:SourceVpc":[]}`)), bucket.Unknown, "depends on StringNotEquals of aws:SourceVpc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := findings(t, onAWS(t, hardened.with("policy", test.policy)))["s3-bucket-policy-network"]
			want(t, f, test.status, test.detail)
		})
	}
}

// What mends it is a limit, by the check's own judgement.
func TestPolicyNetworkIsMended(t *testing.T) {
	f := findings(t, onAWS(t, hardened.with("policy", policyOf(denyPlain))))["s3-bucket-policy-network"]
	_, statement, _ := strings.Cut(f.Remediation, "drills are in: ")
	statement, _, found := strings.Cut(statement, "; whoever")
	if !found {
		t.Fatalf("no statement: %s", f.Remediation)
	}
	want(t, findings(t, onAWS(t, hardened.with("policy", policyOf(denyPlain, statement))))["s3-bucket-policy-network"], bucket.Pass, "by aws:SourceVpc; it spares aws:ViaAWSService")
}

// Elsewhere than on AWS only a limit is judged.
func TestPolicyNetworkElsewhere(t *testing.T) {
	for _, test := range []struct {
		policy reply
		status bucket.Status
		detail string
	}{
		{policyOf(denyUnless(`"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}`)), bucket.Pass, "by aws:SourceIp"},
		{policyOf(denyPlain), bucket.NotApplicable, "no limit by network"},
		{failure(http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist"), bucket.NotApplicable, "up to its own network"},
	} {
		want(t, findings(t, onAnother(t, hardened.with("policy", test.policy)))["s3-bucket-policy-network"], test.status, test.detail)
	}
}

// MinIO takes the same statement as the check does: the policy that passes keeps everybody out who comes from elsewhere, and the one of all addresses nobody.
func TestPolicyNetworkIsKept(t *testing.T) {
	for addresses, status := range map[string]int{`"192.0.2.0/24"`: http.StatusForbidden, `["192.0.2.0/24","127.0.0.0/8","::1"]`: http.StatusOK} {
		b := servertest.Bucket(t, "backups")
		for _, set := range []setting{object, policy(allowGet, denyUnless(`"NotIpAddress":{"aws:SourceIp":`+addresses+`}`))} {
			if err := set(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		got, err := http.Get(b.Endpoint + "/" + b.Name + "/" + b.Key("drill-1", "backup_config.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		if got.StatusCode != status {
			t.Errorf("%s: HTTP %d and not %d", addresses, got.StatusCode, status)
		}
	}
}
