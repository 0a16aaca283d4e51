package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

type instance struct {
	drillID string
	docker  client.APIClient
	nodes   []node
	limits  container.Resources // of each container
}

type node struct {
	name, container string
	endpoint        weaviate.Endpoint
}

// ready waits until the node answers on its published port, its container ends, or ctx does.
func (i *instance) ready(ctx context.Context, n *node, key secret.Value) error {
	web := &http.Client{Timeout: 2 * time.Second}
	defer web.CloseIdleConnections()
	for {
		inspected, err := i.docker.ContainerInspect(ctx, n.container, client.ContainerInspectOptions{})
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		c := inspected.Container
		if !c.State.Running {
			cause := fmt.Sprintf("exit status %d", c.State.ExitCode)
			if c.State.OOMKilled {
				cause = "killed for lack of memory: raise sandbox.docker.memory"
			}
			return fmt.Errorf("%s ended before it was ready (%s): %s", n.name, cause, i.lastWords(ctx, *n))
		}
		if rest, grpc := c.NetworkSettings.Ports[restPort], c.NetworkSettings.Ports[grpcPort]; len(rest) > 0 && len(grpc) > 0 {
			n.endpoint = weaviate.Endpoint{URL: "http://127.0.0.1:" + rest[0].HostPort, GRPC: "127.0.0.1:" + grpc[0].HostPort, APIKey: key}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.endpoint.URL+"/v1/.well-known/ready", nil)
			if err != nil {
				return err
			}
			if resp, err := web.Do(req); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", n.name, ctx.Err(), i.lastWords(context.WithoutCancel(ctx), *n))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (i *instance) Endpoint() weaviate.Endpoint { return i.nodes[0].endpoint }

func (i *instance) Endpoints(context.Context) (map[string]weaviate.Endpoint, error) {
	all := make(map[string]weaviate.Endpoint, len(i.nodes))
	for _, n := range i.nodes {
		all[n.name] = n.endpoint
	}
	return all, nil
}

func (i *instance) Logs(ctx context.Context, w io.Writer) error {
	for _, n := range i.nodes {
		if err := i.log(ctx, n, "all", func(log io.Reader) error { return sandbox.CopyLog(w, n.name, log) }); err != nil {
			return err
		}
	}
	return nil
}

// log hands the last lines ("all" or a number) that a node wrote to either of its streams to read.
func (i *instance) log(ctx context.Context, n node, lines string, read func(io.Reader) error) error {
	framed, err := i.docker.ContainerLogs(ctx, n.container, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: lines})
	if err != nil {
		return fmt.Errorf("docker sandbox: log of %s: %w", n.name, err)
	}
	defer framed.Close()
	plain, w := io.Pipe()
	defer plain.Close()
	go func() {
		_, err := stdcopy.StdCopy(w, w, framed)
		_ = w.CloseWithError(err)
	}()
	return read(plain)
}

// lastWords are the last two log lines of a node, as one.
func (i *instance) lastWords(ctx context.Context, n node) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var text []byte
	err := i.log(ctx, n, "2", func(log io.Reader) (err error) {
		text, err = io.ReadAll(log)
		return err
	})
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " | ")
}

// Disposable says that the containers and their volumes are this drill's alone.
func (i *instance) Disposable() {}

// Fidelity tells of the sandbox what it was given; of the source nothing is known.
func (i *instance) Fidelity(context.Context) []sandbox.Difference {
	cpu, memory := "the processors of the Docker daemon's machine, shared", "that of the Docker daemon's machine, shared"
	if i.limits.NanoCPUs > 0 {
		cpu = fmt.Sprintf("limit %g for each node", float64(i.limits.NanoCPUs)/1e9)
	}
	if i.limits.Memory > 0 {
		memory = fmt.Sprintf("limit %s for each node", units.BytesSize(float64(i.limits.Memory)))
	}
	return []sandbox.Difference{{What: sandbox.CPU, Sandbox: cpu}, {What: sandbox.Memory, Sandbox: memory}, {What: sandbox.Storage, Sandbox: "a volume of the Docker daemon"}}
}

func (i *instance) Describe() string {
	return fmt.Sprintf(`Weaviate at %s in %s: "docker inspect" shows its API key; remove it with "weaviate-drill gc", or by the label %s=%s`,
		i.Endpoint().URL, words(i.containers()), LabelDrill, i.drillID)
}

func (i *instance) containers() []thing {
	var list []thing
	for _, n := range i.nodes {
		list = append(list, thing{kind: "container", name: n.container[:12]})
	}
	return list
}

// Down removes what bears the drill's label and looks again until there is nothing.
func (i *instance) Down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		left, err := i.things(ctx)
		if err != nil {
			return fmt.Errorf("docker sandbox: what drill %s left cannot be listed, and may still be there: %w", i.drillID, err)
		}
		if len(left) == 0 {
			return nil
		}
		// An error may only say that somebody else is removing it, or that what uses it was not removed yet.
		var failed error
		for _, t := range left {
			failed = errors.Join(failed, t.remove(ctx))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("docker sandbox: %s could not be removed: %w", words(left), errors.Join(ctx.Err(), failed))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// thing is something in Docker that bears the drill's label.
type thing struct {
	kind, name string
	remove     func(context.Context) error
}

func words(things []thing) string {
	var list []string
	for _, t := range things {
		list = append(list, t.kind+" "+t.name)
	}
	return strings.Join(list, ", ")
}

// things lists what the drill has, in the order in which it can be removed.
func (i *instance) things(ctx context.Context) ([]thing, error) {
	ours := make(client.Filters).Add("label", LabelDrill+"="+i.drillID)
	var list []thing
	containers, err := i.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		return nil, err
	}
	for _, c := range containers.Items {
		list = append(list, thing{"container", c.ID[:12], func(ctx context.Context) error {
			_, err := i.docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			return err
		}})
	}
	volumes, err := i.docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	if err != nil {
		return nil, err
	}
	for _, v := range volumes.Items {
		list = append(list, thing{"volume", v.Name, func(ctx context.Context) error {
			_, err := i.docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
			return err
		}})
	}
	networks, err := i.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	if err != nil {
		return nil, err
	}
	for _, n := range networks.Items {
		list = append(list, thing{"network", n.Name, func(ctx context.Context) error {
			_, err := i.docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
			return err
		}})
	}
	return list, nil
}
