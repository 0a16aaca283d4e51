package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/rto"
)

// progress shows what a drill does: a bar for each phase on a terminal, log lines elsewhere.
type progress struct {
	bars  *mpb.Progress // nil: log lines
	log   *slog.Logger
	phase rto.Phase
	bar   *mpb.Bar
	last  drill.Progress
	told  time.Time
}

func newProgress(w io.Writer) *progress {
	return &progress{bars: mpb.New(mpb.WithOutput(w), mpb.WithWidth(32), mpb.WithRefreshRate(150*time.Millisecond))}
}

// logEvery is the time between two log lines of a phase that goes on.
const logEvery = 10 * time.Second

// show takes in one report; calls do not overlap.
func (p *progress) show(now drill.Progress) {
	if now.Phase != p.phase {
		p.next(now.Phase)
	}
	p.last = now
	if p.bars == nil {
		if time.Since(p.told) >= logEvery {
			p.told = time.Now()
			p.log.Info("progress", "phase", string(now.Phase), "done", now.Done, "total", now.Total, "unit", now.Unit, "detail", now.Detail)
		}
		return
	}
	if now.Total > 0 {
		p.bar.SetTotal(now.Total, false)
		p.bar.SetCurrent(min(now.Done, now.Total))
	}
}

// next ends the bar of a phase and begins another.
func (p *progress) next(phase rto.Phase) {
	p.phase, p.told, p.last = phase, time.Now(), drill.Progress{}
	if p.bars == nil {
		p.log.Info("phase begins", "phase", string(phase))
		return
	}
	p.finish()
	began := time.Now()
	p.bar = p.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-13s", phase))),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_MMSS), decor.Any(func(s decor.Statistics) string { return p.describe(s, began) })),
	)
}

// describe is what stands behind the bar. It is called by the goroutine that paints, with a copy of the bar's numbers.
func (p *progress) describe(s decor.Statistics, began time.Time) string {
	if s.Completed || s.Total <= 0 || s.Current <= 0 {
		return ""
	}
	left := time.Duration(float64(time.Since(began)) * float64(s.Total-s.Current) / float64(s.Current))
	return fmt.Sprintf("  %d of %d, %s left", s.Current, s.Total, left.Round(time.Second))
}

func (p *progress) finish() {
	if p.bar != nil {
		p.bar.SetTotal(max(1, p.bar.Current()), true)
		p.bar = nil
	}
}

// close waits until the last bar is painted. Nothing is shown after it.
func (p *progress) close() {
	if p.bars != nil {
		p.finish()
		p.bars.Wait()
		p.bars, p.log = nil, slog.New(slog.DiscardHandler)
	}
}

// width is that of a terminal in columns, 0 when it is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}
