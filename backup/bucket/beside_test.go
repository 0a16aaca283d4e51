package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

const (
	trailARN    = "arn:aws:cloudtrail:us-east-1:123456789012:trail/account"
	volumeID    = "vol-1234567890abcdef0"
	restoreRole = "arn:aws:iam::123456789012:role/weaviate-drill-restore"
)

// volume is one of an answer of https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html.
func volume(id, encrypted, key string) string {
	if key != "" {
		key = `<kmsKeyId>` + key + `</kmsKeyId>`
	}
	return `<item><volumeId>` + id + `</volumeId><size>80</size><snapshotId/><availabilityZone>us-east-1a</availabilityZone><status>in-use</status><volumeType>gp3</volumeType>` +
		`<encrypted>` + encrypted + `</encrypted>` + key + `</item>`
}

func volumes(items ...string) reply {
	return ok(`<DescribeVolumesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>59dbff89-35bd-4eac-99ed-be587EXAMPLE</requestId><volumeSet>` + strings.Join(items, "") + `</volumeSet></DescribeVolumesResponse>`)
}

// ec2Failure has the form and the codes of https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html.
func ec2Failure(status int, code, message string) reply {
	return reply{status: status, body: xmlHead + `<Response><Errors><Error><Code>` + code + `</Code><Message>` + message + `</Message></Error></Errors><RequestID>ea966190-f9aa-478e-9ede-example</RequestID></Response>`}
}

// trailOf is an answer of https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html.
func trailOf(members string) reply {
	return reply{status: http.StatusOK, body: `{"trailList":[{"Name":"account","S3BucketName":"logs-example","IncludeGlobalServiceEvents":true,"HomeRegion":"us-east-1","TrailARN":"` + trailARN + `",` + members + `}]}`}
}

// selectorsOf is an answer of https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html.
func selectorsOf(member string) reply {
	return reply{status: http.StatusOK, body: `{"TrailARN":"` + trailARN + `",` + member + `}`}
}

func classic(kind string, values ...string) reply {
	return selectorsOf(`"EventSelectors":[{"IncludeManagementEvents":true,"ReadWriteType":"` + kind + `","DataResources":[{"Type":"AWS::S3::Object","Values":["` + strings.Join(values, `","`) + `"]}]}]`)
}

func advanced(fields ...string) reply {
	return selectorsOf(`"AdvancedEventSelectors":[{"Name":"backups","FieldSelectors":[` +
		strings.Join(append([]string{`{"Field":"eventCategory","Equals":["Data"]}`, `{"Field":"resources.type","Equals":["AWS::S3::Object"]}`}, fields...), ",") + `]}]`)
}

// trailDenied is of https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/CommonErrors.html.
var trailDenied = reply{status: http.StatusBadRequest, body: `{"__type":"AccessDeniedException","Message":"User: arn:aws:iam::123456789012:user/drill is not authorized to perform this action"}`}

// callerIs is an answer of https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html.
func callerIs(arn string) reply {
	return ok(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>` + arn + `</Arn><UserId>ARO123EXAMPLE123:my-role-session-name</UserId><Account>123456789012</Account>` +
		`</GetCallerIdentityResult><ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata></GetCallerIdentityResponse>`)
}

// protected are AWS's answers where nothing beside the bucket is left to be desired either.
var protected = hardened.
	with("ec2 DescribeVolumes", volumes(volume(volumeID, "true", keyARN))).
	with("cloudtrail DescribeTrails", trailOf(`"IsMultiRegionTrail":true,"LogFileValidationEnabled":true`)).
	// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
	with("cloudtrail GetTrailStatus", reply{status: http.StatusOK, body: `{"IsLogging":true,"LatestDeliveryTime":1.7e9}`}).
	with("cloudtrail GetEventSelectors", classic("All", "arn:aws:s3:::backups-example/")).
	with("sts", callerIs("arn:aws:sts::123456789012:assumed-role/weaviate-drill-tool/session"))

// simulator answers as IAM does where policies allow what allows says: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html.
type simulator struct {
	replies
	allows func(action, resource string) bool
}

func (s simulator) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if asked(request) != "iam SimulatePrincipalPolicy" {
		s.replies.ServeHTTP(w, request)
		return
	}
	form := formOf(request)
	answer := `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>`
	for name, values := range form {
		if !strings.HasPrefix(name, "ActionNames.member.") {
			continue
		}
		decision := "implicitDeny"
		if s.allows(values[0], form.Get("ResourceArns.member.1")) {
			decision = "allowed"
		}
		answer += `<member><EvalActionName>` + values[0] + `</EvalActionName><EvalDecision>` + decision + `</EvalDecision><EvalResourceName>` + form.Get("ResourceArns.member.1") + `</EvalResourceName><MatchedStatements/><MissingContextValues/></member>`
	}
	_, _ = io.WriteString(w, xmlHead+answer+`</EvaluationResults></SimulatePrincipalPolicyResult><ResponseMetadata><RequestId>1cdb5b0a-4c15-11e5-b121-bd8c7EXAMPLE</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>`)
}

// leastPrivilege is the policy of the restore in deploy/iam.
func leastPrivilege(action, resource string) bool {
	return action == "s3:GetObject" || action == "s3:PutObject" && strings.HasSuffix(resource, "/restore_config.json")
}

// besides lets an audit look beside the bucket.
func besides(b *bucket.Bucket) []bucket.Option {
	return []bucket.Option{
		bucket.WithVolumes([]string{volumeID}), bucket.WithRestore(bucket.Restore{From: b, Role: restoreRole}),
		bucket.WithSource(func(context.Context) (bucket.Source, error) { return twin, nil }),
	}
}

var twin = bucket.Source{
	Name: "the StatefulSet weaviate/weaviate", ServiceAccount: "weaviate/weaviate", Role: "arn:aws:iam::123456789012:role/weaviate",
	Volumes: []bucket.Volume{{Name: "weaviate-data-weaviate-0", EBS: volumeID, Kind: "the CSI driver ebs.csi.aws.com"}},
}

var besideChecks = []string{
	"ebs-encryption", "ebs-key", "cloudtrail", "cloudtrail-data-events", "iam-tool-identity", "iam-source-identity", "iam-restore-rights", "iam-restore-bucket", "iam-auditor-rights",
}

func TestBesideAProtectedBucket(t *testing.T) {
	b := onAWS(t, simulator{protected, leastPrivilege})
	found := findings(t, b, besides(b)...)
	for check, detail := range map[string]string{
		"ebs-encryption":         "volume " + volumeID + " is encrypted with key " + keyARN,
		"ebs-key":                "of volume " + volumeID + ": the key rotates every 365 days",
		"cloudtrail":             "trail account logs all regions, with log file validation",
		"cloudtrail-data-events": "reads and writes of the backups are logged by trail account",
		"iam-tool-identity":      "the caller is the role weaviate-drill-tool",
		"iam-source-identity":    "the service account weaviate/weaviate has the role arn:aws:iam::123456789012:role/weaviate",
		"iam-restore-rights":     "simulated: the identity policies of " + restoreRole,
		"iam-restore-bucket":     "allow no change of the bucket",
	} {
		want(t, found[check], bucket.Pass, detail)
	}
	want(t, found["iam-auditor-rights"], bucket.NotApplicable, "policy.auditor is not set")
}

func TestBeside(t *testing.T) {
	const good = `"IsMultiRegionTrail":true,"LogFileValidationEnabled":true`
	status := func(body string) reply { return reply{status: http.StatusOK, body: body} }
	for _, test := range []struct {
		asked  string
		answer reply
		check  string
		status bucket.Status
		detail string
	}{
		{"ec2 DescribeVolumes", volumes(volume(volumeID, "false", "")), "ebs-encryption", bucket.Fail, "volume " + volumeID + " is not encrypted"},
		{"ec2 DescribeVolumes", volumes(volume(volumeID, "false", "")), "ebs-key", bucket.Fail, "encrypted with no key"},
		{"ec2 DescribeVolumes", volumes(), "ebs-encryption", bucket.Unknown, "EC2 says nothing of volume " + volumeID},
		{"ec2 DescribeVolumes", volumes(`<item><volumeId>` + volumeID + `</volumeId></item>`), "ebs-encryption", bucket.Unknown, "does not say whether"},
		{"ec2 DescribeVolumes", volumes(volume(volumeID, "true", "")), "ebs-key", bucket.Unknown, "does not say which key"},
		{"ec2 DescribeVolumes", ec2Failure(403, "UnauthorizedOperation", "You are not authorized to perform this operation."), "ebs-encryption", bucket.Unknown, "ec2:DescribeVolumes is needed"},
		{"ec2 DescribeVolumes", ec2Failure(400, "InvalidVolume.NotFound", "The volume '"+volumeID+"' does not exist."), "ebs-key", bucket.Unknown, "is the source in another account, or region than us-east-1?"},
		{"kms DescribeKey", describeKey(`"KeyManager":"AWS"`), "ebs-key", bucket.Fail, "is not customer-managed"},
		{"kms DescribeKey", describeKey(`"KeyState":"Disabled","Enabled":false`), "ebs-key", bucket.Fail, "is disabled"},
		{"kms DescribeKey", kmsFailure(400, "AccessDeniedException", "The ciphertext refers to a key that is denied"), "ebs-key", bucket.Unknown, "kms:DescribeKey is needed"},
		{"kms DescribeKey", kmsFailure(400, "NotFoundException", "Key does not exist"), "ebs-key", bucket.Fail, "KMS does not know its key"},
		{"kms DescribeKey", describeKey(`"Origin":"EXTERNAL"`), "ebs-key", bucket.Unknown, "not known whether it is rotated"},
		{"kms GetKeyRotationStatus", status(`{"KeyRotationEnabled":false}`), "ebs-key", bucket.Fail, "does not rotate"},
		{"kms GetKeyRotationStatus", kmsFailure(400, "AccessDeniedException", "denied"), "ebs-key", bucket.Unknown, "kms:GetKeyRotationStatus is needed"},

		{"cloudtrail DescribeTrails", status(`{"trailList":[]}`), "cloudtrail", bucket.Fail, "there is no trail"},
		{"cloudtrail DescribeTrails", status(`{"trailList":[]}`), "cloudtrail-data-events", bucket.Fail, "there is no trail"},
		{"cloudtrail DescribeTrails", trailDenied, "cloudtrail", bucket.Unknown, "cloudtrail:DescribeTrails is needed"},
		{"cloudtrail DescribeTrails", trailOf(`"IsMultiRegionTrail":false,"LogFileValidationEnabled":false`), "cloudtrail", bucket.Fail, "trail account is of one region, has no log file validation"},
		{"cloudtrail DescribeTrails", trailOf(good + `},{"Name":"other","TrailARN":"` + trailARN + `2"`), "cloudtrail", bucket.Pass, "trail account logs"},
		{"cloudtrail GetTrailStatus", status(`{"IsLogging":false}`), "cloudtrail", bucket.Fail, "is switched off"},
		{"cloudtrail GetTrailStatus", status(`{"IsLogging":false}`), "cloudtrail-data-events", bucket.Fail, "no trail logs data events"},
		{"cloudtrail GetTrailStatus", status(`{"IsLogging":true,"LatestDeliveryError":"AccessDenied"}`), "cloudtrail", bucket.Fail, "cannot deliver its logs: AccessDenied"},
		{"cloudtrail GetTrailStatus", trailDenied, "cloudtrail", bucket.Unknown, "cloudtrail:GetTrailStatus is needed"},
		{"cloudtrail GetTrailStatus", trailDenied, "cloudtrail-data-events", bucket.Unknown, "cloudtrail:GetTrailStatus is needed"},
		{"cloudtrail GetEventSelectors", trailDenied, "cloudtrail-data-events", bucket.Unknown, "cloudtrail:GetEventSelectors is needed"},

		// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DataResource.html
		{"cloudtrail GetEventSelectors", classic("All", "arn:aws:s3"), "cloudtrail-data-events", bucket.Pass, "trail account"},
		{"cloudtrail GetEventSelectors", classic("All", "arn:aws:s3:::other/", "arn:aws:s3:::backups-example/weaviate/"), "cloudtrail-data-events", bucket.Pass, "trail account"},
		{"cloudtrail GetEventSelectors", classic("All", "arn:aws:s3:::backups-example/weaviate/drill-1/"), "cloudtrail-data-events", bucket.Fail, "no trail logs data events of all backups"},
		{"cloudtrail GetEventSelectors", classic("WriteOnly", "arn:aws:s3"), "cloudtrail-data-events", bucket.Fail, "logs writes of the backups, and none logs reads"},
		{"cloudtrail GetEventSelectors", classic("ReadOnly", "arn:aws:s3"), "cloudtrail-data-events", bucket.Fail, "logs reads of the backups, and none logs writes"},
		{"cloudtrail GetEventSelectors", selectorsOf(`"EventSelectors":[{"ReadWriteType":"All","DataResources":[{"Type":"AWS::Lambda::Function","Values":["arn:aws:lambda"]}]}]`), "cloudtrail-data-events", bucket.Fail, "no trail logs data events"},
		// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
		{"cloudtrail GetEventSelectors", advanced(), "cloudtrail-data-events", bucket.Pass, "trail account"},
		{"cloudtrail GetEventSelectors", advanced(`{"Field":"resources.ARN","StartsWith":["arn:aws:s3:::other/","arn:aws:s3:::backups-example/"]}`), "cloudtrail-data-events", bucket.Pass, "trail account"},
		{"cloudtrail GetEventSelectors", advanced(`{"Field":"resources.ARN","NotStartsWith":["arn:aws:s3:::other/"]}`), "cloudtrail-data-events", bucket.Pass, "trail account"},
		{"cloudtrail GetEventSelectors", advanced(`{"Field":"resources.ARN","NotStartsWith":["arn:aws:s3:::backups-example/weaviate/drill-1/"]}`), "cloudtrail-data-events", bucket.Fail, "no trail"},
		{"cloudtrail GetEventSelectors", advanced(`{"Field":"resources.ARN","StartsWith":["arn:aws:s3:::other/"]}`), "cloudtrail-data-events", bucket.Fail, "no trail"},
		{"cloudtrail GetEventSelectors", advanced(`{"Field":"eventName","Equals":["DeleteObject"]}`), "cloudtrail-data-events", bucket.Fail, "no trail"},
		{"cloudtrail GetEventSelectors", advanced(`{"Field":"readOnly","Equals":["false"]}`), "cloudtrail-data-events", bucket.Fail, "none logs reads"},
		{"cloudtrail GetEventSelectors", selectorsOf(`"AdvancedEventSelectors":[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]}]`), "cloudtrail-data-events", bucket.Fail, "no trail"},

		{"sts", callerIs("arn:aws:iam::123456789012:user/drill"), "iam-tool-identity", bucket.Fail, "the IAM user drill, by static keys"},
		{"sts", callerIs("arn:aws:iam::123456789012:root"), "iam-tool-identity", bucket.Fail, "root user"},
		{"sts", callerIs("arn:aws:sts::123456789012:federated-user/ann"), "iam-tool-identity", bucket.Pass, "federated user ann"},
		{"sts", callerIs("ann"), "iam-tool-identity", bucket.Unknown, "no ARN"},
		{"sts", failure(403, "InvalidClientTokenId", "The security token included in the request is invalid."), "iam-tool-identity", bucket.Unknown, "InvalidClientTokenId"},
	} {
		t.Run(test.check+" "+test.detail, func(t *testing.T) {
			t.Parallel()
			b := onAWS(t, simulator{protected.with(test.asked, test.answer), leastPrivilege})
			want(t, findings(t, b, besides(b)...)[test.check], test.status, test.detail)
		})
	}
}

// What is not configured is not known, and what is not in AWS is not asked there.
func TestBesideUnconfigured(t *testing.T) {
	found := findings(t, onAWS(t, protected))
	for check, detail := range map[string]string{"ebs-encryption": "neither source.volumes nor sandbox.kubernetes.twin", "ebs-key": "neither", "iam-source-identity": "sandbox.kubernetes.twin"} {
		want(t, found[check], bucket.Unknown, detail)
	}
	for _, check := range []string{"iam-restore-rights", "iam-restore-bucket", "iam-auditor-rights"} {
		want(t, found[check], bucket.NotApplicable, "")
	}
	unresolved := findings(t, onAWS(t, protected), bucket.WithRestore(bucket.Restore{Err: errors.New("sandbox.s3.access_key_id: the environment has no variable KEY")}))
	for _, check := range []string{"iam-restore-rights", "iam-restore-bucket"} {
		want(t, unresolved[check], bucket.Unknown, "no variable KEY")
	}
	b := onAnother(t, hardened) // which has no answer to what AWS would be asked
	found = findings(t, b, besides(b)...)
	for _, check := range besideChecks {
		want(t, found[check], bucket.NotApplicable, "")
	}
}

func TestSource(t *testing.T) {
	volume := func(name, kind string) bucket.Volume { return bucket.Volume{Name: name, Kind: kind} }
	for _, test := range []struct {
		name   string
		change func(*bucket.Source)
		check  string
		status bucket.Status
		detail string
	}{
		{"static keys", func(s *bucket.Source) { s.Keys = []string{"AWS_ACCESS_KEY_ID"} }, "iam-source-identity", bucket.Fail, "static keys in its environment: AWS_ACCESS_KEY_ID"},
		{"a whole secret", func(s *bucket.Source) { s.Unread = []string{"the secret backup-s3"} }, "iam-source-identity", bucket.Unknown, "from the secret backup-s3, which is not read"},
		{"no role", func(s *bucket.Source) { s.Role = "" }, "iam-source-identity", bucket.Unknown, "Pod Identity"},
		{"volumes of the cluster", func(*bucket.Source) {}, "ebs-encryption", bucket.Pass, volumeID},
		{"no volume", func(s *bucket.Source) { s.Volumes = nil }, "ebs-encryption", bucket.NotApplicable, "claims no volume"},
		{"another driver", func(s *bucket.Source) {
			s.Volumes = []bucket.Volume{volume("data-0", "the CSI driver efs.csi.aws.com")}
		}, "ebs-key", bucket.NotApplicable, "data-0 is of the CSI driver efs.csi.aws.com"},
		{"another driver too", func(s *bucket.Source) { s.Volumes = append(slices.Clone(s.Volumes), volume("data-1", "hostPath")) }, "ebs-encryption", bucket.Unknown, "data-1 is of hostPath"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := twin
			test.change(&source)
			found := findings(t, onAWS(t, protected), bucket.WithSource(func(context.Context) (bucket.Source, error) { return source, nil }))
			want(t, found[test.check], test.status, test.detail)
		})
	}
	found := findings(t, onAWS(t, protected), bucket.WithSource(func(context.Context) (bucket.Source, error) {
		return bucket.Source{}, errors.New("statefulsets is forbidden")
	}))
	for _, check := range []string{"ebs-encryption", "ebs-key", "iam-source-identity"} {
		want(t, found[check], bucket.Unknown, "statefulsets is forbidden")
	}
}

func TestSimulatedRestore(t *testing.T) {
	allows := func(also func(action, resource string) bool) func(string, string) bool {
		return func(action, resource string) bool { return leastPrivilege(action, resource) || also(action, resource) }
	}
	for _, test := range []struct {
		name   string
		allows func(action, resource string) bool
		check  string
		detail string
	}{
		{"a chunk", allows(func(action, _ string) bool { return action == "s3:PutObject" }), "iam-restore-rights", "is allowed s3:PutObject on arn:aws:s3:::backups-example/weaviate/weaviate-drill-doctor/chunk-1"},
		{"a delete", allows(func(action, _ string) bool { return action == "s3:DeleteObject" }), "iam-restore-rights", "is allowed s3:DeleteObject"},
		{"nothing", func(string, string) bool { return false }, "iam-restore-rights", "is denied s3:GetObject"},
		{"the policy", allows(func(action, _ string) bool { return action == "s3:PutBucketPolicy" }), "iam-restore-bucket", "is allowed s3:PutBucketPolicy on arn:aws:s3:::backups-example"},
		{"a version", allows(func(action, _ string) bool { return action == "s3:DeleteObjectVersion" }), "iam-restore-bucket", "is allowed s3:DeleteObjectVersion"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := onAWS(t, simulator{protected, test.allows})
			want(t, findings(t, b, besides(b)...)[test.check], bucket.Fail, test.detail)
		})
	}
	// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html, and the errors of API_SimulatePrincipalPolicy.html.
	iamFailure := func(status int, code, message string) reply {
		return reply{status: status, body: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message + `</Message></Error><RequestId>a</RequestId></ErrorResponse>`}
	}
	for detail, answer := range map[string]reply{
		"iam:SimulatePrincipalPolicy is needed": iamFailure(403, "AccessDenied", "User is not authorized to perform: iam:SimulatePrincipalPolicy"),
		"NoSuchEntity":                          iamFailure(404, "NoSuchEntity", "The role with name weaviate-drill-restore cannot be found."),
	} {
		b := onAWS(t, protected.with("iam SimulatePrincipalPolicy", answer))
		found := findings(t, b, besides(b)...)
		want(t, found["iam-restore-rights"], bucket.Unknown, detail)
		want(t, found["iam-restore-bucket"], bucket.Unknown, detail)
	}
}

// attempts answers what a restore tries, as S3 does where policies say so: a write with a wrong digest is refused for that after the rights were looked at, a delete of what is not there for its condition.
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html.
type attempts struct {
	simulator
	allows func(method, path string) bool
}

func (a attempts) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	probe := strings.Contains(request.URL.Path, "weaviate-drill-doctor")
	answer := failure(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	switch {
	case !probe:
		a.simulator.ServeHTTP(w, request)
		return
	case !a.allows(request.Method, request.URL.Path):
		answer = denied
	case request.Method == http.MethodPut:
		answer = failure(http.StatusBadRequest, "BadDigest", "The Content-MD5 you specified did not match what we received.")
	case request.Method == http.MethodDelete:
		answer = failure(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the preconditions that you specified did not hold.")
	}
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

func TestTriedRestore(t *testing.T) {
	least := func(method, path string) bool {
		return method == http.MethodGet || method == http.MethodPut && strings.HasSuffix(path, "/restore_config.json")
	}
	for _, test := range []struct {
		name   string
		path   string // of what is restored
		allows func(method, path string) bool
		status bucket.Status
		detail string
	}{
		{"as deploy/iam has it", "weaviate", least, bucket.Pass, "writing chunks and deleting are denied"},
		{"writes", "weaviate", func(method, _ string) bool { return method != http.MethodDelete }, bucket.Fail, "s3:PutObject on arn:aws:s3:::backups-example/weaviate/*/chunk-1 is let in"},
		{"deletes", "weaviate", func(method, path string) bool { return method == http.MethodDelete || least(method, path) }, bucket.Fail, "s3:DeleteObject on arn:aws:s3:::backups-example/weaviate/* is let in"},
		{"cannot write", "weaviate", func(method, _ string) bool { return method == http.MethodGet }, bucket.Fail, "s3:PutObject on arn:aws:s3:::backups-example/weaviate/*/restore_config.json is denied, and a restore needs it"},
		{"of a copy", "copies", func(method, path string) bool { return strings.Contains(path, "/copies/") && least(method, path) }, bucket.Pass, "denied"},
		{"of a copy, beside the backups too", "copies", least, bucket.Fail, "backups-example/weaviate/*/restore_config.json is let in"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := onAWS(t, attempts{simulator{protected, leastPrivilege}, test.allows})
			from := *b
			from.Path = test.path
			found := findings(t, b, bucket.WithRestore(bucket.Restore{From: &from, As: true}))
			want(t, found["iam-restore-rights"], test.status, test.detail)
			want(t, found["iam-restore-bucket"], bucket.Pass, "arn:aws:iam::123456789012:role/weaviate-drill-tool")
		})
	}
}

func TestAuditor(t *testing.T) {
	for _, test := range []struct {
		answer reply
		status bucket.Status
		detail string
	}{
		{denied, bucket.Pass, "reading weaviate/drill-1/backup_config.json is denied"},
		{reply{status: http.StatusPartialContent, body: "{"}, bucket.Fail, "the auditor can read weaviate/drill-1/backup_config.json"},
		{failure(503, "SlowDown", "Please reduce your request rate."), bucket.Unknown, "overloaded"},
	} {
		want(t, findings(t, onAWS(t, protected.with("get", test.answer)), bucket.AsAuditor())["iam-auditor-rights"], test.status, test.detail)
	}
	want(t, findings(t, onAWS(t, protected.with("list", ok(noObject))), bucket.AsAuditor())["iam-auditor-rights"], bucket.Unknown, "no backup yet")
}

// formOf is a request's form; its body stays to be read.
func formOf(request *http.Request) url.Values {
	body, _ := io.ReadAll(request.Body)
	request.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	return form
}

// On a server that obeys policies, what deploy/iam grants a restore is enough and no more, and its administrator has more.
func TestTriedRestoreOnMinIO(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	admin := findings(t, b, bucket.WithRestore(bucket.Restore{From: b, As: true}))["iam-restore-rights"]
	want(t, admin, bucket.Fail, "/chunk-1 is let in")
	least := as(t, b, `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::BUCKET"}`, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/backups/*"}`,
		`{"Effect":"Allow","Action":"s3:GetBucketVersioning","Resource":"arn:aws:s3:::BUCKET"}`, `{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::BUCKET/backups/*/restore_config.json"}`)
	want(t, findings(t, b, bucket.WithRestore(bucket.Restore{From: least, As: true}))["iam-restore-rights"], bucket.Pass, "writing chunks and deleting are denied")
}
