// Package sandbox says what a place to restore into is. The packages below it are such places.
package sandbox

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Spec describes the Weaviate that a backup needs: a twin of the source as far as a restore can tell.
type Spec struct {
	DrillID string
	Version string   // Weaviate version, such as "1.38.5"
	Nodes   []string // node names that the backup was taken on, at least one
	Modules []string // modules to enable besides backup-s3; their inference services are not needed
	S3      S3
	// Outlive: the sandbox may be kept after the tool has ended (--keep-on-failure), so it must not depend on the tool's life.
	Outlive bool
}

// S3 is what the sandbox's backup-s3 module is started with.
type S3 struct {
	Bucket   string
	Path     string
	Region   string
	Endpoint string // host:port without scheme, empty for AWS
	Plain    bool   // speak http to Endpoint
	// Static credentials, for sandboxes that have no role of their own. All zero: the sandbox finds its own.
	AccessKeyID, SecretAccessKey, SessionToken secret.Value
}

// Sandbox brings up an isolated, empty Weaviate.
type Sandbox interface {
	// Kind is the word that the configuration uses: process, docker, kubernetes, external.
	Kind() string
	// Up returns when every node answers as ready. After an error nothing is left running. It is called once a drill:
	// after a failed restore an instance is thrown away, never used again.
	Up(ctx context.Context, spec Spec) (Instance, error)
	// Tidy removes what the drill with this id left behind when it died (killed, power cut). Nothing left is no error.
	Tidy(ctx context.Context, drillID string) error
}

// Collector is a Sandbox whose instances bear the time at which they expire, so that they are found without a journal.
type Collector interface {
	// Collect removes what has expired by now, whoever made it, and returns the ids of those drills.
	Collect(ctx context.Context, now time.Time) (drills []string, err error)
}

// Errors that a drill decides on.
var (
	ErrNotEmpty = errors.New("the sandbox is not empty")        // it has collections already: a restore into it proves nothing
	ErrVersion  = errors.New("the sandbox has another version") // than the backup needs
)

// Instance is a Weaviate that is up.
type Instance interface {
	// Endpoint is where the tool reaches it, with the random key that only this drill knows.
	Endpoint() weaviate.Endpoint
	// Logs copies the server's log lines so far to w, each node's lines marked with its name.
	Logs(ctx context.Context, w io.Writer) error
	// Down removes everything that Up made and waits until it is gone. A second call does nothing. It must work with
	// a context of its own, because the drill's may be cancelled.
	Down(ctx context.Context) error
	// Describe tells where the instance is, for a person who was asked to keep it (--keep-on-failure).
	Describe() string
}

// ReadyTimeout bounds the wait for an empty Weaviate to answer as ready (6 to 9 s were measured for 1.38.5).
const ReadyTimeout = 3 * time.Minute
