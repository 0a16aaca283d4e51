package drill

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/document"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// ErrConfig is what every error about the configuration wraps: its file, its keys, the secrets that it refers to.
var ErrConfig = errors.New("configuration")

// Config is drill.yaml. Secrets are in it by reference only.
//
// Its types, tags and comments are the source of docs/drill.schema.json, which ParseConfig holds a document against, and of the reference in docs/configuration.md:
// after a change, go test -run 'TestSchema|TestReference' -update .
type Config struct {
	Source     Source         `yaml:"source" jsonschema:"required"`
	Bucket     Bucket         `yaml:"bucket" jsonschema:"required"`
	Backup     Backup         `yaml:"backup"`
	Restore    Restore        `yaml:"restore"`
	Sandbox    Sandbox        `yaml:"sandbox"`
	Verify     Verify         `yaml:"verify"`
	Tracer     Tracer         `yaml:"tracer"`
	Objectives rto.Objectives `yaml:"objectives"`
	Policy     Policy         `yaml:"policy"`
	Evidence   Evidence       `yaml:"evidence"`
}

// Server is a Weaviate and how to be let in.
type Server struct {
	// Address of the REST API, without path or credentials.
	URL string `yaml:"url" jsonschema:"required,title=URL"`
	// Address of the gRPC API; TLS when url is https. Default: the host of url with port 443 (https) or 50051 (http).
	GRPC string `yaml:"grpc" jsonschema:"title=host and port"`
	// API key. Not together with oidc.
	APIKey secret.Ref `yaml:"api_key"`
	// Client credentials, exchanged for tokens at the issuer that the Weaviate names.
	OIDC *OIDC `yaml:"oidc"`
	// PEM file with certificate authorities to trust besides the system's.
	CAFile string `yaml:"ca_file"`
	// HTTP headers to send with every request, such as for a gateway in front.
	Headers map[string]secret.Ref `yaml:"headers"`
	// Speak http, which anybody on the way can read, to a host that is not this machine.
	AllowPlaintext bool `yaml:"allow_plaintext"`
}

// Source is the Weaviate that is backed up. It is only read, and asked to make backups; only tracers, when they are enabled, are written to it.
type Source struct {
	Server `yaml:",inline"`
	// Ids of the EBS volumes that hold its data, which the audit looks at. Default: those that the claims of sandbox.kubernetes.twin are bound to.
	Volumes []string `yaml:"volumes" jsonschema:"pattern=^vol-[0-9a-f]+$"`
}

// OIDC are client credentials.
type OIDC struct {
	// Id of the client at the issuer.
	ClientID string `yaml:"client_id" jsonschema:"required"`
	// Secret of the client.
	ClientSecret secret.Ref `yaml:"client_secret" jsonschema:"required"`
	// Scopes to ask for. Default: those that the Weaviate names.
	Scopes []string `yaml:"scopes"`
}

// Bucket is where the backups lie.
type Bucket struct {
	// Name of the bucket: what the source has as BACKUP_S3_BUCKET.
	Name string `yaml:"name" jsonschema:"required,title=bucket name"`
	// Key prefix of all backups: what the source has as BACKUP_S3_PATH.
	Path string `yaml:"path"`
	// Region of the bucket. Default: AWS_REGION, or the shared AWS configuration.
	Region string `yaml:"region"`
	// Address of an S3-compatible server. Default: AWS.
	Endpoint string `yaml:"endpoint" jsonschema:"title=URL"`
	// Put the bucket's name into the path of requests, not into the host name. Most S3-compatible servers need it.
	PathStyle bool `yaml:"path_style"`
	// Id of the AWS account that owns the bucket. S3 then refuses a bucket of the same name in another account. Default: any.
	ExpectedOwner string `yaml:"expected_owner" jsonschema:"pattern=^[0-9]{12}$"`
}

// Backup says which backup is drilled, and how a new one is made.
type Backup struct {
	// "new" makes a backup, "latest" takes the newest that succeeded, all else is the id of one that exists.
	ID string `yaml:"id" jsonschema:"title=backup id"`
	// Collections of a new backup; * stands for any characters. Default: all. Not together with exclude.
	Include []string `yaml:"include" jsonschema:"minLength=1"`
	// Collections to leave out of a new backup.
	Exclude []string `yaml:"exclude" jsonschema:"minLength=1"`
	// Compression of a new backup. Default: the server's own.
	Compression string `yaml:"compression" jsonschema:"enum=DefaultCompression,enum=BestSpeed,enum=BestCompression,enum=ZstdDefaultCompression,enum=ZstdBestSpeed,enum=ZstdBestCompression,enum=NoCompression"`
	// How much CPU the server may use for it, in percent; 0 leaves it to the server.
	CPUPercentage int `yaml:"cpu_percentage" jsonschema:"minimum=0,maximum=80"`
	// Id of the backup that a new one builds on. Default: none, a full backup.
	IncrementalBase string `yaml:"incremental_base" jsonschema:"title=backup id"`
	// After this time a new backup is cancelled.
	Timeout time.Duration `yaml:"timeout"`
	// Refuse to make a backup while more vectors than this wait to be indexed on the source: a backup blocks the writes to a shard until its queue is empty. 0: no bound.
	MaxQueue int64 `yaml:"max_queue" jsonschema:"minimum=0,maximum=1000000000000"`
	// How long the source is probed before a new backup, to know how fast it answers without one. Four reads a second, of one object, go on while the backup is made.
	Baseline time.Duration `yaml:"baseline"`
	// Do not read every chunk to its end before the restore. Damage that Weaviate does not notice may then be found only by the comparison, or not at all.
	SkipArchiveCheck bool `yaml:"skip_archive_check"`
}

// Restore says how a backup is restored.
type Restore struct {
	// "in-place" reads the backup where it is; Weaviate writes a restore_config.json beside it, which is removed afterwards. "copy" restores a copy made by S3, removed afterwards.
	From string `yaml:"from" jsonschema:"enum=in-place,enum=copy"`
	// Where the copy is put, when from is copy.
	Copy Copy `yaml:"copy"`
	// Collections of the backup to restore; * stands for any characters. Default: all. Not together with exclude. Those that are left out are neither restored nor compared.
	Include []string `yaml:"include" jsonschema:"minLength=1"`
	// Collections of the backup not to restore.
	Exclude []string `yaml:"exclude" jsonschema:"minLength=1"`
	// "all" restores the roles of the backup, with who has them, and compares them with the source's. The sandbox keeps a root user of its own. The source's credentials then need read_roles (scope all), read_users and read_groups.
	Roles string `yaml:"roles" jsonschema:"enum=noRestore,enum=all"`
	// "all" restores the users that the source itself manages (AUTHENTICATION_DB_USERS_ENABLED), and compares them. Their keys then open the sandbox too. The source's credentials then need read_users.
	Users string `yaml:"users" jsonschema:"enum=noRestore,enum=all"`
	// Names of the backup's nodes, and those of the sandbox's nodes that take their place. Default: the names are the same. All nodes of the backup must be named.
	NodeMapping map[string]string `yaml:"node_mapping"`
	// After this time a restore is given up.
	Timeout time.Duration `yaml:"timeout"`
}

// The values of restore.roles and restore.users, which are Weaviate's own words.
const (
	noRestore  = "noRestore"
	restoreAll = "all"
)

// Copy is where a copy of the backup is put.
type Copy struct {
	// Bucket of the copy. Default: that of the backups.
	Bucket string `yaml:"bucket" jsonschema:"title=bucket name"`
	// Key prefix of the copy. It must be another than that of the backups when the bucket is the same.
	Path string `yaml:"path"`
}

// Sandbox is where the backup is restored.
type Sandbox struct {
	// "process": Weaviate as processes of this machine; "docker": as containers; "kubernetes": in a namespace of its own; "external": one that is there already, is empty, and is like the source.
	Kind string `yaml:"kind" jsonschema:"enum=process,enum=docker,enum=kubernetes,enum=external"`
	// Version of Weaviate to restore into, such as 1.38.12. Default: that of the backup. Another one makes the drill one of an upgrade.
	Version    string            `yaml:"version" jsonschema:"title=version"`
	Process    ProcessSandbox    `yaml:"process"`
	Docker     DockerSandbox     `yaml:"docker"`
	Kubernetes KubernetesSandbox `yaml:"kubernetes"`
	External   *Server           `yaml:"external"`
	// Addresses of the single nodes of external, by the nodes' names; keys, authorities and headers are those of external. At level full each node is asked for its own copies of replicated data, and what cannot be asked is not known.
	ExternalNodes map[string]NodeAddress `yaml:"external_nodes"`
	S3            SandboxS3              `yaml:"s3"`
}

// NodeAddress is where one node of a Weaviate is reached by itself.
type NodeAddress struct {
	// Address of the REST API, without path or credentials.
	URL string `yaml:"url" jsonschema:"required,title=URL"`
	// Address of the gRPC API. Default: as for source.
	GRPC string `yaml:"grpc" jsonschema:"title=host and port"`
}

// ProcessSandbox is a Weaviate as processes of this machine.
type ProcessSandbox struct {
	// The server's program, of the source's version. Default: weaviate-server beside the tool, in bin/ or on PATH.
	Binary string `yaml:"binary"`
	// Parent of the folder with its data. Default: the system's temporary folder.
	Dir string `yaml:"dir"`
}

// DockerSandbox is a Weaviate as containers.
type DockerSandbox struct {
	// Image of the server. Default: semitechnologies/weaviate with the source's version as tag.
	Image string `yaml:"image"`
	// Memory limit of each container. Default: none.
	Memory string `yaml:"memory" jsonschema:"title=size"`
	// Processor limit of each container; 0: none.
	CPUs float64 `yaml:"cpus" jsonschema:"minimum=0,maximum=1024"`
}

// KubernetesSandbox is a Weaviate in a namespace of its own in a Kubernetes cluster.
type KubernetesSandbox struct {
	// Kubeconfig file. Default: KUBECONFIG, ~/.kube/config, or in a pod its own cluster.
	Kubeconfig string `yaml:"kubeconfig"`
	// Context of the kubeconfig. Default: its current one.
	Context string `yaml:"context"`
	// Namespace of the tool, where a Lease keeps two drills from overlapping. Default: in a pod its own, else that of the context.
	Namespace string `yaml:"namespace"`
	// Cluster role that the tool gives itself in the sandbox's namespace, and nowhere else; the Helm chart makes one. Default: none, the tool has its rights already.
	ClusterRole string `yaml:"cluster_role"`
	// The source's StatefulSet in the same cluster. The sandbox is made like it: its image, environment, resources, storage and place; other keys here override that.
	Twin *Twin `yaml:"twin"`
	// Image of the server. Default: the twin's, else semitechnologies/weaviate, with the version as tag.
	Image string `yaml:"image"`
	// Secrets to pull it with, as namespace/name; they are copied into the sandbox.
	PullSecrets []string `yaml:"pull_secrets"`
	// More environment variables of the server. Those that the sandbox itself depends on cannot be set.
	Env map[string]string `yaml:"env"`
	// CPU that each pod requests. Default: the twin's, else 500m.
	CPU string `yaml:"cpu" jsonschema:"title=quantity"`
	// Memory that each pod requests and may use. Default: the twin's, else 4Gi.
	Memory string `yaml:"memory" jsonschema:"title=quantity"`
	// Storage class of each node's volume. Default: the twin's, else an emptyDir, a folder on the disk of the cluster's node.
	StorageClass string `yaml:"storage_class"`
	// Size of each node's data. Default: the twin's, else twice the backup's biggest part before compression and 1Gi more.
	Size string `yaml:"size" jsonschema:"title=quantity"`
	// Labels of the cluster's nodes that the pods may run on. Default: the twin's.
	NodeSelector map[string]string `yaml:"node_selector"`
	// Keys of taints that the pods tolerate, whatever their value. Default: the twin's tolerations.
	Tolerate []string `yaml:"tolerate"`
	// Priority class of the pods. The twin's is not taken over: with that of production a drill would push production out.
	PriorityClass string `yaml:"priority_class"`
	// Topology keys over which the pods are spread where possible. Default: as the twin's.
	SpreadOver []string `yaml:"spread_over"`
	// Annotations of the service account, such as eks.amazonaws.com/role-arn. With a role the sandbox needs no keys.
	ServiceAccountAnnotations map[string]string `yaml:"service_account_annotations"`
	// The only addresses that the sandbox reaches besides DNS and its own nodes. Default: every address but the machine's metadata service, on the port of S3.
	S3CIDRs []string `yaml:"s3_cidrs"`
	// How long its pods may take to be ready.
	Timeout time.Duration `yaml:"timeout"`
}

// Twin names the source's StatefulSet.
type Twin struct {
	// Namespace of the StatefulSet.
	Namespace string `yaml:"namespace" jsonschema:"required"`
	// Name of the StatefulSet. Default: that of the official Helm chart.
	StatefulSet string `yaml:"stateful_set"`
}

// SandboxS3 says how the sandbox reaches the bucket where that differs from the tool's own way. An external sandbox has settings of its own.
type SandboxS3 struct {
	// Address of the S3-compatible server as the sandbox reaches it. Default: bucket.endpoint.
	Endpoint string `yaml:"endpoint" jsonschema:"title=URL"`
	// Access key of the sandbox. Default: the tool's own credentials; for kubernetes none, because there a role is the better way.
	AccessKeyID secret.Ref `yaml:"access_key_id"`
	// Secret of that access key.
	SecretAccessKey secret.Ref `yaml:"secret_access_key"`
	// Session token, when those credentials are temporary.
	SessionToken secret.Ref `yaml:"session_token"`
	// Let a sandbox in Kubernetes speak http, which anybody on the way can read, to a server outside the cluster.
	AllowPlaintext bool `yaml:"allow_plaintext"`
}

// Verify says what is compared, and how hard the source may be worked.
type Verify struct {
	// How much is proved. "catalogue": descriptors and S3 listings of the backup, nothing is restored; "archive": and every chunk is read to its end; "structure": it is restored, and schema, aliases and tenants are compared; "counts": and the exact counts; "sample": and the ids and times of all objects, and the content of a random subset; "full": and every object; "index": and what the restored indexes answer by id, by vector, to filters and to keyword searches.
	Level verify.Level `yaml:"level" jsonschema:"enum=catalogue,enum=archive,enum=structure,enum=counts,enum=sample,enum=full,enum=index"`
	// Objects drawn of each collection, for level sample. Default: 1000, or what max_bad asks for.
	Sample int `yaml:"sample" jsonschema:"minimum=1,maximum=1000000000"`
	// Instead of sample: as many objects as it takes so that, when none of those drawn is bad, at most this share of each collection is. 1%, 0.1% and 0.01% take 299, 2995 and 29956 objects with 95 percent confidence.
	MaxBad string `yaml:"max_bad" jsonschema:"title=share"`
	// Percent of confidence with which a sample bounds the share of bad objects.
	Confidence float64 `yaml:"confidence" jsonschema:"minimum=50,maximum=99.9999"`
	// Seed of the sample. 0: drawn, and recorded.
	Seed uint64 `yaml:"seed" jsonschema:"minimum=0,maximum=18446744073709551615"`
	// Ranges of objects read at once.
	Concurrency int `yaml:"concurrency" jsonschema:"minimum=1,maximum=64"`
	// Objects a second read from the source at most; 0: no bound.
	MaxRate int `yaml:"max_rate" jsonschema:"minimum=0,maximum=1000000000"`
	// How far the clocks of the servers may differ: the margin within which a write counts as after the capture point.
	ClockSkew time.Duration `yaml:"clock_skew"`
	// Differences listed in the record; the totals are always complete.
	MaxDifferences int `yaml:"max_differences" jsonschema:"minimum=1,maximum=1000000000"`
	// How long the restored vector index may take to be complete.
	IndexTimeout time.Duration `yaml:"index_timeout"`
	// What level index asks.
	Index VerifyIndex `yaml:"index"`
	// Take a fingerprint of the source before and after the backup that the drill makes, at the levels sample and above: it tells deletions and changes that came later from loss, finds damage that later changes hide, and is kept in the evidence for a day when the source is gone. Each reads all objects of the source once, as fast as concurrency and max_rate allow, and lengthens the drill, not the RTO. A drill of an existing backup uses those that were kept.
	Fingerprint bool `yaml:"fingerprint"`
	// When all else is done and the comparison has passed, damage the restored copy on purpose, in some fifteen ways, and require that a second comparison notices each. It takes as long as the first one. Only a sandbox that the drill brings up is damaged, so not an external one. One that is not noticed makes the drill inconclusive.
	SelfTest bool `yaml:"selftest"`
	// Questions of your own to the restored Weaviate, asked one after the other when the comparison is done.
	Checks []CustomCheck `yaml:"checks"`
}

// VerifyIndex says how much level index asks of the restored indexes.
type VerifyIndex struct {
	// Objects of each collection that are asked for by their ids and searched for by their own vectors. A collection that has no more is asked for whole.
	Sample int `yaml:"sample" jsonschema:"minimum=1,maximum=1000000"`
	// Searches in each vector index of a collection whose answers are held against exact search, on both sides.
	Probes int `yaml:"probes" jsonschema:"minimum=1,maximum=10000"`
	// Neighbours that each of them asks for: the k of recall@k.
	Neighbours int `yaml:"neighbours" jsonschema:"minimum=1,maximum=100"`
	// Values of each property that filters and keyword searches ask for; of each probed tenant one.
	Values int `yaml:"values" jsonschema:"minimum=1,maximum=100"`
	// By how much recall may be lower on the restored side than on the source, besides what chance explains: 0.02 are two in a hundred neighbours.
	RecallMargin float64 `yaml:"recall_margin" jsonschema:"minimum=0.001,maximum=0.5"`
}

// Tracer is a measurement of what a new backup captured, and the only thing that a drill writes to the source: small objects, at a steady rate, to a collection that the drill makes, with a shard on every node, and removes when the backup is made. After the restore they tell when each of these shards was captured, and whether an acknowledged write is missing.
type Tracer struct {
	// Write tracers. The tool's user then needs to create, fill and delete that one collection.
	Enabled bool `yaml:"enabled"`
	// Name of the collection. One of that name which no drill made is never touched, and the drill refused.
	Collection string `yaml:"collection" jsonschema:"title=collection name"`
	// Writes a second to each of its shards: the capture point is known to within the time between two.
	Rate int `yaml:"rate" jsonschema:"minimum=1,maximum=100"`
	// After this time no more tracers are written, also when the backup still runs.
	Limit time.Duration `yaml:"limit"`
}

// maxBad is max_bad as a number from 0 to 1; 0: none.
func (v Verify) maxBad() (float64, error) {
	if v.MaxBad == "" {
		return 0, nil
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(v.MaxBad, "%"), 64)
	return percent / 100, err
}

// CustomCheck is a question to the restored Weaviate, or a command that asks it.
type CustomCheck struct {
	// What the record and the reports call it.
	Name string `yaml:"name" jsonschema:"required,minLength=1"`
	// GraphQL query. What the sandbox has no services for, such as nearText, cannot be asked.
	Query string `yaml:"query"`
	// Path of a REST request below /v1, such as /objects?class=Order&limit=3.
	Get string `yaml:"get" jsonschema:"title=path below /v1"`
	// A program and its arguments, started without a shell. It finds the sandbox by WEAVIATE_URL, WEAVIATE_GRPC and WEAVIATE_API_KEY, and of the tool's environment only PATH, HOME, TMPDIR and LANG. Exit status 0 is a pass, any other a failure. The end of its output enters the record, without the key as it stands.
	Command []string `yaml:"command" jsonschema:"minLength=1"`
	// Place in the answer that is looked at. Default: for a query the list of the one collection in its Get, for a REST request the whole answer.
	Path string `yaml:"path" jsonschema:"title=JSON path"`
	// Expected: exactly this number, or a list as long as that.
	Count *int64 `yaml:"count" jsonschema:"minimum=0,maximum=1000000000000"`
	// Expected: at least this number, or a list as long as that.
	Minimum int64 `yaml:"minimum" jsonschema:"minimum=1,maximum=1000000000000"`
	// Expected: a list of the objects with these ids, in this order. A query must ask for _additional { id }.
	IDs []string `yaml:"ids" jsonschema:"minLength=1"`
	// The order of ids does not matter.
	AnyOrder bool `yaml:"any_order"`
	// Expected: this text. A value that is no text is compared as it stands in JSON, such as "42" or "true".
	Equals *string `yaml:"equals"`
	// After this time the check is given up, which is no pass. Default: 1m, which is also the most for a query or a REST request.
	Timeout time.Duration `yaml:"timeout"`
}

// check sees that there is one question, and one expectation where the question has an answer.
func (c CustomCheck) check(at string, fault func(path, format string, args ...any)) {
	count := func(given ...bool) (n int) {
		for _, g := range given {
			if g {
				n++
			}
		}
		return n
	}
	command, ids := len(c.Command) > 0, len(c.IDs) > 0
	expectations := count(c.Count != nil, c.Minimum > 0, ids, c.Equals != nil)
	switch {
	case count(c.Query != "", c.Get != "", command) != 1:
		fault(at, "needs exactly one of query, get and command")
	case command && (expectations > 0 || c.Path != "" || c.AnyOrder):
		fault(at, "has a command, whose exit status decides: path and expectations are for query and get")
	case !command && expectations != 1:
		fault(at, "needs exactly one expectation: count, minimum, ids or equals")
	case c.AnyOrder && !ids:
		fault(at+".any_order", "is only for ids")
	}
}

// Policy says which findings fail a drill.
type Policy struct {
	// Findings of at least this severity fail the drill unless waived.
	FailOn bucket.Severity `yaml:"fail_on" jsonschema:"enum=low,enum=medium,enum=high,enum=critical"`
	// Severities of single checks, by the check's id, instead of their own. The findings say so.
	Severity map[string]bucket.Severity `yaml:"severity"`
	// How long a backup, with the bases that it builds on, must stay whole and readable at once. The lifecycle of the bucket is judged by it.
	Retention time.Duration `yaml:"retention"`
	// Findings that somebody answers for, until a date.
	Waivers []bucket.Waiver `yaml:"waivers"`
	// YAML file with more of them under the one key waivers, such as one that the security team keeps.
	WaiverFile string `yaml:"waiver_file"`
	// The credentials of weaviate-drill audit are an auditor's, who must not read backups: the audit tries that. A drill reads them, and does not.
	Auditor bool `yaml:"auditor"`
}

// Evidence is where records are kept.
type Evidence struct {
	// Folder of the records, and of the inventories of backups and the fingerprints of their sources that later drills compare with. It is made when it is not there.
	Dir string `yaml:"dir" jsonschema:"minLength=1"`
	// A bucket to keep them in instead, such as when the tool runs in a pod.
	S3 *EvidenceBucket `yaml:"s3"`
}

// EvidenceBucket is a bucket that keeps records, and best not that of the backups.
type EvidenceBucket struct {
	// Name of the bucket.
	Name string `yaml:"name" jsonschema:"required,title=bucket name"`
	// Key prefix of all that is kept. In the bucket of the backups it must be another than theirs.
	Path string `yaml:"path"`
	// Region of the bucket. Default: AWS_REGION, or the shared AWS configuration.
	Region string `yaml:"region"`
	// Address of an S3-compatible server. Default: AWS.
	Endpoint string `yaml:"endpoint" jsonschema:"title=URL"`
	// Put the bucket's name into the path of requests, not into the host name. Most S3-compatible servers need it.
	PathStyle bool `yaml:"path_style"`
	// Id of the AWS account that owns the bucket. S3 then refuses a bucket of the same name in another account. Default: any.
	ExpectedOwner string `yaml:"expected_owner" jsonschema:"pattern=^[0-9]{12}$"`
}

// Options are what bucket.Open takes.
func (b EvidenceBucket) Options() bucket.Options { return Bucket(b).Options() }

// defaults are the values of keys that a document does not have.
func defaults() *Config {
	return &Config{
		Backup:   Backup{ID: NewBackup, Timeout: 6 * time.Hour, MaxQueue: 10_000, Baseline: 3 * time.Second},
		Restore:  Restore{From: backup.InPlace, Roles: noRestore, Users: noRestore, Copy: Copy{Path: "weaviate-drill"}, Timeout: 6 * time.Hour},
		Sandbox:  Sandbox{Kind: "process", Kubernetes: KubernetesSandbox{Timeout: 10 * time.Minute}},
		Verify:   Verify{Level: verify.LevelFull, Confidence: 95, Concurrency: 2, ClockSkew: time.Second, MaxDifferences: 1000, IndexTimeout: 30 * time.Minute, Fingerprint: true, Index: VerifyIndex{Sample: 1000, Probes: 50, Neighbours: 10, Values: 3, RecallMargin: 0.02}},
		Tracer:   Tracer{Collection: "WeaviateDrillTracer", Rate: 10, Limit: 10 * time.Minute},
		Policy:   Policy{FailOn: bucket.High, Retention: bucket.DefaultRetention},
		Evidence: Evidence{Dir: "evidence"},
	}
}

// LoadConfig reads a configuration file, and the file of waivers that it names. Errors wrap ErrConfig.
func LoadConfig(path string) (*Config, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist: write one (docs/drill.example.yaml shows every key), or name another by --config", ErrConfig, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c, err := ParseConfig(path, raw)
	if err != nil {
		return nil, err
	}
	if err := c.Policy.readWaivers(); err != nil {
		return nil, err
	}
	return c, nil
}

// ParseConfig reads a configuration and fills in defaults; name stands for it in errors. An error has a line for each problem, with the file, the line and the key, and wraps ErrConfig. It never repeats a value.
// Rules that span several keys are looked at when every key is right by itself.
func ParseConfig(name string, raw []byte) (*Config, error) {
	d := document.Read(raw, configSchema())
	if len(d.Problems()) > 0 {
		return nil, problems(name, d)
	}
	c := defaults()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, name, err)
	}
	c.check(d.Fault)
	if len(d.Problems()) > 0 {
		return nil, problems(name, d)
	}
	return c, nil
}

// configError is one line of an error about the configuration.
type configError string

func (e configError) Error() string { return string(e) }
func (e configError) Unwrap() error { return ErrConfig }

// problems are those of a document; without a name for it, lines are left out.
func problems(name string, d *document.Document) error {
	var all []error
	for _, p := range d.Problems() {
		text := p.Text
		if p.Path != "" {
			text = p.Path + ": " + text
		}
		if name != "" {
			text = fmt.Sprintf("%s:%d: %s", name, p.Line, text)
		}
		all = append(all, configError(text))
	}
	return errors.Join(all...)
}

// check looks at what no key can tell by itself.
func (c *Config) check(fault func(path, format string, args ...any)) {
	c.Source.check("source", fault)
	addresses := map[string]string{"bucket.endpoint": c.Bucket.Endpoint, "sandbox.s3.endpoint": c.Sandbox.S3.Endpoint}
	if s3 := c.Evidence.S3; s3 != nil {
		addresses["evidence.s3.endpoint"] = s3.Endpoint
		if s3.Name == c.Bucket.Name && within(s3.Path, c.Bucket.Path) {
			fault("evidence.s3.path", "is where the backups are: name another path or, better, another bucket")
		}
	}
	for path, address := range addresses {
		if _, err := url.Parse(address); err != nil {
			fault(path, "is no URL")
		}
	}
	if len(c.Backup.Include) > 0 && len(c.Backup.Exclude) > 0 {
		fault("backup.exclude", "cannot be together with backup.include: Weaviate takes one of them")
	}
	if len(c.Restore.Include) > 0 && len(c.Restore.Exclude) > 0 {
		fault("restore.exclude", "cannot be together with restore.include: choose one")
	}
	if c.Tracer.Enabled && len(c.Backup.Exclude) > 0 && c.leavesOut(c.Tracer.Collection) {
		fault("tracer.collection", "is left out by backup.exclude: tracers that are not backed up tell nothing")
	}
	if c.Restore.From == backup.ByCopy {
		if to := c.Restore.Copy; (to.Bucket == "" || to.Bucket == c.Bucket.Name) && strings.Trim(to.Path, "/") == strings.Trim(c.Bucket.Path, "/") {
			fault("restore.copy.path", "is where the backups themselves are: name another path or restore.copy.bucket")
		}
	} else if c.Restore.Copy != defaults().Restore.Copy {
		fault("restore.copy", "is only for restore.from: copy")
	}
	if c.Sandbox.External != nil {
		c.Sandbox.External.check("sandbox.external", fault)
		if c.Sandbox.External.URL == c.Source.URL {
			fault("sandbox.external.url", "is the source")
		}
		for name, address := range c.Sandbox.ExternalNodes {
			address.of(*c.Sandbox.External).check("sandbox.external_nodes."+name, fault)
		}
	} else if len(c.Sandbox.ExternalNodes) > 0 {
		fault("sandbox.external_nodes", "are the nodes of sandbox.external, which is missing")
	} else if c.Sandbox.Kind == "external" {
		fault("sandbox.external", "is missing: sandbox.kind: external needs to know where it is")
	}
	if c.Verify.SelfTest && c.Sandbox.Kind == "external" {
		fault("verify.selftest", "damages what was restored, and an external sandbox is not the drill's to damage: take another kind")
	}
	s3 := c.Sandbox.S3
	if u, err := url.Parse(cmp.Or(s3.Endpoint, c.Bucket.Endpoint)); err == nil && (c.Sandbox.Kind == "docker" || c.Sandbox.Kind == "kubernetes") && loopback(u.Hostname()) {
		fault("sandbox.s3.endpoint", "must be an address that containers reach: on the loopback of this machine they find only themselves")
	} else if err == nil && c.Sandbox.Kind == "kubernetes" && u.Scheme == "http" && !inCluster(u.Hostname()) && !s3.AllowPlaintext {
		fault("sandbox.s3.endpoint", "is http to a server outside the cluster, and what is restored can be read on the way: use https, or set sandbox.s3.allow_plaintext: true")
	}
	if (s3.AccessKeyID == "") != (s3.SecretAccessKey == "") || s3.SessionToken != "" && s3.AccessKeyID == "" {
		fault("sandbox.s3", "access_key_id and secret_access_key go together, and session_token with them")
	}
	for path, d := range map[string]time.Duration{
		"backup.timeout": c.Backup.Timeout, "backup.baseline": c.Backup.Baseline, "tracer.limit": c.Tracer.Limit, "restore.timeout": c.Restore.Timeout, "sandbox.kubernetes.timeout": c.Sandbox.Kubernetes.Timeout, "verify.index_timeout": c.Verify.IndexTimeout, "verify.clock_skew": c.Verify.ClockSkew, "policy.retention": c.Policy.Retention,
	} {
		if d <= 0 {
			fault(path, "must be longer than 0s")
		}
	}
	if c.Verify.Level == verify.LevelArchive && c.Backup.SkipArchiveCheck {
		fault("backup.skip_archive_check", "cannot be together with verify.level: archive, which is that check")
	}
	if share, err := c.Verify.maxBad(); err != nil || c.Verify.MaxBad != "" && (share < 1e-6 || share > 0.5) {
		fault("verify.max_bad", "takes a share from 0.0001%% to 50%%")
	} else if share > 0 && c.Verify.Sample > 0 {
		fault("verify.max_bad", "cannot be together with verify.sample: either says how many objects are drawn")
	}
	names := map[string]bool{}
	for i, custom := range c.Verify.Checks {
		at := fmt.Sprintf("verify.checks[%d]", i)
		custom.check(at, fault)
		if names[custom.Name] {
			fault(at+".name", "is that of another check")
		}
		names[custom.Name] = true
	}
	if o := c.Objectives; !o.ReviewBy.IsZero() && o.ReviewBy.Before(o.ApprovedOn) {
		fault("objectives.review_by", "is before objectives.approved_on")
	}
	c.Policy.check("policy", fault)
}

func (s Server) check(at string, fault func(path, format string, args ...any)) {
	u, err := url.Parse(s.URL)
	if err != nil {
		fault(at+".url", "is no URL")
		return
	}
	if u.Scheme == "http" && !s.AllowPlaintext {
		if !loopback(u.Hostname()) {
			fault(at+".url", "is http to another machine, and what is sent can be read on the way: use https, or set %s.allow_plaintext: true", at)
		} else if host, _, err := net.SplitHostPort(s.grpcAddress(u)); err == nil && !loopback(host) {
			fault(at+".grpc", "is on another machine and without TLS, because %s.url is http: use https, or set %s.allow_plaintext: true", at, at)
		}
	}
	if s.APIKey != "" && s.OIDC != nil {
		fault(at+".oidc", "cannot be together with %s.api_key: choose one", at)
	}
}

// of is the server that a node is, when the cluster is this.
func (a NodeAddress) of(cluster Server) Server {
	cluster.URL, cluster.GRPC = a.URL, a.GRPC
	return cluster
}

// inCluster says whether a name is one that only a cluster's own DNS gives to a Service.
func inCluster(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	return len(labels) == 1 || slices.Contains(labels, "svc")
}

// within says whether a key prefix is, or lies below, another; the empty one is above all.
func within(path, above string) bool {
	path, above = strings.Trim(path, "/"), strings.Trim(above, "/")
	return above == "" && path == "" || path == above || above != "" && strings.HasPrefix(path, above+"/")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s Server) grpcAddress(u *url.URL) string {
	if s.GRPC != "" {
		return s.GRPC
	}
	port := "50051"
	if u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Endpoint resolves the references to secrets. An error names the key within the section, never a secret, and wraps ErrConfig.
func (s Server) Endpoint() (weaviate.Endpoint, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return weaviate.Endpoint{}, fmt.Errorf("%w: url: is no URL", ErrConfig)
	}
	e := weaviate.Endpoint{URL: s.URL, GRPC: s.grpcAddress(u), CAFile: s.CAFile}
	var problems []error
	resolve := func(key string, r secret.Ref) secret.Value {
		v, err := r.Resolve()
		if err != nil {
			problems = append(problems, fmt.Errorf("%w: %s: %w", ErrConfig, key, err))
		}
		return v
	}
	e.APIKey = resolve("api_key", s.APIKey)
	if s.OIDC != nil {
		e.OIDC = &weaviate.OIDC{ClientID: s.OIDC.ClientID, ClientSecret: resolve("oidc.client_secret", s.OIDC.ClientSecret), Scopes: s.OIDC.Scopes}
	}
	if len(s.Headers) > 0 {
		e.Headers = map[string]secret.Value{}
	}
	for name, r := range s.Headers {
		e.Headers[name] = resolve("headers."+name, r)
	}
	return e, errors.Join(problems...)
}

// Options are what bucket.Open takes.
func (b Bucket) Options() bucket.Options {
	return bucket.Options{Name: b.Name, Path: b.Path, Region: b.Region, Endpoint: b.Endpoint, PathStyle: b.PathStyle, ExpectedOwner: b.ExpectedOwner}
}

// minKeyLength is that of 24 random bytes in base64: a shorter API key can be guessed, or was made up.
const minKeyLength = 32

// Warnings are what is allowed and not good. References that cannot be resolved are left to Endpoint.
func (c *Config) Warnings() []string {
	var all []string
	if key, err := c.Source.APIKey.Resolve(); err == nil && !key.IsZero() && len(key.Reveal()) < minKeyLength {
		all = append(all, fmt.Sprintf("source.api_key is shorter than %d characters: give the source a random key", minKeyLength))
	}
	if c.Source.AllowPlaintext {
		all = append(all, "source.allow_plaintext is set: credentials and data may be read on the way")
	}
	return all
}
