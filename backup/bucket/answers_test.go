package bucket_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// call is one that an audit makes of AWS, with the checks that rest on its answer.
type call struct {
	operation string
	asked     string // see called
	page      string // of the API reference, where what it answers is documented
	given     replies
	change    func(b *bucket.Bucket) []bucket.Option // what else leads to the call
	denied    bucket.Status                          // what a denial proves; empty: nothing
	none      reply                                  // the answer when there is nothing of what is asked for; no status: AWS has no such answer
	are       map[string]bucket.Status               // what the checks are then
	says      string                                 // a part of each detail then
}

const (
	s3API      = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_"
	controlAPI = s3API + "control_"
	kmsAPI     = "https://docs.aws.amazon.com/kms/latest/APIReference/API_"
	trailAPI   = "https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_"
	iamAPI     = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_"
)

// called is asked, with more told apart: the tries of a restore by their method, the listing of all objects, and one outside the path.
func called(r *http.Request) string {
	what, q := asked(r), r.URL.Query()
	switch {
	case strings.Contains(r.URL.Path, "weaviate-drill-doctor"):
		return r.Method + " try"
	case what == "list" && !q.Has("max-keys"):
		return "list all"
	case what == "list" && q.Get("prefix") != "weaviate/":
		return "list elsewhere"
	}
	return what
}

// failed is an error in the form of the service that is asked; an answer to HEAD has no body.
func failed(asked string, status int, code, message string) reply {
	switch service, _, _ := strings.Cut(asked, " "); service {
	case "kms", "cloudtrail":
		return kmsFailure(status, code, message)
	case "ec2":
		return ec2Failure(status, code, message)
	case "control", "iam", "sts":
		return controlFailure(status, code, message)
	case "head":
		return reply{status: status}
	}
	return failure(status, code, message)
}

// calls are all that an audit makes, but for the listing that it begins with: TestUnreachableOnAWS.
func calls() []call {
	const other = "arn:aws:kms:us-east-1:123456789012:key/0987dcba-09fe-87dc-65ba-ab0987654321"
	const pass, fail, unknown, notApplicable = bucket.Pass, bucket.Fail, bucket.Unknown, bucket.NotApplicable
	missing := failure(404, "NoSuchKey", "The specified key does not exist.")
	noBlock := failure(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	noPolicy := failure(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
	noLifecycle := failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	noKey := kmsFailure(400, "NotFoundException", "Key does not exist")
	noTrail := failed("cloudtrail", 400, "TrailNotFoundException", "Unknown trail: "+trailARN)
	untidy := protected.with("lifecycle", noLifecycle).with("versions", ok(`<ListVersionsResult`+namespace+`/>`)).with("uploads", ok(`<ListMultipartUploadsResult`+namespace+`/>`))
	unlocked := protected.with("head", head(map[string]string{"X-Amz-Object-Lock-Mode": "", "X-Amz-Object-Lock-Retain-Until-Date": ""}))
	half := protected.with("publicAccessBlock", block(true, true, false, false))
	asRestore := func(b *bucket.Bucket) []bucket.Option {
		return []bucket.Option{bucket.WithRestore(bucket.Restore{From: b, As: true})}
	}
	return []call{
		{operation: "GetBucketEncryption", asked: "encryption", page: s3API + "GetBucketEncryption.html", none: failure(404, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"), are: map[string]bucket.Status{
			"s3-default-encryption": fail, "s3-customer-key": fail, "s3-bucket-key": notApplicable, "s3-key-state": notApplicable, "s3-key-rotation": notApplicable, "s3-object-encryption": pass,
		}},
		{operation: "GetBucketVersioning", asked: "versioning", page: s3API + "GetBucketVersioning.html", none: ok(`<VersioningConfiguration` + namespace + `/>`), are: map[string]bucket.Status{
			"s3-versioning": fail, "s3-mfa-delete": notApplicable, "s3-lifecycle-noncurrent": pass, "s3-lifecycle-idle": pass,
		}},
		{operation: "GetBucketLifecycleConfiguration", asked: "lifecycle", page: s3API + "GetBucketLifecycleConfiguration.html", given: untidy, none: noLifecycle, are: map[string]bucket.Status{
			"s3-lifecycle": fail, "s3-lifecycle-backups": pass, "s3-lifecycle-bases": pass, "s3-lifecycle-rto": pass, "s3-lifecycle-noncurrent": fail, "s3-lifecycle-multipart": fail, "s3-lifecycle-idle": pass,
		}},
		{operation: "ListObjectVersions", asked: "versions", page: s3API + "ListObjectVersions.html", given: untidy, none: untidy["versions"], are: map[string]bucket.Status{"s3-lifecycle-idle": pass}},
		{operation: "ListMultipartUploads", asked: "uploads", page: s3API + "ListMultipartUploads.html", given: untidy, none: untidy["uploads"], are: map[string]bucket.Status{"s3-lifecycle-idle": pass}},
		{
			operation: "ListObjectsV2", asked: "list elsewhere", page: s3API + "ListObjectsV2.html", given: untidy.with("lifecycle", lifecycle(`<ID>logs</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>`)),
			none: ok(noObject), are: map[string]bucket.Status{"s3-lifecycle-idle": fail}, says: "selects nothing",
		},
		{operation: "GetPublicAccessBlock", asked: "publicAccessBlock", page: s3API + "GetPublicAccessBlock.html", none: noBlock, are: map[string]bucket.Status{"s3-public-access-block": fail}},
		{operation: "GetPublicAccessBlock", asked: "control publicAccessBlock", page: controlAPI + "GetPublicAccessBlock.html", given: half, none: protected["control publicAccessBlock"], are: map[string]bucket.Status{"s3-public-access-block": fail}},
		{operation: "GetBucketPolicyStatus", asked: "policyStatus", page: s3API + "GetBucketPolicyStatus.html", none: noPolicy, are: map[string]bucket.Status{"s3-bucket-policy-status": pass}},
		{operation: "GetBucketPolicy", asked: "policy", page: s3API + "GetBucketPolicy.html", none: noPolicy, are: map[string]bucket.Status{"s3-secure-transport": fail, "s3-bucket-policy-accounts": pass, "s3-bucket-policy-network": fail}},
		{operation: "GetBucketPolicy", asked: "policy", page: s3API + "GetBucketPolicy.html", given: protected.with("list", ok(noObject)), none: noPolicy, are: map[string]bucket.Status{"s3-anonymous-access": pass}},
		{operation: "GetBucketAcl", asked: "acl", page: s3API + "GetBucketAcl.html", are: map[string]bucket.Status{"s3-acl": unknown}},
		{operation: "GetBucketOwnershipControls", asked: "ownershipControls", page: s3API + "GetBucketOwnershipControls.html", none: failure(404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"), are: map[string]bucket.Status{"s3-object-ownership": fail}},
		{operation: "GetBucketWebsite", asked: "website", page: s3API + "GetBucketWebsite.html", none: protected["website"], are: map[string]bucket.Status{"s3-website": pass}},
		{operation: "GetBucketLogging", asked: "logging", page: s3API + "GetBucketLogging.html", none: ok(`<BucketLoggingStatus` + namespace + `/>`), are: map[string]bucket.Status{"s3-access-logging": fail}},
		{
			operation: "GetObjectLockConfiguration", asked: "object-lock", page: s3API + "GetObjectLockConfiguration.html", given: protected.with("versioning", ok(`<VersioningConfiguration`+namespace+`><Status>Enabled</Status></VersioningConfiguration>`)),
			none: failure(404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"), are: map[string]bucket.Status{"s3-object-lock": fail, "s3-object-retention": notApplicable, "s3-mfa-delete": fail},
		},
		{
			operation: "GetObjectRetention", asked: "retention", page: s3API + "GetObjectRetention.html", given: unlocked, none: failure(404, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration"),
			are: map[string]bucket.Status{"s3-object-retention": fail},
		},
		{
			operation: "GetBucketReplication", asked: "replication", page: s3API + "GetBucketReplication.html", none: failure(404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
			are: map[string]bucket.Status{"s3-replication": fail, "s3-object-replication": notApplicable},
		},
		{operation: "ListObjectsV2", asked: "list all", page: s3API + "ListObjectsV2.html", none: ok(noObject), are: map[string]bucket.Status{"s3-object-encryption": notApplicable, "s3-object-retention": notApplicable, "s3-object-replication": notApplicable}},
		{operation: "HeadObject", asked: "head", page: s3API + "HeadObject.html", none: reply{status: 404}, are: map[string]bucket.Status{"s3-object-encryption": notApplicable, "s3-object-retention": notApplicable, "s3-object-replication": notApplicable}},

		// To be refused is what these want. To learn that the key is not there is to be let in: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
		{operation: "ListObjectsV2", asked: "list unsigned", page: s3API + "ListObjectsV2.html", denied: pass, are: map[string]bucket.Status{"s3-anonymous-access": unknown}},
		{operation: "GetObject", asked: "get unsigned", page: s3API + "GetObject.html", denied: pass, none: missing, are: map[string]bucket.Status{"s3-anonymous-access": fail}},
		{operation: "GetObject", asked: "get", page: s3API + "GetObject.html", denied: pass, none: missing, are: map[string]bucket.Status{"iam-auditor-rights": fail}},
		{operation: "ListObjectsV2", asked: "list wrong owner", page: s3API + "ListObjectsV2.html", denied: pass, are: map[string]bucket.Status{"s3-expected-owner": unknown}},
		{operation: "GetObject", asked: "GET try", page: s3API + "GetObject.html", change: asRestore, denied: fail, none: missing, are: map[string]bucket.Status{"iam-restore-rights": pass}},
		{operation: "PutObject", asked: "PUT try", page: s3API + "PutObject.html", change: asRestore, denied: fail, are: map[string]bucket.Status{"iam-restore-rights": unknown}},
		{operation: "DeleteObject", asked: "DELETE try", page: s3API + "DeleteObject.html", change: asRestore, denied: pass, none: missing, are: map[string]bucket.Status{"iam-restore-rights": fail}},

		{operation: "ListAccessPoints", asked: "control accesspoints", page: controlAPI + "ListAccessPoints.html", none: pointsOf("", ""), are: map[string]bucket.Status{"s3-access-points": notApplicable}},
		{operation: "GetAccessPoint", asked: "control accesspoint", page: controlAPI + "GetAccessPoint.html", none: controlFailure(404, "NoSuchAccessPoint", "The specified accesspoint does not exist"), are: map[string]bucket.Status{"s3-access-points": unknown}, says: "NoSuchAccessPoint"},
		{operation: "GetAccessPointPolicyStatus", asked: "control accesspoint policyStatus", page: controlAPI + "GetAccessPointPolicyStatus.html", none: controlFailure(404, "NoSuchAccessPointPolicy", "The specified accesspoint policy does not exist"), are: map[string]bucket.Status{"s3-access-points": pass}},

		{operation: "DescribeKey", asked: "kms DescribeKey", page: kmsAPI + "DescribeKey.html", none: noKey, are: map[string]bucket.Status{
			"s3-key-state": fail, "s3-customer-key": unknown, "s3-key-rotation": unknown, "ebs-key": fail,
		}, says: "KMS does not know"},
		{
			operation: "DescribeKey", asked: "kms DescribeKey alias/aws/s3", page: kmsAPI + "DescribeKey.html", given: protected.with("encryption", encryption("aws:kms", "")), none: noKey,
			are: map[string]bucket.Status{"s3-customer-key": fail, "s3-key-state": notApplicable, "s3-key-rotation": notApplicable}, says: "never used yet",
		},
		{
			operation: "DescribeKey", asked: "kms DescribeKey " + other, page: kmsAPI + "DescribeKey.html", given: protected.with("encryption", encryption("AES256", "")).with("head", head(map[string]string{"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": other})),
			none: noKey, are: map[string]bucket.Status{"s3-object-encryption": fail}, says: "KMS does not know",
		},
		{
			operation: "GetKeyRotationStatus", asked: "kms GetKeyRotationStatus", page: kmsAPI + "GetKeyRotationStatus.html", none: kmsFailure(400, "UnsupportedOperationException", ""),
			are: map[string]bucket.Status{"s3-key-rotation": notApplicable, "ebs-key": unknown}, says: "KMS does not rotate a key of this kind",
		},
		{
			operation: "DescribeVolumes", asked: "ec2 DescribeVolumes", page: "https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html", none: ec2Failure(400, "InvalidVolume.NotFound", "The volume '"+volumeID+"' does not exist."),
			are: map[string]bucket.Status{"ebs-encryption": unknown, "ebs-key": unknown}, says: "is the source in another account, or region than us-east-1?",
		},
		{operation: "DescribeTrails", asked: "cloudtrail DescribeTrails", page: trailAPI + "DescribeTrails.html", none: reply{status: 200, body: `{"trailList":[]}`}, are: map[string]bucket.Status{"cloudtrail": fail, "cloudtrail-data-events": fail}},
		{operation: "GetTrailStatus", asked: "cloudtrail GetTrailStatus", page: trailAPI + "GetTrailStatus.html", none: noTrail, are: map[string]bucket.Status{"cloudtrail": unknown, "cloudtrail-data-events": unknown}, says: "TrailNotFoundException"},
		{operation: "GetEventSelectors", asked: "cloudtrail GetEventSelectors", page: trailAPI + "GetEventSelectors.html", none: noTrail, are: map[string]bucket.Status{"cloudtrail-data-events": unknown}, says: "TrailNotFoundException"},
		{
			operation: "SimulatePrincipalPolicy", asked: "iam SimulatePrincipalPolicy", page: iamAPI + "SimulatePrincipalPolicy.html", none: failed("iam", 404, "NoSuchEntity", "The role with name weaviate-drill-restore cannot be found."),
			are: map[string]bucket.Status{"iam-restore-rights": unknown, "iam-restore-bucket": unknown}, says: "NoSuchEntity",
		},
		{
			operation: "GetCallerIdentity", asked: "sts", page: "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html", given: half.with("policy", policyOf(denyPlain, `{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}`)),
			change: func(b *bucket.Bucket) []bucket.Option {
				b.ExpectedOwner = ""
				return asRestore(b)
			},
			are: map[string]bucket.Status{"iam-tool-identity": unknown, "iam-restore-bucket": unknown, "s3-public-access-block": unknown, "s3-access-points": unknown, "s3-bucket-policy-accounts": unknown},
		},
	}
}

// askedOf is the checks' findings where the call is answered so, and everything that was asked.
func (c call) askedOf(t *testing.T, answer *reply) (map[string]bucket.Finding, map[string]bool) {
	t.Helper()
	given := c.given
	if given == nil {
		given = protected
	}
	rest := attempts{simulator{given.with("get", denied), leastPrivilege}, func(method, path string) bool {
		return method == http.MethodGet || method == http.MethodPut && strings.HasSuffix(path, "/restore_config.json")
	}}
	var mu sync.Mutex
	all := map[string]bool{}
	b := onAWS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := called(r)
		mu.Lock()
		all[what] = true
		this := what == c.asked || what+" "+subject(r) == c.asked
		all[c.asked] = all[c.asked] || this
		mu.Unlock()
		if this && answer != nil {
			answer.write(w)
			return
		}
		rest.ServeHTTP(w, r)
	}))
	options := append(besides(b), bucket.AsAuditor())
	if c.change != nil {
		options = append(options, c.change(b)...)
	}
	found := findings(t, b, options...)
	if !all[c.asked] {
		t.Errorf("%s was not asked", c.asked)
	}
	return found, all
}

// What AWS answers where there is nothing of what is asked for is a finding, and not an error.
func TestNotConfiguredOnAWS(t *testing.T) {
	for _, c := range calls() {
		if c.none.status == 0 {
			continue
		}
		t.Run(c.asked, func(t *testing.T) {
			t.Parallel()
			found, _ := c.askedOf(t, &c.none)
			for check, status := range c.are {
				want(t, found[check], status, c.says)
			}
			if t.Failed() {
				t.Log("see " + c.page)
			}
		})
	}
}

// What AWS answers when something is wrong leaves a check unknown, which names the call, and what to do.
func TestTroublesOnAWS(t *testing.T) {
	for _, c := range calls() {
		service, _, _ := strings.Cut(c.asked, " ")
		// The codes of the other services are in their CommonErrors.html beside the page of the call, those of S3 in ErrorResponses.html.
		refusal, expired, busy := failed(service, 403, "AccessDenied", "Access Denied"), failed(service, 400, "ExpiredToken", "The provided token has expired."), failed(service, 503, "SlowDown", "Please reduce your request rate.")
		moved := failed(service, 301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.")
		moved.header = http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}
		switch service {
		case "kms", "cloudtrail":
			refusal, expired, busy = failed(service, 400, "AccessDeniedException", "not authorized"), failed(service, 400, "ExpiredTokenException", "The security token included in the request is expired"), failed(service, 400, "ThrottlingException", "Rate exceeded")
		case "ec2":
			refusal, expired, busy = failed(service, 403, "UnauthorizedOperation", "You are not authorized to perform this operation."), failed(service, 400, "RequestExpired", "Request has expired."), failed(service, 503, "RequestLimitExceeded", "Request limit exceeded.")
		case "iam", "sts":
			expired, busy = failed(service, 403, "ExpiredToken", "The security token included in the request is expired"), failed(service, 400, "Throttling", "Rate exceeded")
		}
		for _, trouble := range []struct {
			name   string
			answer reply
			says   string
			status bucket.Status
		}{
			{"denied", refusal, " is needed", c.denied},
			{"expired", expired, "access denied (", ""},
			{"throttled", busy, "try again later", ""},
			{"moved", moved, "set bucket.region to eu-west-1", ""},
		} {
			if trouble.name == "moved" && slices.Contains([]string{"kms", "cloudtrail", "ec2", "iam", "sts"}, service) || trouble.name == "expired" && service == "head" {
				continue // the other services have no buckets, and an answer to HEAD has no code: TestObjects
			}
			t.Run(c.asked+" "+trouble.name, func(t *testing.T) {
				t.Parallel()
				found, _ := c.askedOf(t, &trouble.answer)
				for check := range c.are {
					if trouble.status != "" {
						want(t, found[check], trouble.status, "")
						continue
					}
					want(t, found[check], bucket.Unknown, trouble.says)
					want(t, found[check], bucket.Unknown, c.operation+": ")
				}
			})
		}
	}
}

// The most common wrong owner is a stranger who lets nobody in: the error names the account that was expected, no check is run, and none can pass.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html.
func TestStrangersBucket(t *testing.T) {
	for _, test := range []struct {
		name   string
		really reply // without the condition
		kind   error
		text   string
	}{
		{"open", ok(oneObject), bucket.ErrWrongOwner, "another AWS account than 111122223333"},
		{"closed", denied, bucket.ErrDenied, "s3:ListBucket is needed (AccessDenied); or the bucket is not of account 111122223333 (bucket.expected_owner)"},
	} {
		b := opened(t, "111122223333", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Amz-Expected-Bucket-Owner") != "" {
				denied.write(w)
				return
			}
			test.really.write(w)
		}))
		list, err := bucket.Audit(t.Context(), b, now)
		if wantError(t, err, test.kind, test.text); list != nil {
			t.Errorf("%s: findings on a stranger's bucket: %v", test.name, list)
		}
	}
}

// No check, and no call of one, is forgotten above.
func TestEveryAnswerOfAWS(t *testing.T) {
	looked, known := map[string]bool{"iam-source-identity": true}, map[string]bool{"list": true} // the cluster tells that; the other is what every audit begins with
	for _, c := range calls() {
		for check := range c.are {
			looked[check] = true
		}
		known[c.asked] = true
	}
	for _, c := range bucket.Checks() {
		if !looked[c.ID] {
			t.Errorf("no call of %s is in the table", c.ID)
		}
		delete(looked, c.ID)
	}
	if len(looked) > 0 {
		t.Errorf("there are no checks %v", slices.Sorted(maps.Keys(looked)))
	}
	for _, c := range calls() {
		_, all := c.askedOf(t, nil)
		for what := range all {
			if !known[what] {
				t.Errorf("%q is not in the table", what)
			}
		}
	}
}
