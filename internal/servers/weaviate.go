package servers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// WeaviateOptions say what to run. Env is added to (and overrides) what a local node needs: ports, folders, cluster addresses.
type WeaviateOptions struct {
	Bin    string // empty: Find("weaviate-server")
	Dir    string // data and logs; must be the instance's own
	Nodes  []string
	APIKey secret.Value // goes to the endpoints; the environment must allow it
	Env    map[string]string
}

// Weaviate is a running cluster of one node or more.
type Weaviate struct {
	Nodes     []*Process
	Endpoints []weaviate.Endpoint // one for each node, in the order of the names given
}

// StartWeaviate runs a cluster on free loopback ports and waits until every node is ready. After an error nothing is left running; the logs
// stay in o.Dir.
func StartWeaviate(ctx context.Context, o WeaviateOptions) (*Weaviate, error) {
	if o.Bin == "" {
		bin, err := Find("weaviate-server")
		if err != nil {
			return nil, err
		}
		o.Bin = bin
	}
	const perNode = 8
	ports, err := freePorts(perNode * len(o.Nodes))
	if err != nil {
		return nil, err
	}
	var join []string
	for i, name := range o.Nodes {
		join = append(join, fmt.Sprintf("%s:%d", name, ports[perNode*i+2]))
	}
	w := &Weaviate{}
	for i, name := range o.Nodes {
		p := ports[perNode*i : perNode*(i+1)]
		dir := filepath.Join(o.Dir, name)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			w.Kill()
			return nil, err
		}
		gossip, data, raft, raftRPC, grpcPort, profiling, metrics, rest := p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
		env := map[string]string{
			"HOME": dir, "TMPDIR": dir, "PATH": os.Getenv("PATH"),
			"PERSISTENCE_DATA_PATH": filepath.Join(dir, "data"), "CLUSTER_HOSTNAME": name, "CLUSTER_IN_LOCALHOST": "true",
			"CLUSTER_GOSSIP_BIND_PORT": fmt.Sprint(gossip), "CLUSTER_DATA_BIND_PORT": fmt.Sprint(data),
			"RAFT_PORT": fmt.Sprint(raft), "RAFT_INTERNAL_RPC_PORT": fmt.Sprint(raftRPC),
			"RAFT_JOIN": strings.Join(join, ","), "RAFT_BOOTSTRAP_EXPECT": fmt.Sprint(len(o.Nodes)),
			"GRPC_PORT": fmt.Sprint(grpcPort), "GO_PROFILING_PORT": fmt.Sprint(profiling), "PROMETHEUS_MONITORING_PORT": fmt.Sprint(metrics),
			"DISABLE_TELEMETRY": "true", "LOG_FORMAT": "json",
		}
		if i > 0 {
			env["CLUSTER_JOIN"] = fmt.Sprintf("127.0.0.1:%d", ports[0])
		}
		maps.Copy(env, o.Env)
		list := make([]string, 0, len(env))
		for _, k := range slices.Sorted(maps.Keys(env)) {
			list = append(list, k+"="+env[k])
		}
		process, err := start(name, o.Bin, []string{"--host", "127.0.0.1", "--port", fmt.Sprint(rest), "--scheme", "http"}, list, dir, filepath.Join(dir, "weaviate.log"))
		if err != nil {
			w.Kill()
			return nil, err
		}
		w.Nodes = append(w.Nodes, process)
		w.Endpoints = append(w.Endpoints, weaviate.Endpoint{URL: fmt.Sprintf("http://127.0.0.1:%d", rest), GRPC: fmt.Sprintf("127.0.0.1:%d", grpcPort), APIKey: o.APIKey})
	}
	for i, process := range w.Nodes {
		if err := process.waitFor(ctx, w.Endpoints[i].URL+"/v1/.well-known/ready"); err != nil {
			w.Kill()
			return nil, err
		}
	}
	return w, nil
}

// Stop ends all nodes, each given grace to flush.
func (w *Weaviate) Stop(grace time.Duration) {
	var wg sync.WaitGroup
	for _, p := range w.Nodes {
		wg.Go(func() { p.Stop(grace) })
	}
	wg.Wait()
}

// Kill ends all nodes at once.
func (w *Weaviate) Kill() {
	for _, p := range w.Nodes {
		p.Kill()
	}
}

// SourceEnv is the environment of a Weaviate that backs up into a bucket of m: one root key, no anonymous access.
func SourceEnv(m *MinIO, bucket, path string, apiKey secret.Value) map[string]string {
	return map[string]string{
		"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false", "AUTHENTICATION_APIKEY_ENABLED": "true",
		"AUTHENTICATION_APIKEY_ALLOWED_KEYS": apiKey.Reveal(), "AUTHENTICATION_APIKEY_USERS": "operator",
		"AUTHORIZATION_RBAC_ENABLED": "true", "AUTHORIZATION_RBAC_ROOT_USERS": "operator",
		"DEFAULT_VECTORIZER_MODULE": "none", "ENABLE_MODULES": "backup-s3",
		"BACKUP_S3_BUCKET": bucket, "BACKUP_S3_PATH": path, "BACKUP_S3_ENDPOINT": strings.TrimPrefix(m.Endpoint, "http://"), "BACKUP_S3_USE_SSL": "false",
		"AWS_ACCESS_KEY_ID": m.AccessKey, "AWS_SECRET_ACCESS_KEY": m.SecretKey, "AWS_REGION": "us-east-1",
	}
}
