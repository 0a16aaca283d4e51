// Package image makes container images from scratch, of a static binary and nothing else that runs, where none can be pulled.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"time"
)

// Image is one layer: a static binary of this machine's architecture, the machine's CA certificates, /tmp, and empty folders. There is no shell.
type Image struct {
	Name    string   // with its tag
	Binary  string   // a file of this machine
	Path    string   // of the binary in the image, which is the entrypoint
	Args    []string // unless the container says others
	Folders []string // absolute paths
	User    int      // of the process, and of Folders; 0: root
	WorkDir string   // of the process; empty: /
}

// Roots is where the machine's CA certificates are taken from. An image has none where the machine has none.
const Roots = "/etc/ssl/certs/ca-certificates.crt"

// Drill is an image of the tool. The Dockerfile makes the same one.
func Drill(name, binary string) Image {
	const home = "/var/lib/weaviate-drill"
	return Image{Name: name, Binary: binary, Path: "/usr/bin/weaviate-drill", Folders: []string{home}, User: 65532, WorkDir: home}
}

// Weaviate is an image of a Weaviate server as the official one is to whoever runs it: the same entrypoint, arguments and data folder.
func Weaviate(name, binary string) Image {
	return Image{
		Name: name, Binary: binary, Path: "/bin/weaviate", Args: []string{"--host", "0.0.0.0", "--port", "8080", "--scheme", "http"}, Folders: []string{"/var/lib/weaviate"},
	}
}

// Write writes the image as "docker load" and "ctr images import" read it. The same binary gives the same bytes each time.
func (i Image) Write(w io.Writer) error {
	// A tar header needs the layer's size, and the configuration its digest, before the layer: it is written twice.
	digest, size := sha256.New(), new(counter)
	if err := i.writeLayer(io.MultiWriter(digest, size)); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{i.Path}, "Cmd": i.Args, "User": i.user(), "WorkingDir": i.WorkDir},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(digest.Sum(nil))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{i.Name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	return errors.Join(
		file(archive, "manifest.json", manifest), file(archive, "config.json", config),
		archive.WriteHeader(&tar.Header{Name: "layer.tar", Mode: 0o644, Size: int64(*size)}), i.writeLayer(archive), archive.Close(),
	)
}

// user is the group's number too, as in distroless images.
func (i Image) user() string {
	if i.User == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", i.User, i.User)
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (i Image) writeLayer(w io.Writer) error {
	layer := tar.NewWriter(w)
	folders := []tar.Header{{Name: "tmp/", Mode: 0o1777}, {Name: "etc/ssl/certs/", Mode: 0o755}}
	if name := strings.Trim(path.Dir(i.Path), "/"); name != "" {
		folders = append(folders, tar.Header{Name: name + "/", Mode: 0o755})
	}
	for _, folder := range i.Folders {
		folders = append(folders, tar.Header{Name: strings.Trim(folder, "/") + "/", Mode: 0o755, Uid: i.User, Gid: i.User})
	}
	for _, folder := range folders {
		folder.Typeflag = tar.TypeDir
		if err := layer.WriteHeader(&folder); err != nil {
			return err
		}
	}
	if certificates, err := os.ReadFile(Roots); err == nil {
		if err := file(layer, Roots[1:], certificates); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	binary, err := os.Open(i.Binary)
	if err != nil {
		return err
	}
	defer binary.Close()
	info, err := binary.Stat()
	if err != nil {
		return err
	}
	if err := layer.WriteHeader(&tar.Header{Name: strings.TrimPrefix(i.Path, "/"), Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(layer, binary); err != nil {
		return fmt.Errorf("%s: %w", i.Binary, err)
	}
	return layer.Close()
}

func file(w *tar.Writer, name string, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
