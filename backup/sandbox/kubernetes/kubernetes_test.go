package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
	"github.com/weaviate-drill/weaviate-drill/internal/cluster"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

// options for a small Weaviate in the cluster of the tests.
func options(t testing.TB) kubernetes.Options {
	t.Helper()
	return kubernetes.Options{
		Kubeconfig: servertest.Cluster(t), Image: servertest.WeaviateImage,
		CPU: resource.MustParse("50m"), Memory: resource.MustParse("1Gi"),
	}
}

func api(t testing.TB) *client.Clientset {
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

// TestTwin restores a backup of a source of three nodes, which is in the same cluster, into a sandbox that is made like it.
func TestTwin(t *testing.T) {
	t.Parallel()
	o, c := options(t), api(t)
	b := servertest.Bucket(t, "backups")
	source := servertest.ClusterSource(t, b, 3, func(set *appsv1.StatefulSet) {
		pod := &set.Spec.Template.Spec
		pod.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
		pod.Containers[0].Env = append(pod.Containers[0].Env, corev1.EnvVar{Name: "ASYNC_INDEXING", Value: "true"}, corev1.EnvVar{Name: "LOG_LEVEL", Value: "debug"})
	})
	login, err := c.CoreV1().Secrets(source.Namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{"registry.example":{"auth":"dXNlcjpwYXNzd29yZA=="}}}`)},
	}, metav1.CreateOptions{})
	check(t, err)
	original, err := weaviate.Dial(t.Context(), source.Outside)
	check(t, err)
	defer original.Close()
	sandboxtest.Backup(t, original, "three")

	o = kubernetes.Options{Kubeconfig: o.Kubeconfig, Twin: kubernetes.Twin{Namespace: source.Namespace}, Env: map[string]string{"QUERY_DEFAULTS_LIMIT": "20"}}
	spec := sandboxtest.Spec(t, b, source.Nodes...)
	spec.Bytes = 1 << 20
	// Their services are not there.
	spec.Modules = []string{"multi2vec-clip", "ner-transformers", "qna-transformers", "reranker-transformers", "sum-transformers", "text2vec-gpt4all", "text2vec-model2vec", "text2vec-transformers"}
	i := up(t, o, spec).(*kubernetes.Instance)
	restored := dial(t, i)
	sandboxtest.Restore(t, restored, "three")
	for _, node := range source.Nodes {
		if n := countOn(t, restored, node); n != sandboxtest.Objects {
			t.Errorf("%d objects came back on %s, not %d", n, node, sandboxtest.Objects)
		}
	}
	sandboxtest.EveryNode(t, i, source.Nodes...)

	// Whatever it is answered with, so much goes through the port-forward that its rate is known.
	_ = restored.Do(t.Context(), http.MethodPost, "/graphql", map[string]string{"query": strings.Repeat(" ", 8<<20)}, nil)

	namespace := "weaviate-drill-" + spec.DrillID
	have, err := c.AppsV1().StatefulSets(source.Namespace).Get(t.Context(), source.StatefulSet, metav1.GetOptions{})
	check(t, err)
	made, err := c.AppsV1().StatefulSets(namespace).Get(t.Context(), "weaviate", metav1.GetOptions{})
	check(t, err)
	was, is := have.Spec.Template.Spec.Containers[0], made.Spec.Template.Spec.Containers[0]
	if is.Image != was.Image || !equality.Semantic.DeepEqual(is.Resources, was.Resources) || *made.Spec.Replicas != 3 || len(made.Spec.Template.Spec.InitContainers) > 0 {
		t.Errorf("the sandbox has %d pods of image %s with %+v, and the source the image %s with %+v", *made.Spec.Replicas, is.Image, is.Resources, was.Image, was.Resources)
	}
	for name, want := range map[string]string{"ASYNC_INDEXING": "true", "GOGC": "100", "QUERY_MAXIMUM_RESULTS": "100000", "QUERY_DEFAULTS_LIMIT": "20", "LOG_LEVEL": "", "STANDALONE_MODE": ""} {
		at := slices.IndexFunc(is.Env, func(v corev1.EnvVar) bool { return v.Name == name })
		if got := at >= 0; got != (want != "") || got && is.Env[at].Value != want {
			t.Errorf("%s is not %q: %+v", name, want, is.Env)
		}
	}
	copied, err := c.CoreV1().Secrets(namespace).Get(t.Context(), source.Namespace+".registry", metav1.GetOptions{})
	check(t, err)
	if !maps.EqualFunc(copied.Data, login.Data, bytes.Equal) || copied.Type != login.Type ||
		!slices.Equal(made.Spec.Template.Spec.ImagePullSecrets, []corev1.LocalObjectReference{{Name: copied.Name}}) {
		t.Errorf("the login for the registry is not the source's: type %s, used: %+v", copied.Type, made.Spec.Template.Spec.ImagePullSecrets)
	}
	var own, weaviates time.Duration
	for _, s := range i.Steps() {
		t.Logf("%s: %v", s.Name, s.Took.Round(time.Millisecond))
		if s.Took <= 0 {
			t.Errorf("%s took no time", s.Name)
		}
		if s.Weaviate {
			weaviates += s.Took
		} else {
			own += s.Took
		}
	}
	if own == 0 || weaviates == 0 {
		t.Errorf("of the time, %v are the tool's own and %v Weaviate's", own, weaviates)
	}
	like := i.Fidelity(t.Context())
	for _, want := range []sandbox.Difference{
		{What: "cpu", Source: "request 50m, limit none", Sandbox: "request 50m, limit none"}, {What: "memory", Source: "request 256Mi, limit 1Gi", Sandbox: "request 256Mi, limit 1Gi"},
		{What: "storage", Source: "emptyDir, a folder of the machine", Sandbox: "emptyDir, a folder of the machine"}, {What: "QUERY_DEFAULTS_LIMIT", Source: "not set", Sandbox: "20"},
	} {
		if got := fidelityOf(t, like, want.What); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if env := fidelityOf(t, like, "environment"); !strings.Contains(env.Source, "AWS_SECRET_ACCESS_KEY") || !strings.Contains(env.Source, "LOG_LEVEL, ") || !strings.Contains(env.Sandbox, "GO_PROFILING_DISABLE") || strings.Contains(env.Source+env.Sandbox, "ASYNC_INDEXING") {
		t.Errorf("%+v", env)
	}
	if raw, err := json.Marshal(like); err != nil || bytes.Contains(raw, []byte(servertest.APIKey)) || bytes.Contains(raw, []byte(servertest.MinIO(t).SecretKey)) {
		t.Errorf("a secret of the source is told: %v", err)
	}
	notes := strings.Join(i.Notes(), "\n")
	t.Log(notes)
	for _, want := range []string{source.Namespace + "/weaviate", "init container configure-sysctl, volume weaviate-config, command line", "LOG_LEVEL", "env", "the port-forward carried ", " MiB/s"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q", want)
		}
	}
	for _, secret := range []string{servertest.APIKey, servertest.MinIO(t).SecretKey} {
		if raw, err := json.Marshal(made); err != nil || bytes.Contains(raw, []byte(secret)) || strings.Contains(notes, secret) {
			t.Error("a secret of the source is where it is not to be", err)
		}
	}
}

// fidelityOf is what an instance says of one thing.
func fidelityOf(t *testing.T, list []sandbox.Difference, what string) sandbox.Difference {
	t.Helper()
	at := slices.IndexFunc(list, func(d sandbox.Difference) bool { return d.What == what })
	if at < 0 {
		t.Fatalf("nothing is said of %s: %+v", what, list)
	}
	return list[at]
}

// countOn counts the objects that a node has itself.
func countOn(t *testing.T, c *weaviate.Conn, node string) (n int) {
	t.Helper()
	var list struct{ Objects []struct{ ID string } }
	check(t, c.Do(t.Context(), http.MethodGet, "/objects?limit=100&class="+sandboxtest.Collection, nil, &list))
	for _, o := range list.Objects {
		err := c.Do(t.Context(), http.MethodGet, "/objects/"+sandboxtest.Collection+"/"+o.ID+"?node_name="+node, nil, nil)
		if err == nil {
			n++
		} else if !errors.Is(err, weaviate.ErrNotFound) {
			t.Fatal(err)
		}
	}
	return n
}

// TestRefused are sandboxes that could not do their work, refused before anything is made.
func TestRefused(t *testing.T) {
	o := options(t)
	for name, each := range map[string]struct {
		change func(*kubernetes.Options)
		words  []string
	}{
		"no such source":      {func(o *kubernetes.Options) { o.Twin.Namespace = "no-such-source" }, []string{"no-such-source/weaviate", "not found"}},
		"no room":             {func(o *kubernetes.Options) { o.Size = resource.MustParse("1Gi") }, []string{"1202Mi", "1Gi", "sandbox.kubernetes.size"}},
		"another's variable":  {func(o *kubernetes.Options) { o.Env = map[string]string{"CLUSTER_HOSTNAME": "node2"} }, []string{"CLUSTER_HOSTNAME", "sandbox.kubernetes.env"}},
		"no such pull secret": {func(o *kubernetes.Options) { o.PullSecrets = []string{"kube-system/no-such"} }, []string{"kube-system/no-such", "not found"}},
		"half a pull secret":  {func(o *kubernetes.Options) { o.PullSecrets = []string{"registry"} }, []string{"registry", "namespace/name"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := sandboxtest.Spec(t, servertest.Bucket(t, ""), "node1")
			spec.Bytes = 1 << 30
			fails(t, o, each.change, spec, each.words...)
		})
	}
}

// TestNodesOfAnyForm restores a backup of nodes whose names no pods of one set have, looks at how the pods are confined, and leaves their removal to Tidy, as a dead drill does.
func TestNodesOfAnyForm(t *testing.T) {
	t.Parallel()
	o := options(t)
	nodes := []string{"Alpha_1", "beta.example"}
	b := servertest.Bucket(t, "backups")
	source := servertest.Weaviate(t, b, nil, nodes...)
	sandboxtest.Backup(t, servertest.Dial(t, source), "several")
	source.Kill() // as many follow

	spec := sandboxtest.Spec(t, b, nodes...)
	i := up(t, o, spec)
	sandboxtest.Restore(t, dial(t, i), "several")
	pods, err := api(t).CoreV1().Pods("weaviate-drill-"+spec.DrillID).List(t.Context(), metav1.ListOptions{})
	check(t, err)
	if len(pods.Items) != len(nodes) {
		t.Errorf("%d pods", len(pods.Items))
	}
	for _, pod := range pods.Items {
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
}

// TestOntoVolume restores onto a volume of a storage class, which the test provides, and takes back, as a provisioner does.
func TestOntoVolume(t *testing.T) {
	t.Parallel()
	o, c := options(t), api(t)
	if os.Getenv("KUBECONFIG") != "" {
		servertest.Lacking(t, "a cluster whose node's files are this machine's (unset KUBECONFIG)")
	}
	b := servertest.Bucket(t, "backups")
	source := servertest.Weaviate(t, b, nil, "weaviate-0")
	sandboxtest.Backup(t, servertest.Dial(t, source), "volume")
	source.Kill()

	spec := sandboxtest.Spec(t, b, "weaviate-0")
	name := "volume-" + spec.DrillID
	folder := filepath.Join(filepath.Dir(o.Kubeconfig), "..", "..", "tmp", name) // the node's /tmp
	check(t, os.Mkdir(folder, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	late, takenBack := storagev1.VolumeBindingWaitForFirstConsumer, corev1.PersistentVolumeReclaimDelete
	_, err := c.StorageV1().StorageClasses().Create(t.Context(), &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &late, ReclaimPolicy: &takenBack,
	}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = c.StorageV1().StorageClasses().Delete(context.Background(), name, metav1.DeleteOptions{}) })
	volumes := c.CoreV1().PersistentVolumes()
	_, err = volumes.Create(t.Context(), &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{
		Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("2Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		PersistentVolumeReclaimPolicy: takenBack, StorageClassName: name, PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/tmp/" + name}},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{cluster.NodeName},
		}}}}}},
	}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = volumes.Delete(context.Background(), name, metav1.DeleteOptions{}) })

	o.StorageClass, o.Size = name, resource.MustParse("2Gi")
	i := up(t, o, spec)
	sandboxtest.Restore(t, dial(t, i), "volume")
	if _, err := os.Stat(filepath.Join(folder, strings.ToLower(sandboxtest.Collection))); err != nil {
		t.Error("what was restored is not on the volume:", err)
	}
	go func() {
		for t.Context().Err() == nil {
			if v, err := volumes.Get(t.Context(), name, metav1.GetOptions{}); err == nil && (v.Status.Phase == corev1.VolumeReleased || v.Status.Phase == corev1.VolumeFailed) {
				_ = volumes.Delete(t.Context(), name, metav1.DeleteOptions{})
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	check(t, i.Down(t.Context()))
	if _, err := volumes.Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after Down the volume is there: %v", err)
	}
}

// BenchmarkProvision tells how long a sandbox takes: own_s is the tool's and the cluster's time, weaviate_s that of the server's start, which nothing shortens.
func BenchmarkProvision(b *testing.B) {
	o := options(b)
	place := servertest.Bucket(b, "")
	var own, weaviates time.Duration
	for b.Loop() {
		i, err := kubernetes.New(o).Up(b.Context(), sandboxtest.Spec(b, place, "weaviate-0"))
		check(b, err)
		for _, s := range i.(sandbox.Measured).Steps() {
			if s.Weaviate {
				weaviates += s.Took
			} else {
				own += s.Took
			}
			b.Logf("%s: %v", s.Name, s.Took.Round(time.Millisecond))
		}
		b.StopTimer()
		check(b, i.Down(b.Context()))
		b.StartTimer()
	}
	b.ReportMetric(own.Seconds()/float64(b.N), "own_s")
	b.ReportMetric(weaviates.Seconds()/float64(b.N), "weaviate_s")
}

// TestHopeless are causes that no waiting heals: each must be named before the time is up.
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
			// Too little for the container to begin: the kernel kills it, or the runtime gives up. With more, and less than a server needs, it reads its program over and over and is killed many minutes later.
			o.Memory = resource.MustParse("4Mi")
		}, []string{"node1", "ended before it was ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := sandboxtest.Spec(t, servertest.Bucket(t, ""), "node1")
			if err := fails(t, o, each.change, spec, each.words...); errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it was waited for until the time was up: %v", err)
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
	wire := servertest.NewWire(t, o.Kubeconfig)
	o.Kubeconfig = wire.Kubeconfig
	_, b := servertest.Source(t)
	spec := sandboxtest.Spec(t, b, "node1")
	i := up(t, o, spec)
	c := dial(t, i)
	_, err := c.Meta(t.Context())
	check(t, err)
	wire.Cut()
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
	wire.Mend()
	check(t, <-asked)
	if _, err := c.Meta(t.Context()); err != nil {
		t.Errorf("REST over the mended wire: %v", err)
	}
	again := dial(t, i)
	if _, err := again.Nodes(t.Context()); err != nil {
		t.Error(err)
	}
	wire.Cut()
	time.AfterFunc(2*time.Second, wire.Mend)
	check(t, i.Down(t.Context()))
	if l := left(t, spec.DrillID); len(l) > 0 {
		t.Errorf("still there: %v", l)
	}
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
func fails(t *testing.T, o kubernetes.Options, change func(*kubernetes.Options), spec sandbox.Spec, words ...string) error {
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
	return err
}

func check(t testing.TB, err error) {
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
			Annotations: map[string]string{kubernetes.AnnotationVolumes: "true"},
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
