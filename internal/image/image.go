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

// Image is one layer: a static binary of this machine's architecture, the machine's CA certificates, /tmp, and empty folders.
type Image struct {
	Name    string   // with its tag
	Binary  string   // a file of this machine
	Path    string   // of the binary in the image, which is the entrypoint
	Args    []string // unless the container says others
	Folders []string // absolute paths
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
		"config": map[string]any{"Entrypoint": []string{i.Path}, "Cmd": i.Args},
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

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (i Image) writeLayer(w io.Writer) error {
	layer := tar.NewWriter(w)
	folders := []tar.Header{{Name: "tmp/", Mode: 0o1777}, {Name: "etc/ssl/certs/", Mode: 0o755}}
	for _, folder := range append(i.Folders, path.Dir(i.Path)) {
		if name := strings.Trim(folder, "/"); name != "" {
			folders = append(folders, tar.Header{Name: name + "/", Mode: 0o755})
		}
	}
	for _, folder := range folders {
		folder.Typeflag = tar.TypeDir
		if err := layer.WriteHeader(&folder); err != nil {
			return err
		}
	}
	const roots = "/etc/ssl/certs/ca-certificates.crt"
	if certificates, err := os.ReadFile(roots); err == nil {
		if err := file(layer, roots[1:], certificates); err != nil {
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
