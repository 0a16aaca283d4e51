package drill

import (
	"context"
	"errors"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// statuses say which exit status an error means; the first that matches applies. What is not listed could not be carried out (NotCarriedOut):
// unreachable, denied, timed out.
var statuses = []struct {
	err    error
	status evidence.Status
}{
	{context.Canceled, evidence.Interrupted},
	{ErrConfig, evidence.Usage},
	{backup.ErrRefused, evidence.Refused},
	{sandbox.ErrNotEmpty, evidence.Refused},
	{sandbox.ErrBusy, evidence.Refused},
	{tracer.ErrTaken, evidence.Refused},
	{errBroken, evidence.DataFailed},
	{backup.ErrMalformed, evidence.DataFailed},
	{backup.ErrNotSuccessful, evidence.DataFailed},
	{backup.ErrArchived, evidence.DataFailed},
	{errUnrestorable, evidence.DataFailed},
	{verify.ErrEmpty, evidence.Inconclusive}, // before ErrNoAnswer, which it also is
	{verify.ErrNoAnswer, evidence.DataFailed},
	{verify.ErrOther, evidence.Usage},
	{verify.ErrNoPlan, evidence.Usage},
	{backup.ErrNoSuchBackup, evidence.Usage},
	{sandbox.ErrVersion, evidence.Usage},
	{sandbox.ErrModule, evidence.Usage},
	{bucket.ErrNoSuchBucket, evidence.Usage},
	{bucket.ErrWrongRegion, evidence.Usage},
	{evidence.ErrNoRecord, evidence.Usage},
	{backup.ErrNoCollection, evidence.Usage},
	{backup.ErrExists, evidence.Usage},
	{backup.ErrOver, evidence.Usage},
}

// StatusOf is the exit status that an error means; Passed for nil.
func StatusOf(err error) evidence.Status {
	if err == nil {
		return evidence.Passed
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return evidence.NotCarriedOut
}

// oneLine is an error's text for a report, with S3's own errors explained.
func oneLine(err error) string {
	return strings.Join(strings.Fields(bucket.Explain(err).Error()), " ")
}
