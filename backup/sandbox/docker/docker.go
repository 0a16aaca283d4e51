// Package docker is a sandbox of containers on a Docker daemon of this machine: one container for each node, without capabilities, on a read-only
// root file system, as a user who is not root, on a network of its own whose ports are published on 127.0.0.1 only.
//
// What it does not do: that network reaches whatever the machine reaches, since Weaviate needs its way to S3. And whoever controls the daemon reads the
// sandbox's credentials with "docker inspect", as they could read them from the server's memory.
package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// Labels of everything that a drill makes in Docker.
const (
	LabelDrill   = "weaviate-drill.id"
	LabelExpires = "weaviate-drill.expires" // RFC 3339; after it nobody needs the thing any more
)

const (
	lifetime     = 24 * time.Hour
	startTimeout = time.Minute // of what the daemon does at once: create, start, remove
	uid          = 65532       // the "nonroot" of distroless images; the official image names no user, and would run as root
	volumeFolder = "/var/lib/weaviate"
	dataFolder   = "data" // in the volume, whose own root belongs to root
	gossipPort   = 7000
)

var (
	restPort = network.MustParsePort("8080/tcp")
	grpcPort = network.MustParsePort("50051/tcp")
)

// Options say what to run and how much of the machine it may use.
type Options struct {
	Image  string  // empty: semitechnologies/weaviate:<version of the backup>
	Memory string  // limit of each container, such as "4GiB"; empty: none
	CPUs   float64 // limit of each container; 0: none
}

// New returns a sandbox of containers.
func New(o Options) sandbox.Sandbox { return place{o} }

type place struct{ Options }

func (place) Kind() string { return "docker" }

// silence sets what testcontainers-go has for the whole process only. Its own cleaner (Ryuk) is another container, from another image, that holds the
// daemon's socket, and would remove what --keep-on-failure asks to keep: Down, and Tidy after a death, remove by label instead.
var silence = sync.OnceFunc(func() {
	_ = os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	tclog.SetDefault(tclog.NewNoopLogger())
})

// dial finds the daemon where the docker command does: DOCKER_HOST, the current context, the usual sockets.
func dial(ctx context.Context) (*testcontainers.DockerProvider, error) {
	silence()
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithDefaultBridgeNetwork(testcontainers.Bridge))
	if err == nil {
		_, err = provider.Client().Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	}
	if err != nil {
		return nil, fmt.Errorf("docker sandbox: no Docker daemon answers (start it, or point DOCKER_HOST at it): %w", err)
	}
	host := provider.Client().DaemonHost()
	// testcontainers-go goes on to the usual sockets when DOCKER_HOST does not answer: production data would land on a daemon that nobody named.
	if want := os.Getenv("DOCKER_HOST"); want != "" && want != host {
		return nil, fmt.Errorf("docker sandbox: the Docker daemon at %s (DOCKER_HOST) does not answer: start it, or unset DOCKER_HOST to use the one at %s", want, host)
	}
	if !strings.HasPrefix(host, "unix:") && !strings.HasPrefix(host, "npipe:") {
		return nil, fmt.Errorf("docker sandbox: the Docker daemon at %s may be another machine, whose loopback ports cannot be reached from here: run weaviate-drill there", host)
	}
	return provider, nil
}

func (p place) Up(ctx context.Context, spec sandbox.Spec) (_ sandbox.Instance, err error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	name, err := sandbox.Name(spec.DrillID)
	if err != nil {
		return nil, err
	}
	var limits container.Resources
	limits.NanoCPUs = int64(p.CPUs * 1e9)
	if p.Memory != "" {
		if limits.Memory, err = units.RAMInBytes(p.Memory); err != nil {
			return nil, fmt.Errorf("docker sandbox: sandbox.docker.memory is %q: write a size such as 4GiB", p.Memory)
		}
	}
	provider, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	image := p.Image
	if image == "" {
		image = "semitechnologies/weaviate:" + spec.Version
	}
	i := &instance{drillID: spec.DrillID, docker: provider.Client(), limits: limits}
	if err := i.pull(ctx, image); err != nil {
		return nil, err
	}
	// What is there already is another's, and is neither used nor removed.
	there, err := i.things(ctx)
	if err != nil {
		return nil, fmt.Errorf("docker sandbox: %w", err)
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("docker sandbox: drill %s has %s already", spec.DrillID, words(there))
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("docker sandbox: %w", err)
			if down := i.Down(context.WithoutCancel(ctx)); down != nil {
				err = fmt.Errorf("%w; and then: %w", err, down)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, sandbox.ReadyTimeout)
	defer cancel()
	key := sandbox.NewKey()
	if err := i.start(ctx, provider, name, image, limits, spec, key); err != nil {
		return nil, err
	}
	for n := range i.nodes {
		if err := i.ready(ctx, &i.nodes[n], key); err != nil {
			return nil, err
		}
	}
	err = spec.Fits(ctx, i.Endpoint())
	if errors.Is(err, sandbox.ErrVersion) {
		err = fmt.Errorf("%w; set sandbox.docker.image to an image of that version (this was %s)", err, image)
	}
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Tidy removes whatever bears the drill's label.
func (place) Tidy(ctx context.Context, drillID string) error {
	if _, err := sandbox.Name(drillID); err != nil {
		return err
	}
	provider, err := dial(ctx)
	if err != nil {
		return err
	}
	return (&instance{drillID: drillID, docker: provider.Client()}).Down(ctx)
}

// pull makes sure that the image is there. testcontainers-go would pull it too, but tries for 15 minutes when it cannot.
func (i *instance) pull(ctx context.Context, image string) error {
	_, err := i.docker.ImageInspect(ctx, image)
	if err == nil {
		return nil
	}
	if !errdefs.IsNotFound(err) {
		return fmt.Errorf("docker sandbox: image %s: %w", image, err)
	}
	var options client.ImagePullOptions
	// Without a login for the registry the pull is anonymous.
	if _, login, err := testcontainers.DockerImageAuth(ctx, image); err == nil {
		if options.RegistryAuth, err = authconfig.Encode(login); err != nil {
			return fmt.Errorf("docker sandbox: login for image %s: %w", image, err)
		}
	}
	pull, err := i.docker.ImagePull(ctx, image, options)
	if err == nil {
		err = pull.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf(`docker sandbox: image %s is not on this machine and cannot be pulled (log in and "docker pull" it, "docker load" it, or set sandbox.docker.image): %w`, image, err)
	}
	return nil
}

// start makes the network, and for each node a volume and a container. A create that was given up halfway might still come about after everything was
// removed; therefore ctx is looked at between those calls, not in them.
func (i *instance) start(ctx context.Context, provider *testcontainers.DockerProvider, name, image string, limits container.Resources, spec sandbox.Spec, key secret.Value) error {
	labels := func() map[string]string { // a map for each: testcontainers-go adds its own labels to what it gets
		return map[string]string{LabelDrill: i.drillID, LabelExpires: time.Now().Add(lifetime).UTC().Format(time.RFC3339)}
	}
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	if _, err := i.docker.NetworkCreate(whole, name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels()}); err != nil {
		return fmt.Errorf("network %s: %w", name, err)
	}
	for n, nodeName := range spec.Nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		host := fmt.Sprintf("%s-%d", name, n)
		if _, err := i.docker.VolumeCreate(whole, client.VolumeCreateOptions{Name: host, Labels: labels()}); err != nil {
			return fmt.Errorf("volume %s: %w", host, err)
		}
		env := spec.Env(key)
		maps.Copy(env, map[string]string{
			"PERSISTENCE_DATA_PATH": volumeFolder + "/" + dataFolder, "CLUSTER_HOSTNAME": nodeName,
			"CLUSTER_GOSSIP_BIND_PORT": fmt.Sprint(gossipPort), "CLUSTER_DATA_BIND_PORT": fmt.Sprint(gossipPort + 1),
			"RAFT_JOIN": strings.Join(spec.Nodes, ","), "RAFT_BOOTSTRAP_EXPECT": fmt.Sprint(len(spec.Nodes)),
		})
		if n > 0 {
			env["CLUSTER_JOIN"] = fmt.Sprintf("%s-0:%d", name, gossipPort)
		}
		if limits.Memory > 0 {
			env["GOMEMLIMIT"] = fmt.Sprint(limits.Memory / 10 * 9) // collects harder, rather than be killed
		}
		made, err := provider.CreateContainer(whole, testcontainers.ContainerRequest{
			Name: host, Image: image, Env: env, Cmd: []string{"--host", "0.0.0.0", "--port", restPort.Port(), "--scheme", "http"},
			Labels: labels(), ExposedPorts: []string{restPort.String(), grpcPort.String()},
			Networks: []string{name}, NetworkAliases: map[string][]string{name: {host}},
			ConfigModifier: func(c *container.Config) { c.User = fmt.Sprintf("%d:%d", uid, uid) },
			HostConfigModifier: func(h *container.HostConfig) {
				loopback := []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1")}}
				h.PortBindings = network.PortMap{restPort: loopback, grpcPort: append([]network.PortBinding(nil), loopback...)}
				h.NetworkMode = container.NetworkMode(name)
				h.CapDrop = []string{"ALL"}
				h.SecurityOpt = []string{"no-new-privileges:true"}
				h.ReadonlyRootfs = true
				h.Tmpfs = map[string]string{"/tmp": "rw,noexec,nosuid,nodev,size=64m"}
				h.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: host, Target: volumeFolder}}
				h.LogConfig = container.LogConfig{Type: "json-file"} // whatever the daemon's default: Logs needs one that can be read
				h.Resources = limits
			},
		})
		if err != nil {
			return fmt.Errorf("container %s: %w", host, err)
		}
		i.nodes = append(i.nodes, node{name: nodeName, container: made.GetContainerID()})
		if err := i.ownFolder(whole, made.GetContainerID()); err != nil {
			return fmt.Errorf("data folder of %s: %w", host, err)
		}
		if _, err := i.docker.ContainerStart(whole, made.GetContainerID(), client.ContainerStartOptions{}); err != nil {
			return fmt.Errorf("start container %s: %w", host, err)
		}
	}
	return nil
}

// ownFolder puts a folder that belongs to the container's user into its volume. A volume is a folder of root's, and no container that could change
// that has the rights to.
func (i *instance) ownFolder(ctx context.Context, id string) error {
	var archive strings.Builder
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dataFolder + "/", Mode: 0o700, Uid: uid, Gid: uid, ModTime: time.Now()}); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := i.docker.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: volumeFolder, Content: strings.NewReader(archive.String())})
	return err
}
