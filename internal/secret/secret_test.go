package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

func TestValueNeverPrints(t *testing.T) {
	v := secret.New("hunter2")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v, "s", struct{ V secret.Value }{v})
	raw, err := json.Marshal(map[string]any{"v": v, "p": &v})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v), fmt.Sprintf("%+v", struct{ V secret.Value }{v}),
		string(raw), log.String(), fmt.Errorf("x %v", v).Error(),
	} {
		if strings.Contains(out, "hunter2") || strings.Contains(out, "68756e74657232") {
			t.Errorf("the secret shows in %q", out)
		}
	}
	if v.Reveal() != "hunter2" {
		t.Error("Reveal lost the text")
	}
}

func TestRefResolve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRILL_TEST_SECRET", "from-env")
	for _, c := range []struct{ ref, want, wantErr string }{
		{"", "", ""},
		{"env:DRILL_TEST_SECRET", "from-env", ""},
		{"file:" + file, "from-file", ""},
		{"env:DRILL_TEST_MISSING", "", "DRILL_TEST_MISSING is not set"},
		{"file:/nonexistent/key", "", "no such file"},
		{"file:" + empty, "", "is empty"},
		{"super-secret-inline", "", "by reference only"},
		{"env:", "", "by reference only"},
	} {
		got, err := secret.Ref(c.ref).Resolve()
		if c.wantErr == "" && (err != nil || got.Reveal() != c.want) {
			t.Errorf("%q: got %q, %v", c.ref, got.Reveal(), err)
		}
		if c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr) || strings.Contains(err.Error(), "super-secret")) {
			t.Errorf("%q: got error %v", c.ref, err)
		}
	}
}
