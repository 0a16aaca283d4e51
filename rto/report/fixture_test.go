package report

import (
	"fmt"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

var began = time.Date(2026, 11, 24, 22, 26, 55, 0, time.UTC)

// drill is a record as a whole drill leaves it: one that passed, or one of a backup with a flipped bit, an expired rule and an objective that is missed.
func drill(passed bool) *evidence.Record {
	r := &evidence.Record{
		Schema: evidence.Schema, ID: "drill-20261124-222655-k3f9x2", Tool: evidence.Tool{Version: "v0.1.0", Commit: "6f2c1ab", Go: "go1.26.8"}, Began: began,
		Source: evidence.Source{URL: "https://weaviate.example.com", Version: "1.38.5", Nodes: []string{"weaviate-0"}, Modules: []string{"backup-s3"}, Collections: []string{"Article", "Customer", "Product"}},
		Sandbox: evidence.Sandbox{
			Fidelity: []sandbox.Difference{
				{What: "cpu", Source: "request 4, limit none", Sandbox: "request 500m, limit none"}, {What: "GOMAXPROCS", Source: "8", Sandbox: "not set"}, {What: "machine"},
			},
			Kind: "kubernetes", Version: "1.38.5", Nodes: []string{"weaviate-0"}, Isolation: isolation,
			Steps: []sandbox.Step{{Name: "create", Took: 210 * time.Millisecond}, {Name: "schedule", Took: 1100 * time.Millisecond}, {Name: "start", Took: 6400 * time.Millisecond, Weaviate: true}, {Name: "reach", Took: 190 * time.Millisecond}},
		},
		Bucket:  evidence.Bucket{Name: "backups", Path: "prod", Region: "eu-central-1"},
		FailOn:  bucket.High,
		Posture: posture(passed),
		Backup: &evidence.Backup{
			ID: "drill-20261124-222655-k3f9x2", Created: true, CapturePoint: began.Add(900 * time.Millisecond), ReportedEnd: began.Add(12900 * time.Millisecond), End: began.Add(3 * time.Second),
			Compression: "none", ServerVersion: "1.38.5", Bytes: 14_680_064, Collections: []string{"Article", "Customer", "Product"},
		},
		Catalogue: &backup.CatalogueResult{Backups: []string{"drill-20261124-222655-k3f9x2"}, Collections: []string{"Article", "Customer", "Product"}, Chunks: 24, Objects: 26, Bytes: 14_712_832},
		Archive:   &backup.ArchiveResult{Chunks: 24, ETags: 24, Files: 311, StoredBytes: 14_700_544, ContentBytes: 14_680_064, Duration: 212 * time.Millisecond},
		Restore: &backup.RestoreResult{
			Status: "SUCCESS", From: "in-place", Posted: began.Add(21 * time.Second), Noticed: began.Add(24 * time.Second), ServerEnd: began.Add(23900 * time.Millisecond),
			Collections: []string{"Article", "Customer", "Product"},
		},
		Verification: &verify.Result{
			Level: verify.LevelFull, CapturePoint: began.Add(900 * time.Millisecond), ClockSkew: time.Second, Access: &verify.AccessCompared{Roles: 2, Permissions: 5, Assignments: 3, Users: 1}, VectorsCompared: 6000, BytesRead: 12_400_000, Duration: 1840 * time.Millisecond,
			Collections: []verify.Collection{
				{Name: "Article", SourceCount: 2000, RestoredCount: 2000, SourceRead: 2000, RestoredRead: 2000, Verdicts: verify.Verdicts{Match: 2000}},
				{Name: "Customer", Tenants: 20, SourceCount: 2000, RestoredCount: 2000, SourceRead: 2000, RestoredRead: 2000, Verdicts: verify.Verdicts{Match: 2000}},
				{Name: "Product", SourceCount: 1000, RestoredCount: 1000, SourceRead: 1000, RestoredRead: 1000, Verdicts: verify.Verdicts{Match: 1000}},
			},
			Rules: map[string]int64{"both sides are equal, bit for bit": 5000},
			Ranges: &verify.RangeCounts{
				Before: &verify.FingerprintInfo{Began: began.Add(400 * time.Millisecond), Ended: began.Add(700 * time.Millisecond), Objects: 5000, Bytes: 131_072},
				After:  &verify.FingerprintInfo{Began: began.Add(13 * time.Second), Ended: began.Add(13300 * time.Millisecond), Objects: 5000, Bytes: 131_072},
				Quiet:  448, Equal: 448,
			},
			Verdicts: verify.Verdicts{Match: 5000}, CompletenessHorizon: began.Add(900 * time.Millisecond), FreshnessHorizon: began.Add(-30 * time.Second),
		},
		Checks: []verify.CheckResult{
			{Name: "orders are there", Outcome: verify.CheckPass, Detail: "data.Aggregate.Order[0].meta.count has 2000", Took: 20 * time.Millisecond},
			{Name: "application smoke test", Outcome: verify.CheckPass, Detail: "exit status 0", Output: "13 of 13 pages load", Took: 2 * time.Second},
		},
		SelfTest: &verify.SelfTest{Level: verify.LevelFull, Seed: 7, Duration: 2100 * time.Millisecond, Trials: []verify.Trial{
			{Kind: "object removed", Victim: "Customer/acme, object " + corruptID, Noticed: true, Verdict: verify.Lost, Says: "last written on the source before the capture point, and not restored"},
			{Kind: "one bit of a vector flipped", Victim: "Article, object " + corruptID, Noticed: true, Verdict: verify.Corrupt, Says: "vector: source [0] = 0.29401374, restored [0] = 0.29401377"},
		}, Skipped: []string{"alias lost: no object, or nothing else, that this can be done to was found: there is no alias"}},
		Tracer: &tracer.Result{
			Collection: "WeaviateDrillTracer", Rate: 10, Began: began.Add(-2 * time.Second), Ended: began.Add(14 * time.Second), Writes: 330, ClockSkew: time.Second,
			Ahead: [2]time.Duration{-4 * time.Millisecond, 2 * time.Millisecond}, CapturePoint: began.Add(893 * time.Millisecond), Skew: 71 * time.Millisecond,
			Shards: []tracer.Shard{
				{Name: "tracer-0", Nodes: []string{"weaviate-0"}, Writes: 165, Captured: 30, Newest: began.Add(893 * time.Millisecond), Missing: began.Add(993 * time.Millisecond), RPO: 12317 * time.Millisecond},
				{Name: "tracer-1", Nodes: []string{"weaviate-1"}, Writes: 165, Captured: 31, Newest: began.Add(964 * time.Millisecond), Missing: began.Add(1064 * time.Millisecond), RPO: 12246 * time.Millisecond},
			},
		},
		Objectives: &rto.Objectives{RTO: 30 * time.Minute, RPO: 24 * time.Hour, Owner: "search team", ApprovedOn: date(2026, 3, 1), ReviewBy: date(2027, 3, 1), Allowance: 15 * time.Minute},
		Notes:      []string{"restore_config.json of the drill was removed from the backup, where there had been none before", "the archive check was made at its default concurrency"},
	}
	calm := backup.Latency{N: 12, Median: 2 * time.Millisecond, P95: 4 * time.Millisecond, P99: 6 * time.Millisecond, Max: 6 * time.Millisecond, Gap: 254 * time.Millisecond}
	r.Backup.Impact = &backup.Impact{Reads: backup.Probes{What: "first object of Article", Before: calm, During: calm}, Writes: backup.Probes{What: "tracers", Before: calm, During: calm}}
	for i := range 26 {
		r.Backup.Objects = append(r.Backup.Objects, backup.Object{
			Key: fmt.Sprintf("prod/%s/weaviate-0/Article/chunk-%d", r.ID, i+1), Size: 612_000, ETag: fmt.Sprintf("9e107d9d372bb6826bd81d3542a419%02x-1", i), LastModified: began.Add(2 * time.Second),
		})
	}
	at := began
	for _, p := range []struct {
		phase rto.Phase
		took  time.Duration
	}{
		{rto.Preflight, 310 * time.Millisecond}, {rto.Posture, 240 * time.Millisecond}, {rto.Backup, 12350 * time.Millisecond}, {rto.Catalogue, 90 * time.Millisecond}, {rto.Archive, 220 * time.Millisecond},
		{rto.Provision, 7900 * time.Millisecond}, {rto.Restore, 2900 * time.Millisecond}, {rto.Index, 450 * time.Millisecond}, {rto.FirstAnswer, 40 * time.Millisecond},
		{rto.Verify, 1900 * time.Millisecond}, {rto.Teardown, 800 * time.Millisecond},
	} {
		r.Timeline = append(r.Timeline, rto.Span{Phase: p.phase, Began: at, Ended: at.Add(p.took)})
		at = at.Add(p.took)
	}
	r.Ended = at
	if !passed {
		spoil(r)
	}
	r.Assessment = rto.Assess(r.Timeline, rto.Input{Objectives: r.Objectives, CapturePoint: r.Backup.CapturePoint, CompletenessHorizon: r.Verification.CompletenessHorizon, Now: r.Ended})
	return r
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

const corruptID = "2f5b1c08-6d1e-4a51-9f0a-77d1f2a1c3e4"

func spoil(r *evidence.Record) {
	key := r.Backup.Objects[6].Key
	r.Catalogue.Problems = []backup.Problem{{
		Kind: backup.ProblemObjectReplaced, Backup: r.Backup.ID, Node: "weaviate-0", Collection: "Article", Key: key,
		Detail: "it was written again after the backup was made: ETag 9e107d9d372bb6826bd81d3542a41906-1 became 0cc175b9c0f1b6a831c399e269772661-1",
	}}
	r.Archive.ETags = 23
	r.Archive.Problems = []backup.Problem{{
		Kind: backup.ProblemETag, Backup: r.Backup.ID, Node: "weaviate-0", Collection: "Article", Shard: "Ky3oXb1Q2mRs", Key: key, Detail: "the content is not what S3 took the ETag of",
	}}
	v := r.Verification
	v.Collections[0].Verdicts = verify.Verdicts{Match: 1996, Corrupt: 1, Drift: 3}
	v.Verdicts = verify.Verdicts{Match: 4996, Corrupt: 1, Drift: 3}
	v.CompletenessHorizon = began.Add(-26 * time.Hour)
	v.Rules = map[string]int64{
		"both sides are equal, bit for bit": 4996, "both sides hold the same write (same creation and update time), and their content differs": 1,
		"updated on the source after the capture point, or within the margin before it": 3,
	}
	v.Ranges.Quiet, v.Ranges.Busy, v.Ranges.Equal, v.Ranges.Damaged = 446, 2, 445, 1
	v.Differences = []verify.Difference{{
		Collection: "Article", ID: corruptID, Verdict: verify.Corrupt, Rule: "both sides hold the same write (same creation and update time), and their content differs",
		Fields: []string{"vectors.default"}, Detail: "dimension 17 of 256: source 0.03125, restored -0.03125", SourceTime: began.Add(-26 * time.Hour), RestoreTime: began.Add(-26 * time.Hour),
	}}
	for i := range 3 {
		v.Differences = append(v.Differences, verify.Difference{
			Collection: "Article", ID: fmt.Sprintf("c81d4e2e-bcf2-41e6-869b-7df92533d2d%d", i), Verdict: verify.Drift,
			Rule: "updated on the source after the capture point, or within the margin before it", Fields: []string{"properties.title", "lastUpdateTime"}, SourceTime: began.Add(20 * time.Second), RestoreTime: began.Add(-time.Hour),
		})
	}
	r.Backup.Impact.Queue = 9200
	r.Backup.Impact.Writes.During = backup.Latency{
		N: 9, Errors: 1, Error: "weaviate POST /objects: cannot be reached (503): (no message)", Median: 9 * time.Millisecond, P95: 8 * time.Second, P99: 8 * time.Second, Max: 8 * time.Second, Gap: 8100 * time.Millisecond,
	}
	r.Tracer.Failed, r.Tracer.Error = 1, r.Backup.Impact.Writes.During.Error
	r.Tracer.Shards[1].Captured, r.Tracer.Shards[1].Holes, r.Tracer.Shards[1].FirstBad = 29, 2, began.Add(-400*time.Millisecond)
	r.SelfTest = nil // it is not done when the comparison has not passed
	v.Level, v.Index = verify.LevelIndex, indexes()
	r.Sandbox.Version = "1.38.12"
	v.Structure = []verify.StructureDifference{{
		Kind: "schema", Where: "Article.vectorIndexConfig.ef", Source: "-1", Restored: "64", Verdict: verify.Unverifiable, Rule: "a setting carries no time, so one changed after the capture point looks the same",
	}}
	r.Checks[1].Outcome, r.Checks[1].Detail, r.Checks[1].Output = verify.CheckFail, "exit status 3", "12 of 13 pages load\n404 for /orders"
	r.Checks = append(r.Checks, verify.CheckResult{Name: "owners", Outcome: verify.CheckUnknown, Detail: "it did not end within 1m0s", Took: time.Minute})
	v.Unknown = []string{"Customer: tenant tenant-07 is inactive (COLD) on the source, where the tool activates nothing: their objects were not compared"}
	r.Objectives.ReviewBy = date(2026, 10, 1)
	r.Logs = []string{`{"action":"restore","level":"info","msg":"backup restored successfully"}`}
	r.Fail(evidence.Policy, rto.Posture, "s3-versioning failed with severity high: versioning is suspended")
	r.Fail(evidence.Policy, rto.Verify, "RPO 24 h missed: 26 h of writes would be lost")
	r.Fail(evidence.DataFailed, rto.Archive, "1 chunk is not what it was: "+key)
	r.Fail(evidence.DataFailed, rto.Verify, "check application smoke test: exit status 3")
	r.Fail(evidence.DataFailed, rto.Verify, r.Tracer.Failure())
	r.Fail(evidence.DataFailed, rto.Verify, "1 of 5,000 objects is corrupt: Article "+corruptID)
}

var isolation = []bucket.Finding{
	{Check: "sandbox-pod-security", Title: "The sandbox's namespace refuses privileged pods", Status: bucket.Pass, Severity: bucket.High, Detail: "the API server refused a privileged pod in the namespace (a dry run)"},
	{
		Check: "sandbox-network-policy", Title: "The cluster enforces network policies", Status: bucket.Fail, Severity: bucket.Medium, Detail: "a pod that the policies give no way out reached 10.0.0.7:8080",
		Remediation: "Install a network plugin that enforces NetworkPolicy.",
	},
}

func posture(passed bool) []bucket.Finding {
	versioning := bucket.Finding{
		Check: "s3-versioning", Title: "Versioning keeps what is deleted or overwritten", Status: bucket.Pass, Severity: bucket.High,
		Detail:    "versioning is on: a deleted or overwritten backup can be brought back while its versions are kept",
		Evidence:  []bucket.Call{{Request: "GetBucketVersioning backups", Answer: `{"Status":"Enabled"}`}},
		Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html",
	}
	if !passed {
		versioning.Status, versioning.Detail, versioning.Evidence[0].Answer = bucket.Fail, "versioning is suspended: what is deleted or overwritten from now on is gone", `{"Status":"Suspended"}`
		versioning.Remediation = "aws s3api put-bucket-versioning --bucket backups --versioning-configuration Status=Enabled"
	}
	return []bucket.Finding{
		{
			Check: "s3-default-encryption", Title: "New objects are encrypted at rest by default", Status: bucket.Pass, Severity: bucket.High, Detail: "new objects are encrypted with SSE-S3: the storage service holds the key, it is not customer-managed",
			Evidence: []bucket.Call{{Request: "GetBucketEncryption backups", Answer: `{"ServerSideEncryptionConfiguration":{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}}`}},
		},
		versioning,
		{
			Check: "s3-public-access-block", Title: "Public access is blocked", Status: bucket.NotSupported, Severity: bucket.Critical, Detail: "the S3 server does not have this feature: HTTP 501 NotImplemented",
			Evidence: []bucket.Call{{Request: "GetPublicAccessBlock backups", Answer: "HTTP 501 NotImplemented: A header you provided implies functionality that is not implemented."}},
		},
		{
			Check: "s3-access-logging", Title: "Access is logged", Status: bucket.Fail, Severity: bucket.Low, Detail: "no access log is kept: who read a backup cannot be told",
			Evidence: []bucket.Call{{Request: "GetBucketLogging backups", Answer: "{}"}}, Remediation: "aws s3api put-bucket-logging --bucket backups --bucket-logging-status file://logging.json",
		},
		{
			Check: "s3-object-lock", Title: "Backups cannot be deleted before their time", Status: bucket.Waived, Severity: bucket.Medium, Detail: "the bucket has no Object Lock",
			Evidence: []bucket.Call{{Request: "GetObjectLockConfiguration backups", Answer: "HTTP 404 ObjectLockConfigurationNotFoundError"}},
			Waiver:   &bucket.Waiver{Check: "s3-object-lock", Reason: "a second copy in another account is locked", Owner: "platform team", Expires: date(2027, 1, 31)},
		},
	}
}
