package backup

import (
	"strings"
	"testing"
	"time"
)

// A coordinator whose rounds each take longer than the last pause by drift; its backup ends in round n.
func TestPauseNoticesTheEndSoon(t *testing.T) {
	for _, drift := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond} {
		for _, round := range []int{0, 1, 2, 5, 12, 30, 59, 400} {
			end := firstRound + time.Duration(round)*nextRound + time.Duration(round+1)*drift
			now, questions := time.Duration(0), 0
			for ; now < end; questions++ {
				wait := pause(now, false)
				if wait <= 0 {
					t.Fatalf("no pause at %s", now)
				}
				now += wait
			}
			late := now - end
			if limit := max(200*time.Millisecond, end/140); late > limit {
				t.Errorf("an end at %s (drift %s a round) is noticed %s late", end, drift, late)
			}
			if limit := 25 + 25*int(min(end, longRun)/nextRound) + int(max(0, end-longRun)/longLook); questions > limit {
				t.Errorf("%d questions in %s, more than %d", questions, end, limit)
			}
		}
	}
	for _, since := range []time.Duration{0, time.Second, time.Minute, time.Hour} {
		if wait := pause(since, true); wait > max(100*time.Millisecond, since/50) || wait < closeLook || wait > calmLook {
			t.Errorf("an end that may come at any time is looked for every %s after %s", wait, since)
		}
	}
}

func TestTelling(t *testing.T) {
	log := `not JSON: {"msg":"failed to read chunk from backend"
node1: {"level":"info","msg":"successfully restored","action":"restore"}
node1: {"level":"error","chunk":"C/chunk-2","msg":"failed to read chunk from backend: get object \"p/C/chunk-2\": context canceled"}
node1: {"level":"error","chunk":"C/chunk-1","msg":"failed to read chunk from backend: get object \"p/C/chunk-1\": The specified key does not exist."}
node1: {"level":"error","chunk":"C/chunk-1","msg":"failed to read chunk from backend: get object \"p/C/chunk-1\": The specified key does not exist."}
{"action":"print_stack","msg":"goroutine 1 [running]:\nruntime/debug.Stack()\n\tstack.go:1\npanic({0x1, 0x2})\n\tpanic.go:1\nruntime.panicmem()\n\tx.go:1\nexample.com/backup.(*T).Restore(0x1, 0x2)\n\ty.go:2\n"}
node2: {"action":"hnsw_load_commit_log_corruption","error":"unexpected EOF","msg":"write-ahead-log ended abruptly"}
node2: {"level":"error","class":"C","error":"rename: file exists","msg":"restore class directory from backup"}`
	all, err := telling(strings.NewReader(log), tellingWords)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`node1: failed to read chunk from backend: get object "p/C/chunk-1": The specified key does not exist.`,
		`panic in example.com/backup.(*T).Restore`,
		`node2: write-ahead-log ended abruptly (error unexpected EOF)`,
		`node2: restore class directory from backup (class C) (error rename: file exists)`,
	}
	if strings.Join(all, "\n") != strings.Join(want, "\n") {
		t.Errorf("found:\n%s", strings.Join(all, "\n"))
	}
	if empty, _ := telling(strings.NewReader(log), []string{emptyShard}); len(empty) != 1 {
		t.Errorf("of empty shards: %q", empty)
	}
}
