package docker_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/docker"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

func TestContract(t *testing.T) {
	daemon := servertest.Docker(t)
	sandboxtest.Run(t, sandboxtest.Kind{
		New:  func() sandbox.Sandbox { return docker.New(docker.Options{Image: servertest.WeaviateImage}) },
		Left: func(t *testing.T, drillID string) []string { return left(t, daemon, drillID) },
	})
}

// left names what Docker has of a drill, by name: a label might have been forgotten.
func left(t *testing.T, daemon *client.Client, drillID string) []string {
	t.Helper()
	var list []string
	containers, err := daemon.ContainerList(t.Context(), client.ContainerListOptions{All: true})
	check(t, err)
	for _, c := range containers.Items {
		list = append(list, c.Names...)
	}
	volumes, err := daemon.VolumeList(t.Context(), client.VolumeListOptions{})
	check(t, err)
	for _, v := range volumes.Items {
		list = append(list, v.Name)
	}
	networks, err := daemon.NetworkList(t.Context(), client.NetworkListOptions{})
	check(t, err)
	for _, n := range networks.Items {
		list = append(list, n.Name)
	}
	var found []string
	for _, name := range list {
		if strings.Contains(name, drillID) {
			found = append(found, name)
		}
	}
	return found
}

// TestThreeNodes restores a backup of three nodes into three containers, looks at how they are confined, and leaves their removal to Tidy, as a dead drill does.
func TestThreeNodes(t *testing.T) {
	daemon := servertest.Docker(t)
	nodes := []string{"weaviate-0", "weaviate-1", "weaviate-2"}
	b := servertest.Bucket(t, "backups")
	source := servertest.Weaviate(t, b, nil, nodes...)
	sandboxtest.Backup(t, servertest.Dial(t, source), "three")
	source.Kill() // three more follow

	spec := sandboxtest.Spec(t, b, nodes...)
	place := docker.New(docker.Options{Memory: "2GiB", CPUs: 1.5}) // and the official image, by default
	i, err := place.Up(t.Context(), spec)
	check(t, err)
	t.Cleanup(func() { _ = i.Down(context.Background()) })
	c, err := weaviate.Dial(t.Context(), i.Endpoint())
	check(t, err)
	defer c.Close()
	sandboxtest.Restore(t, c, "three")
	sandboxtest.EveryNode(t, i, nodes...)

	containers, err := daemon.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", docker.LabelDrill+"="+spec.DrillID)})
	check(t, err)
	if len(containers.Items) != len(nodes) {
		t.Errorf("%d containers", len(containers.Items))
	}
	for _, each := range containers.Items {
		inspected, err := daemon.ContainerInspect(t.Context(), each.ID, client.ContainerInspectOptions{})
		check(t, err)
		got := inspected.Container
		h := got.HostConfig
		if h.Privileged || len(h.CapAdd) > 0 || len(h.CapDrop) != 1 || h.CapDrop[0] != "ALL" || !h.ReadonlyRootfs || len(h.SecurityOpt) != 1 || h.SecurityOpt[0] != "no-new-privileges:true" {
			t.Errorf("%s is confined badly: %+v", got.Name, h)
		}
		if got.Config.User != "65532:65532" {
			t.Errorf("%s runs as %q", got.Name, got.Config.User)
		}
		if h.Memory != 2<<30 || h.NanoCPUs != 1_500_000_000 {
			t.Errorf("%s has limits of %d bytes and %d billionths of a CPU", got.Name, h.Memory, h.NanoCPUs)
		}
		if len(got.NetworkSettings.Networks) != 1 || got.NetworkSettings.Networks["weaviate-drill-"+spec.DrillID] == nil {
			t.Errorf("%s is on the networks %v", got.Name, got.NetworkSettings.Networks)
		}
		if len(got.NetworkSettings.Ports) < 2 {
			t.Errorf("%s publishes %v", got.Name, got.NetworkSettings.Ports)
		}
		for port, bindings := range got.NetworkSettings.Ports {
			for _, binding := range bindings {
				if binding.HostIP.String() != "127.0.0.1" {
					t.Errorf("%s publishes %s on %s", got.Name, port, binding.HostIP)
				}
			}
		}
		for _, m := range got.Mounts {
			if m.Type == mount.TypeBind {
				t.Errorf("%s mounts %s of the machine", got.Name, m.Source)
			}
		}
		if got.Config.Labels[docker.LabelExpires] == "" {
			t.Errorf("%s does not say when it expires", got.Name)
		}
	}

	check(t, place.Tidy(t.Context(), spec.DrillID))
	if l := left(t, daemon, spec.DrillID); len(l) > 0 {
		t.Errorf("still there: %v", l)
	}
	check(t, i.Down(t.Context()))
}

func TestBadOptions(t *testing.T) {
	daemon := servertest.Docker(t)
	for name, each := range map[string]struct {
		options docker.Options
		words   []string
	}{
		"no such image": {docker.Options{Image: "127.0.0.1:1/no/such:image"}, []string{"127.0.0.1:1/no/such:image", "docker load", "sandbox.docker.image"}},
		"memory":        {docker.Options{Image: servertest.WeaviateImage, Memory: "much"}, []string{`"much"`, "sandbox.docker.memory"}},
		"too little":    {docker.Options{Image: servertest.WeaviateImage, Memory: "24MiB"}, []string{"node1", "ended before it was ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := sandboxtest.Spec(t, servertest.Bucket(t, ""), "node1")
			_, err := docker.New(each.options).Up(t.Context(), spec)
			if err == nil {
				t.Fatal("it came up")
			}
			for _, word := range each.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error lacks %q: %v", word, err)
				}
			}
			t.Log(err)
			if l := left(t, daemon, spec.DrillID); len(l) > 0 {
				t.Errorf("left behind: %v", l)
			}
		})
	}
}

// TestDaemonThatDoesNotAnswer must not end up on another daemon that does.
func TestDaemonThatDoesNotAnswer(t *testing.T) {
	servertest.Docker(t)
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	spec := sandbox.Spec{DrillID: sandboxtest.ID(), Version: servertest.WeaviateVersion, Nodes: []string{"node1"}}
	if _, err := docker.New(docker.Options{}).Up(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "unix:///nowhere/docker.sock") {
		t.Error(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
