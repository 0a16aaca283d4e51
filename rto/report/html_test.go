package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// browser starts a Chromium of its own that reaches nothing on the network.
func browser(t *testing.T) context.Context {
	t.Helper()
	var binary string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
			break
		}
	}
	if binary == "" {
		servertest.Lacking(t, "Chromium, to open the HTML report (Debian: chromium)")
	}
	profile, err := os.MkdirTemp("", "drill-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // its children write for a moment after it has ended
		for range 50 {
			if os.RemoveAll(profile) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Errorf("%s cannot be removed", profile)
	})
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(binary), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
	)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// said is what the console and the network log of a tab said.
type said struct {
	sync.Mutex
	lines    []string
	requests []string
}

func (s *said) listen(event any) {
	s.Lock()
	defer s.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			s.lines = append(s.lines, fmt.Sprintf("%s: %s", e.Type, a.Value))
		}
	case *runtime.EventExceptionThrown:
		s.lines = append(s.lines, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		s.lines = append(s.lines, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		s.requests = append(s.requests, e.Request.URL)
	}
}

// openPage loads a record's page from a file, and returns its address.
func openPage(ctx context.Context, t *testing.T, r *evidence.Record) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(render(t, "html", r, Options{})), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "file://" + file
	if err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("footer"))); err != nil {
		t.Fatal(err)
	}
	return url
}

// ask evaluates an expression in the page.
func ask[T any](ctx context.Context, t *testing.T, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func emulate(ctx context.Context, t *testing.T, media emulation.SetEmulatedMediaParams) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
}

func TestPageInChromium(t *testing.T) {
	ctx := browser(t)
	heard := &said{}
	if err := chromedp.Listen(ctx, heard.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		record *evidence.Record
		word   string
		shown  []string
		spans  int // on the recovery clock
	}{
		{"passed", drill(true), "PASSED", []string{"Every object was compared: of 5,000 objects, 5,000 came back equal", "15 min 11 s", "RTO 30 min", "Access is logged", "No problem was found"}, 1},
		{
			"failed", drill(false), "FAILED",
			[]string{corruptID, "vectors.default", "dimension 17 of 256", "object-replaced", "chunk-7", "Versioning keeps what is deleted or overwritten", "put-bucket-versioning", `{"Status":"Suspended"}`, "past their review date"}, 1,
		},
		{"hostile", hostileRecord(), "FAILED", []string{"<script>alert(1)</script>"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := openPage(ctx, t, test.record)
			title, word := ask[string](ctx, t, `document.title`), ask[string](ctx, t, `document.querySelector("#verdict .word").innerText`)
			text := ask[string](ctx, t, `document.querySelector("main").innerText`)
			bars, clocks := ask[int](ctx, t, `document.querySelectorAll("#phases rect.bar").length`), ask[int](ctx, t, `document.querySelectorAll("#phases rect.span").length`)
			findings := ask[int](ctx, t, `document.querySelectorAll("#posture details").length`)
			differences := ask[int](ctx, t, `document.querySelectorAll("#differences ~ table.wide tbody tr").length`)
			foreign := ask[int](ctx, t, `document.querySelectorAll("script, img, iframe, link, object, [onerror], [onload]").length`)
			widths := ask[[]float64](ctx, t, `[...document.querySelectorAll("#phases rect.bar")].map(b => b.getBoundingClientRect().width)`)
			if word != test.word || !strings.HasPrefix(title, test.word+": drill ") {
				t.Errorf("verdict %q, title %q", word, title)
			}
			for _, want := range test.shown {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not show %q", want)
				}
			}
			if bars != len(test.record.Timeline) || clocks != test.spans || findings != len(test.record.Posture) || differences != len(test.record.Verification.Differences) || foreign != 0 {
				t.Errorf("%d bars, %d clocks, %d findings, %d differences, %d foreign elements", bars, clocks, findings, differences, foreign)
			}
			if widths[2] < 5*widths[6]/2 || widths[3] < 2 { // the backup took 12.35 s, the restore 2.9 s; one of 90 ms must still be seen
				t.Errorf("bars of width %v", widths)
			}
			if dir := os.Getenv("DRILL_SCREENSHOTS"); dir != "" {
				screenshots(ctx, t, filepath.Join(dir, test.name))
			}
			heard.Lock()
			defer heard.Unlock()
			if len(heard.lines) > 0 {
				t.Errorf("the console says %q", heard.lines)
			}
			if len(heard.requests) != 1 || heard.requests[0] != url {
				t.Errorf("requests %q, want only %s", heard.requests, url)
			}
			heard.requests = nil
		})
	}
}

// Findings that are folded on the screen are printed; the list of the backup's objects is not.
func TestPageInPrint(t *testing.T) {
	ctx := browser(t)
	openPage(ctx, t, drill(true))
	folded := `[...document.querySelectorAll("details.finding:not([open]) pre")].map(e => e.getBoundingClientRect().height > 0 && e.checkVisibility({contentVisibilityAuto: true}))`
	screen := ask[[]bool](ctx, t, folded)
	emulate(ctx, t, emulation.SetEmulatedMediaParams{Media: "print"})
	print := ask[[]bool](ctx, t, folded)
	if len(screen) != 2 || len(print) != 2 {
		t.Fatalf("%v %v", screen, print)
	}
	for i := range screen {
		if screen[i] || !print[i] {
			t.Errorf("folded part %d: on the screen %v, in print %v", i, screen[i], print[i])
		}
	}
}

// screenshots are for people who work on the page.
func screenshots(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		emulate(ctx, t, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(name+"-"+scheme+".png", png, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
