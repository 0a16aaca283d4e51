// Command weaviate-drill proves that Weaviate backups can be restored.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

func main() {
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns its exit status. An error is printed here and nowhere else.
func execute(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal cancels ctx and everything is cleaned up; a second one ends the program at once.
	context.AfterFunc(ctx, stop)
	a := &app{stdout: stdout, stderr: stderr}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	a.close()
	if err == nil {
		return int(evidence.Passed)
	}
	var told *toldError
	if errors.As(err, &told) {
		return int(told.status)
	}
	status := drill.StatusOf(err)
	if !a.started {
		status = evidence.Usage
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		status, err = evidence.Interrupted, errors.New("interrupted")
	}
	fmt.Fprintln(stderr, "weaviate-drill:", bucket.Explain(err))
	if !a.started {
		fmt.Fprintln(stderr, `Run "weaviate-drill --help" for the commands and flags.`)
	}
	return int(status)
}

// toldError is an outcome that the user has been told in full, in a report. Only the exit status is left to give.
type toldError struct{ status evidence.Status }

func (e *toldError) Error() string { return e.status.String() }

// outcome is nil when the status is a pass.
func outcome(status evidence.Status) error {
	if status == evidence.Passed {
		return nil
	}
	return &toldError{status}
}
