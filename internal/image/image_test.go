package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/image"
)

// The Dockerfile cannot be built where no image can be pulled. What it says of the image's use is held to the image that is made here.
func TestDockerfile(t *testing.T) {
	raw, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(binary, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := image.Drill("weaviate-drill:test", binary).Write(&archive); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, &archive)
	var config struct {
		Config struct {
			User, WorkingDir string
			Entrypoint, Cmd  []string
		} `json:"config"`
	}
	if err := json.Unmarshal(files["config.json"].content, &config); err != nil {
		t.Fatal(err)
	}
	_, final, _ := strings.Cut(string(raw), "\nFROM scratch\n")
	for instruction, want := range map[string]string{
		"USER": config.Config.User, "WORKDIR": config.Config.WorkingDir, "ENTRYPOINT": `["` + strings.Join(config.Config.Entrypoint, `", "`) + `"]`,
	} {
		if !slices.Contains(strings.Split(final, "\n"), instruction+" "+want) {
			t.Errorf("the Dockerfile does not say %s %s", instruction, want)
		}
	}
	if config.Config.User != "65532:65532" || len(config.Config.Cmd) > 0 {
		t.Errorf("%+v", config)
	}

	layer := unpack(t, bytes.NewReader(files["layer.tar"].content))
	var have []string
	for name, f := range layer {
		have = append(have, "/"+strings.TrimSuffix(name, "/"))
		if owned := "/"+strings.TrimSuffix(name, "/") == config.Config.WorkingDir; owned != (f.Uid == 65532 && f.Gid == 65532) {
			t.Errorf("%s belongs to %d:%d", name, f.Uid, f.Gid)
		}
	}
	want := []string{"/etc/ssl/certs", "/tmp", "/usr/bin", "/usr/bin/weaviate-drill", "/var/lib/weaviate-drill"}
	if _, err := os.Stat(image.Roots); err == nil {
		want = append(want, image.Roots)
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("the image has %v, want %v", have, want)
	}

	// The compiler that builds it is of the release that the module is written for.
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module); !bytes.Contains(raw, append([]byte("golang:"), append(version[1], '.')...)) {
		t.Errorf("the Dockerfile does not build with golang:%s", version[1])
	}
}

type entry struct {
	tar.Header
	content []byte
}

func unpack(t *testing.T, r io.Reader) map[string]entry {
	t.Helper()
	files := map[string]entry{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = entry{*h, content}
	}
}
