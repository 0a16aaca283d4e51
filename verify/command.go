package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/group"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// mostOutput is how much of a command's output is kept, in bytes.
const mostOutput = 4096

// passedOn are the variables of the tool's own environment that a command gets. The others hold the keys of the source and of the bucket.
var passedOn = []string{"PATH", "HOME", "TMPDIR", "LANG"}

// command runs the check's program to its end, and ends all that it started. An exit status other than 0 is a failure; not to be started, or to be ended by a signal, is none.
func (c Check) command(ctx context.Context, to weaviate.Endpoint) (detail, output string, err error) {
	cmd := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	cmd.Env = append(cmd.Env, "WEAVIATE_URL="+to.URL, "WEAVIATE_GRPC="+to.GRPC, "WEAVIATE_API_KEY="+to.APIKey.Reveal())
	for _, name := range passedOn {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out := &tail{most: mostOutput + len(to.APIKey.Reveal())}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = group.Own(false)
	cmd.WaitDelay = time.Second // for what holds the output open although the command has ended
	whole := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = whole
	runtime.LockOSThread() // the command ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG)
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if cmd.Process != nil {
		_ = whole() // what it left behind
	}
	output = out.text(to.APIKey)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", output, ctx.Err()
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return "exit status 0", output, nil
	case errors.As(err, &exit) && exit.Exited():
		return "", output, notMet("%s", exit)
	}
	return "", output, fmt.Errorf("the command did not run to its end: %w", err)
}

// tail keeps the end of what is written to it: at least most bytes, or all.
type tail struct {
	most int
	kept []byte
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*t.most {
		t.kept, t.cut = append(t.kept[:0], t.kept[len(t.kept)-t.most:]...), true
	}
	return len(p), nil
}

// text is the output without the key, of which the cut could have left a part at the beginning.
func (t *tail) text(key secret.Value) string {
	kept, cut := t.kept, t.cut
	if len(kept) > t.most {
		kept, cut = kept[len(kept)-t.most:], true
	}
	s := string(kept)
	if !key.IsZero() {
		s = strings.ReplaceAll(s, key.Reveal(), key.String())
	}
	if cut {
		s = "... " + s[min(len(s), len(key.Reveal())):]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
