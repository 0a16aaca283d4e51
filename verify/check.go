package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Check is a question of the user's own to the restored Weaviate: exactly one of Query, Get and Command. A command says by its exit status what came out; of the others exactly one expectation is held against the answer.
type Check struct {
	Name    string
	Query   string   // GraphQL
	Get     string   // path of a REST request, without /v1
	Command []string // a program and its arguments
	Path    string   // of what is looked at in the answer, such as data.Aggregate.Order[0].meta.count; empty: the list of the only collection in a GraphQL Get, or the whole REST answer
	Count   *int64   // the number there, or the length of the list there
	Minimum int64    // as Count, at least; 0: no expectation
	IDs     []string // of the objects of the list there
	// AnyOrder: the order of IDs does not matter.
	AnyOrder bool
	Equals   *string // the text there; of anything else, its JSON
	Timeout  time.Duration
}

// CheckResult is what came out of a Check.
type CheckResult struct {
	Name    string        `json:"name"`
	Outcome CheckOutcome  `json:"outcome"`
	Detail  string        `json:"detail"`           // one line: what was expected and what came
	Output  string        `json:"output,omitempty"` // of a command, both streams: the end, without the key
	Took    time.Duration `json:"took"`             // nanoseconds
}

// CheckOutcome is the outcome of a Check.
type CheckOutcome string

// The outcomes. A check that could not be carried out is no pass.
const (
	CheckPass    CheckOutcome = "pass"
	CheckFail    CheckOutcome = "fail"
	CheckUnknown CheckOutcome = "unknown"
)

// checkTimeout is that of a Check that has none.
const checkTimeout = time.Minute

// errNotMet is what a check fails with; any other error is that it could not be carried out.
var errNotMet = errors.New("not met")

func notMet(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNotMet, fmt.Sprintf(format, args...))
}

// RunChecks carries out the checks one after the other. The error is that of ctx.
func RunChecks(ctx context.Context, restored *weaviate.Conn, checks []Check) ([]CheckResult, error) {
	var list []CheckResult
	for _, c := range checks {
		r := c.run(ctx, restored)
		if err := ctx.Err(); err != nil {
			return list, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (c Check) run(ctx context.Context, restored *weaviate.Conn) CheckResult {
	c.Timeout = cmp.Or(c.Timeout, checkTimeout)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	r := CheckResult{Name: c.Name}
	began := time.Now()
	var err error
	if len(c.Command) > 0 {
		r.Detail, r.Output, err = c.command(ctx, restored.Endpoint)
	} else {
		r.Detail, err = c.ask(ctx, restored)
	}
	r.Took = time.Since(began)
	switch {
	case err == nil:
		r.Outcome = CheckPass
	case errors.Is(err, errNotMet):
		r.Outcome, r.Detail = CheckFail, strings.TrimPrefix(err.Error(), errNotMet.Error()+": ")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.Outcome, r.Detail = CheckUnknown, fmt.Sprintf("it did not end within %s", c.Timeout)
	default:
		r.Outcome, r.Detail = CheckUnknown, err.Error()
	}
	return r
}

// ask sends the question and holds the answer against the expectation.
func (c Check) ask(ctx context.Context, restored *weaviate.Conn) (string, error) {
	var raw json.RawMessage
	if c.Get != "" {
		if err := restored.Do(ctx, http.MethodGet, c.Get, nil, &raw); err != nil {
			return "", err
		}
	} else {
		if err := restored.Do(ctx, http.MethodPost, "/graphql", map[string]string{"query": c.Query}, &raw); err != nil {
			return "", err
		}
		var answer struct{ Errors []struct{ Message string } }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return "", err
		}
		if len(answer.Errors) > 0 { // with status 200
			return "", fmt.Errorf("the server does not answer the query: %s", answer.Errors[0].Message)
		}
	}
	return c.judge(raw)
}

// judge says how an answer meets the expectation.
func (c Check) judge(raw []byte) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber() // as the server wrote it
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return "", err
	}
	path := c.Path
	if path == "" && c.Get == "" {
		var err error
		if path, err = onlyList(tree); err != nil {
			return "", err
		}
	}
	at, found := walk(tree, path)
	if !found {
		return "", notMet("the answer has nothing at %s", path)
	}
	path = cmp.Or(path, "the answer")
	switch {
	case c.Equals != nil:
		got, is := at.(string)
		if !is {
			got = compact(at)
		}
		if got != *c.Equals {
			return "", notMet("%s is %s, expected %s", path, brief(got), brief(*c.Equals))
		}
		return fmt.Sprintf("%s is %s", path, brief(got)), nil
	case len(c.IDs) > 0:
		return c.judgeIDs(path, at)
	}
	n, err := amount(at)
	switch {
	case err != nil:
		return "", notMet("%s %s", path, err)
	case c.Count != nil && n != float64(*c.Count):
		return "", notMet("%s has %v, expected %d", path, n, *c.Count)
	case n < float64(c.Minimum):
		return "", notMet("%s has %v, expected at least %d", path, n, c.Minimum)
	}
	return fmt.Sprintf("%s has %v", path, n), nil
}

func (c Check) judgeIDs(path string, at any) (string, error) {
	list, is := at.([]any)
	if !is {
		return "", notMet("%s is no list", path)
	}
	got := make([]string, len(list))
	for i, o := range list {
		id, found := walk(o, "_additional.id") // GraphQL
		if !found {
			id, _ = walk(o, "id") // REST
		}
		got[i], is = id.(string)
		if !is {
			return "", notMet("%s[%d] has no id: ask for _additional { id }", path, i)
		}
	}
	want := c.IDs
	if c.AnyOrder {
		got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	}
	if len(got) != len(want) {
		return "", notMet("%s has %d objects, expected %d", path, len(got), len(want))
	}
	for i := range want {
		if !strings.EqualFold(got[i], want[i]) {
			return "", notMet("object %d of %d at %s is %s, expected %s", i+1, len(want), path, got[i], want[i])
		}
	}
	return fmt.Sprintf("%s has the %d expected objects", path, len(want)), nil
}

// onlyList is the path of what the only collection of a Get gave. Of an aggregate it would be a list of one, whatever was counted, so there is none for it.
func onlyList(tree any) (string, error) {
	get, _ := walk(tree, "data.Get")
	if collections, is := get.(map[string]any); is && len(collections) == 1 {
		for name := range collections {
			return "data.Get." + name, nil
		}
	}
	return "", errors.New("the answer is not that of a Get of one collection: say by path what to look at")
}

// walk follows a path of names with dots between them and indexes in brackets, such as data.Get.Order[0].title.
func walk(tree any, path string) (any, bool) {
	for part := range strings.SplitSeq(path, ".") {
		name, indexes, _ := strings.Cut(part, "[")
		if name != "" {
			object, _ := tree.(map[string]any)
			value, found := object[name]
			if !found {
				return nil, false
			}
			tree = value
		}
		if indexes == "" {
			continue
		}
		for index := range strings.SplitSeq(strings.TrimSuffix(indexes, "]"), "][") {
			list, _ := tree.([]any)
			i, err := strconv.Atoi(index)
			if err != nil || i < 0 || i >= len(list) {
				return nil, false
			}
			tree = list[i]
		}
	}
	return tree, true
}

// amount is a number, or the length of a list.
func amount(v any) (float64, error) {
	switch v := v.(type) {
	case []any:
		return float64(len(v)), nil
	case json.Number:
		return v.Float64()
	}
	return 0, errors.New("is neither a number nor a list")
}

func compact(v any) string {
	raw, _ := json.Marshal(v) // it was JSON before
	return string(raw)
}

// brief cuts a value for a line of text.
func brief(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
