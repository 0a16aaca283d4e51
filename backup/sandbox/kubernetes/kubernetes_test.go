package kubernetes_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

// options for a small Weaviate in the cluster of the tests.
func options(t *testing.T) kubernetes.Options {
	t.Helper()
	return kubernetes.Options{
		Kubeconfig: servertest.Cluster(t), Image: servertest.WeaviateImage,
		CPU: resource.MustParse("50m"), Memory: resource.MustParse("1Gi"),
	}
}

func api(t *testing.T) *client.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", servertest.Cluster(t))
	check(t, err)
	c, err := client.NewForConfig(config)
	check(t, err)
	return c
}

// left names a drill's namespace, whatever its labels.
func left(t *testing.T, drillID string) []string {
	t.Helper()
	found, err := api(t).CoreV1().Namespaces().Get(t.Context(), "weaviate-drill-"+drillID, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	check(t, err)
	return []string{found.Name}
}

func TestContract(t *testing.T) {
	o := options(t)
	sandboxtest.Run(t, sandboxtest.Kind{New: func() sandbox.Sandbox { return kubernetes.New(o) }, Left: left})
}

// TestThreeNodes restores a backup of three nodes whose names are those of a chart's pods, looks at how the pods are confined, and leaves their removal to Tidy, as a
// dead drill does.
func TestThreeNodes(t *testing.T) {
	o := options(t)
	for name, nodes := range map[string][]string{"of a set": {"weaviate-0", "weaviate-1", "weaviate-2"}, "of any form": {"Alpha_1", "beta.example"}} {
		t.Run(name, func(t *testing.T) {
			b := servertest.Bucket(t, "backups")
			source := servertest.Weaviate(t, b, nil, nodes...)
			sandboxtest.Backup(t, servertest.Dial(t, source), "several")
			source.Kill() // as many follow

			spec := sandboxtest.Spec(t, b, nodes...)
			began := time.Now()
			i := up(t, o, spec)
			t.Logf("up after %v", time.Since(began).Round(time.Millisecond))
			c := dial(t, i)
			sandboxtest.Restore(t, c, "several")

			pods, err := api(t).CoreV1().Pods("weaviate-drill-"+spec.DrillID).List(t.Context(), metav1.ListOptions{})
			check(t, err)
			if len(pods.Items) != len(nodes) {
				t.Errorf("%d pods", len(pods.Items))
			}
			for _, pod := range pods.Items {
				if name == "of a set" && !slices.Contains(nodes, pod.Name) {
					t.Errorf("a pod is called %s", pod.Name)
				}
				for _, v := range pod.Spec.Volumes {
					if v.EmptyDir == nil {
						t.Errorf("%s mounts %+v", pod.Name, v)
					}
				}
			}
			check(t, kubernetes.New(o).Tidy(t.Context(), spec.DrillID))
			if l := left(t, spec.DrillID); len(l) > 0 {
				t.Errorf("still there: %v", l)
			}
			check(t, i.Down(t.Context()))
		})
	}
}

// TestHopeless are causes that no waiting heals: each must be named, and soon.
func TestHopeless(t *testing.T) {
	o := options(t)
	// Every node's kubelet listens there for its own health check, and answers 404 as a registry does that has no such image.
	const missing = "127.0.0.1:10248/no/such:image"
	for name, each := range map[string]struct {
		change func(*kubernetes.Options)
		words  []string
	}{
		"image not found": {func(o *kubernetes.Options) { o.Image = missing }, []string{"node1", missing, "not found"}},
		"image misnamed":  {func(o *kubernetes.Options) { o.Image = "No/Such:Image" }, []string{"node1", "InvalidImageName"}},
		"quota too small": {func(o *kubernetes.Options) {
			o.Quota = corev1.ResourceList{corev1.ResourceRequestsMemory: resource.MustParse("10Mi")}
		}, []string{"node1", "exceeded quota", "requests.memory"}},
		"no storage class":  {func(o *kubernetes.Options) { o.StorageClass = "no-such-class" }, []string{"node1", `"no-such-class" not found`}},
		"no priority class": {func(o *kubernetes.Options) { o.PriorityClass = "no-such-class" }, []string{"node1", "no-such-class"}},
		"too little memory": {func(o *kubernetes.Options) {
			o.Memory = resource.MustParse("24Mi")
		}, []string{"node1", "ended before it was ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := sandboxtest.Spec(t, servertest.Bucket(t, ""), "node1")
			began := time.Now()
			fails(t, o, each.change, spec, each.words...)
			if took := time.Since(began); took > 45*time.Second {
				t.Errorf("noticed after %v", took)
			}
		})
	}
}

// TestNoPlace waits for a place that could still come, says so, and names it when the time is up.
func TestNoPlace(t *testing.T) {
	var told []string
	spec := sandboxtest.Spec(t, servertest.Bucket(t, ""), "node1")
	spec.Waiting = func(cause string) { told = append(told, cause) }
	fails(t, options(t), func(o *kubernetes.Options) {
		o.NodeSelector = map[string]string{"no-such": "node"}
		o.Timeout = 3 * time.Second
	}, spec, "node1", "finds no place", "affinity/selector", context.DeadlineExceeded.Error())
	if !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "affinity/selector") }) {
		t.Errorf("it was said that: %q", told)
	}
}

func TestUnknownCluster(t *testing.T) {
	spec := sandbox.Spec{DrillID: sandboxtest.ID(), Version: servertest.WeaviateVersion, Nodes: []string{"node1"}}
	for word, o := range map[string]kubernetes.Options{
		"no/such/file":    {Kubeconfig: "no/such/file"},
		"no-such-context": {Kubeconfig: servertest.Cluster(t), Context: "no-such-context"},
	} {
		if _, err := kubernetes.New(o).Up(t.Context(), spec); err == nil || !strings.Contains(err.Error(), word) {
			t.Error(err)
		}
	}
}

// TestCut ends every connection to the API server, and lets none through for some seconds, as its restart does.
func TestCut(t *testing.T) {
	o := options(t)
	wire := newWire(t, o.Kubeconfig)
	o.Kubeconfig = wire.kubeconfig
	_, b := servertest.Source(t)
	spec := sandboxtest.Spec(t, b, "node1")
	i := up(t, o, spec)
	c := dial(t, i)
	_, err := c.Meta(t.Context())
	check(t, err)
	wire.cut()
	asked := make(chan error, 1)
	go func() { // a connection opened now waits
		_, err := weaviate.Dial(t.Context(), i.Endpoint())
		asked <- err
	}()
	select {
	case err := <-asked:
		t.Errorf("with the wire cut: %v", err)
	case <-time.After(3 * time.Second):
	}
	wire.mend()
	check(t, <-asked)
	if _, err := c.Meta(t.Context()); err != nil {
		t.Errorf("REST over the mended wire: %v", err)
	}
	again := dial(t, i)
	if _, err := again.Nodes(t.Context()); err != nil {
		t.Error(err)
	}
	wire.cut()
	time.AfterFunc(2*time.Second, wire.mend)
	check(t, i.Down(t.Context()))
	if l := left(t, spec.DrillID); len(l) > 0 {
		t.Errorf("still there: %v", l)
	}
}

// wire stands between a client and the API server.
type wire struct {
	kubeconfig string
	server     string
	sync.Mutex
	down  bool
	conns []net.Conn
}

func newWire(t *testing.T, kubeconfig string) *wire {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	check(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	w := &wire{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	cluster := config.Clusters[config.Contexts[config.CurrentContext].Cluster]
	server, err := url.Parse(cluster.Server)
	check(t, err)
	w.server = server.Host
	cluster.Server, cluster.TLSServerName = "https://"+listener.Addr().String(), server.Hostname()
	check(t, clientcmd.WriteToFile(*config, w.kubeconfig))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	return w
}

func (w *wire) carry(in net.Conn) {
	out, err := net.Dial("tcp", w.server)
	if err != nil {
		_ = in.Close()
		return
	}
	w.Lock()
	w.conns = append(w.conns, in, out)
	down := w.down
	w.Unlock()
	if down {
		_ = in.Close()
		_ = out.Close()
		return
	}
	go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	_, _ = io.Copy(out, in)
	_ = out.Close()
}

func (w *wire) cut() {
	w.Lock()
	defer w.Unlock()
	w.down = true
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

func (w *wire) mend() {
	w.Lock()
	defer w.Unlock()
	w.down = false
}

// TestOnlyItsOwn makes namespaces that look like those of drills, and others that have expired.
func TestOnlyItsOwn(t *testing.T) {
	o, c := options(t), api(t)
	now := time.Now()
	id := sandboxtest.ID()
	namespace := func(name string, labels map[string]string, expires time.Time) {
		t.Helper()
		_, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: labels, Annotations: map[string]string{kubernetes.AnnotationExpires: expires.UTC().Format(time.RFC3339)},
		}}, metav1.CreateOptions{})
		check(t, err)
		t.Cleanup(func() { _ = c.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}) })
	}
	ours := func(id string) map[string]string {
		return map[string]string{kubernetes.LabelManagedBy: "weaviate-drill", kubernetes.LabelDrill: id}
	}
	past, future := now.Add(-time.Minute), now.Add(time.Hour)
	namespace("weaviate-drill-"+id+"-expired", ours(id+"-expired"), past)
	namespace("weaviate-drill-"+id+"-alive", ours(id+"-alive"), future)
	namespace("weaviate-drill-"+id+"-bare", nil, past)
	namespace("weaviate-drill-"+id+"-other", ours("another"), past)
	namespace(id+"-name", ours(id+"-name"), past)
	namespace("weaviate-drill-"+id+"-helm", map[string]string{kubernetes.LabelManagedBy: "Helm", kubernetes.LabelDrill: id + "-helm"}, past)

	drills, err := kubernetes.New(o).(sandbox.Collector).Collect(t.Context(), now)
	check(t, err)
	if !slices.Contains(drills, id+"-expired") {
		t.Errorf("collected: %v", drills)
	}
	for _, other := range []string{"bare", "other", "helm"} {
		if err := kubernetes.New(o).Tidy(t.Context(), id+"-"+other); err == nil || !strings.Contains(err.Error(), "not this drill's") {
			t.Errorf("%s: %v", other, err)
		}
	}
	list, err := c.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	check(t, err)
	var have []string
	for _, n := range list.Items {
		if suffix, ok := strings.CutPrefix(n.Name, "weaviate-drill-"+id+"-"); ok && n.DeletionTimestamp.IsZero() {
			have = append(have, suffix)
		}
	}
	if want := []string{"alive", "bare", "helm", "other"}; !slices.Equal(have, want) {
		t.Errorf("there are %v, not %v", have, want)
	}
	if _, err := c.CoreV1().Namespaces().Get(t.Context(), id+"-name", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	// One that is a drill's goes though it has not expired, when its drill is named.
	check(t, kubernetes.New(o).Tidy(t.Context(), id+"-alive"))
	if l := left(t, id+"-alive"); len(l) > 0 {
		t.Errorf("still there: %v", l)
	}
}

// TestStuck keeps a namespace from going by a finalizer, as a volume plugin that is gone does.
func TestStuck(t *testing.T) {
	o, c := options(t), api(t)
	id := sandboxtest.ID()
	name := "weaviate-drill-" + id
	_, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{kubernetes.LabelManagedBy: "weaviate-drill", kubernetes.LabelDrill: id},
	}}, metav1.CreateOptions{})
	check(t, err)
	held, err := c.CoreV1().ConfigMaps(name).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"example.org/held"}}}, metav1.CreateOptions{})
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	if err := kubernetes.New(o).Tidy(ctx, id); err == nil || !strings.Contains(err.Error(), "example.org/held") || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	held.Finalizers, held.ResourceVersion = nil, ""
	_, err = c.CoreV1().ConfigMaps(name).Update(t.Context(), held, metav1.UpdateOptions{})
	check(t, err)
	check(t, kubernetes.New(o).Tidy(t.Context(), id))
	if l := left(t, id); len(l) > 0 {
		t.Errorf("still there: %v", l)
	}
}

// TestIsolation asks a cluster of which it is not known whether it enforces network policies, unless it is the tests' own, which does not.
func TestIsolation(t *testing.T) {
	o := options(t)
	_, b := servertest.Source(t)
	spec := sandboxtest.Spec(t, b, "node1")
	i := up(t, o, spec)
	own := os.Getenv("KUBECONFIG") == ""
	for _, p := range i.(*kubernetes.Instance).Isolation(t.Context()) {
		t.Logf("%s: %s: %s", p.Name, p.Result, p.Detail)
		want := sandbox.Pass
		if p.Name == "network-policy" && own {
			want = sandbox.Fail
		}
		if p.Name == "network-policy" && !own && p.Result == sandbox.Fail {
			want = sandbox.Fail
		}
		if p.Result != want {
			t.Errorf("%s: %s", p.Name, p.Result)
		}
	}
	pods, err := api(t).CoreV1().Pods("weaviate-drill-"+spec.DrillID).List(t.Context(), metav1.ListOptions{})
	check(t, err)
	for _, pod := range pods.Items {
		if strings.HasPrefix(pod.Name, "probe-") {
			t.Errorf("%s is still there", pod.Name)
		}
	}
}

func up(t *testing.T, o kubernetes.Options, spec sandbox.Spec) sandbox.Instance {
	t.Helper()
	i, err := kubernetes.New(o).Up(t.Context(), spec)
	check(t, err)
	t.Cleanup(func() { _ = i.Down(context.Background()) })
	return i
}

func dial(t *testing.T, i sandbox.Instance) *weaviate.Conn {
	t.Helper()
	c, err := weaviate.Dial(t.Context(), i.Endpoint())
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fails checks that Up returns one line with the words, and leaves nothing.
func fails(t *testing.T, o kubernetes.Options, change func(*kubernetes.Options), spec sandbox.Spec, words ...string) {
	t.Helper()
	change(&o)
	i, err := kubernetes.New(o).Up(t.Context(), spec)
	if err == nil {
		_ = i.Down(context.Background())
		t.Fatal("it came up")
	}
	t.Log(err)
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %v", err)
	}
	if l := left(t, spec.DrillID); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestVolumes deletes namespaces whose claims are bound. A volume that stays holds production data, and must not stay unsaid.
func TestVolumes(t *testing.T) {
	o, c := options(t), api(t)
	for policy, words := range map[corev1.PersistentVolumeReclaimPolicy]string{corev1.PersistentVolumeReclaimDelete: "", corev1.PersistentVolumeReclaimRetain: "is retained"} {
		id := sandboxtest.ID()
		name := "weaviate-drill-" + id
		size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}
		_, err := c.CoreV1().PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, PersistentVolumeReclaimPolicy: policy, StorageClassName: name,
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/tmp/" + name}},
		}}, metav1.CreateOptions{})
		check(t, err)
		t.Cleanup(func() { _ = c.CoreV1().PersistentVolumes().Delete(context.Background(), name, metav1.DeleteOptions{}) })
		_, err = c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{kubernetes.LabelManagedBy: "weaviate-drill", kubernetes.LabelDrill: id},
		}}, metav1.CreateOptions{})
		check(t, err)
		claim, err := c.CoreV1().PersistentVolumeClaims(name).Create(t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &name, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, Resources: corev1.VolumeResourceRequirements{Requests: size},
		}}, metav1.CreateOptions{})
		check(t, err)
		for deadline := time.Now().Add(30 * time.Second); claim.Status.Phase != corev1.ClaimBound && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			claim, err = c.CoreV1().PersistentVolumeClaims(name).Get(t.Context(), claim.Name, metav1.GetOptions{})
			check(t, err)
		}
		err = kubernetes.New(o).Tidy(t.Context(), id)
		if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", policy, err)
		}
		if l := left(t, id); len(l) > 0 {
			t.Errorf("%s: still there: %v", policy, l)
		}
		_, err = c.CoreV1().PersistentVolumes().Get(t.Context(), name, metav1.GetOptions{})
		if gone := apierrors.IsNotFound(err); gone != (words == "") {
			t.Errorf("%s: the volume: %v", policy, err)
		}
	}
}

// TestEvicted evicts the pod as a cluster does that drains a machine.
func TestEvicted(t *testing.T) {
	o, c := options(t), api(t)
	_, b := servertest.Source(t)
	spec := sandboxtest.Spec(t, b, "weaviate-0")
	i := up(t, o, spec).(*kubernetes.Instance)
	disturbed, err := i.Disturbed(t.Context())
	if err != nil || disturbed != "" {
		t.Fatalf("%q, %v", disturbed, err)
	}
	namespace := "weaviate-drill-" + spec.DrillID
	check(t, c.CoreV1().Pods(namespace).EvictV1(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-0", Namespace: namespace}}))
	for deadline := time.Now().Add(20 * time.Second); disturbed == "" && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		disturbed, err = i.Disturbed(t.Context())
		check(t, err)
	}
	if t.Log(disturbed); !strings.Contains(disturbed, "weaviate-0 was stopped") {
		t.Errorf("disturbed: %q", disturbed)
	}
}
