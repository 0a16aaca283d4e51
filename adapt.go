package drill

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// leavesOut says whether the configuration leaves a collection out of the backup.
func (c *Config) leavesOut(collection string) bool {
	matches := func(pattern string) bool {
		ok, err := path.Match(pattern, collection)
		return ok && err == nil
	}
	return len(c.Backup.Include) > 0 && !slices.ContainsFunc(c.Backup.Include, matches) || slices.ContainsFunc(c.Backup.Exclude, matches)
}

// Chosen parts the collections of a backup into those to be restored and those that restore.include and restore.exclude leave out. A name or pattern of restore.include that no collection has is refused, and so
// is to leave out all: asked for none, Weaviate restores all.
func (c *Config) Chosen(all []string) (restored, leftOut []string, err error) {
	matches := func(pattern, name string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	}
	for _, pattern := range c.Restore.Include {
		if !slices.ContainsFunc(all, func(name string) bool { return matches(pattern, name) }) {
			return nil, nil, fmt.Errorf("%w: restore.include: no collection of the backup is %s: it has %s", ErrConfig, pattern, strings.Join(all, ", "))
		}
	}
	for _, name := range all {
		named := func(pattern string) bool { return matches(pattern, name) }
		traced := c.traces() && name == c.Tracer.Collection // restored whatever is chosen: else they tell nothing
		if !traced && (len(c.Restore.Include) > 0 && !slices.ContainsFunc(c.Restore.Include, named) || slices.ContainsFunc(c.Restore.Exclude, named)) {
			leftOut = append(leftOut, name)
		} else {
			restored = append(restored, name)
		}
	}
	if len(restored) == 0 && len(leftOut) > 0 {
		return nil, nil, fmt.Errorf("%w: restore.exclude leaves no collection of the backup, which has %s", ErrConfig, strings.Join(all, ", "))
	}
	return restored, leftOut, nil
}

// BackupRequest asks for a new backup with this id; an empty one leaves the id to backup.Create.
func (c *Config) BackupRequest(id string) weaviate.BackupRequest {
	return weaviate.BackupRequest{
		ID: id, Include: c.Backup.Include, Exclude: c.Backup.Exclude, CPUPercentage: c.Backup.CPUPercentage, CompressionLevel: c.Backup.Compression, IncrementalBase: c.Backup.IncrementalBase,
	}
}

// VerifyOptions are what the configuration says of a comparison.
func (c *Config) VerifyOptions() verify.Options {
	v := c.Verify
	maxBad, _ := v.maxBad() // Validate has seen it
	return verify.Options{
		ClockSkew: v.ClockSkew, Level: v.Level, Sample: v.Sample, MaxBad: maxBad, Confidence: v.Confidence / 100, Seed: v.Seed, Concurrency: v.Concurrency, MaxRate: float64(v.MaxRate), MaxDifferences: v.MaxDifferences,
		Index: verify.IndexOptions{
			Sample: v.Index.Sample, Probes: v.Index.Probes, Neighbours: v.Index.Neighbours, Values: v.Index.Values, RecallMargin: v.Index.RecallMargin, Timeout: v.IndexTimeout,
		},
		Roles: c.Restore.Roles == restoreAll, Users: c.Restore.Users == restoreAll,
	}
}

// OwnChecks are the user's.
func (c *Config) OwnChecks() []verify.Check {
	var checks []verify.Check
	for _, own := range c.Verify.Checks {
		checks = append(checks, verify.Check(own))
	}
	return checks
}

// objectives are those of the configuration, nil when it has none.
func (c *Config) objectives() *rto.Objectives {
	if c.Objectives == (rto.Objectives{}) {
		return nil
	}
	o := c.Objectives
	return &o
}

// fits refuses a backup that no sandbox of this configuration can hold, before anything is made.
func (c *Config) fits(k *backup.Catalogue) error {
	d := k.Backup()
	if err := c.checkMapping(d.Nodes); err != nil {
		return err
	}
	if want, err := version.ParseSemantic(c.Sandbox.Version); err == nil {
		if have, err := version.ParseSemantic(d.ServerVersion); err == nil && want.LessThan(have) {
			return fmt.Errorf("%w: sandbox.version %s is older than the backup's %s, whose files it need not understand: restore into that or a newer one", ErrConfig, want, have)
		}
	}
	if c.Sandbox.Kind == "external" { // it has what modules it has
		return nil
	}
	for _, node := range k.Nodes {
		for _, class := range node.Classes {
			if len(class.Schema) == 0 {
				continue
			}
			if err := sandbox.Holds(class.Schema); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMapping refuses a mapping that does not name each node of a backup once, and another of the sandbox for each: Weaviate 1.38.5 never ends such a restore, or panics.
func (c *Config) checkMapping(nodes map[string]backup.NodeSummary) error {
	mapping := c.Restore.NodeMapping
	if len(mapping) == 0 {
		return nil
	}
	want := slices.Sorted(maps.Keys(nodes))
	if have := slices.Sorted(maps.Keys(mapping)); !slices.Equal(have, want) {
		return fmt.Errorf("%w: restore.node_mapping names the nodes %s, and the backup was taken on %s: name each of these", ErrConfig, strings.Join(have, ", "), strings.Join(want, ", "))
	}
	if to := slices.Sorted(maps.Values(mapping)); len(slices.Compact(to)) < len(mapping) {
		return fmt.Errorf("%w: restore.node_mapping gives two nodes of the backup the same name: a restore needs as many nodes as the backup has", ErrConfig)
	}
	return nil
}

// sandboxS3 is how the sandbox reaches the bucket: as the tool does, unless the configuration says otherwise.
func (c *Config) sandboxS3(ctx context.Context, b *bucket.Bucket) (sandbox.S3, error) {
	own := c.Sandbox.S3
	endpoint := cmp.Or(own.Endpoint, b.Endpoint)
	host, plain := strings.CutPrefix(endpoint, "http://")
	s := sandbox.S3{Bucket: b.Name, Path: b.Path, Region: b.Region, Endpoint: strings.TrimPrefix(host, "https://"), Plain: plain}
	var err error
	if own.AccessKeyID != "" {
		if s.AccessKeyID, err = own.AccessKeyID.Resolve(); err != nil {
			return s, fmt.Errorf("%w: sandbox.s3.access_key_id: %w", ErrConfig, err)
		}
		if s.SecretAccessKey, err = own.SecretAccessKey.Resolve(); err != nil {
			return s, fmt.Errorf("%w: sandbox.s3.secret_access_key: %w", ErrConfig, err)
		}
		if s.SessionToken, err = own.SessionToken.Resolve(); err != nil {
			return s, fmt.Errorf("%w: sandbox.s3.session_token: %w", ErrConfig, err)
		}
		return s, nil
	}
	if c.Sandbox.Kind == "kubernetes" { // the tool's own keys leave its pod for nobody: there the sandbox has a role, or keys of its own
		return s, nil
	}
	s.AccessKeyID, s.SecretAccessKey, s.SessionToken, err = b.Credentials(ctx)
	return s, err
}
