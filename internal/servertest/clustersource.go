package servertest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// ClusterWeaviate is a source Weaviate in the cluster of the tests.
type ClusterWeaviate struct {
	Namespace, StatefulSet string
	Nodes                  []string          // their names, which are those of the pods
	InCluster              weaviate.Endpoint // as pods reach it
	Outside                weaviate.Endpoint // as this machine reaches it: the first node, forwarded through the API server, again whenever that was cut
}

// ClusterSource makes a fresh, empty Weaviate in the cluster, whose backups lie in b, which Bucket made after Cluster was called. It is a StatefulSet as the official Helm
// chart makes it (github.com/weaviate/weaviate-helm, weaviate/templates): with a privileged init container, keys from secrets, a mounted configuration, the Services weaviate
// (http 80), weaviate-grpc (50051) and weaviate-headless. It is smaller, has its data in an emptyDir, and readiness is looked at more often. change has the last word on the set. The namespace goes with the test.
func ClusterSource(t testing.TB, b *bucket.Bucket, replicas int, change ...func(*appsv1.StatefulSet)) ClusterWeaviate {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", Cluster(t))
	fatal(t, err)
	client, err := kubernetes.NewForConfig(config)
	fatal(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	ns, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "source-"}}, metav1.CreateOptions{})
	fatal(t, err)
	t.Cleanup(func() { removeNamespace(t, client, ns.Name) })

	m := MinIO(t)
	for name, data := range map[string]map[string]string{
		"weaviate-keys":                   {"AUTHENTICATION_APIKEY_ALLOWED_KEYS": APIKey},
		"weaviate-cluster-api-basic-auth": {"username": "cluster", "password": APIKey},
		"backup-s3":                       {"AWS_ACCESS_KEY_ID": m.AccessKey, "AWS_SECRET_ACCESS_KEY": m.SecretKey},
	} {
		_, err = client.CoreV1().Secrets(ns.Name).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data}, metav1.CreateOptions{})
		fatal(t, err)
	}
	_, err = client.CoreV1().ConfigMaps(ns.Name).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-config"}, Data: map[string]string{
		"conf.yaml": "authentication:\n  anonymous_access:\n    enabled: false\nquery_defaults:\n  limit: 100\ndebug: false\n",
	}}, metav1.CreateOptions{})
	fatal(t, err)
	w := ClusterWeaviate{Namespace: ns.Name, StatefulSet: "weaviate"}
	for i := range replicas {
		w.Nodes = append(w.Nodes, fmt.Sprintf("%s-%d", w.StatefulSet, i))
	}
	set := chartSet(w, strings.TrimPrefix(m.Endpoint, "http://"), b)
	for _, f := range change {
		f(set)
	}
	for name, spec := range map[string]corev1.ServiceSpec{
		"weaviate":          {Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}},
		"weaviate-grpc":     {Ports: []corev1.ServicePort{{Name: "grpc", Port: 50051, TargetPort: intstr.FromInt32(50051)}}},
		"weaviate-headless": {Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(7000)}}, ClusterIP: corev1.ClusterIPNone, PublishNotReadyAddresses: true},
	} {
		spec.Selector = set.Spec.Selector.MatchLabels
		_, err = client.CoreV1().Services(ns.Name).Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
		fatal(t, err)
	}
	_, err = client.AppsV1().StatefulSets(ns.Name).Create(ctx, set, metav1.CreateOptions{})
	fatal(t, err)
	for {
		set, err := client.AppsV1().StatefulSets(ns.Name).Get(ctx, w.StatefulSet, metav1.GetOptions{})
		if err == nil && int(set.Status.ReadyReplicas) == replicas {
			break
		}
		select {
		case <-ctx.Done():
			tellPods(t, client, ns.Name)
			t.Fatalf("the source in the cluster is not ready: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
	key := secret.New(APIKey)
	w.InCluster = weaviate.Endpoint{URL: fmt.Sprintf("http://weaviate.%s.svc", ns.Name), GRPC: fmt.Sprintf("weaviate-grpc.%s.svc:50051", ns.Name), APIKey: key}
	ports := forwardPorts(t, config, client, ns.Name, w.Nodes[0], 8080, 50051)
	w.Outside = weaviate.Endpoint{URL: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), GRPC: fmt.Sprintf("127.0.0.1:%d", ports[1]), APIKey: key}
	return w
}

// chartSet is the StatefulSet of the official chart.
func chartSet(w ClusterWeaviate, s3 string, b *bucket.Bucket) *appsv1.StatefulSet {
	labels := map[string]string{"app": "weaviate", "app.kubernetes.io/name": "weaviate", "app.kubernetes.io/managed-by": "Helm"}
	replicas := int32(len(w.Nodes))
	var env []corev1.EnvVar
	values := map[string]string{
		"CLUSTER_GOSSIP_BIND_PORT": "7000", "CLUSTER_DATA_BIND_PORT": "7001", "RAFT_BOOTSTRAP_EXPECT": fmt.Sprint(replicas), "RAFT_JOIN": strings.Join(w.Nodes, ","),
		"CLUSTER_JOIN": "weaviate-headless." + w.Namespace + ".svc.cluster.local.", "PERSISTENCE_DATA_PATH": "/var/lib/weaviate", "STANDALONE_MODE": "true",
		"DEFAULT_VECTORIZER_MODULE": "none", "ENABLE_MODULES": "backup-s3", "BACKUP_S3_BUCKET": b.Name, "BACKUP_S3_PATH": b.Path, "BACKUP_S3_ENDPOINT": s3,
		"BACKUP_S3_USE_SSL": "false", "AWS_REGION": "us-east-1",
		"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false", "AUTHENTICATION_APIKEY_ENABLED": "true", "AUTHENTICATION_APIKEY_USERS": "operator",
		"AUTHORIZATION_RBAC_ENABLED": "true", "AUTHORIZATION_RBAC_ROOT_USERS": "operator",
		"GOGC": "100", "QUERY_MAXIMUM_RESULTS": "100000", "TRACK_VECTOR_DIMENSIONS": "false", "PROMETHEUS_MONITORING_ENABLED": "false", "DISABLE_TELEMETRY": "true",
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, corev1.EnvVar{Name: name, Value: values[name]})
	}
	for name, from := range map[string][2]string{
		"AUTHENTICATION_APIKEY_ALLOWED_KEYS": {"weaviate-keys", "AUTHENTICATION_APIKEY_ALLOWED_KEYS"},
		"CLUSTER_BASIC_AUTH_USERNAME":        {"weaviate-cluster-api-basic-auth", "username"}, "CLUSTER_BASIC_AUTH_PASSWORD": {"weaviate-cluster-api-basic-auth", "password"},
		"AWS_ACCESS_KEY_ID": {"backup-s3", "AWS_ACCESS_KEY_ID"}, "AWS_SECRET_ACCESS_KEY": {"backup-s3", "AWS_SECRET_ACCESS_KEY"},
	} {
		env = append(env, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: from[0]}, Key: from[1],
		}}})
	}
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080)}}, PeriodSeconds: 1, FailureThreshold: 60, TimeoutSeconds: 3}
	}
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: w.StatefulSet, Labels: labels}, Spec: appsv1.StatefulSetSpec{
		Replicas: &replicas, ServiceName: "weaviate-headless", PodManagementPolicy: appsv1.ParallelPodManagement,
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "weaviate"}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(5)),
			InitContainers: []corev1.Container{{ // The chart's runs sysctl in a busybox. Here the file is there, and nothing of the machine is changed.
				Name: "configure-sysctl", Image: WeaviateImage, Command: []string{"/bin/weaviate", "--help"},
				SecurityContext: &corev1.SecurityContext{Privileged: new(true), RunAsUser: new(int64)},
			}},
			Containers: []corev1.Container{{
				Name: "weaviate", Image: WeaviateImage, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"/bin/weaviate"},
				Args: []string{"--host", "0.0.0.0", "--port", "8080", "--scheme", "http", "--config-file", "/weaviate-config/conf.yaml", "--read-timeout=60s", "--write-timeout=60s"},
				Env:  env, Ports: []corev1.ContainerPort{{ContainerPort: 8080}, {Name: "grpc", ContainerPort: 50051}},
				LivenessProbe: probe("/v1/.well-known/live"), ReadinessProbe: probe("/v1/.well-known/ready"),
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
					Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
				},
				VolumeMounts: []corev1.VolumeMount{{Name: "weaviate-config", MountPath: "/weaviate-config"}, {Name: "weaviate-data", MountPath: "/var/lib/weaviate"}},
			}},
			Volumes: []corev1.Volume{
				{Name: "weaviate-config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "weaviate-config"}}}},
				{Name: "weaviate-data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		}},
	}}
}

// forwardPorts forwards free local ports to those of a pod for as long as the test runs. client-go's forwarder ends with its one connection, and is made again.
func forwardPorts(t testing.TB, config *rest.Config, client *kubernetes.Clientset, namespace, pod string, remote ...int) (local []uint16) {
	t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	fatal(t, err)
	address := client.CoreV1().RESTClient().Post().Namespace(namespace).Resource("pods").Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	open := func(ports []string) (*portforward.PortForwarder, chan error) {
		ready, over := make(chan struct{}), make(chan error, 1)
		f, err := portforward.New(dialer, ports, stop, ready, io.Discard, io.Discard)
		if err != nil {
			over <- err
			return nil, over
		}
		go func() { over <- f.ForwardPorts() }()
		select {
		case <-ready:
		case err := <-over:
			over <- err
		}
		return f, over
	}
	var ports []string
	for _, port := range remote {
		ports = append(ports, fmt.Sprintf(":%d", port))
	}
	f, over := open(ports)
	var forwarded []portforward.ForwardedPort
	if f != nil {
		forwarded, err = f.GetPorts()
	}
	if f == nil || err != nil {
		t.Fatalf("forward ports of %s in %s: %v", pod, namespace, <-over)
	}
	for i, p := range forwarded {
		local = append(local, p.Local)
		ports[i] = fmt.Sprintf("%d:%d", p.Local, p.Remote)
	}
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-over: //nolint:errcheck // it is opened again, whatever the error was
			}
			time.Sleep(200 * time.Millisecond)
			_, over = open(ports)
		}
	}()
	return local
}

// tellPods logs why a source does not come up.
func tellPods(t testing.TB, client *kubernetes.Clientset, namespace string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Log(err)
		return
	}
	for _, p := range pods.Items {
		log, err := client.CoreV1().Pods(namespace).GetLogs(p.Name, &corev1.PodLogOptions{Container: "weaviate", TailLines: new(int64(10))}).DoRaw(ctx)
		t.Logf("%s: %s: %+v %+v\n%s (%v)", p.Name, p.Status.Phase, p.Status.InitContainerStatuses, p.Status.ContainerStatuses, log, err)
	}
}

// removeNamespace deletes a namespace and waits until it is gone.
func removeNamespace(t testing.TB, client *kubernetes.Clientset, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("the namespace %s does not go: %v", name, err)
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}
