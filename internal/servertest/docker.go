package servertest

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/weaviate-drill/weaviate-drill/internal/servers"
)

// WeaviateVersion is the version of the Weaviate that "make servers" builds (testdata/servers/weaviate/go.mod).
const WeaviateVersion = "1.38.5"

// WeaviateImage is the official name of the image of that version.
const WeaviateImage = "semitechnologies/weaviate:" + WeaviateVersion

// Docker returns a client of the Docker daemon, on which WeaviateImage is: the official one where that is there, else one made from the built server. A
// test that needs containers to reach the shared MinIO calls it before MinIO, Bucket or Source, which then listen where containers reach them.
func Docker(t testing.TB) *client.Client {
	t.Helper()
	docker, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	bridge, err := docker.NetworkInspect(t.Context(), "bridge", client.NetworkInspectOptions{})
	if client.IsErrConnectionFailed(err) {
		Lacking(t, "a Docker daemon (as root, .ci/docker starts one)")
	}
	if err != nil {
		t.Fatal(err)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.minio == nil {
		shared.host = gateway(t, bridge.Network)
	}
	if _, err := docker.ImageInspect(t.Context(), WeaviateImage); err != nil {
		if !errdefs.IsNotFound(err) {
			t.Fatal(err)
		}
		fatal(t, loadImage(t.Context(), docker))
	}
	return docker
}

// gateway is the address that this machine has on a bridge. Its IPAM configuration names it only sometimes, its network interface always has it.
func gateway(t testing.TB, bridge network.Inspect) string {
	t.Helper()
	device, err := net.InterfaceByName(bridge.Options["com.docker.network.bridge.name"])
	if err != nil {
		Lacking(t, "a Docker daemon whose bridge is an interface of this machine: "+err.Error())
	}
	addresses, err := device.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
			return prefix.Addr().String()
		}
	}
	t.Fatalf("the bridge %s has no IPv4 address: %v", device.Name, addresses)
	return ""
}

// loadImage makes the image that the official one is to a sandbox: one layer with the static binary, which is also the entrypoint.
func loadImage(ctx context.Context, docker *client.Client) error {
	bin, err := servers.Find("weaviate-server")
	if err != nil {
		return err
	}
	// A tar header needs the layer's size, and the configuration its digest, before the layer: it is written twice.
	digest, size := sha256.New(), new(counter)
	if err := writeLayer(io.MultiWriter(digest, size), bin); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/bin/weaviate"}, "Cmd": []string{"--host", "0.0.0.0", "--port", "8080", "--scheme", "http"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(digest.Sum(nil))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{WeaviateImage}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	archive, w := io.Pipe()
	defer archive.Close()
	go func() {
		image := tar.NewWriter(w)
		err := errors.Join(
			file(image, "manifest.json", 0o644, manifest), file(image, "config.json", 0o644, config),
			image.WriteHeader(&tar.Header{Name: "layer.tar", Mode: 0o644, Size: int64(*size)}), writeLayer(image, bin), image.Close(),
		)
		_ = w.CloseWithError(err)
	}()
	loaded, err := docker.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer loaded.Close()
	_, err = io.Copy(io.Discard, loaded)
	return err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// writeLayer writes the image's only layer; the same each time.
func writeLayer(w io.Writer, bin string) error {
	layer := tar.NewWriter(w)
	for _, dir := range []tar.Header{{Name: "bin/", Mode: 0o755}, {Name: "tmp/", Mode: 0o1777}, {Name: "etc/ssl/certs/", Mode: 0o755}, {Name: "var/lib/weaviate/", Mode: 0o755}} {
		dir.Typeflag = tar.TypeDir
		if err := layer.WriteHeader(&dir); err != nil {
			return err
		}
	}
	const roots = "etc/ssl/certs/ca-certificates.crt"
	if certificates, err := os.ReadFile("/" + roots); err == nil {
		if err := file(layer, roots, 0o644, certificates); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	binary, err := os.Open(bin)
	if err != nil {
		return err
	}
	defer binary.Close()
	info, err := binary.Stat()
	if err != nil {
		return err
	}
	if err := layer.WriteHeader(&tar.Header{Name: "bin/weaviate", Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(layer, binary); err != nil {
		return fmt.Errorf("%s: %w", bin, err)
	}
	return layer.Close()
}

func file(w *tar.Writer, name string, mode int64, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
