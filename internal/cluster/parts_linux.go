package cluster

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/weaviate-drill/weaviate-drill/internal/image"
)

const (
	apiAddress       = nodeAddress + ":6443"
	etcdAddress      = "127.0.0.1:2379"
	containerdSocket = "/run/containerd/containerd.sock"
)

// nodePath is where the node sees the configuration of its parts, which lies in lib/drill of the state folder.
func nodePath(name string) string { return path.Join("/var/lib/drill", name) }

// tools are the programs that the parts are, as files of this machine, and the images.
type tools struct {
	kubernetes, etcd, containerd string
	plugins                      string // folder of the CNI plugins
	dnsVersion                   string
	images                       []image.Image
}

func (t *tools) parts() []part {
	kubernetes := func(name, after string, args ...string) part {
		return part{name, after, t.kubernetes, append([]string{name}, args...)}
	}
	kubeconfig := func(user string) string { return "--kubeconfig=" + nodePath(user+".kubeconfig") }
	file := func(flag, name string) string { return "--" + flag + "=" + nodePath(name) }
	return []part{
		// Within the node's own loopback.
		{"etcd", "", t.etcd, []string{"--data-dir=/var/lib/etcd", "--listen-client-urls=http://" + etcdAddress, "--advertise-client-urls=http://" + etcdAddress, "--unsafe-no-fsync", "--log-level=warn"}},
		{"containerd", "", t.containerd, []string{"--config", nodePath("containerd.toml")}},
		kubernetes("kube-apiserver", "tcp "+etcdAddress,
			"--etcd-servers=http://"+etcdAddress, "--bind-address="+nodeAddress, "--advertise-address="+nodeAddress, "--service-cluster-ip-range="+serviceNetwork,
			file("client-ca-file", "ca.crt"), file("tls-cert-file", "server.crt"), file("tls-private-key-file", "server.key"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
			"--service-account-issuer=https://kubernetes.default.svc."+domain, file("service-account-key-file", "tokens.pub"), file("service-account-signing-key-file", "tokens.key"),
			file("kubelet-certificate-authority", "ca.crt"), file("kubelet-client-certificate", "apiserver.crt"), file("kubelet-client-key", "apiserver.key"),
			"--kubelet-preferred-address-types=InternalIP", // logs, exec and port-forward: nobody resolves the node's name
		),
		kubernetes("kube-controller-manager", "tcp "+apiAddress, kubeconfig("controller-manager"), "--bind-address=127.0.0.1", "--leader-elect=false",
			file("root-ca-file", "ca.crt"), file("service-account-private-key-file", "tokens.key"), "--use-service-account-credentials",
			"--allocate-node-cidrs", "--cluster-cidr="+podNetwork, "--service-cluster-ip-range="+serviceNetwork,
			"--flex-volume-plugin-dir=/var/lib/kubelet/plugins-exec",
		),
		kubernetes("kube-scheduler", "tcp "+apiAddress, kubeconfig("scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false"),
		kubernetes("kubelet", "unix "+containerdSocket, kubeconfig("kubelet"), file("config", "kubelet.json"), "--hostname-override="+NodeName, "--node-ip="+nodeAddress),
		// The size and the time-outs of the machine's table of connections are not the node's to set.
		kubernetes("kube-proxy", "tcp "+apiAddress, kubeconfig("proxy"), "--hostname-override="+NodeName, "--proxy-mode=iptables", "--cluster-cidr="+podNetwork,
			"--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249",
			"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0"),
	}
}

// configure writes what the parts read, and the administrator's kubeconfig, into the state folder.
func (t *tools) configure() error {
	files := map[string]any{ // a []byte as it is, all else as JSON, which is YAML too
		"parts.json":      t.parts(),
		"containerd.toml": t.containerdConfig(),
		"kubelet.json":    kubeletConfig(),
		// containerd reads the folder of this file as CNI's configuration.
		"cni/drill.conflist": map[string]any{
			"cniVersion": "0.4.0", "name": "drill",
			"plugins": []any{
				map[string]any{
					"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
					"ipam": map[string]any{"type": "host-local", "subnet": podSubnet, "routes": []any{map[string]any{"dst": "0.0.0.0/0"}}},
				},
				map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
			},
		},
	}
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	files["ca.crt"] = ca.pem()
	certificate, key, err := ca.server()
	if err != nil {
		return err
	}
	files["server.crt"], files["server.key"] = certificate, key
	if certificate, key, err = ca.client("kube-apiserver", "system:masters"); err != nil {
		return err
	}
	files["apiserver.crt"], files["apiserver.key"] = certificate, key
	tokens, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if files["tokens.key"], files["tokens.pub"], err = keyPEM(tokens); err != nil {
		return err
	}
	for name, user := range map[string][2]string{ // and the group
		"controller-manager": {"system:kube-controller-manager"}, "scheduler": {"system:kube-scheduler"}, "proxy": {"system:kube-proxy"},
		"kubelet": {"system:node:" + NodeName, "system:nodes"}, "admin": {"admin", "system:masters"},
	} {
		if certificate, key, err = ca.client(user[0], user[1]); err != nil {
			return err
		}
		files[name+".kubeconfig"] = kubeconfig(ca.pem(), certificate, key)
	}
	for name, content := range files {
		raw, ok := content.([]byte)
		if !ok {
			if raw, err = json.Marshal(content); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir("lib", "drill"), name), raw, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfig(ca, certificate, key []byte) map[string]any {
	const name = "weaviate-drill-tests"
	entry := func(kind string, content map[string]any) []any {
		return []any{map[string]any{"name": name, kind: content}}
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"contexts": entry("context", map[string]any{"cluster": name, "user": name}),
		"clusters": entry("cluster", map[string]any{"server": "https://" + apiAddress, "certificate-authority-data": ca}),
		"users":    entry("user", map[string]any{"client-certificate-data": certificate, "client-key-data": key}),
	}
}

// containerdConfig is in version 2 of the format, which containerd 1.6 and 2 read.
func (t *tools) containerdConfig() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "version = 2\n[grpc]\naddress = %q\n", containerdSocket)
	fmt.Fprintf(&b, "[plugins.\"io.containerd.internal.v1.opt\"]\npath = %q\n", "/var/lib/containerd/opt")
	// Only CAP_SYS_RESOURCE may lower a process's oom_score_adj: without it no pod would start.
	fmt.Fprintf(&b, "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = %q\nrestrict_oom_score_adj = true\n", pauseImage)
	fmt.Fprintf(&b, "[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = %q\nconf_dir = %q\n", t.plugins, nodePath("cni"))
	return b.Bytes()
}

func kubeletConfig() map[string]any {
	return map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address": nodeAddress, "tlsCertFile": nodePath("server.crt"), "tlsPrivateKeyFile": nodePath("server.key"),
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false}, "webhook": map[string]any{"enabled": true}, "x509": map[string]any{"clientCAFile": nodePath("ca.crt")},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"containerRuntimeEndpoint": "unix://" + containerdSocket, "cgroupDriver": "cgroupfs", "failCgroupV1": false, "failSwapOn": false,
		"clusterDNS": []string{dnsService}, "clusterDomain": domain, "resolvConf": "",
		"volumePluginDir": "/var/lib/kubelet/plugins-exec",
		// An image that is removed cannot be pulled again, and how full the machine's disk is says nothing about the tests.
		"imageGCHighThresholdPercent": 100, "evictionHard": map[string]string{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
	}
}
