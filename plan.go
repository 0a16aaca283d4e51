package drill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
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
	Where  string `json:"where"`  // "source" (Weaviate RBAC), "tool" or "sandbox" (IAM)
	Action string `json:"action"` // such as s3:ListBucket, read_data
	Object string `json:"object"` // what it is needed on
	For    string `json:"for"`
}

// Plan describes a run.
func (c *Config) Plan() Plan {
	does := map[rto.Phase]string{
		rto.Preflight:   fmt.Sprintf("connect to %s and s3://%s, tidy up after drills that died", c.Source.URL, bucketAndPath(c)),
		rto.Posture:     fmt.Sprintf("audit bucket %s; findings from %s up fail the drill", c.Bucket.Name, c.Policy.FailOn),
		rto.Backup:      c.plannedBackup(),
		rto.Catalogue:   "hold the backup's descriptors, its chain of bases and the S3 listings against each other",
		rto.Archive:     "read every chunk of the backup to its end",
		rto.Copy:        fmt.Sprintf("copy the backup to s3://%s below the drill's id", strings.Trim(c.Restore.Copy.Bucket+"/"+c.Restore.Copy.Path, "/")),
		rto.Provision:   fmt.Sprintf("refuse if somebody is restoring or backing up; start an empty Weaviate (%s)", c.Sandbox.Kind),
		rto.Restore:     c.plannedRestore(),
		rto.Index:       fmt.Sprintf("wait until every shard is loaded and its index complete, at most %s", c.Verify.IndexTimeout),
		rto.FirstAnswer: "ask each collection for one object by cursor, by id and by vector: here the recovery clock stops",
		rto.Verify:      c.plannedComparison(),
		rto.Teardown:    "remove the sandbox and what the restore wrote to the bucket",
	}
	var p Plan
	for _, s := range steps {
		if s.skip == nil || !s.skip(c) {
			p.Steps = append(p.Steps, PlannedStep{s.phase, does[s.phase]})
		}
	}
	p.Steps = append(p.Steps, PlannedStep{rto.Teardown, does[rto.Teardown]})
	p.Permissions = c.permissions()
	return p
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
		return fmt.Sprintf("make a new backup of %s, at most %s", what, c.Backup.Timeout)
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
	return fmt.Sprintf("restore from %s, at most %s", from, c.Restore.Timeout)
}

func (c *Config) plannedComparison() string {
	switch c.Verify.Level {
	case "counts":
		return "compare the schema and the exact counts"
	case "sample":
		return fmt.Sprintf("compare the schema, the counts, and %d random objects of each collection", c.Verify.Sample)
	default:
		return "compare the schema, the counts, and every object with all its vectors and properties, bit for bit"
	}
}

// permissions lists what was found to be needed on Weaviate 1.38.5 (RBAC) and by the S3 operations that each phase uses.
func (c *Config) permissions() []Permission {
	inPath := "arn:aws:s3:::" + bucketAndPath(c) + "/*"
	whole := "arn:aws:s3:::" + c.Bucket.Name
	var p []Permission
	add := func(where, action, object, why string) { p = append(p, Permission{where, action, object, why}) }
	if c.Backup.ID == NewBackup {
		add("source", "manage_backups", "collection *", "make and follow the backup")
	}
	for _, action := range []string{"read_collections", "read_data", "read_tenants", "read_aliases"} {
		add("source", action, "collection *", "compare")
	}
	add("source", "read_nodes", "verbosity minimal and verbose, collection *", "compare shards")
	var audit []string
	for _, check := range bucket.Checks() {
		audit = append(audit, check.Actions...)
	}
	slices.Sort(audit)
	for _, action := range slices.Compact(audit) {
		if action != "s3:ListBucket" {
			add("tool", action, whole, "audit")
		}
	}
	add("tool", "s3:ListBucket", whole, "find the backup and check its catalogue")
	add("tool", "s3:ListBucketVersions", whole, "tell a deleted chunk from one that never was")
	add("tool", "s3:GetObject", inPath, "read descriptors and chunks")
	if c.Restore.From == backup.ByCopy {
		target := "arn:aws:s3:::" + strings.Trim(c.Restore.Copy.Bucket+"/"+c.Restore.Copy.Path, "/") + "/*"
		add("tool", "s3:PutObject", target, "copy the backup")
		add("tool", "s3:DeleteObject", target, "remove the copy")
		add("sandbox", "s3:GetObject", target, "restore")
		add("sandbox", "s3:PutObject", strings.TrimSuffix(target, "*")+"*/restore_config.json", "restore: Weaviate writes its state there")
	} else {
		add("tool", "s3:PutObject", inPath+"/restore_config.json", "put back what an earlier restore left")
		add("tool", "s3:DeleteObject", inPath+"/restore_config.json", "remove what the drill's restore left")
		add("sandbox", "s3:GetObject", inPath, "restore")
		add("sandbox", "s3:PutObject", inPath+"/restore_config.json", "restore: Weaviate writes its state there")
	}
	add("sandbox", "s3:ListBucket", whole, "restore")
	add("sandbox", "s3:GetBucketLocation", whole, "restore")
	return p
}
