package bucket_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// reply is what AWS answers to one request.
type reply struct {
	status int
	body   string
	header http.Header
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func ok(body string) reply { return reply{status: http.StatusOK, body: xmlHead + body} }

// failure has the form of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses; the codes and their statuses are in the
// list of the same page unless a comment says otherwise.
func failure(status int, code, message string) reply {
	return reply{status: status, body: xmlHead + `<Error><Code>` + code + `</Code><Message>` + message + `</Message><Resource>/backups-example</Resource>` +
		`<RequestId>4442587FB7D0A2F9</RequestId><HostId>Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==</HostId></Error>`}
}

var denied = failure(http.StatusForbidden, "AccessDenied", "Access Denied")

// replies are keyed by what is asked for, see asked. A reply to "head a/key" is about that key alone, as one to "kms DescribeKey ARN" is about that key.
type replies map[string]reply

// with is a copy in which one reply is another.
func (r replies) with(asked string, other reply) replies {
	changed := replies{asked: other}
	for k, v := range r {
		if k != asked {
			changed[k] = v
		}
	}
	return changed
}

const namespace = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

const (
	oneObject = `<ListBucketResult` + namespace + `><Name>backups-example</Name><Prefix>weaviate/</Prefix><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>true</IsTruncated>` +
		`<Contents><Key>weaviate/drill-1/backup_config.json</Key><LastModified>2026-11-24T21:00:00.000Z</LastModified><ETag>"fba9dede5f27731c9771645a39863328"</ETag><Size>434234</Size><StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>`
	noObject = `<ListBucketResult` + namespace + `><Name>backups-example</Name><Prefix>weaviate/</Prefix><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`
)

// lifecycle is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html.
func lifecycle(rules ...string) reply {
	return ok(`<LifecycleConfiguration` + namespace + `><Rule>` + strings.Join(rules, `</Rule><Rule>`) + `</Rule></LifecycleConfiguration>`)
}

// acl is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html, with grants besides the owner's.
func acl(grants ...string) reply {
	const owner = `<ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID><DisplayName>owner</DisplayName>`
	return ok(`<AccessControlPolicy` + namespace + `><Owner>` + owner + `</Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">` + owner +
		`</Grantee><Permission>FULL_CONTROL</Permission></Grant>` + strings.Join(grants, "") + `</AccessControlList></AccessControlPolicy>`)
}

// grant is a grant to a group of https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups.
func grant(group, permission string) string {
	return `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/` + group + `</URI></Grantee><Permission>` + permission + `</Permission></Grant>`
}

// encryption is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html.
func encryption(algorithm, key string) reply {
	if key != "" {
		key = `<KMSMasterKeyID>` + key + `</KMSMasterKeyID>`
	}
	return ok(`<ServerSideEncryptionConfiguration` + namespace + `><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>` + algorithm + `</SSEAlgorithm>` + key +
		`</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`)
}

const keyARN = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// describeKey is an answer of https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html with some members changed.
func describeKey(members ...string) reply {
	said := map[string]any{}
	for _, one := range append([]string{`"AWSAccountId":"123456789012","KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab","Arn":"` + keyARN + `","CreationDate":1.49e9,"Enabled":true,"KeyUsage":"ENCRYPT_DECRYPT",` +
		`"KeyState":"Enabled","Origin":"AWS_KMS","KeyManager":"CUSTOMER","KeySpec":"SYMMETRIC_DEFAULT"`}, members...) {
		if err := json.Unmarshal([]byte("{"+one+"}"), &said); err != nil {
			panic(err)
		}
	}
	raw, err := json.Marshal(map[string]any{"KeyMetadata": said})
	if err != nil {
		panic(err)
	}
	return reply{status: http.StatusOK, body: string(raw)}
}

// kmsFailure has the form of an error of KMS: https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html.
func kmsFailure(status int, code, message string) reply {
	return reply{status: status, body: `{"__type":"` + code + `","message":"` + message + `"}`}
}

// block is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html.
func block(acls, ignore, policy, restrict bool) reply {
	return ok(fmt.Sprintf(`<PublicAccessBlockConfiguration`+namespace+`><BlockPublicAcls>%v</BlockPublicAcls><IgnorePublicAcls>%v</IgnorePublicAcls><BlockPublicPolicy>%v</BlockPublicPolicy>`+
		`<RestrictPublicBuckets>%v</RestrictPublicBuckets></PublicAccessBlockConfiguration>`, acls, ignore, policy, restrict))
}

// policyOf is an answer of https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html.
func policyOf(statements ...string) reply {
	return reply{status: http.StatusOK, body: strings.ReplaceAll(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`, "BUCKET", "backups-example")}
}

// hardened are AWS's answers for a bucket in which nothing is left to be desired.
var hardened = replies{
	"list":             ok(oneObject), // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
	"list unsigned":    denied,
	"list wrong owner": denied, // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
	"get unsigned":     denied,
	"encryption":       encryption("aws:kms", "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
	"head":             head(nil),
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketReplication.html
	"replication":     replication(`<ID>away</ID><Status>Enabled</Status><Priority>1</Priority><Filter><Prefix></Prefix></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::replica-example</Bucket></Destination>`),
	"kms DescribeKey": describeKey(`"KeyState":"Enabled"`),
	// https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html
	"kms GetKeyRotationStatus": {status: http.StatusOK, body: `{"KeyRotationEnabled":true,"KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab","RotationPeriodInDays":365,"NextRotationDate":1.8e9}`},
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
	"versioning": ok(`<VersioningConfiguration` + namespace + `><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>`),
	"lifecycle": lifecycle(`<ID>tidy</ID><Filter/><Status>Enabled</Status><NoncurrentVersionExpiration><NewerNoncurrentVersions>2</NewerNoncurrentVersions><NoncurrentDays>45</NoncurrentDays></NoncurrentVersionExpiration>` +
		`<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>`),
	"publicAccessBlock":                block(true, true, true, true),
	"ownershipControls":                ok(`<OwnershipControls` + namespace + `><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`),
	"website":                          failure(404, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
	"control publicAccessBlock":        controlFailure(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
	"control accesspoints":             pointsOf("", "VPC", "reader"),
	"control accesspoint":              pointOf("VPC", "true"),
	"control accesspoint policyStatus": pointStatus("false"),
	"policyStatus":                     ok(`<PolicyStatus` + namespace + `><IsPublic>false</IsPublic></PolicyStatus>`), // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html
	"acl":                              acl(grant("s3/LogDelivery", "WRITE")),
	"policy":                           policyOf(denyPlain, denyElsewhere),
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html
	"object-lock": ok(`<ObjectLockConfiguration` + namespace + `><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>35</Days></DefaultRetention></Rule></ObjectLockConfiguration>`),
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLogging.html
	"logging": ok(`<BucketLoggingStatus` + namespace + `><LoggingEnabled><TargetBucket>logs-example</TargetBucket><TargetPrefix>backups/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>`),
}

// ServeHTTP answers as AWS does, and an audit writes nothing: what is posted are questions to KMS and STS.
func (r replies) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	what, of := asked(request), subject(request)
	answer, known := r[what+" "+of]
	if !known {
		answer, known = r[what]
	}
	if !known || !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, request.Method) {
		answer = failure(http.StatusBadRequest, "TestFailed", "the test has no answer to "+request.Method+" "+request.URL.String())
	}
	answer.write(w)
}

func (r reply) write(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte(r.body))
}

// asked is the operation of another service, with its name before it ("kms DescribeKey", "ec2 DescribeVolumes", "sts", "control accesspoint"), the subresource of the bucket, or "list", "head" or "get".
// The last three can be "unsigned", and a list can have a "wrong owner".
func asked(request *http.Request) string {
	q := request.URL.Query()
	what := "get"
	switch service := strings.Split(request.Host, "."); {
	case service[0] == "kms":
		return "kms " + strings.TrimPrefix(request.Header.Get("X-Amz-Target"), "TrentService.")
	case service[0] == "sts":
		return "sts"
	case service[0] == "ec2" || service[0] == "iam":
		return service[0] + " " + formOf(request).Get("Action")
	case service[0] == "cloudtrail":
		target := strings.Split(request.Header.Get("X-Amz-Target"), ".")
		return "cloudtrail " + target[len(target)-1]
	case slices.Contains(service, "s3-control"):
		parts := strings.Split(strings.TrimPrefix(request.URL.Path, "/v20180820/"), "/")
		switch {
		case parts[0] == "configuration":
			return "control " + parts[1]
		case len(parts) > 1 && parts[1] != "":
			return strings.Join(append([]string{"control accesspoint"}, parts[2:]...), " ")
		}
		return "control accesspoints"
	case request.Method == http.MethodHead:
		what = "head"
	case q.Has("list-type"):
		what = "list"
		if request.Header.Get("X-Amz-Expected-Bucket-Owner") == "000000000000" {
			what += " wrong owner"
		}
	case q.Has("retention"):
		what = "retention"
	case request.URL.Path == "/" || strings.Count(request.URL.Path, "/") == 1:
		for name := range q {
			if name != "x-id" && name != "prefix" {
				what = name
			}
		}
	}
	if request.Header.Get("Authorization") == "" {
		what += " unsigned"
	}
	return what
}

// subject is the key of KMS, the access point, or the object that is asked about.
func subject(request *http.Request) string {
	switch asked(request) {
	case "kms DescribeKey", "kms GetKeyRotationStatus":
		body, _ := io.ReadAll(request.Body)
		request.Body = io.NopCloser(bytes.NewReader(body))
		var in struct{ KeyId string }
		_ = json.Unmarshal(body, &in)
		return in.KeyId
	case "control accesspoint", "control accesspoint policyStatus":
		return strings.Split(request.URL.Path, "/")[3]
	}
	return strings.TrimPrefix(strings.TrimPrefix(request.URL.Path, "/"), "backups-example/")
}

const (
	keyID   = "AKIAIOSFODNN7EXAMPLE"
	keyWord = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	token   = "AQoDYXdzEJr-example-session-token"
)

// onAWS is a bucket whose client calls AWS's own addresses, at which h answers.
func onAWS(t *testing.T, h http.Handler) *bucket.Bucket {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		}
	})
	return &bucket.Bucket{Options: bucket.Options{Name: "backups-example", Path: "weaviate", Region: "us-east-1", ExpectedOwner: "123456789012"}, Client: s3.New(s3.Options{
		Region: "us-east-1", HTTPClient: client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: keyWord, SessionToken: token}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})}
}

// onAnother is the same at a server that is not AWS.
func onAnother(t *testing.T, h http.Handler) *bucket.Bucket {
	t.Helper()
	b := onAWS(t, h)
	o := b.Client.Options()
	b.Endpoint, o.UsePathStyle = "https://s3.example.com", true
	o.BaseEndpoint = &b.Endpoint
	b.Client = s3.New(o)
	return b
}

func TestHardenedOnAWS(t *testing.T) {
	for check, f := range findings(t, onAWS(t, hardened)) {
		if !strings.HasPrefix(check, "s3-") { // see TestBesideAProtectedBucket
			continue
		}
		detail := map[string]string{
			"s3-default-encryption":   "SSE-KMS, with key arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
			"s3-versioning":           "deleted with MFA",
			"s3-lifecycle":            `rule "tidy" expires old versions after 45 days, except the newest 2 and aborts uploads 1 day after they began`,
			"s3-object-lock":          "locked for 35 days in mode COMPLIANCE",
			"s3-access-logging":       "logged to s3://logs-example/backups/",
			"s3-bucket-policy-status": "does not make the bucket public",
		}[check]
		want(t, f, bucket.Pass, detail)
	}
}

func TestOnAWS(t *testing.T) {
	const expiring = `<ID>old</ID><Filter><Prefix>weaviate/</Prefix></Filter><Status>Enabled</Status>`
	empty := func(root string) reply { return ok("<" + root + namespace + "/>") }
	tests := []struct {
		asked  string
		answer reply
		check  string
		status bucket.Status
		detail string
	}{
		// The codes for what is not configured are not in the list of ErrorResponses.html; they are on the page of the operation, or that of deleting the setting.
		{"encryption", failure(404, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"), "s3-default-encryption", bucket.Fail, "no default encryption"},
		{"lifecycle", failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"), "s3-lifecycle", bucket.Fail, "no lifecycle"},
		{"lifecycle", failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"), "s3-lifecycle-backups", bucket.Pass, "no lifecycle"},
		{"lifecycle", failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"), "s3-lifecycle-noncurrent", bucket.Fail, "no lifecycle"},
		{"lifecycle", failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"), "s3-lifecycle-multipart", bucket.Fail, "no lifecycle"},
		{"publicAccessBlock", failure(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"), "s3-public-access-block", bucket.Fail, "no public access block"},
		{"policyStatus", failure(404, "NoSuchBucketPolicy", "The bucket policy does not exist"), "s3-bucket-policy-status", bucket.Pass, "there is no bucket policy"},
		{"policy", failure(404, "NoSuchBucketPolicy", "The bucket policy does not exist"), "s3-secure-transport", bucket.Fail, "no bucket policy"},
		{"object-lock", failure(404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"), "s3-object-lock", bucket.Fail, "no Object Lock"},
		{"versioning", empty("VersioningConfiguration"), "s3-versioning", bucket.Fail, "never switched on"},
		{"versioning", empty("VersioningConfiguration"), "s3-lifecycle-noncurrent", bucket.Pass, "never on"},
		{"logging", empty("BucketLoggingStatus"), "s3-access-logging", bucket.Fail, "logging is off"},

		{"encryption", encryption("AES256", ""), "s3-default-encryption", bucket.Pass, "SSE-S3: the storage service holds the key, it is not customer-managed"},
		{"encryption", encryption("aws:kms", ""), "s3-default-encryption", bucket.Pass, "AWS-managed key aws/s3: not customer-managed"},
		{"encryption", encryption("aws:kms", "arn:aws:kms:us-east-1:123456789012:alias/aws/s3"), "s3-default-encryption", bucket.Pass, "not customer-managed"},
		{"encryption", encryption("aws:kms:dsse", ""), "s3-default-encryption", bucket.Pass, "twice (DSSE-KMS)"},
		{"encryption", encryption("aws:next", ""), "s3-default-encryption", bucket.Unknown, `"aws:next"`},
		{"encryption", ok(`<ServerSideEncryptionConfiguration><Rule><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`), "s3-default-encryption", bucket.Fail, "holds no default"},
		{"versioning", ok(`<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>`), "s3-versioning", bucket.Fail, "suspended"},
		{"versioning", ok(`<VersioningConfiguration><Status>Paused</Status></VersioningConfiguration>`), "s3-versioning", bucket.Unknown, `"Paused"`},

		{"publicAccessBlock", block(true, false, true, false), "s3-public-access-block", bucket.Fail, "off: IgnorePublicAcls, RestrictPublicBuckets"},
		{"publicAccessBlock", empty("PublicAccessBlockConfiguration"), "s3-public-access-block", bucket.Fail, "off: BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets"},
		{"policyStatus", ok(`<PolicyStatus><IsPublic>true</IsPublic></PolicyStatus>`), "s3-bucket-policy-status", bucket.Fail, "makes the bucket public"},
		{"policyStatus", empty("PolicyStatus"), "s3-bucket-policy-status", bucket.Unknown, "does not say"},
		{"acl", acl(grant("global/AllUsers", "READ"), grant("global/AuthenticatedUsers", "FULL_CONTROL")), "s3-acl", bucket.Fail, "READ to everybody, FULL_CONTROL to everybody with an AWS account"},
		{"acl", empty("AccessControlPolicy"), "s3-acl", bucket.Unknown, "holds no ACL"},
		{"list unsigned", ok(oneObject), "s3-anonymous-access", bucket.Fail, "anybody can list the backups"},
		{"get unsigned", reply{status: 206, body: "{"}, "s3-anonymous-access", bucket.Fail, "anybody can read a backup"},
		{"get unsigned", failure(416, "InvalidRange", "The requested range is not satisfiable"), "s3-anonymous-access", bucket.Fail, "anybody can read a backup"},
		{"get unsigned", failure(403, "InvalidObjectState", "The operation is not valid for the object's storage class"), "s3-anonymous-access", bucket.Fail, "anybody can read a backup"},
		{"get unsigned", failure(503, "SlowDown", "Please reduce your request rate."), "s3-anonymous-access", bucket.Unknown, "overloaded"},
		{"list unsigned", reply{status: 200, body: "<html><body>Log in</body></html>"}, "s3-anonymous-access", bucket.Unknown, "<html>"},
		{"policy", policyOf(allowGet), "s3-secure-transport", bucket.Fail, "s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject"},
		{"policy", reply{status: 200, body: "{"}, "s3-secure-transport", bucket.Unknown, "cannot be read"},
		{"object-lock", ok(`<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`), "s3-object-lock", bucket.Fail, "without a default retention"},
		{"object-lock", empty("ObjectLockConfiguration"), "s3-object-lock", bucket.Fail, "not enabled"},
		{"object-lock", ok(`<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Years>1</Years></DefaultRetention></Rule></ObjectLockConfiguration>`), "s3-object-lock", bucket.Pass, "1 year in mode GOVERNANCE"},

		// What MinIO does not take. Classes and waits: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html.
		{"lifecycle", lifecycle(expiring + `<Transition><Days>29</Days><StorageClass>GLACIER</StorageClass></Transition>`), "s3-lifecycle-backups", bucket.Fail, `rule "old" (keys that begin with weaviate/) moves them to GLACIER 29 days after they were written, whence a restore takes up to 5 hours more`},
		{"lifecycle", lifecycle(expiring + `<Transition><Days>30</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>`), "s3-lifecycle-backups", bucket.Pass, "later"},
		{"lifecycle", lifecycle(expiring + `<Transition><Date>2027-01-01T00:00:00.000Z</Date><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>`), "s3-lifecycle-backups", bucket.Fail, "on 2027-01-01"},
		{"lifecycle", lifecycle(expiring + `<Transition><Days>0</Days><StorageClass>GLACIER_IR</StorageClass></Transition>`), "s3-lifecycle-backups", bucket.Pass, "no enabled rule"},
		{"lifecycle", lifecycle(expiring + `<Transition><Days>0</Days><StorageClass>INTELLIGENT_TIERING</StorageClass></Transition>`), "s3-lifecycle", bucket.Pass, "moves backups to INTELLIGENT_TIERING 0 days after they were written"},
		{"lifecycle", lifecycle(`<Prefix>weaviate</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>`), "s3-lifecycle-backups", bucket.Fail, "rule 1 (keys that begin with weaviate) expires them 1 day after"}, // legacy prefix
		{"lifecycle", lifecycle(expiring + `<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>`), "s3-lifecycle-backups", bucket.Pass, "no enabled rule"},
		{"lifecycle", lifecycle(expiring + `<NoncurrentVersionTransition><NoncurrentDays>3</NoncurrentDays><StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>`), "s3-lifecycle-noncurrent", bucket.Fail, "no enabled rule over all backups"},
		{
			"lifecycle", lifecycle(slices.Repeat([]string{`<Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>`}, 1000)...),
			"s3-lifecycle-backups", bucket.Fail, "; and 990 more",
		},

		// To a caller of another account: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html.
		{"policy", failure(405, "MethodNotAllowed", "The specified method is not allowed against this resource."), "s3-secure-transport", bucket.Unknown, "MethodNotAllowed"},
		{"publicAccessBlock", failure(501, "NotImplemented", "A header you provided implies functionality that is not implemented."), "s3-public-access-block", bucket.Unknown, "NotImplemented"},
	}
	for _, test := range tests {
		t.Run(test.check+" "+test.detail, func(t *testing.T) {
			t.Parallel()
			found := findings(t, onAWS(t, hardened.with(test.asked, test.answer)))
			want(t, found[test.check], test.status, test.detail)
			if answer := found[test.check].Evidence[0].Answer; len([]rune(answer)) > 2000 {
				t.Errorf("%d characters of evidence", len([]rune(answer)))
			}
		})
	}
}

// A bucket without a backup, and a reader who may not list: AWS answers 403 for a key that does not exist, as if nobody might read.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
func TestAnonymousWithoutBackup(t *testing.T) {
	empty := hardened.with("list", ok(noObject))
	for _, test := range []struct {
		policy reply
		status bucket.Status
		detail string
	}{
		{policyOf(denyPlain), bucket.Pass, "there is none yet to try reading, and the bucket policy allows nothing to everybody"},
		{policyOf(denyPlain, allowGet), bucket.Unknown, "the bucket policy allows to everybody: s3:GetObject"},
		{denied, bucket.Unknown, "s3:GetBucketPolicy is needed"},
	} {
		want(t, findings(t, onAWS(t, empty.with("policy", test.policy)))["s3-anonymous-access"], test.status, test.detail)
	}
}

// Nothing that goes wrong is ever a pass, and what is lacking is named.
func TestUnknown(t *testing.T) {
	failing := func(answer reply) replies {
		r := replies{}
		for asked := range hardened {
			r[asked] = answer
			if strings.HasPrefix(asked, "control ") { // which wraps its errors once more
				wrapped := answer
				wrapped.body = strings.NewReplacer("<Error>", "<ErrorResponse><Error>", "</Error>", "</Error></ErrorResponse>").Replace(answer.body)
				r[asked] = wrapped
			}
		}
		return r.with("list", ok(noObject))
	}
	// With credentials in it, as in https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html; none may reach the evidence.
	mismatch := failure(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	mismatch.body = strings.Replace(mismatch.body, "<Resource>", "<AWSAccessKeyId>"+keyID+"</AWSAccessKeyId><StringToSign>X-Amz-Credential "+token+"</StringToSign><Resource>", 1)
	for _, test := range []struct {
		name   string
		answer reply
		detail string
	}{
		{"denied", denied, "access denied"},
		{"signature", mismatch, "access denied (SignatureDoesNotMatch"},
		{"expired", failure(400, "ExpiredToken", "The provided token has expired."), "access denied (ExpiredToken: The provided token has expired.)"},
		{"overloaded", failure(503, "SlowDown", "Please reduce your request rate."), "the S3 server is overloaded or broken (HTTP 503 SlowDown: Please reduce your request rate.): try again later"},
		{"broken", reply{status: 502, body: "<html><body><h1>502 Bad Gateway</h1></body></html>"}, "the server answered HTTP 502 and no S3 error"},
		{"another document", reply{status: 200, body: "<!DOCTYPE html><html><body>Log in</body></html>"}, "not known"},
		{"nothing", reply{status: 200}, "not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, b := range []*bucket.Bucket{onAWS(t, failing(test.answer)), onAnother(t, failing(test.answer))} {
				found := findings(t, b)
				for _, c := range bucket.Checks() {
					if !strings.HasPrefix(c.ID, "s3-") { // those beside the bucket ask other services, see beside_test.go
						continue
					}
					f := found[c.ID]
					if c.ID == "s3-anonymous-access" && test.answer.status == http.StatusOK { // whatever the object is, it was read
						want(t, f, bucket.Fail, "anybody can read a backup")
						continue
					}
					if c.ID == "s3-expected-owner" && test.name == "denied" { // as it should be
						want(t, f, bucket.Pass, "is refused")
						continue
					}
					if c.ID == "s3-access-points" && !b.IsAWS() { // which is not asked
						want(t, f, bucket.NotSupported, "access points are of AWS")
						continue
					}
					want(t, f, bucket.Unknown, test.detail)
					if test.name == "denied" && !slices.ContainsFunc(c.Actions, func(action string) bool { return strings.Contains(f.Detail, action+" is needed") }) {
						t.Errorf("%s names none of %v: %s", c.ID, c.Actions, f.Detail)
					}
				}
				raw, err := json.Marshal(found)
				if err != nil {
					t.Fatal(err)
				}
				noCredentials(t, string(raw), keyID, keyWord, token)
			}
		})
	}
}

// What other servers say of features that they do not have is neither a pass nor a fail.
func TestNotSupported(t *testing.T) {
	for name, answer := range map[string]reply{
		"NotImplemented":   failure(501, "NotImplemented", "A header you provided implies functionality that is not implemented"),
		"MethodNotAllowed": failure(405, "MethodNotAllowed", "The specified method is not allowed against this resource."),
		"a bare 501":       {status: 501},
		"a listing":        ok(noObject), // takes no notice of the subresource
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := replies{}
			for asked := range hardened {
				r[asked] = answer
			}
			for _, asked := range []string{"list", "list unsigned", "get unsigned"} { // no feature is lacking for these
				r[asked] = hardened[asked]
			}
			for check, f := range findings(t, onAnother(t, r)) {
				switch {
				case !strings.HasPrefix(check, "s3-"):
				case check == "s3-anonymous-access":
					want(t, f, bucket.Pass, "")
				case slices.Contains([]string{"s3-secure-transport", "s3-bucket-policy-accounts", "s3-bucket-policy-network"}, check) && name == "a listing": // a policy is no XML document
					want(t, f, bucket.Unknown, "cannot be read")
				default:
					want(t, f, bucket.NotSupported, "does not have this feature")
				}
			}
		})
	}
}

// Why an audit does not even begin. Reachable and Audit say the same.
func TestUnreachableOnAWS(t *testing.T) {
	elsewhere := failure(301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.")
	elsewhere.header = http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}
	moving := failure(307, "TemporaryRedirect", "You are being redirected to the bucket while the DNS server is being updated.")
	for _, test := range []struct {
		name   string
		answer reply
		kind   error
		text   string
	}{
		{"another region", elsewhere, bucket.ErrWrongRegion, "bucket backups-example: ListObjectsV2: the bucket lies in another region: set bucket.region to eu-west-1"},
		{"another region, 307", moving, bucket.ErrWrongRegion, "correct bucket.region"},
		{"another region, signed for this one", failure(400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"), bucket.ErrWrongRegion, "set bucket.region to eu-west-1"},
		{"a newer region", failure(400, "IllegalLocationConstraintException", "The af-south-1 location constraint is incompatible for the region specific endpoint this request was sent to."), bucket.ErrWrongRegion, "The af-south-1 location"},
		{"no such bucket", failure(404, "NoSuchBucket", "The specified bucket does not exist"), bucket.ErrNoSuchBucket, "check bucket.name and bucket.endpoint"},
		{"denied", denied, bucket.ErrDenied, "access denied, s3:ListBucket is needed (AccessDenied)"},
		{
			"denied, with the reason", failure(403, "AccessDenied", "User: arn:aws:iam::123456789012:user/drill is not authorized to perform: s3:ListBucket on resource: &quot;arn:aws:s3:::backups-example&quot;"),
			bucket.ErrDenied, `s3:ListBucket is needed (AccessDenied: User: arn:aws:iam::123456789012:user/drill is not authorized`,
		},
		{"no such key id", failure(403, "InvalidAccessKeyId", "The AWS access key ID that you provided does not exist in our records."), bucket.ErrDenied, "access denied (InvalidAccessKeyId"},
		{"expired", failure(400, "ExpiredToken", "The provided token has expired."), bucket.ErrDenied, "access denied (ExpiredToken"},
		{"clock", failure(403, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."), bucket.ErrDenied, "RequestTimeTooSkewed"},
		{"overloaded", failure(503, "SlowDown", "Please reduce your request rate."), bucket.ErrUnreachable, "HTTP 503 SlowDown"},
		{"broken", failure(500, "InternalError", "We encountered an internal error. Please try again."), bucket.ErrUnreachable, "HTTP 500 InternalError"},
		{"HTML and 502", reply{status: 502, body: "<html>\n<body>\nBad Gateway</body></html>"}, bucket.ErrUnreachable, "HTTP 502 and no S3 error: is the endpoint an S3 server?"},
		{"HTML and 404", reply{status: 404, body: "<html>\n<body>Not Found</body></html>"}, bucket.ErrUnreachable, "HTTP 404 and no S3 error: is the endpoint an S3 server?"},
		{"HTML and 301", reply{status: 301, body: "<html>\n<body>Moved</body></html>"}, bucket.ErrUnreachable, "HTTP 301 and no S3 error: is the endpoint an S3 server?"},
		{"HTML and 403", reply{status: 403, body: "<html>\n<body>Forbidden</body></html>"}, bucket.ErrDenied, "access denied, s3:ListBucket is needed (Forbidden)"},
		{"HTML and 200", reply{status: 200, body: "<!DOCTYPE html>\n<html>Log in</html>"}, bucket.ErrUnreachable, "the server answered <html> where S3 answers <ListBucketResult>: is the endpoint an S3 server?"},
		{"JSON and 200", reply{status: 200, body: `{"status":"ok"}`}, bucket.ErrUnreachable, "without the <ListBucketResult> of S3"},
		{"nothing and 200", reply{status: 200}, bucket.ErrUnreachable, "without the <ListBucketResult> of S3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := onAWS(t, replies{"list": test.answer})
			err := b.Reachable(t.Context())
			wantError(t, err, test.kind, test.text)
			list, again := bucket.Audit(t.Context(), b, now)
			if list != nil || fmt.Sprint(again) != fmt.Sprint(err) || !errors.Is(again, test.kind) {
				t.Errorf("the audit says: %v, %v", list, again)
			}
		})
	}
}

// rounds lets nobody go on alone: all requests that came within a step of time are answered at its end. So a chain of calls that wait for each other takes a
// round for each, and calls that do not, one together.
type rounds struct {
	http.Handler
	mu    sync.Mutex
	step  chan struct{} // closed at the end of the step
	asked bool
	count int
}

func (r *rounds) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	step := r.step
	r.asked = true
	r.mu.Unlock()
	<-step
	r.Handler.ServeHTTP(w, request)
}

func (r *rounds) run(ctx context.Context, step time.Duration) {
	for t := time.NewTicker(step); ; {
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		r.mu.Lock()
		if r.asked {
			r.count++
		}
		close(r.step)
		r.step, r.asked = make(chan struct{}), false
		r.mu.Unlock()
	}
}

// An audit takes no more than 1.5 times the rounds of its slowest chain of calls that wait for each other, however many checks there are: bucket listed,
// encryption asked, its key described, the rotation of it asked; and four of the second round on where objects are looked at.
func TestAuditInParallel(t *testing.T) {
	const chain = 4
	r := &rounds{Handler: simulator{protected, leastPrivilege}, step: make(chan struct{})}
	go r.run(t.Context(), 100*time.Millisecond)
	b := onAWS(t, r)
	for check, f := range findings(t, b, append(besides(b), bucket.WithCallTimeout(10*time.Second))...) {
		if check != "iam-auditor-rights" { // there is no auditor
			want(t, f, bucket.Pass, "")
		}
	}
	if r.count < chain || r.count > chain*3/2 {
		t.Errorf("%d checks took %d rounds of calls, the slowest chain of them %d", len(bucket.Checks()), r.count, chain)
	}
}

// hang never answers what it is told to hang on.
type hang struct {
	replies
	on func(asked string) bool
}

func (h hang) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if h.on(asked(request)) {
		_, _ = io.Copy(io.Discard, request.Body) // until it is read, the server does not see that the caller has gone
		<-request.Context().Done()
		return
	}
	h.replies.ServeHTTP(w, request)
}

func TestServerHangs(t *testing.T) {
	const soon = 100 * time.Millisecond
	b := onAWS(t, hang{hardened, func(asked string) bool { return asked != "list" }})
	for check, f := range findings(t, b, bucket.WithCallTimeout(soon)) {
		if strings.HasPrefix(check, "s3-") {
			want(t, f, bucket.Unknown, "the S3 server does not answer in time")
		}
	}

	b = onAWS(t, hang{hardened, func(string) bool { return true }})
	_, err := bucket.Audit(t.Context(), b, now, bucket.WithCallTimeout(soon))
	wantError(t, err, bucket.ErrUnreachable, "bucket backups-example: ListObjectsV2: the S3 server does not answer in time")

	for _, on := range []string{"list", "acl"} {
		ctx, cancel := context.WithCancel(t.Context())
		b = onAWS(t, hang{hardened, func(asked string) bool {
			if asked == on {
				cancel()
			}
			return asked == on
		}})
		list, err := bucket.Audit(ctx, b, now)
		if list != nil || errors.Is(err, bucket.ErrUnreachable) {
			t.Errorf("interrupted at %s: %v", on, list)
		}
		wantError(t, err, context.Canceled, "backups-example")
	}
}

// The remediation is a command for this bucket, at this server.
func TestRemediation(t *testing.T) {
	broken := hardened.with("versioning", ok(`<VersioningConfiguration/>`))
	for want, b := range map[string]*bucket.Bucket{
		`aws s3api put-bucket-versioning --bucket backups-example --versioning-configuration '{"Status":"Enabled"}'`:                                       onAWS(t, broken),
		`aws --endpoint-url https://s3.example.com s3api put-bucket-versioning --bucket backups-example --versioning-configuration '{"Status":"Enabled"}'`: onAnother(t, broken),
	} {
		if got := findings(t, b)["s3-versioning"].Remediation; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
