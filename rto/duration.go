package rto

import (
	"fmt"
	"time"
)

// Human prints a duration for people: 340 ms, 1.4 s, 2 min 3 s, 1 h 5 min, 3 d 4 h.
func Human(d time.Duration) string {
	if d < 0 {
		return "-" + Human(-d)
	}
	if ms := d.Round(time.Millisecond); ms < time.Second {
		return fmt.Sprintf("%d ms", ms.Milliseconds())
	}
	if tenths := d.Round(100 * time.Millisecond); tenths < time.Minute {
		return fmt.Sprintf("%g s", tenths.Seconds())
	}
	if seconds := d.Round(time.Second); seconds < time.Hour {
		return twoUnits(seconds, time.Minute, "min", time.Second, "s")
	}
	if minutes := d.Round(time.Minute); minutes < 48*time.Hour {
		return twoUnits(minutes, time.Hour, "h", time.Minute, "min")
	}
	return twoUnits(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

func twoUnits(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d %s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return text
}
