// Package cluster is a real Kubernetes of one node on this machine, for the tests: etcd, API server, controller-manager, scheduler, a containerd of its
// own, kubelet, kube-proxy, CoreDNS. It needs no image from anywhere: its images are made of the binaries that "make cluster-servers" builds.
//
// The node is one process with namespaces of its own (processes, mounts, network, host name), in which everything else runs. It sees the machine's files
// read-only, and folders of the cluster's own in the place of /run, /tmp (where volumes of type hostPath can be), /var/lib and /var/log. So its ports and
// iptables rules meet nobody else's, and when that process ends, by whatever cause, the kernel ends all others and takes down every mount and network with
// them. Only the cgroups and the state folder are left for Down to remove.
//
// Pods reach this machine at HostAddress, and nothing beyond it. The bridge plugin enforces no NetworkPolicy, and there is no storage class.
package cluster

import (
	"errors"
	"os"
	"path/filepath"
)

const (
	// NodeName is the name of the only node.
	NodeName = "drill-node"
	// HostAddress is this machine as the pods see it: what listens there is reached by them, and by no other machine.
	HostAddress = "10.243.0.1"
	// MinIOImage is the name of the image of the S3 server that "make servers" builds; WeaviateImage says the one of Weaviate.
	MinIOImage = "minio/minio:drill"

	nodeAddress    = "10.243.0.2"
	hostPrefix     = "/30" // of these two
	podNetwork     = "10.244.0.0/16"
	podSubnet      = "10.244.0.0/24" // of the node
	serviceNetwork = "10.96.0.0/16"
	apiService     = "10.96.0.1"
	dnsService     = "10.96.0.10"
	domain         = "cluster.local"
	pauseImage     = "weaviate-drill/pause:1"
)

// ErrUnsupported says that this program cannot bring a cluster up here.
var ErrUnsupported = errors.New("the cluster of the tests needs root on Linux; set KUBECONFIG to run them on another cluster")

// ErrNotUp says that there is no cluster.
var ErrNotUp = errors.New(`the cluster of the tests is not up: run "make cluster-up" as root on Linux`)

// dir is the state folder: fixed, so that all who ask find the same cluster.
func dir(elem ...string) string {
	return filepath.Join(append([]string{os.TempDir(), "weaviate-drill-cluster"}, elem...)...)
}
