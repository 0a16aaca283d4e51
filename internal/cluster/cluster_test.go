package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/weaviate-drill/weaviate-drill/internal/cluster"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// These are tests of the cluster that this package makes, and not of the one that a user works with.
func TestMain(m *testing.M) {
	_ = os.Unsetenv("KUBECONFIG")
	os.Exit(servertest.Run(m))
}

// up uses the cluster that is up, or brings one up for this test and sees that nothing is left of it.
func up(t *testing.T) *rest.Config {
	t.Helper()
	if _, err := cluster.Kubeconfig(); errors.Is(err, cluster.ErrNotUp) {
		if os.Geteuid() != 0 {
			servertest.Lacking(t, cluster.ErrUnsupported.Error())
		}
		command(t, "up")
		t.Cleanup(func() {
			command(t, "down")
			if left, _ := filepath.Glob("/sys/fs/cgroup/*/kubepods"); len(left) > 0 {
				t.Error("left after down:", left)
			}
			if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "weaviate-drill-cluster*")); len(left) > 0 {
				t.Error("left after down:", left)
			}
			if _, err := net.InterfaceByName("drill0"); err == nil {
				t.Error("left after down: drill0")
			}
		})
	}
	config, err := clientcmd.BuildConfigFromFlags("", servertest.Cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func command(t *testing.T, what string) {
	t.Helper()
	out, err := exec.Command("go", "run", "./cmd/cluster", what).CombinedOutput()
	if strings.Contains(string(out), "is not built") || strings.Contains(string(out), "installed: apt-get") {
		servertest.Lacking(t, string(out))
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
}

// A Weaviate as the kubernetes sandbox wants it: under Pod Security "restricted", with a bucket of the shared MinIO.
func TestPodsRunRestrictedAndReachThisMachine(t *testing.T) {
	config := up(t)
	b := servertest.Bucket(t, "backups")
	m := servertest.MinIO(t)
	w := newWeaviate(t, config, 1, map[string]string{
		"ENABLE_MODULES": "backup-s3", "BACKUP_S3_BUCKET": b.Name, "BACKUP_S3_PATH": b.Path, "BACKUP_S3_USE_SSL": "false",
		"BACKUP_S3_ENDPOINT": strings.TrimPrefix(m.Endpoint, "http://"), "AWS_ACCESS_KEY_ID": m.AccessKey, "AWS_SECRET_ACCESS_KEY": m.SecretKey, "AWS_REGION": "us-east-1",
	})
	var meta struct {
		Version string
		Modules map[string]any
	}
	w.get(t, "/v1/meta", &meta)
	if image, _ := cluster.WeaviateImage(); image != "semitechnologies/weaviate:"+meta.Version {
		t.Errorf("the pod of image %s runs version %s", image, meta.Version)
	}
	if meta.Modules["backup-s3"] == nil {
		t.Errorf("modules are %v, without backup-s3", meta.Modules)
	}
	// Only the bucket can tell that it has no such backup.
	if resp, err := http.Get(w.address + "/v1/backups/s3/none"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("the pod did not look into the bucket: %v %v", resp, err)
	}
	_, err := w.client.CoreV1().Pods(w.namespace).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "privileged"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "c", Image: "c", SecurityContext: &corev1.SecurityContext{Privileged: new(true)}}},
	}}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a privileged pod is not forbidden: %v", err)
	}
}

// Three nodes find each other by the name service; a scheduler that died is there again to place them.
func TestPodsFindEachOther(t *testing.T) {
	config := up(t)
	if err := cluster.Restart("kube-scheduler"); err != nil {
		t.Fatal(err)
	}
	w := newWeaviate(t, config, 3, nil)
	var nodes struct {
		Nodes []struct{ Name, Status string }
	}
	for {
		w.get(t, "/v1/nodes", &nodes)
		if len(nodes.Nodes) == 3 && !slices.ContainsFunc(nodes.Nodes, func(n struct{ Name, Status string }) bool { return n.Status != "HEALTHY" }) {
			return
		}
		if !pause(t.Context(), time.Second) {
			t.Fatalf("not three healthy nodes: %+v", nodes.Nodes)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	up(t)
	if err := cluster.Restart("kube-nothing"); err == nil {
		t.Error("a part that there is not was restarted")
	}
}

type weaviate struct {
	client    *kubernetes.Clientset
	namespace string
	address   string // of a forwarded port
}

// newWeaviate makes a namespace with a StatefulSet and its headless Service, waits until all pods are ready, and forwards a local port to the first.
func newWeaviate(t *testing.T, config *rest.Config, replicas int32, env map[string]string) weaviate {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "cluster-test-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, client, ns.Name) })
	image, err := cluster.WeaviateImage()
	if err != nil {
		t.Fatal(err)
	}
	var join []string
	for i := range replicas {
		join = append(join, fmt.Sprintf("weaviate-%d", i))
	}
	all := map[string]string{
		"PERSISTENCE_DATA_PATH": "/var/lib/weaviate", "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true", "DEFAULT_VECTORIZER_MODULE": "none", "DISABLE_TELEMETRY": "true",
		"CLUSTER_GOSSIP_BIND_PORT": "7000", "CLUSTER_DATA_BIND_PORT": "7001", "RAFT_JOIN": strings.Join(join, ","), "RAFT_BOOTSTRAP_EXPECT": fmt.Sprint(replicas),
		"CLUSTER_JOIN": "weaviate-headless." + ns.Name + ".svc.cluster.local.",
	}
	maps.Copy(all, env)
	container := corev1.Container{
		Name: "weaviate", Image: image,
		Env:            []corev1.EnvVar{{Name: "CLUSTER_HOSTNAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/v1/.well-known/ready", Port: intstr.FromInt32(8080)}}, PeriodSeconds: 1},
		SecurityContext: &corev1.SecurityContext{
			ReadOnlyRootFilesystem: new(true), AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/var/lib/weaviate"}, {Name: "tmp", MountPath: "/tmp"}},
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		container.Env = append(container.Env, corev1.EnvVar{Name: name, Value: all[name]})
	}
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	labels := map[string]string{"app": "weaviate"}
	if _, err := client.AppsV1().StatefulSets(ns.Name).Create(ctx, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "weaviate"}, Spec: appsv1.StatefulSetSpec{
		Replicas: &replicas, ServiceName: "weaviate-headless", PodManagementPolicy: appsv1.ParallelPodManagement, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), FSGroup: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			AutomountServiceAccountToken: new(false), TerminationGracePeriodSeconds: new(int64(5)), Containers: []corev1.Container{container},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: empty}, {Name: "tmp", VolumeSource: empty}},
		}},
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Services(ns.Name).Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-headless"}, Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone, Selector: labels, PublishNotReadyAddresses: true, Ports: []corev1.ServicePort{{Name: "gossip", Port: 7000}},
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for {
		set, err := client.AppsV1().StatefulSets(ns.Name).Get(ctx, "weaviate", metav1.GetOptions{})
		if err == nil && set.Status.ReadyReplicas == replicas {
			break
		}
		if !pause(ctx, 200*time.Millisecond) {
			log, logErr := client.CoreV1().Pods(ns.Name).GetLogs("weaviate-0", &corev1.PodLogOptions{TailLines: new(int64(10))}).DoRaw(t.Context())
			pods, _ := client.CoreV1().Pods(ns.Name).List(t.Context(), metav1.ListOptions{})
			for _, p := range pods.Items {
				t.Logf("%s: %+v", p.Name, p.Status.ContainerStatuses)
			}
			t.Fatalf("%d pods are not ready: %v; the first says: %s (%v)", replicas, err, log, logErr)
		}
	}
	return weaviate{client, ns.Name, forward(t, config, client, ns.Name)}
}

// remove deletes a namespace and waits until it is gone.
func remove(t *testing.T, client *kubernetes.Clientset, namespace string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		if err := client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); apierrors.IsNotFound(err) {
			return
		}
		if !pause(ctx, 200*time.Millisecond) {
			t.Errorf("the namespace %s does not go", namespace)
			return
		}
	}
}

// forward forwards a local port to the REST port of the first pod, through the API server.
func forward(t *testing.T, config *rest.Config, client *kubernetes.Clientset, namespace string) (address string) {
	t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		t.Fatal(err)
	}
	url := client.CoreV1().RESTClient().Post().Namespace(namespace).Resource("pods").Name("weaviate-0").SubResource("portforward").URL()
	stop, ready, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f, err := portforward.New(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url), []string{":8080"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- f.ForwardPorts() }()
	t.Cleanup(func() { close(stop) })
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal("port-forward:", err)
	}
	ports, err := f.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local)
}

func (w weaviate) get(t *testing.T, path string, answer any) {
	t.Helper()
	resp, err := http.Get(w.address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Fatalf("%s: %s: %v", path, resp.Status, err)
	}
}

// pause tells whether there is time left after it.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
