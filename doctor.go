package drill

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// DoctorCheck is one thing that a drill needs, and whether it has it. Only one that fails keeps a drill from beginning.
type DoctorCheck struct {
	Area          string `json:"area"` // source, bucket, sandbox, evidence
	sandbox.Check        // its Err, where there is one, decides the exit status; else that is NotCarriedOut
}

// doctorTimeout bounds what is asked of one server that swallows requests. Calls to S3 have a bound of their own.
const doctorTimeout = 20 * time.Second

// Doctor looks at everything that a drill needs, without changing anything. Something that cannot be reached is a check that fails and keeps nothing else from being looked at; an error is that ctx has ended.
func (c *Config) Doctor(ctx context.Context) ([]DoctorCheck, error) {
	var f found
	var opening sync.WaitGroup
	if c.asksSource() {
		opening.Go(func() { f.source, f.sourceErr = c.openSource(ctx) })
	}
	f.bucket, f.bucketErr = bucket.Open(ctx, c.Bucket.Options())
	if c.Verify.Level.Restores() {
		f.place, f.placeErr = c.OpenSandbox()
	}
	opening.Wait()
	if f.source != nil {
		defer f.source.Close()
	}
	list := c.examine(ctx, f)
	if f.bucket != nil {
		list = append(list, c.examineBackup(ctx, f.bucket)...)
	}
	return list, ctx.Err()
}

// examineBackup looks for the backup that is to be drilled, or built upon. A drill itself does that when its turn has come, so that the record has what was found before.
func (c *Config) examineBackup(ctx context.Context, b *bucket.Bucket) []DoctorCheck {
	id := c.Backup.ID
	if id == NewBackup {
		id = c.Backup.IncrementalBase
	}
	if id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	a := area{name: "bucket"}
	name := "backup " + id + " is there"
	if found, err := backup.Resolve(ctx, b, id); err != nil {
		a.fail(name, err, "")
	} else {
		a.add(name, sandbox.Pass, b.URL(found)+" ended with SUCCESS", "")
	}
	return a.checks
}

func (c *Config) openSource(ctx context.Context) (*weaviate.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	endpoint, err := c.Source.Endpoint()
	if err != nil {
		return nil, err
	}
	return weaviate.Dial(ctx, endpoint)
}

// found is what could be opened, or why not.
type found struct {
	source    *weaviate.Conn
	bucket    *bucket.Bucket
	place     sandbox.Sandbox
	sourceErr error
	bucketErr error
	placeErr  error
}

// examine checks what a drill needs of each of its parts, those that do not wait for each other at once.
func (c *Config) examine(ctx context.Context, f found) []DoctorCheck {
	source, storage, place, proof := &area{name: "source"}, &area{name: "bucket"}, &area{name: "sandbox"}, &area{name: "evidence"}
	var twin sandbox.Spec // as far as the source tells
	var known *backup.Descriptor
	var reached bool // the bucket
	var wg sync.WaitGroup
	if c.asksSource() {
		wg.Go(func() { twin = c.examineSource(ctx, source, f) })
	}
	wg.Go(func() { known, reached = c.examineBucket(ctx, storage, f) })
	wg.Go(func() { c.examineEvidence(ctx, proof) })
	wg.Wait()
	if !reached {
		f.bucket = nil
	}
	if c.Verify.Level.Restores() {
		c.examineSandbox(ctx, place, f, c.foreseen(twin, known))
	}
	return slices.Concat(source.checks, storage.checks, place.checks, proof.checks)
}

// area gathers the checks of one part.
type area struct {
	name   string
	checks []DoctorCheck
}

func (a *area) add(name string, result sandbox.Result, detail, remedy string) {
	a.checks = append(a.checks, DoctorCheck{Area: a.name, Check: sandbox.Check{Name: name, Result: result, Detail: detail, Remedy: remedy}})
}

// fail adds a check that an error decides.
func (a *area) fail(name string, err error, remedy string) {
	a.add(name, sandbox.Fail, oneLine(err), remedy)
	a.checks[len(a.checks)-1].Err = bucket.Explain(err)
}

func (a *area) rights(list ...bucket.Right) {
	for _, r := range list {
		check := sandbox.Check{Name: r.Action + " on " + r.Resource, Result: resultOf[r.Status], Detail: r.Detail, Remedy: r.Remedy, Err: r.Err}
		a.checks = append(a.checks, DoctorCheck{Area: a.name, Check: check})
	}
}

var resultOf = map[bucket.Status]sandbox.Result{bucket.Pass: sandbox.Pass, bucket.Fail: sandbox.Fail, bucket.Unknown: sandbox.Unknown}

// dangerous are the versions of Weaviate that cancel, when they start, whatever backups are being made in their bucket.
var dangerous = []string{"1.27.4", "1.27.5", "1.27.6", "1.27.7", "1.27.8", "1.28.0"}

// examineSource returns what the source tells of the sandbox that is needed.
func (c *Config) examineSource(ctx context.Context, a *area, f found) (twin sandbox.Spec) {
	const reach = "the source answers and lets the tool in"
	ctx, cancel := context.WithTimeout(ctx, 2*doctorTimeout)
	defer cancel()
	fails := func(err error) sandbox.Spec {
		a.fail(reach, err, sourceRemedy(err))
		a.add("what the source allows", sandbox.Unknown, "not tried, because of that", "")
		return twin
	}
	if f.source == nil {
		return fails(f.sourceErr)
	}
	meta, err := f.source.Meta(ctx)
	if err != nil {
		return fails(err)
	}
	nodes, err := f.source.Nodes(ctx)
	if err != nil {
		return fails(err)
	}
	a.add(reach, sandbox.Pass, c.Source.URL+" is Weaviate "+meta.Version, "")
	c.examineBackups(a, meta)
	if slices.Contains(dangerous, cmp.Or(c.Sandbox.Version, meta.Version)) {
		a.add("a version that harms no backup", sandbox.Fail, fmt.Sprintf("a sandbox of Weaviate %s cancels backups that are being made in the bucket when it starts", cmp.Or(c.Sandbox.Version, meta.Version)),
			"upgrade the source, or set sandbox.version to one that is not among "+strings.Join(dangerous, ", "))
	}
	examineNodes(a, nodes)
	c.examinePermissions(ctx, a, f.source)
	if c.traces() {
		c.examineTracers(ctx, a, f.source)
	}
	examineAnonymous(ctx, a, f.source)
	twin.Version = meta.Version
	for _, n := range nodes {
		twin.Nodes = append(twin.Nodes, n.Name)
	}
	return twin
}

func sourceRemedy(err error) string {
	switch {
	case errors.Is(err, ErrConfig):
		return "set what source.api_key, source.oidc or source.headers refer to"
	case errors.Is(err, weaviate.ErrUnauthorized):
		return "let source.api_key refer to a key that this Weaviate knows"
	case errors.Is(err, weaviate.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return "check source.url and source.grpc, and the network and firewalls on the way there"
	}
	return ""
}

// examineBackups looks at whether the source makes its backups where they are looked for.
func (c *Config) examineBackups(a *area, meta weaviate.Meta) {
	if c.Backup.ID != NewBackup {
		return
	}
	const name = "the source backs up into the bucket"
	remedy := fmt.Sprintf("ENABLE_MODULES=backup-s3 BACKUP_S3_BUCKET=%s BACKUP_S3_PATH=%s in the environment of the source", c.Bucket.Name, c.Bucket.Path)
	raw, enabled := meta.Modules["backup-s3"]
	var module struct{ BucketName, RootName string }
	switch err := json.Unmarshal(raw, &module); {
	case !enabled:
		a.add(name, sandbox.Fail, "its module backup-s3 is not enabled", remedy)
	case err != nil || module.BucketName == "":
		a.add(name, sandbox.Unknown, "its module backup-s3 does not say where to", remedy)
	case module.BucketName != c.Bucket.Name || strings.Trim(module.RootName, "/") != strings.Trim(c.Bucket.Path, "/"):
		a.add(name, sandbox.Fail, fmt.Sprintf("it backs up into s3://%s, and the configuration looks into s3://%s", strings.Trim(module.BucketName+"/"+module.RootName, "/"), bucketAndPath(c)),
			"correct bucket.name and bucket.path, or "+remedy)
	default:
		a.add(name, sandbox.Pass, "its module backup-s3 writes to s3://"+bucketAndPath(c), "")
	}
}

func examineNodes(a *area, nodes []weaviate.Node) {
	const healthy = "all nodes of the source are healthy"
	var ill []string
	var queue int64
	for _, n := range nodes {
		if n.Status != "HEALTHY" {
			ill = append(ill, n.Name+" is "+n.Status)
		}
		for _, s := range n.Shards {
			queue += s.VectorQueueLength
		}
	}
	switch {
	case len(nodes) == 0:
		a.add(healthy, sandbox.Unknown, "it lists no node", "")
	case len(ill) > 0:
		a.add(healthy, sandbox.Fail, strings.Join(ill, ", ")+": a backup needs all of them", "wait until they are HEALTHY, or bring them back")
	default:
		a.add(healthy, sandbox.Pass, fmt.Sprintf("%d of %d", len(nodes), len(nodes)), "")
	}
	if queue > 0 {
		a.add("the source's vector index is complete", sandbox.Unknown, fmt.Sprintf("%d vectors wait to be indexed: until that is done, a backup may block writes", queue), "wait, or make backups in quiet hours")
	}
}

// asksSource says whether a drill needs the source: to make a backup, or to compare with.
func (c *Config) asksSource() bool { return c.Backup.ID == NewBackup || c.Verify.Level.Restores() }

// neededPermissions are what a drill asks of the source on a collection.
func (c *Config) neededPermissions(collection string) []weaviate.Permission {
	var list []weaviate.Permission
	if c.Backup.ID == NewBackup {
		list = append(list, weaviate.Permission{Action: "manage_backups", Backups: &weaviate.Scope{Collection: collection}})
	}
	list = append(list, weaviate.Permission{Action: "read_collections", Collections: &weaviate.Scope{Collection: collection}})
	if c.Verify.Level.Restores() {
		list = append(list,
			weaviate.Permission{Action: "read_data", Data: &weaviate.Scope{Collection: collection, Tenant: "*", Object: "*"}},
			weaviate.Permission{Action: "read_tenants", Tenants: &weaviate.Scope{Collection: collection, Tenant: "*"}},
			weaviate.Permission{Action: "read_aliases", Aliases: &weaviate.Scope{Collection: collection, Alias: "*"}},
		)
	}
	return append(list, weaviate.Permission{Action: "read_nodes", Nodes: &weaviate.Scope{Verbosity: "verbose", Collection: collection}})
}

// examinePermissions holds the roles of the tool's user against what a drill needs. Weaviate leaves out what somebody may not see, without a word: a backup and its comparison would both lack it,
// and the drill would pass. So everything that the configuration speaks of must be allowed, also what is not there yet.
func (c *Config) examinePermissions(ctx context.Context, a *area, source *weaviate.Conn) {
	access, err := source.Access(ctx)
	switch {
	case err != nil:
		a.add("the permissions of the tool's user", sandbox.Unknown, "not known: "+oneLine(err), "give it roles with manage_backups, read_collections, read_data, read_tenants, read_aliases and read_nodes on all collections")
		return
	case !access.Controlled:
		a.add("the permissions of the tool's user", sandbox.Pass, "role-based access control is off: everybody who is let in may do everything", "")
		return
	}
	scope := slices.Clone(c.Backup.Include)
	if len(scope) > 0 && c.traces() {
		scope = append(scope, c.Tracer.Collection)
	}
	if len(scope) == 0 {
		scope = []string{"*"}
	}
	for i, need := range c.neededPermissions("*") {
		var missing, grants []string
		for _, collection := range scope {
			if p := c.neededPermissions(collection)[i]; !access.Allows(p) {
				raw, _ := json.Marshal(p) // strings alone: it cannot fail
				missing, grants = append(missing, collection), append(grants, string(raw))
			}
		}
		name := need.Action + " on collection " + strings.Join(scope, ", ")
		if len(missing) == 0 {
			a.add(name, sandbox.Pass, fmt.Sprintf("a role of user %q has it", access.User), "")
			continue
		}
		remedy := fmt.Sprintf("give a role of user %q the permission %s", access.User, strings.Join(grants, " and "))
		if slices.ContainsFunc(access.Permissions, func(p weaviate.Permission) bool { return p.Action == need.Action }) {
			remedy += "; or name under backup.include only collections for which it has it"
		}
		a.add(name, sandbox.Fail, fmt.Sprintf("no role of user %q has it for %s", access.User, strings.Join(missing, ", ")), remedy)
	}
	if c.traces() {
		c.examineTracerRights(a, access)
	}
	for _, need := range c.accessNeeded() {
		if name := need.Action + " on all"; access.Allows(need) {
			a.add(name, sandbox.Pass, fmt.Sprintf("a role of user %q has it", access.User), "")
		} else {
			raw, _ := json.Marshal(need) // strings alone: it cannot fail
			a.add(name, sandbox.Fail, fmt.Sprintf("no role of user %q has it, and roles and users are to be compared", access.User),
				fmt.Sprintf("give a role of user %q the permission %s; or set restore.roles and restore.users to noRestore", access.User, raw))
		}
	}
}

// accessNeeded are what the comparison of roles and users asks of the source.
func (c *Config) accessNeeded() []weaviate.Permission {
	switch {
	case !c.Verify.Level.Restores():
		return nil
	case c.Restore.Roles == restoreAll:
		return weaviate.SeesRoles
	case c.Restore.Users == restoreAll:
		return weaviate.SeesUsers
	}
	return nil
}

// examineAnonymous tells of a source that lets everybody in. It hinders no drill, and so is no failure; neither is it good.
func examineAnonymous(ctx context.Context, a *area, source *weaviate.Conn) {
	const name = "the source refuses who has no key"
	switch open, err := source.Anonymous(ctx); {
	case err != nil:
		a.add(name, sandbox.Unknown, "not known: "+oneLine(err), "")
	case open:
		a.add(name, sandbox.Unknown, "it answers without one: whoever reaches it reads, and may change, all data; no drill is hindered by that",
			"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=false and an API key in the environment of the source")
	default:
		a.add(name, sandbox.Pass, "a request without one was refused", "")
	}
}

const (
	descriptorKeys = "*/backup_config.json"
	restoreKeys    = "*/restore_config.json" // what a Weaviate writes when it restores
)

// examineBucket returns the backup from which something can be told of the sandbox that is needed: the one to be drilled, or for a new one the newest.
func (c *Config) examineBucket(ctx context.Context, a *area, f found) (known *backup.Descriptor, reached bool) {
	if f.bucket == nil {
		a.fail("the AWS configuration", f.bucketErr, "")
		return nil, false
	}
	b := f.bucket
	list := b.TryList(ctx)
	a.rights(list)
	if list.Status != bucket.Pass && !errors.Is(list.Err, bucket.ErrDenied) || list.Unaccepted() {
		a.add("what else the bucket allows", sandbox.Unknown, "not tried, because of that", "")
		return nil, false
	}
	known, key := c.knownBackup(ctx, b)
	tries := []func() []bucket.Right{
		func() []bucket.Right { return one(b.TryVersions(ctx)) },
		func() []bucket.Right { return one(b.TryRead(ctx, key)) },
	}
	if !c.Verify.Level.Restores() { // then nothing is written
	} else if c.Restore.From != backup.ByCopy {
		tries = append(tries,
			func() []bucket.Right { return one(b.TryWrite(ctx, restoreKeys)) },
			func() []bucket.Right { return one(b.TryDelete(ctx, restoreKeys)) },
			func() []bucket.Right { return b.TryKey(ctx) })
	} else if to, err := bucket.Open(ctx, c.copyOptions()); err != nil {
		a.fail("the bucket of the copy", err, "")
	} else {
		tries = append(tries,
			func() []bucket.Right { return one(to.TryList(ctx)) },
			func() []bucket.Right { return one(to.TryWrite(ctx, "*")) },
			func() []bucket.Right { return one(to.TryDelete(ctx, "*")) },
			func() []bucket.Right { return to.TryKey(ctx) })
	}
	tries = append(tries, func() []bucket.Right { return b.TryAudit(ctx) })
	a.rights(together(tries)...)
	return known, true
}

func one(r bucket.Right) []bucket.Right { return []bucket.Right{r} }

// together makes all tries at once, and returns what they found in their order.
func together(tries []func() []bucket.Right) []bucket.Right {
	lists := make([][]bucket.Right, len(tries))
	var wg sync.WaitGroup
	for i, try := range tries {
		wg.Go(func() { lists[i] = try() })
	}
	wg.Wait()
	return slices.Concat(lists...)
}

// knownBackup also returns the key of a descriptor that is there; without one, of one that is not.
func (c *Config) knownBackup(ctx context.Context, b *bucket.Bucket) (*backup.Descriptor, string) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	key := b.ProbeKey(descriptorKeys)
	listings, err := backup.List(ctx, b)
	if err != nil {
		return nil, key // told by the tries
	}
	var id string
	for _, l := range listings { // the newest is the last
		if errors.Is(l.Err, backup.ErrNoSuchBackup) {
			continue
		}
		key = b.Key(l.ID, "backup_config.json")
		if l.Status == "SUCCESS" {
			id = l.ID
		}
		if l.ID == c.Backup.ID {
			break
		}
	}
	if id == "" {
		return nil, key
	}
	d, err := backup.ReadDescriptor(ctx, b, id)
	if err != nil {
		return nil, key
	}
	return &d, key
}

func (c *Config) copyOptions() bucket.Options {
	o := c.Bucket.Options()
	o.Name, o.Path = cmp.Or(c.Restore.Copy.Bucket, o.Name), c.Restore.Copy.Path
	return o
}

// foreseen is the sandbox that a drill will need, as far as it is known before there is a backup. Its version is empty when neither the source nor a backup tells it.
func (c *Config) foreseen(twin sandbox.Spec, known *backup.Descriptor) sandbox.Spec {
	spec := sandbox.Spec{DrillID: backup.NewID(time.Now().UTC()), Version: twin.Version, Nodes: slices.Clone(twin.Nodes)}
	if known != nil {
		var nodes []string
		for name, node := range known.Nodes {
			nodes = append(nodes, name)
			spec.Bytes = max(spec.Bytes, node.PreCompressionSizeBytes)
		}
		if c.Backup.ID != NewBackup || spec.Version == "" {
			spec.Version, spec.Nodes = known.ServerVersion, nodes
		}
	}
	spec.Version = cmp.Or(c.Sandbox.Version, spec.Version)
	if len(spec.Nodes) == 0 {
		spec.Nodes = []string{"weaviate-0"}
	}
	for i, name := range spec.Nodes {
		spec.Nodes[i] = cmp.Or(c.Restore.NodeMapping[name], name)
	}
	slices.Sort(spec.Nodes)
	return spec
}

func (c *Config) examineSandbox(ctx context.Context, a *area, f found, spec sandbox.Spec) {
	if f.place == nil {
		a.fail("the sandbox can be made", f.placeErr, "")
		return
	}
	if f.bucket == nil {
		a.add(sandboxRights, sandbox.Unknown, "not tried, because the bucket cannot be reached", "")
	} else {
		c.examineSandboxRights(ctx, a, f.bucket, &spec)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*doctorTimeout)
	defer cancel()
	if c.Sandbox.Kind == "external" {
		c.examineExternal(ctx, a, spec)
		return
	}
	place, can := f.place.(sandbox.Examiner)
	if !can {
		a.add("the sandbox can be made", sandbox.Unknown, "a sandbox of kind "+f.place.Kind()+" only shows that when it is made", "")
		return
	}
	checks, err := place.Examine(ctx, spec)
	for _, check := range checks {
		a.checks = append(a.checks, DoctorCheck{Area: a.name, Check: check})
	}
	if err != nil {
		a.fail("the sandbox can be made", err, "")
	}
}

func (c *Config) examineExternal(ctx context.Context, a *area, spec sandbox.Spec) {
	const name = "the external Weaviate is empty and like the source"
	if spec.Version == "" {
		a.add(name, sandbox.Unknown, "not tried: neither the source nor a backup tells what it must be like", "")
		return
	}
	endpoint, err := c.Sandbox.External.Endpoint()
	if err == nil {
		err = spec.Fits(ctx, endpoint)
	}
	if err != nil {
		a.fail(name, err, "")
		return
	}
	a.add(name, sandbox.Pass, fmt.Sprintf("Weaviate %s with the nodes %s and without collections", spec.Version, strings.Join(spec.Nodes, ", ")), "")
}

const sandboxRights = "the sandbox's rights in S3"

// examineSandboxRights tries what the sandbox must be allowed in S3, with its own keys where it has some.
func (c *Config) examineSandboxRights(ctx context.Context, a *area, b *bucket.Bucket, spec *sandbox.Spec) {
	from := b
	var err error
	if c.Restore.From == backup.ByCopy {
		if from, err = bucket.Open(ctx, c.copyOptions()); err != nil {
			return // told under bucket
		}
	}
	needs := fmt.Sprintf("it needs s3:ListBucket on the bucket %s, s3:GetObject on %s and s3:PutObject on %s", from.Name, from.URL("*"), from.URL(restoreKeys))
	if c.Sandbox.Kind == "external" {
		a.add(sandboxRights, sandbox.Unknown, "not tried: an external sandbox has settings of its own", needs)
		return
	}
	if spec.S3, err = c.sandboxS3(ctx, b); err != nil {
		a.fail(sandboxRights, err, "")
		return
	}
	switch {
	case spec.S3.AccessKeyID.IsZero():
		a.add(sandboxRights, sandbox.Unknown, "not tried: they are those of the role of its service account, which only its pods have", needs)
		return
	case c.Sandbox.S3.AccessKeyID == "":
		a.add(sandboxRights, sandbox.Pass, "it is given the tool's own credentials; narrower ones can be given under sandbox.s3", "")
		return
	}
	from = from.As(spec.S3.AccessKeyID, spec.S3.SecretAccessKey, spec.S3.SessionToken)
	list := from.TryList(ctx)
	a.rights(list)
	if list.Unaccepted() {
		return
	}
	a.rights(together([]func() []bucket.Right{
		func() []bucket.Right { return one(from.TryRead(ctx, from.ProbeKey(descriptorKeys))) },
		func() []bucket.Right { return one(from.TryWrite(ctx, restoreKeys)) },
	})...)
	own := b.As(spec.S3.AccessKeyID, spec.S3.SecretAccessKey, spec.S3.SessionToken)
	a.examineExcess(own.TryWrite(ctx, "*/chunk-1"), own.TryDelete(ctx, "*"))
}

// examineExcess tells of rights to harm backups that the sandbox has and does not need. They hinder no drill, and where there is one pair of keys for everything, as on many a test server, nobody could run one.
func (a *area) examineExcess(rights ...bucket.Right) {
	const name = "the sandbox cannot change backups"
	var too []string
	for _, r := range rights {
		switch r.Status {
		case bucket.Pass:
			too = append(too, r.Action)
		case bucket.Unknown:
			too = append(too, "perhaps "+r.Action)
		}
	}
	if len(too) == 0 {
		a.add(name, sandbox.Pass, "writing chunks and deleting were both denied to its keys", "")
		return
	}
	a.add(name, sandbox.Unknown, "its keys have more rights than a restore needs: "+strings.Join(too, ", "), "allow the keys under sandbox.s3 to write */restore_config.json and nothing else, and to delete nothing")
}

func (c *Config) examineEvidence(ctx context.Context, a *area) {
	if c.Evidence.S3 == nil {
		a.examineFolder(c.Evidence.Dir)
		return
	}
	b, err := bucket.Open(ctx, c.Evidence.S3.Options())
	if err != nil {
		a.fail("the AWS configuration", err, "")
		return
	}
	list := b.TryList(ctx)
	a.rights(list)
	if list.Status != bucket.Pass {
		return
	}
	a.rights(together([]func() []bucket.Right{
		func() []bucket.Right { return one(b.TryRead(ctx, b.ProbeKey("*"))) },
		func() []bucket.Right { return one(b.TryWrite(ctx, "*")) },
		func() []bucket.Right { return one(b.TryDelete(ctx, "running/*")) },
		func() []bucket.Right { return b.TryKey(ctx) },
	})...)
}

// examineFolder writes a file into the folder, or where the folder will be made, and removes it.
func (a *area) examineFolder(dir string) {
	name := "the folder " + dir + " can be written"
	at, err := filepath.Abs(dir)
	for err == nil {
		if _, statErr := os.Stat(at); !errors.Is(statErr, os.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	var f *os.File
	if err == nil {
		if f, err = os.CreateTemp(at, ".weaviate-drill-doctor-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		a.add(name, sandbox.Fail, err.Error(), "set evidence.dir to a folder that the tool's user can write, or evidence.s3 to a bucket")
		return
	}
	a.add(name, sandbox.Pass, "a file was written in "+at+" and removed", "")
}

// missingError tells of the first check that failed, and matches the errors of all.
type missingError struct {
	text   string
	causes []error
}

func (e *missingError) Error() string   { return e.text }
func (e *missingError) Unwrap() []error { return e.causes }

// Missing is the error of a drill that cannot begin because of checks that failed; nil when none did. StatusOf gives the exit status.
func Missing(checks []DoctorCheck) error {
	var failed []DoctorCheck
	var e missingError
	for _, c := range checks {
		if c.Result != sandbox.Fail {
			continue
		}
		failed = append(failed, c)
		if c.Err != nil {
			e.causes = append(e.causes, c.Err)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	first := failed[0]
	e.text = fmt.Sprintf("%s: %s: %s", first.Area, first.Name, first.Detail)
	if first.Remedy != "" {
		e.text += ": " + first.Remedy
	}
	if n := len(failed); n > 1 {
		e.text = fmt.Sprintf("%d things are missing, the first: %s; weaviate-drill doctor lists them all", n, e.text)
	}
	return &e
}
