package servertest

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/weaviate-drill/weaviate-drill/internal/image"
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

// loadImage makes the image that the official one is to a sandbox.
func loadImage(ctx context.Context, docker *client.Client) error {
	bin, err := servers.Find("weaviate-server")
	if err != nil {
		return err
	}
	archive, w := io.Pipe()
	defer archive.Close()
	go func() {
		_ = w.CloseWithError(image.Weaviate(WeaviateImage, bin).Write(w))
	}()
	loaded, err := docker.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer loaded.Close()
	_, err = io.Copy(io.Discard, loaded)
	return err
}
