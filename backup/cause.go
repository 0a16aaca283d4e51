package backup

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// emptyShard is logged when the files of a collection could not be moved into place: Weaviate 1.38.5 goes on, says SUCCESS, and opens it empty
// (cluster/schema/manager.go, RestoreClass).
const emptyShard = "restore class directory from backup"

// A restore's error often hides its cause ("context canceled" for a missing chunk). The server's log tells it, in lines with these words in the message or
// the action (tried on Weaviate 1.38.5).
var tellingWords = []string{
	emptyShard,
	"failed to read chunk from backend", // names the object that is missing or cannot be read (usecases/backup/backend.go)
	"Recovered from panic",
	"runtime error: ",                 // the value of a panic in a request handler
	"print_stack",                     // its stack
	"hnsw_load_commit_log_corruption", // a vector index was cut short
}

const (
	maxCauses      = 5
	maxCauseLength = 400
)

// cause is what the restored server's log says in lines with one of the words; "" when there is no log or nothing of the kind in it.
func (r *Restoration) cause(ctx context.Context, words ...string) string {
	if r.options.Logs == nil {
		return ""
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(r.options.Logs(ctx, writer)) }()
	lines, err := telling(reader, words)
	_ = reader.Close()
	if err != nil {
		logger(r.options.Log).Warn("the restored server's log cannot be read", "error", err)
	}
	return strings.Join(lines, "; ")
}

// telling picks from a log in Weaviate's JSON form the lines with one of the words, each once. What stands before the JSON marks the node.
func telling(log io.Reader, words []string) ([]string, error) {
	var found []string
	scanner := bufio.NewScanner(log)
	scanner.Buffer(nil, 16<<20) // a stack is one line
	for scanner.Scan() && len(found) < maxCauses {
		node, line, _ := bytes.Cut(scanner.Bytes(), []byte("{"))
		var entry struct{ Action, Msg, Error, Class, Chunk string }
		if json.Unmarshal(append([]byte("{"), line...), &entry) != nil {
			continue
		}
		tells := func(word string) bool {
			return strings.Contains(entry.Msg, word) || strings.Contains(entry.Action, word)
		}
		if !slices.ContainsFunc(words, tells) || strings.Contains(entry.Msg, context.Canceled.Error()) { // that follows from another failure
			continue
		}
		text := cmp.Or(entry.Msg, entry.Action)
		if entry.Action == "print_stack" {
			text = "panic in " + panicking(text)
		}
		for _, more := range []struct{ name, value string }{{"class", entry.Class}, {"chunk", entry.Chunk}, {"error", entry.Error}} {
			if more.value != "" && !strings.Contains(text, more.value) {
				text += fmt.Sprintf(" (%s %s)", more.name, more.value)
			}
		}
		text = strings.TrimSpace(string(node)) + " " + text
		if text = strings.Join(strings.Fields(text), " "); len(text) > maxCauseLength {
			text = strings.ToValidUTF8(text[:maxCauseLength], "") + "..."
		}
		if !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	return found, scanner.Err()
}

// panicking finds in a stack the function that panicked: the first one below the frame of panic that is not the runtime's.
func panicking(stack string) string {
	_, frames, _ := strings.Cut(stack, "\npanic(")
	for line := range strings.Lines(frames) {
		name, _, called := strings.Cut(line, "(0x")
		if called && !strings.HasPrefix(name, "\t") && !strings.HasPrefix(name, "{") && !strings.HasPrefix(name, "runtime.") {
			return name
		}
	}
	return "an unknown place"
}
