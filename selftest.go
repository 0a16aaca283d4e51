package drill

import (
	"context"
	"errors"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// selfTest damages the restored copy, when all else is done, and sees whether the comparison notices. Only a copy that this drill brought up and will remove is ever damaged. One that it does not notice makes the
// drill inconclusive: then neither what it found nor that it found nothing is proved.
func (r *run) selfTest(ctx context.Context) error {
	if _, can := r.instance.(sandbox.Disposable); !can {
		return errNotDisposable
	}
	o, err := r.verifyOptions()
	if err != nil {
		return err
	}
	o.Before, o.After = r.before, r.after
	o.Progress = func(done, total int64) {
		r.Progress(Progress{Phase: rto.SelfTest, Done: done, Total: total, Unit: "objects"})
	}
	result, err := verify.RunSelfTest(ctx, r.source, r.restored, r.record.Verification, o, r.config.Verify.Seed)
	if errors.Is(err, verify.ErrNotDamageable) {
		r.note("%s", oneLine(err))
		return nil
	}
	if err != nil {
		return err
	}
	r.record.SelfTest = result
	r.note("the sandbox was damaged on purpose by the self-test, after everything else was measured")
	if result.Outcome() != verify.Passed {
		r.record.Fail(evidence.Inconclusive, rto.SelfTest, result.Summary())
	}
	return nil
}

// errNotDisposable keeps a self-test from what is not the drill's to damage. The configuration refuses it before.
var errNotDisposable = errors.New("the sandbox is not the drill's own, so it is not damaged for a self-test")
