package drill

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// Plan is what a run with a configuration would do, and what it needs to be allowed to. Making it asks nothing of anybody.
type Plan struct {
	Steps       []PlannedStep `json:"steps"`
	Permissions []Permission  `json:"permissions"`
}

// PlannedStep is one phase of the drill.
type PlannedStep struct {
	Phase rto.Phase `json:"phase"`
	Does  string    `json:"does"`
}

// Permission is one thing that a drill must be allowed to do.
type Permission struct {
	Where  string `json:"where"`  // "source" (the tool's key there), "tool" or "sandbox"
	System string `json:"system"` // who grants it: "weaviate" (RBAC), "iam" (AWS, or what stands for it) or "kubernetes" (RBAC)
	Action string `json:"action"` // such as read_data, s3:ListBucket, create
	Object string `json:"object"` // what it is needed on
	For    string `json:"for"`
}

// Plan describes a run.
func (c *Config) Plan() Plan {
	does := map[rto.Phase]string{
		rto.Preflight:         c.plannedPreflight(),
		rto.Posture:           fmt.Sprintf("audit bucket %s; findings from %s up fail the drill", c.Bucket.Name, c.Policy.FailOn),
		rto.Backup:            c.plannedBackup(),
		rto.FingerprintBefore: "read all objects of the source once, for the fingerprint that the comparison holds ranges of them against",
		rto.FingerprintAfter:  "read all objects of the source once more, for the fingerprint from after the backup",
		rto.Catalogue:         "hold the backup's descriptors, its chain of bases and the S3 listings against each other",
		rto.Archive:           "read every chunk of the backup to its end",
		rto.Copy:              fmt.Sprintf("copy the backup to s3://%s below the drill's id", strings.Trim(c.Restore.Copy.Bucket+"/"+c.Restore.Copy.Path, "/")),
		rto.Provision:         fmt.Sprintf("refuse if somebody is restoring or backing up; start an empty Weaviate (%s)", c.Sandbox.Kind),
		rto.Restore:           c.plannedRestore(),
		rto.Index:             fmt.Sprintf("wait until every shard is loaded and its index complete, at most %s", c.Verify.IndexTimeout),
		rto.FirstAnswer:       "ask each collection for one object by cursor, by id and by vector: here the recovery clock stops",
		rto.Verify:            c.plannedComparison() + c.plannedChecks(),
		rto.SelfTest:          "damage the restored copy on purpose, and compare again: each damage must be noticed",
		rto.Teardown:          "remove the sandbox and what the restore wrote to the bucket",
	}
	var p Plan
	for _, s := range steps {
		if s.takes(c) {
			p.Steps = append(p.Steps, PlannedStep{s.phase, does[s.phase]})
		}
	}
	if c.Verify.Level.Restores() {
		p.Steps = append(p.Steps, PlannedStep{rto.Teardown, does[rto.Teardown]})
	}
	p.Permissions = c.permissions()
	return p
}

func (c *Config) plannedPreflight() string {
	to := "s3://" + bucketAndPath(c)
	if c.asksSource() {
		to = c.Source.URL + " and " + to
	}
	if !c.Verify.Level.Restores() {
		return "connect to " + to
	}
	return fmt.Sprintf("connect to %s, tidy up after drills that died", to)
}

func bucketAndPath(c *Config) string { return strings.Trim(c.Bucket.Name+"/"+c.Bucket.Path, "/") }

func (c *Config) plannedBackup() string {
	switch c.Backup.ID {
	case NewBackup:
		what := "all collections"
		if len(c.Backup.Include) > 0 {
			what = strings.Join(c.Backup.Include, ", ")
		} else if len(c.Backup.Exclude) > 0 {
			what += " except " + strings.Join(c.Backup.Exclude, ", ")
		}
		if c.Backup.IncrementalBase != "" {
			what += ", incremental to " + c.Backup.IncrementalBase
		}
		what = fmt.Sprintf("make a new backup of %s, at most %s, unless more than %d vectors wait to be indexed", what, c.Backup.Timeout, c.Backup.MaxQueue)
		if c.Backup.MaxQueue == 0 {
			what, _, _ = strings.Cut(what, ", unless")
		}
		if c.traces() {
			what += fmt.Sprintf("; write %d tracers a second to each node around it, to collection %s, which is made for that and removed again", c.Tracer.Rate, c.Tracer.Collection)
		}
		return what
	case LatestBackup:
		return "take the newest backup that succeeded"
	default:
		return "take backup " + c.Backup.ID
	}
}

func (c *Config) plannedRestore() string {
	from := "the backup itself (restore_config.json is written beside it, and removed again)"
	if c.Restore.From == backup.ByCopy {
		from = "the copy"
	}
	what := ""
	if len(c.Restore.Include) > 0 {
		what = " only " + strings.Join(c.Restore.Include, ", ")
	}
	if len(c.Restore.Exclude) > 0 {
		what = " all but " + strings.Join(c.Restore.Exclude, ", ")
	}
	also := ""
	if c.Restore.Roles == restoreAll {
		also += ", with roles"
	}
	if c.Restore.Users == restoreAll {
		also += ", with users"
	}
	return fmt.Sprintf("restore%s from %s%s, at most %s", what, from, also, c.Restore.Timeout)
}

func (c *Config) plannedComparison() string {
	level := c.Verify.Level
	does := "compare " + level.LooksAt()
	if level == verify.LevelSample {
		does += fmt.Sprintf(": %d objects of each collection", c.VerifyOptions().Draws())
	}
	return does
}

// plannedChecks is empty without checks of the user's own.
func (c *Config) plannedChecks() string {
	if len(c.Verify.Checks) == 0 {
		return ""
	}
	var names []string
	for _, check := range c.Verify.Checks {
		names = append(names, check.Name)
	}
	return "; then the checks " + strings.Join(names, ", ")
}

// permissions lists what was found to be needed on Weaviate 1.38.5 (RBAC) and by the S3 operations that each phase uses. The policies in deploy/iam grant exactly what it says of IAM.
func (c *Config) permissions() []Permission {
	p := slices.Concat(c.weaviatePermissions(), c.toolPermissions())
	if c.Verify.Level.Restores() {
		p = slices.Concat(p, c.restorePermissions(), c.sandboxPermissions(), c.kubernetesPermissions())
	}
	return append(p, c.evidencePermissions()...)
}

func (c *Config) weaviatePermissions() []Permission {
	var p []Permission
	add := func(action, object, why string) { p = append(p, Permission{"source", "weaviate", action, object, why}) }
	if c.Backup.ID == NewBackup {
		add("manage_backups", "collection *", "make and follow the backup")
	}
	if !c.asksSource() {
		return p
	}
	add("read_collections", "collection *", "see that each is in the backup")
	if c.Verify.Level.Restores() {
		for _, action := range []string{"read_data", "read_tenants", "read_aliases"} {
			add(action, "collection *", "compare")
		}
	}
	add("read_nodes", "verbosity minimal and verbose, collection *", "see that all are healthy and how many vectors wait to be indexed, and compare shards")
	if c.traces() {
		for _, need := range tracer.Permissions(c.Tracer.Collection) {
			add(need.Action, "collection "+c.Tracer.Collection, "write tracers")
		}
	}
	for _, need := range c.accessNeeded() {
		add(need.Action, "all", "compare roles and users")
	}
	return p
}

// arn names a bucket, or with a path all keys below that.
func arn(parts ...string) string {
	name := "arn:aws:s3::"
	separator := ":"
	for _, part := range parts {
		if part = strings.Trim(part, "/"); part != "" {
			name, separator = name+separator+part, "/"
		}
	}
	return name
}

// restoredFrom is the bucket and path of what is restored: the backups', or that of the drill's copies.
func (c *Config) restoredFrom() (bucket, path string) {
	if c.Restore.From == backup.ByCopy {
		return cmp.Or(c.Restore.Copy.Bucket, c.Bucket.Name), c.Restore.Copy.Path
	}
	return c.Bucket.Name, c.Bucket.Path
}

func keyOf(bucket string) string { return "the key of KMS, if any, of bucket " + bucket }

func (c *Config) toolPermissions() []Permission {
	var p []Permission
	add := func(action, object, why string) { p = append(p, Permission{"tool", "iam", action, object, why}) }
	whole, below := arn(c.Bucket.Name), arn(c.Bucket.Name, c.Bucket.Path, "*")
	var audit []string
	for _, check := range bucket.Checks() {
		audit = append(audit, check.Actions...)
	}
	slices.Sort(audit)
	on := map[bucket.Scope]string{bucket.OnBucket: whole, bucket.OnObjects: below, bucket.OnKey: keyOf(c.Bucket.Name), bucket.OnAccount: "*"}
	for _, action := range slices.Compact(audit) {
		if !slices.Contains([]string{"s3:ListBucket", "s3:ListBucketVersions", "s3:GetObject"}, action) { // below
			add(action, on[bucket.ScopeOf(action)], "audit")
		}
	}
	add("s3:ListBucket", whole, "find the backup and check its catalogue")
	add("s3:ListBucketVersions", whole, "tell a deleted chunk from one that never was")
	add("s3:GetObject", below, "read descriptors and chunks")
	add("kms:Decrypt", keyOf(c.Bucket.Name), "read them")
	return p
}

// restorePermissions are those of the tool that a drill needs for its restore.
func (c *Config) restorePermissions() []Permission {
	var p []Permission
	add := func(action, object, why string) { p = append(p, Permission{"tool", "iam", action, object, why}) }
	below := arn(c.Bucket.Name, c.Bucket.Path, "*")
	place, path := c.restoredFrom()
	if c.Restore.From == backup.ByCopy {
		copies := arn(place, path, "*")
		if place != c.Bucket.Name {
			add("s3:ListBucket", arn(place), "check the copy")
			add("kms:Decrypt", keyOf(place), "write the copy in parts, and read what the restore writes there")
		}
		add("s3:PutObject", copies, "copy the backup")
		add("s3:GetObject", copies, "read what the restore writes there")
		add("s3:DeleteObject", copies, "remove the copy")
		add("s3:ListBucketMultipartUploads", arn(place), "find parts that a drill which died left")
		add("s3:AbortMultipartUpload", copies, "remove them")
		add("kms:GenerateDataKey", keyOf(place), "copy the backup")
	} else {
		add("s3:PutObject", below+"/restore_config.json", "put back what an earlier restore left")
		add("s3:DeleteObject", below+"/restore_config.json", "remove what the drill's restore left")
		add("kms:GenerateDataKey", keyOf(place), "put back what an earlier restore left")
	}
	return p
}

func (c *Config) evidencePermissions() []Permission {
	var p []Permission
	add := func(action, object, why string) { p = append(p, Permission{"tool", "iam", action, object, why}) }
	if e := c.Evidence.S3; e != nil {
		for _, action := range evidence.BucketActions {
			add(action, arn(e.Name), "find records")
		}
		for _, action := range evidence.ObjectActions {
			add(action, arn(e.Name, e.Path, "*"), "keep records and read them")
		}
		for _, action := range evidence.JournalActions {
			add(action, arn(e.Name, e.Path, "running", "*"), "end the journal of a drill")
		}
		add("kms:GenerateDataKey", keyOf(e.Name), "keep records")
		add("kms:Decrypt", keyOf(e.Name), "read them")
	}
	return p
}

// sandboxPermissions are those of the Weaviate that restores. It is told its region, so it does not ask for the bucket's location.
func (c *Config) sandboxPermissions() []Permission {
	place, path := c.restoredFrom()
	below := arn(place, path, "*")
	return []Permission{
		{"sandbox", "iam", "s3:ListBucket", arn(place), "be told that an object is missing, and not that it is denied"},
		{"sandbox", "iam", "s3:GetObject", below, "restore"},
		{"sandbox", "iam", "s3:PutObject", below + "/restore_config.json", "restore: Weaviate writes its state there"},
		{"sandbox", "iam", "kms:Decrypt", keyOf(place), "restore"},
		{"sandbox", "iam", "kms:GenerateDataKey", keyOf(place), "write that state"},
	}
}

// kubernetesPermissions are those of a tool outside the cluster; in a pod it forwards no port.
func (c *Config) kubernetesPermissions() []Permission {
	if c.Sandbox.Kind != "kubernetes" {
		return nil
	}
	var p []Permission
	for _, r := range c.Sandbox.Kubernetes.options().Rights(false) {
		verbs := strings.Join(r.Verbs, ", ")
		p = append(p, Permission{"tool", "kubernetes", verbs, strings.TrimPrefix(r.String(), verbs+" "), r.Why})
	}
	return p
}
