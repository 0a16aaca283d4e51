package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

// progress shows what a drill does: a bar for each phase on a terminal, log lines elsewhere.
type progress struct {
	bars  *mpb.Progress // nil: log lines
	log   *slog.Logger
	phase rto.Phase
	bar   *mpb.Bar
	last  *atomic.Pointer[drill.Progress] // of the phase under way; the goroutine that paints reads it
	told  time.Time
	// detail is the last that was logged.
	detail string
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
	if p.bars == nil {
		waits := now.Phase == rto.Provision && now.Detail != p.detail // for a place, an image: what a person can help
		if waits || time.Since(p.told) >= logEvery {
			p.told, p.detail = time.Now(), now.Detail
			p.log.Info("progress", "phase", string(now.Phase), "done", now.Done, "total", now.Total, "unit", now.Unit, "detail", now.Detail)
		}
		return
	}
	p.last.Store(&now)
	if now.Total > 0 {
		p.bar.SetTotal(now.Total, false)
		p.bar.SetCurrent(min(now.Done, now.Total-1)) // a full bar counts as completed, and whether the phase is over is not said by its numbers
	}
}

// say tells one thing that is no phase.
func (p *progress) say(text string) {
	if p.bars == nil {
		p.log.Info(text)
		return
	}
	_, _ = fmt.Fprintln(p.bars, text)
}

// next ends the bar of a phase and begins another.
func (p *progress) next(phase rto.Phase) {
	p.phase, p.told, p.detail = phase, time.Now(), ""
	if p.bars == nil {
		p.log.Info("phase begins", "phase", string(phase))
		return
	}
	p.finish()
	began, last := time.Now(), new(atomic.Pointer[drill.Progress])
	p.last = last
	p.bar = p.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-13s", phase))),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_MMSS), decor.Any(func(s decor.Statistics) string {
			now := last.Load()
			if now == nil || s.Completed {
				return ""
			}
			return describe(*now, time.Since(began))
		})),
	)
}

// describe is what stands behind a bar.
func describe(p drill.Progress, elapsed time.Duration) string {
	amount := func(n int64) string {
		if p.Unit == "bytes" {
			return report.Bytes(n)
		}
		return fmt.Sprint(n)
	}
	var parts []string
	switch {
	case p.Total > 0:
		parts = append(parts, amount(p.Done)+" of "+amount(p.Total))
		if p.Done > 0 && p.Done < p.Total {
			left := time.Duration(float64(elapsed) * float64(p.Total-p.Done) / float64(p.Done))
			parts = append(parts, left.Round(time.Second).String()+" left")
		}
	case p.Done > 0:
		parts = append(parts, amount(p.Done))
	}
	if p.Detail != "" {
		parts = append(parts, p.Detail)
	}
	if len(parts) == 0 {
		return ""
	}
	return "  " + strings.Join(parts, ", ")
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
