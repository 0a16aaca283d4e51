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
	// Outlive: the processes need not end with this program. Somebody who is told their ids stops them.
	Outlive bool
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
	// The ports of a node, from its first.
	const (
		gossipPort = iota
		dataPort
		raftPort
		raftRPCPort
		grpcPort
		profilingPort
		metricsPort
		restPort
		perNode
	)
	first, err := freePorts("127.0.0.1", perNode*len(o.Nodes))
	if err != nil {
		return nil, err
	}
	var join []string
	for i, name := range o.Nodes {
		join = append(join, fmt.Sprintf("%s:%d", name, first+perNode*i+raftPort))
	}
	w := &Weaviate{}
	for i, name := range o.Nodes {
		port := func(which int) string { return fmt.Sprint(first + perNode*i + which) }
		dir := filepath.Join(o.Dir, name)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			w.Kill()
			return nil, err
		}
		env := map[string]string{
			"HOME": dir, "TMPDIR": dir, "PATH": os.Getenv("PATH"),
			"PERSISTENCE_DATA_PATH": filepath.Join(dir, "data"), "CLUSTER_HOSTNAME": name, "CLUSTER_IN_LOCALHOST": "true", "CLUSTER_BIND_ADDR": "127.0.0.1",
			"CLUSTER_GOSSIP_BIND_PORT": port(gossipPort), "CLUSTER_DATA_BIND_PORT": port(dataPort),
			"RAFT_PORT": port(raftPort), "RAFT_INTERNAL_RPC_PORT": port(raftRPCPort),
			"RAFT_JOIN": strings.Join(join, ","), "RAFT_BOOTSTRAP_EXPECT": fmt.Sprint(len(o.Nodes)),
			"GRPC_PORT": port(grpcPort), "GO_PROFILING_PORT": port(profilingPort), "PROMETHEUS_MONITORING_PORT": port(metricsPort),
			"DISABLE_TELEMETRY": "true", "LOG_FORMAT": "json",
		}
		if i > 0 {
			env["CLUSTER_JOIN"] = fmt.Sprintf("127.0.0.1:%d", first+gossipPort)
		}
		maps.Copy(env, o.Env)
		list := make([]string, 0, len(env))
		for _, k := range slices.Sorted(maps.Keys(env)) {
			list = append(list, k+"="+env[k])
		}
		process, err := start(name, o.Bin, []string{"--host", "127.0.0.1", "--port", port(restPort), "--scheme", "http"}, list, dir, filepath.Join(dir, "weaviate.log"), o.Outlive)
		if err != nil {
			w.Kill()
			return nil, err
		}
		w.Nodes = append(w.Nodes, process)
		w.Endpoints = append(w.Endpoints, weaviate.Endpoint{URL: "http://127.0.0.1:" + port(restPort), GRPC: "127.0.0.1:" + port(grpcPort), APIKey: o.APIKey})
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
		"AUTHORIZATION_RBAC_ENABLED": "true", "AUTHORIZATION_RBAC_ROOT_USERS": "operator", "AUTHENTICATION_DB_USERS_ENABLED": "true",
		"DEFAULT_VECTORIZER_MODULE": "none", "ENABLE_MODULES": "backup-s3",
		"BACKUP_S3_BUCKET": bucket, "BACKUP_S3_PATH": path, "BACKUP_S3_ENDPOINT": strings.TrimPrefix(m.Endpoint, "http://"), "BACKUP_S3_USE_SSL": "false",
		"AWS_ACCESS_KEY_ID": m.AccessKey, "AWS_SECRET_ACCESS_KEY": m.SecretKey, "AWS_REGION": "us-east-1",
	}
}
