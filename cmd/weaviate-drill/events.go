package main

import (
	"fmt"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/internal/jobevents"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// events tells what a drill does on the Kubernetes Job that this process runs in. nil is good, and tells nobody.
type events struct {
	recorder *jobevents.Recorder
	phase    rto.Phase
}

// jobEvents are nil where the process runs in no Job.
func (a *app) jobEvents() *events {
	job, ok := jobevents.FromEnv()
	if !ok {
		return nil
	}
	client, err := jobevents.InCluster()
	if err != nil {
		a.log.Warn("no events are written", "job", job.Name, "error", err)
		return nil
	}
	e := &events{recorder: jobevents.Start(client, job, a.log)}
	e.recorder.Normal("DrillBegan", "weaviate-drill "+readVersion().Version)
	return e
}

// show tells of each phase as it begins.
func (e *events) show(now drill.Progress) {
	if e != nil && now.Phase != e.phase {
		e.phase = now.Phase
		e.recorder.Normal("PhaseBegan", string(now.Phase))
	}
}

// end tells the verdict.
func (e *events) end(record *evidence.Record, err error) {
	switch {
	case e == nil:
		return
	case record == nil:
		e.recorder.Warning("DrillNotBegun", err.Error())
	case record.Status == evidence.Passed:
		e.recorder.Normal("DrillPassed", fmt.Sprintf("%s: backup %s, level %s", record.ID, record.Backup.ID, record.Level))
	default:
		e.recorder.Warning("DrillFailed", fmt.Sprintf("%s: %s (exit status %d): in %s: %s", record.ID, record.Status, record.Status, record.Reasons[0].Phase, record.Reasons[0].Message))
	}
	e.recorder.Close()
}
