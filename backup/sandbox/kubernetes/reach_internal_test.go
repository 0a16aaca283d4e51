package kubernetes

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	var m meter
	if got := m.String(); got != "0.0 MiB" {
		t.Errorf("nothing: %s", got)
	}
	chunk := make([]byte, 1<<20)
	for range 4 {
		_, _ = m.Write(chunk)
	}
	m.last = m.last.Add(-time.Hour) // nobody asked for anything
	_, _ = m.Write(chunk)
	m.busy = 2 * time.Second
	if got, want := m.String(), "5.0 MiB at 2 MiB/s"; got != want { // the first after a pause has no time of its own
		t.Errorf("%s, not %s", got, want)
	}
	if m.flowing != 3<<20 {
		t.Errorf("%d bytes followed others", m.flowing)
	}
}
