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
	Bytes   int64 // of the biggest node's part of the backup before compression; 0: not known
	// Outlive: the sandbox may be kept after the tool has ended (--keep-on-failure), so it must not depend on the tool's life.
	Outlive bool
	// Waiting, when set, is told what Up waits for whenever that changes, such as "weaviate-0 finds no place in the cluster: insufficient memory".
	Waiting func(cause string)
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

// Locker is a Sandbox that only one drill at a time may use.
type Locker interface {
	// Lock keeps other drills out until release is called, or until the lock expires after the tool has died. It wraps ErrBusy when a living drill has it; one that a dead drill left is taken over,
	// which is noticed by waiting. held is ctx, and ends as well when the lock is lost, with a cause that wraps ErrLockLost: then another drill may begin.
	Lock(ctx context.Context, drillID string) (held context.Context, release func(context.Context) error, err error)
}

// Examiner is a Sandbox that can tell, before anything is made, whether Up could do what it does.
type Examiner interface {
	// Examine tries what can be tried without changing anything. An error is that nothing could be asked; what is missing is in the checks.
	Examine(ctx context.Context, spec Spec) ([]Check, error)
}

// Check is one thing that a drill needs.
type Check struct {
	Name   string `json:"name"`   // what is needed, such as "create statefulsets.apps in the sandbox's namespace"
	Result Result `json:"result"` //
	Detail string `json:"detail"` // one sentence: what was asked and what was answered
	Remedy string `json:"remedy"` // what grants it: a line of a manifest or a policy, or a command; empty when nothing is to be done
	Err    error  `json:"-"`      // what made it fail, where a caller decides by that
}

// Result is the outcome of a Check or of a Probe.
type Result string

// The results.
const (
	Pass    Result = "pass"
	Fail    Result = "fail"
	Unknown Result = "unknown" // it could not be found out, which is not a pass
)

// Errors that a drill decides on.
var (
	ErrNotEmpty = errors.New("the sandbox is not empty")        // it has collections already: a restore into it proves nothing
	ErrVersion  = errors.New("the sandbox has another version") // than the backup needs
	ErrBusy     = errors.New("another drill is under way")
	ErrLockLost = errors.New("the drill's lock was lost")
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

// What an Instance may tell besides.
type (
	// Isolated is an Instance that can try how isolated it is.
	Isolated interface {
		Isolation(ctx context.Context) []Probe
	}
	// Disturbable is an Instance whose surroundings can stop it. Disturbed says what they did to it since Up returned, "" when nothing.
	Disturbable interface {
		Disturbed(ctx context.Context) (string, error)
	}
	// Disposable is an Instance that Up made for one drill, and that Down removes with all that it holds. Nothing else is ever damaged on purpose.
	Disposable interface{ Disposable() }
	// Spread is an Instance that tells how each of its nodes is reached by itself, by the node's name. Only so is every copy of replicated data seen.
	Spread interface {
		Endpoints(ctx context.Context) (map[string]weaviate.Endpoint, error)
	}
	// Measured is an Instance that says where the time of Up went.
	Measured interface{ Steps() []Step }
	// Likened is an Instance that knows what its nodes are made of, and perhaps the source's: processors, memory, storage, environment. What is equal on both sides is in the list too, so that
	// what is not in it is known not to be known.
	Likened interface {
		Fidelity(ctx context.Context) []Difference
	}
	// Noted is an Instance that has something to add to the record when its work is done, such as how it was made and reached.
	Noted interface{ Notes() []string }
)

// Probe is one property of a sandbox's isolation, tried and not assumed.
type Probe struct {
	Name   string // anonymous-access, pod-security, network-policy
	Result Result
	Detail string // one sentence: what was tried and what happened
}

// Difference is one thing in which a sandbox may be unlike the source. An empty side is not known.
type Difference struct {
	What    string `json:"what"`
	Source  string `json:"source,omitempty"`
	Sandbox string `json:"sandbox,omitempty"`
}

// What every sandbox is asked for.
const (
	CPU         = "cpu"
	Memory      = "memory"
	Storage     = "storage"
	Environment = "environment" // variables, by name, that the two have not alike
	Machine     = "machine"     // the make of its processors and disks
)

// Step is a part of Up.
type Step struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took"` // nanoseconds
	// Weaviate: this is the server's own start, which no sandbox can shorten.
	Weaviate bool `json:"weaviate,omitempty"`
}

// ReadyTimeout bounds the wait for an empty Weaviate to answer as ready (6 to 9 s were measured for 1.38.5).
const ReadyTimeout = 3 * time.Minute
