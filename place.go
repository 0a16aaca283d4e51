package drill

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/docker"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/external"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/process"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// places are the kinds of sandbox. A new kind is one line here.
var places = map[string]func(*Config) (sandbox.Sandbox, error){
	"process": func(c *Config) (sandbox.Sandbox, error) {
		return process.New(process.Options(c.Sandbox.Process)), nil
	},
	"docker": func(c *Config) (sandbox.Sandbox, error) {
		return docker.New(docker.Options(c.Sandbox.Docker)), nil
	},
	"kubernetes": func(c *Config) (sandbox.Sandbox, error) {
		return kubernetes.New(c.Sandbox.Kubernetes.options()), nil
	},
	"external": func(c *Config) (sandbox.Sandbox, error) {
		endpoint, err := c.Sandbox.External.Endpoint()
		if err != nil {
			return nil, fmt.Errorf("sandbox.external: %w", err)
		}
		nodes, err := c.externalNodes()
		if err != nil {
			return nil, err
		}
		return external.New(endpoint, nodes), nil
	},
}

// OpenSandbox is the place to restore into that the configuration names. Nothing is started.
func (c *Config) OpenSandbox() (sandbox.Sandbox, error) {
	open, known := places[c.Sandbox.Kind]
	if !known {
		return nil, fmt.Errorf("%w: sandbox.kind %q is not known", ErrConfig, c.Sandbox.Kind)
	}
	return open(c)
}

// nodes connects to each node of the sandbox by itself, where there are several and its kind can tell how. done ends the connections, also after an error.
func (r *run) nodes(ctx context.Context) (nodes []verify.Node, done func(), err error) {
	instance, can := r.instance.(sandbox.Spread)
	if !can || len(r.record.Sandbox.Nodes) < 2 || !r.config.Verify.Level.AtLeast(verify.LevelFull) {
		return nil, func() {}, nil
	}
	endpoints, err := instance.Endpoints(ctx)
	if err != nil {
		return nil, func() {}, err
	}
	return dialNodes(ctx, endpoints)
}

// DialExternalNodes connects to each node of the external sandbox by itself, as far as the configuration names them. done ends the connections, also after an error.
func (c *Config) DialExternalNodes(ctx context.Context) (nodes []verify.Node, done func(), err error) {
	endpoints, err := c.externalNodes()
	if err != nil {
		return nil, func() {}, err
	}
	return dialNodes(ctx, endpoints)
}

func (c *Config) externalNodes() (map[string]weaviate.Endpoint, error) {
	endpoints := map[string]weaviate.Endpoint{}
	for name, address := range c.Sandbox.ExternalNodes {
		var err error
		if endpoints[name], err = address.of(*c.Sandbox.External).Endpoint(); err != nil {
			return nil, fmt.Errorf("sandbox.external_nodes.%s: %w", name, err)
		}
	}
	return endpoints, nil
}

func dialNodes(ctx context.Context, endpoints map[string]weaviate.Endpoint) (nodes []verify.Node, done func(), err error) {
	done = func() {
		for _, n := range nodes {
			_ = n.Conn.Close()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		conn, err := weaviate.Dial(ctx, endpoints[name])
		if err != nil {
			return nodes, done, fmt.Errorf("node %s: %w", name, err)
		}
		nodes = append(nodes, verify.Node{Name: name, Conn: conn})
	}
	return nodes, done, nil
}

// options are those of the sandbox. The schema has let through only quantities that parse.
func (k KubernetesSandbox) options() kubernetes.Options {
	o := kubernetes.Options{
		Kubeconfig: k.Kubeconfig, Context: k.Context, Namespace: k.Namespace, ClusterRole: k.ClusterRole, Image: k.Image, PullSecrets: k.PullSecrets, Env: k.Env,
		StorageClass: k.StorageClass, NodeSelector: k.NodeSelector, PriorityClass: k.PriorityClass, SpreadOver: k.SpreadOver,
		ServiceAccountAnnotations: k.ServiceAccountAnnotations, S3CIDRs: k.S3CIDRs, Timeout: k.Timeout,
	}
	if k.Twin != nil {
		o.Twin = kubernetes.Twin(*k.Twin)
	}
	if k.CPU != "" {
		o.CPU = resource.MustParse(k.CPU)
	}
	if k.Memory != "" {
		o.Memory = resource.MustParse(k.Memory)
	}
	if k.Size != "" {
		o.Size = resource.MustParse(k.Size)
	}
	for _, key := range k.Tolerate {
		o.Tolerations = append(o.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	}
	return o
}
