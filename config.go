package drill

import (
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// Config is drill.yaml. Secrets are in it by reference only.
type Config struct {
	Source     Source     `yaml:"source"`
	Bucket     Bucket     `yaml:"bucket"`
	Backup     Backup     `yaml:"backup"`
	Restore    Restore    `yaml:"restore"`
	Sandbox    Sandbox    `yaml:"sandbox"`
	Verify     Verify     `yaml:"verify"`
	Objectives Objectives `yaml:"objectives"`
	Policy     Policy     `yaml:"policy"`
	Evidence   Evidence   `yaml:"evidence"`
}

// Server is a Weaviate and how to be let in.
type Server struct {
	URL            string                `yaml:"url"`
	GRPC           string                `yaml:"grpc"` // host:port; TLS when url is https; default: host of url, port 50051 (http) or 443 (https)
	APIKey         secret.Ref            `yaml:"api_key"`
	OIDC           *OIDC                 `yaml:"oidc"`
	CAFile         string                `yaml:"ca_file"`
	Headers        map[string]secret.Ref `yaml:"headers"`
	AllowPlaintext bool                  `yaml:"allow_plaintext"` // http to a host that is not loopback
}

// Source is the Weaviate that is backed up.
type Source struct {
	Server `yaml:",inline"`
}

// OIDC are client credentials.
type OIDC struct {
	ClientID     string     `yaml:"client_id"`
	ClientSecret secret.Ref `yaml:"client_secret"`
	Scopes       []string   `yaml:"scopes"`
}

// Bucket is where the backups lie.
type Bucket struct {
	Name      string `yaml:"name"`
	Path      string `yaml:"path"`
	Region    string `yaml:"region"`
	Endpoint  string `yaml:"endpoint"`
	PathStyle bool   `yaml:"path_style"`
}

// Backup says which backup is drilled, and how a new one is made.
type Backup struct {
	ID               string        `yaml:"id"` // "new" (default), "latest", or the id of an existing one
	Include          []string      `yaml:"include"`
	Exclude          []string      `yaml:"exclude"`
	Compression      string        `yaml:"compression"`    // one of Weaviate's names; empty: the server's default
	CPUPercentage    int           `yaml:"cpu_percentage"` // 1 to 80; 0: the server's default
	IncrementalBase  string        `yaml:"incremental_base"`
	Timeout          time.Duration `yaml:"timeout"` // default 6h
	SkipArchiveCheck bool          `yaml:"skip_archive_check"`
}

// Restore says how a backup is restored.
type Restore struct {
	From    string        `yaml:"from"` // in-place (default) or copy
	Copy    Copy          `yaml:"copy"`
	Timeout time.Duration `yaml:"timeout"` // default 6h
}

// Copy is where a copy of the backup is put when restore.from is copy.
type Copy struct {
	Bucket string `yaml:"bucket"` // default: the same bucket
	Path   string `yaml:"path"`   // default: weaviate-drill
}

// Sandbox is where the backup is restored.
type Sandbox struct {
	Kind     string         `yaml:"kind"` // process, docker or external
	Process  ProcessSandbox `yaml:"process"`
	Docker   DockerSandbox  `yaml:"docker"`
	External *Server        `yaml:"external"`
	S3       SandboxS3      `yaml:"s3"`
}

// ProcessSandbox is a local Weaviate.
type ProcessSandbox struct {
	Binary string `yaml:"binary"` // default: weaviate-server beside the tool, in bin/ or on PATH
	Dir    string `yaml:"dir"`    // parent of its data folder; default: the system's temporary folder
}

// DockerSandbox is a container.
type DockerSandbox struct {
	Image  string  `yaml:"image"`  // default: semitechnologies/weaviate:<version of the source>
	Memory string  `yaml:"memory"` // limit, such as 4GiB
	CPUs   float64 `yaml:"cpus"`
}

// SandboxS3 says how the sandbox reaches the bucket where that differs from the tool's own way.
type SandboxS3 struct {
	Endpoint        string     `yaml:"endpoint"`      // default: bucket.endpoint
	AccessKeyID     secret.Ref `yaml:"access_key_id"` // default for process and docker: the tool's own credentials
	SecretAccessKey secret.Ref `yaml:"secret_access_key"`
	SessionToken    secret.Ref `yaml:"session_token"`
}

// Verify says what is compared.
type Verify struct {
	Level          string        `yaml:"level"`           // counts, sample or full (default)
	Sample         int           `yaml:"sample"`          // objects of each collection, for level sample
	Seed           uint64        `yaml:"seed"`            // 0: drawn and recorded
	Concurrency    int           `yaml:"concurrency"`     // default 2
	MaxRate        int           `yaml:"max_rate"`        // objects a second read from the source; 0: no bound
	ClockSkew      time.Duration `yaml:"clock_skew"`      // default 1s
	MaxDifferences int           `yaml:"max_differences"` // listed in the record, default 1000
	IndexTimeout   time.Duration `yaml:"index_timeout"`   // wait for queues to drain, default 30m
}

// Objectives are the documented targets.
type Objectives struct {
	RTO        time.Duration `yaml:"rto"`
	RPO        time.Duration `yaml:"rpo"`
	Owner      string        `yaml:"owner"`
	ApprovedOn time.Time     `yaml:"approved_on"`
	ReviewBy   time.Time     `yaml:"review_by"`
	Allowance  time.Duration `yaml:"allowance"`
}

// Policy says which findings fail a drill.
type Policy struct {
	FailOn  bucket.Severity `yaml:"fail_on"` // low, medium, high (default) or critical: findings at or above it fail the drill unless waived
	Waivers []bucket.Waiver `yaml:"waivers"`
}

// Evidence is where records are kept.
type Evidence struct {
	Dir string `yaml:"dir"` // default: evidence
}
