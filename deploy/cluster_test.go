package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/cluster"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/image"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// api is the cluster of the tests, as its administrator.
func api(t *testing.T) (*kubernetes.Clientset, *rest.Config) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", servertest.Cluster(t))
	check(t, err)
	config.QPS = -1
	c, err := kubernetes.NewForConfig(config)
	check(t, err)
	return c, config
}

// namespace makes one that enforces "restricted", as a careful administrator would for the tool.
func namespace(t *testing.T, c *kubernetes.Clientset) string {
	t.Helper()
	ns, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "chart-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := c.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		within(ctx, t, "the namespace "+ns.Name+" goes", func() bool {
			_, err := c.CoreV1().Namespaces().Get(ctx, ns.Name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
	})
	return ns.Name
}

// within waits until ok, for as long as ctx.
func within(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("it did not happen in time that %s", what)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func timeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// The API server takes all that is rendered, down to the syntax of a schedule and the expressions of the admission policy, and takes the pods where "restricted" is enforced.
func TestAccepted(t *testing.T) {
	c, config := api(t)
	ns := namespace(t, c)
	anything, err := dynamic.NewForConfig(config)
	check(t, err)
	groups, err := restmapper.GetAPIGroupResources(c.Discovery())
	check(t, err)
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	_, err = c.CoreV1().ServiceAccounts(ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "tool"}}, metav1.CreateOptions{})
	check(t, err)
	for name, set := range sets {
		rendered := objects(t, set)
		for _, o := range rendered {
			kind := o.GetObjectKind().GroupVersionKind()
			mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
			check(t, err)
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
			check(t, err)
			u := &unstructured.Unstructured{Object: content}
			to := anything.Resource(mapping.Resource)
			u.SetName("dry-" + ns + "-" + u.GetName()) // nothing that is installed is met
			if mapping.Scope.Name() == "namespace" {
				u.SetNamespace(ns)
				u.SetName("dry-" + strings.TrimPrefix(u.GetName(), "dry-"+ns+"-"))
				_, err = to.Namespace(ns).Create(t.Context(), u, dry)
			} else {
				_, err = to.Create(t.Context(), u, dry)
			}
			if err != nil {
				t.Errorf("%s: %s %s: %v", name, kind.Kind, u.GetName(), err)
			}
		}
		templates := []corev1.PodTemplateSpec{pick[*batchv1.CronJob](rendered)[0].Spec.JobTemplate.Spec.Template}
		for _, job := range pick[*batchv1.Job](rendered) {
			templates = append(templates, job.Spec.Template)
		}
		for _, template := range templates {
			pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
			pod.Name, pod.Spec.ServiceAccountName, pod.Spec.PriorityClassName = "pod", "tool", "" // there is no such class
			if _, err := c.CoreV1().Pods(ns).Create(t.Context(), pod, dry); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			pod.Spec.SecurityContext.SeccompProfile = nil
			if _, err := c.CoreV1().Pods(ns).Create(t.Context(), pod, dry); !apierrors.IsForbidden(err) {
				t.Errorf("the namespace does not enforce: %v", err)
			}
		}
	}
}

// release is the chart, installed in a namespace of its own.
type release struct {
	*testing.T
	api       *kubernetes.Clientset
	config    *rest.Config
	name      string
	namespace string
	helm      *action.Configuration
}

// install installs the chart as "helm install" does. It is uninstalled when the test ends.
func install(t *testing.T, set string) *release {
	t.Helper()
	c, config := api(t)
	r := &release{T: t, api: c, config: config, namespace: namespace(t, c), helm: new(action.Configuration)}
	r.name = r.namespace + "-weaviate-drill" // what is cluster-wide meets no other test's
	settings := cli.New()
	settings.KubeConfig = servertest.Cluster(t)
	settings.SetNamespace(r.namespace)
	check(t, r.helm.Init(settings.RESTClientGetter(), r.namespace, "secret", t.Logf))
	i := action.NewInstall(r.helm)
	i.ReleaseName, i.Namespace, i.Timeout = r.name, r.namespace, time.Minute
	release, err := i.RunWithContext(t.Context(), load(t), values(t, set))
	check(t, err)
	if notes := release.Info.Notes; !strings.Contains(notes, "create job --from=cronjob/"+r.name) {
		t.Errorf("the notes do not say how to begin a drill:\n%s", notes)
	}
	t.Cleanup(r.uninstall)
	return r
}

// uninstall leaves nothing cluster-wide.
func (r *release) uninstall() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	u := action.NewUninstall(r.helm)
	u.Wait, u.Timeout, u.IgnoreNotFound = true, time.Minute, true
	if _, err := u.Run(r.name); err != nil {
		r.Error(err)
	}
	label := metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + r.name}
	roles, err := r.api.RbacV1().ClusterRoles().List(ctx, label)
	check(r.T, err)
	bindings, err := r.api.RbacV1().ClusterRoleBindings().List(ctx, label)
	check(r.T, err)
	policies, err := r.api.AdmissionregistrationV1().ValidatingAdmissionPolicies().List(ctx, label)
	check(r.T, err)
	policyBindings, err := r.api.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().List(ctx, label)
	check(r.T, err)
	if left := len(roles.Items) + len(bindings.Items) + len(policies.Items) + len(policyBindings.Items); left > 0 {
		r.Errorf("%d cluster-wide objects are left", left)
	}
}

// as is the tool's service account.
func (r *release) as() *kubernetes.Clientset {
	r.Helper()
	config := rest.CopyConfig(r.config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + r.namespace + ":" + r.name,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + r.namespace, "system:authenticated"},
	}
	c, err := kubernetes.NewForConfig(config)
	check(r.T, err)
	return c
}

// TestConfined tries what the tool's service account must not do, first as the chart installs it, then with RBAC out of the way, where only the admission policy is left.
func TestConfined(t *testing.T) {
	r := install(t, least)
	tool := r.as()
	drillNamespace := func(change ...func(*corev1.Namespace)) *corev1.Namespace {
		id := strings.TrimPrefix(r.namespace, "chart-")
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-drill-" + id, Labels: map[string]string{
			"app.kubernetes.io/managed-by": "weaviate-drill", "weaviate-drill.id": id, "pod-security.kubernetes.io/enforce": "restricted",
		}}}
		for _, f := range change {
			f(ns)
		}
		return ns
	}
	binding := func(change ...func(*rbacv1.RoleBinding)) *rbacv1.RoleBinding {
		b := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "drill"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r.name + "-sandbox"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: r.name, Namespace: r.namespace}},
		}
		for _, f := range change {
			f(b)
		}
		return b
	}
	other := namespace(t, r.api)
	mine := drillNamespace().Name
	t.Cleanup(func() { _ = r.api.CoreV1().Namespaces().Delete(context.Background(), mine, metav1.DeleteOptions{}) })
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	forbidden := func(what, by string, err error) {
		t.Helper()
		if !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "denied request: the drill may only ") != (by == "policy") {
			t.Errorf("%s: not refused by %s: %v", what, by, err)
		}
	}
	create := func(ns *corev1.Namespace) error {
		_, err := tool.CoreV1().Namespaces().Create(t.Context(), ns, dry)
		return err
	}
	bind := func(namespace string, b *rbacv1.RoleBinding) error {
		_, err := tool.RbacV1().RoleBindings(namespace).Create(t.Context(), b, dry)
		return err
	}
	secret := func(namespace string) error {
		_, err := tool.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "secret"}}, dry)
		return err
	}
	remove := func(namespace string) error {
		return tool.CoreV1().Namespaces().Delete(t.Context(), namespace, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
	}

	// A policy is not in force at once.
	within(timeout(t, 30*time.Second), t, "the policy is in force", func() bool { return remove(other) != nil })

	// What RBAC allows in the whole cluster, the policy keeps to namespaces of drills.
	forbidden("delete another namespace", "policy", remove(other))
	forbidden("bind its role elsewhere", "policy", bind(other, binding()))
	forbidden("bind its role in kube-system", "policy", bind("kube-system", binding()))
	for what, change := range map[string]func(*corev1.Namespace){
		"another name":             func(ns *corev1.Namespace) { ns.Name = "production" },
		"the name of another id":   func(ns *corev1.Namespace) { ns.Name += "1" },
		"no drill's id":            func(ns *corev1.Namespace) { delete(ns.Labels, "weaviate-drill.id") },
		"nobody who manages it":    func(ns *corev1.Namespace) { delete(ns.Labels, "app.kubernetes.io/managed-by") },
		"privileged pods":          func(ns *corev1.Namespace) { ns.Labels["pod-security.kubernetes.io/enforce"] = "privileged" },
		"no labels":                func(ns *corev1.Namespace) { ns.Labels = nil },
		"no name but a generated":  func(ns *corev1.Namespace) { ns.GenerateName, ns.Name = ns.Name, "" },
		"no pod security whatever": func(ns *corev1.Namespace) { delete(ns.Labels, "pod-security.kubernetes.io/enforce") },
	} {
		forbidden("create a namespace with "+what, "policy", create(drillNamespace(change)))
	}
	check(t, create(drillNamespace()))
	// Before it has given itself the role, RBAC lets it do nothing in any namespace.
	_, err := r.api.CoreV1().Namespaces().Create(t.Context(), drillNamespace(), metav1.CreateOptions{})
	check(t, err)
	forbidden("create a secret elsewhere", "RBAC", secret(other))
	forbidden("create a secret in its own namespace", "RBAC", secret(r.namespace))
	forbidden("create a secret in a drill's namespace without the role", "RBAC", secret(mine))
	_, err = tool.CoreV1().Secrets(r.namespace).List(t.Context(), metav1.ListOptions{})
	forbidden("list secrets", "RBAC", err)
	forbidden("give itself another role", "RBAC", bind(mine, binding(func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "cluster-admin" })))
	for what, change := range map[string]func(*rbacv1.RoleBinding){
		"somebody else": func(b *rbacv1.RoleBinding) { b.Subjects[0].Name = "default" },
		"others too": func(b *rbacv1.RoleBinding) {
			b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:authenticated"})
		},
		"nobody": func(b *rbacv1.RoleBinding) { b.Subjects = nil },
	} {
		forbidden("give its role to "+what, "policy", bind(mine, binding(change)))
	}
	_, err = tool.RbacV1().RoleBindings(mine).Create(t.Context(), binding(), metav1.CreateOptions{})
	check(t, err)
	within(timeout(t, 10*time.Second), t, "the role is in force", func() bool { return secret(mine) == nil })
	_, err = tool.CoreV1().Secrets(mine).List(t.Context(), metav1.ListOptions{})
	forbidden("list secrets in a sandbox", "RBAC", err)

	// With all rights there are.
	admin := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: r.name + "-all"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}, Subjects: binding().Subjects,
	}
	_, err = r.api.RbacV1().ClusterRoleBindings().Create(t.Context(), admin, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		check(t, r.api.RbacV1().ClusterRoleBindings().Delete(context.Background(), admin.Name, metav1.DeleteOptions{}))
	})
	within(timeout(t, 10*time.Second), t, "the rights are there", func() bool {
		_, err := tool.CoreV1().Secrets(other).List(t.Context(), metav1.ListOptions{})
		return err == nil
	})
	forbidden("create a secret elsewhere", "policy", secret(other))
	forbidden("create a secret in its own namespace", "policy", secret(r.namespace))
	forbidden("give itself another role", "policy", bind(mine, binding(func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "cluster-admin" })))
	forbidden("delete its own namespace", "policy", remove(r.namespace))
	_, err = tool.CoreV1().Namespaces().Patch(t.Context(), other, "application/merge-patch+json", []byte(`{"metadata":{"labels":{"app.kubernetes.io/managed-by":"weaviate-drill"}}}`), metav1.PatchOptions{DryRun: dry.DryRun})
	forbidden("label another namespace", "policy", err)
	_, err = tool.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: r.name + "-more"}}, dry)
	forbidden("create a cluster role", "policy", err)
	forbidden("remove its role", "policy", tool.RbacV1().ClusterRoles().Delete(t.Context(), r.name, metav1.DeleteOptions{DryRun: dry.DryRun}))
	forbidden("remove everything elsewhere", "policy", tool.CoreV1().ConfigMaps(other).DeleteCollection(t.Context(), metav1.DeleteOptions{DryRun: dry.DryRun}, metav1.ListOptions{}))
	check(t, secret(mine))
	check(t, remove(mine))
}

// toolImage is an image of the tool that the cluster has: of this tree, or the one that DRILL_IMAGE names where the cluster is not that of make cluster-up.
func toolImage(t *testing.T) string {
	t.Helper()
	if os.Getenv("KUBECONFIG") != "" {
		name := os.Getenv("DRILL_IMAGE")
		if name == "" {
			servertest.Lacking(t, "DRILL_IMAGE, an image of the tool that the cluster of KUBECONFIG can pull")
		}
		return name
	}
	binary := filepath.Join(t.TempDir(), "weaviate-drill")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "../cmd/weaviate-drill")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const name = "weaviate-drill:deploy-test"
	check(t, cluster.Load(t.Context(), image.Drill(name, binary)))
	return name
}

// drills is a release that is ready to drill: a source in the cluster with the demo's objects, and a bucket. more is of the configuration.
func drills(t *testing.T, more string) *release {
	t.Helper()
	servertest.Cluster(t) // MinIO listens where pods reach it
	name := toolImage(t)
	b := servertest.Bucket(t, "backups")
	m := servertest.MinIO(t)
	source := servertest.ClusterSource(t, b, 1)
	outside, err := weaviate.Dial(t.Context(), source.Outside)
	check(t, err)
	_, err = demo.Fill(t.Context(), outside)
	check(t, err)
	check(t, outside.Close())
	repository, tag, _ := strings.Cut(name, ":")
	r := install(t, fmt.Sprintf(`
image: {repository: %q, tag: %q}
cronjob: {suspend: true}
output: json
secretEnv:
  - {name: WEAVIATE_API_KEY, secret: drill, key: weaviate}
  - {name: AWS_ACCESS_KEY_ID, secret: drill, key: id}
  - {name: AWS_SECRET_ACCESS_KEY, secret: drill, key: secret}
config:
  source: {url: %q, grpc: %q, api_key: env:WEAVIATE_API_KEY, allow_plaintext: true}
  bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
  sandbox:
    kubernetes: {twin: {namespace: %s}, cpu: 50m, memory: 1Gi, size: 2Gi}
    s3: {access_key_id: env:AWS_ACCESS_KEY_ID, secret_access_key: env:AWS_SECRET_ACCESS_KEY, allow_plaintext: true}
  policy: {fail_on: critical}
`+more, repository, tag, source.InCluster.URL, source.InCluster.GRPC, b.Name, b.Path, b.Endpoint, source.Namespace))
	_, err = r.api.CoreV1().Secrets(r.namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "drill"}, StringData: map[string]string{
		"weaviate": servertest.APIKey, "id": m.AccessKey, "secret": m.SecretKey,
	}}, metav1.CreateOptions{})
	check(t, err)
	return r
}

// volume is for the chart's claim where the cluster has no storage class: a folder of the only node. "" where it has one.
func (r *release) volume() (folder string) {
	r.Helper()
	if os.Getenv("KUBECONFIG") != "" {
		return ""
	}
	folder, err := os.MkdirTemp(filepath.Join(filepath.Dir(servertest.Cluster(r.T)), "../../tmp"), "evidence-") // what the node has as /tmp
	check(r.T, err)
	r.Cleanup(func() { check(r.T, os.RemoveAll(folder)) })
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}, Spec: corev1.PersistentVolumeSpec{
		Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		ClaimRef:               &corev1.ObjectReference{Namespace: r.namespace, Name: r.name + "-evidence"},
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: filepath.Join("/tmp", filepath.Base(folder))}},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{cluster.NodeName},
		}}}}}},
	}}
	_, err = r.api.CoreV1().PersistentVolumes().Create(r.Context(), v, metav1.CreateOptions{})
	check(r.T, err)
	r.Cleanup(func() {
		check(r.T, r.api.CoreV1().PersistentVolumes().Delete(context.Background(), v.Name, metav1.DeleteOptions{}))
	})
	return folder
}

// trigger begins a drill as "kubectl create job --from=cronjob/..." does, and returns its pod once that runs.
func (r *release) trigger(ctx context.Context) (*batchv1.Job, *corev1.Pod) {
	r.Helper()
	cron, err := r.api.BatchV1().CronJobs(r.namespace).Get(ctx, r.name, metav1.GetOptions{})
	check(r.T, err)
	job, err := r.api.BatchV1().Jobs(r.namespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: "now", Labels: cron.Spec.JobTemplate.Labels, Annotations: map[string]string{"cronjob.kubernetes.io/instantiate": "manual"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		},
		Spec: cron.Spec.JobTemplate.Spec,
	}, metav1.CreateOptions{})
	check(r.T, err)
	var pod *corev1.Pod
	within(ctx, r.T, "the drill's pod starts", func() bool {
		pods, err := r.api.CoreV1().Pods(r.namespace).List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=now"})
		check(r.T, err)
		if len(pods.Items) > 0 && pods.Items[0].Status.Phase != corev1.PodPending {
			pod = &pods.Items[0]
		}
		return pod != nil
	})
	return job, pod
}

// log is what the pod writes, until it ends.
func (r *release) log(pod *corev1.Pod) io.ReadCloser {
	r.Helper()
	log, err := r.api.CoreV1().Pods(r.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Follow: true}).Stream(r.Context())
	check(r.T, err)
	r.Cleanup(func() { log.Close() })
	return log
}

// sandbox is the namespace of the drill that the pod performs; nil when there is none.
func (r *release) sandbox(ctx context.Context, pod *corev1.Pod) *corev1.Namespace {
	r.Helper()
	list, err := r.api.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=weaviate-drill"})
	check(r.T, err)
	for _, ns := range list.Items {
		if strings.HasSuffix(ns.Annotations["weaviate-drill.owner"], "@"+pod.Name) {
			return &ns
		}
	}
	return nil
}

// TestDrill performs a whole drill as the chart's CronJob does, in the cluster and by its rights alone.
func TestDrill(t *testing.T) {
	r := drills(t, "")
	folder := r.volume()
	ctx := timeout(t, 5*time.Minute)
	_, pod := r.trigger(ctx)
	if c := pod.Spec.Containers[0].SecurityContext; !*c.RunAsNonRoot || !*c.ReadOnlyRootFilesystem || *pod.Spec.SecurityContext.RunAsUser == 0 {
		t.Errorf("%+v", c)
	}
	log, err := io.ReadAll(r.log(pod))
	check(t, err)
	within(ctx, t, "the drill's pod ends", func() bool {
		pod, err = r.api.CoreV1().Pods(r.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		check(t, err)
		return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
	if pod.Status.Phase != corev1.PodSucceeded {
		t.Fatalf("%+v\n%s", pod.Status.ContainerStatuses, log)
	}
	record := recordIn(t, log)
	if record.Status != evidence.Passed || record.Verification.Verdicts.Match != demo.Objects {
		t.Errorf("%s: %+v, %+v", record.Status, record.Reasons, record.Verification)
	}
	tried := map[string]bucket.Status{}
	for _, f := range record.Sandbox.Isolation {
		tried[f.Check] = f.Status
	}
	if tried["sandbox-anonymous-access"] != bucket.Pass || tried["sandbox-pod-security"] != bucket.Pass || tried["sandbox-network-policy"] == "" || tried["sandbox-network-policy"] == bucket.Unknown {
		t.Errorf("%+v", record.Sandbox.Isolation)
	}
	if notes := strings.Join(record.Notes, "; "); !strings.Contains(notes, "made like the StatefulSet") || strings.Contains(notes, "port-forward") {
		t.Errorf("%s", notes)
	}
	if left := r.sandbox(ctx, pod); left != nil {
		t.Errorf("still there: %s", left.Name)
	}
	for line := range strings.Lines(string(log)) { // until the record comes, a log that machines read
		if line == "{\n" {
			break
		}
		if !json.Valid([]byte(line)) {
			t.Errorf("%s", line)
		}
	}
	events, err := r.api.CoreV1().Events(r.namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Job,involvedObject.name=now,source=weaviate-drill"})
	check(t, err)
	if len(events.Items) == 0 {
		t.Error("the Job has no Events of the drill")
	}
	if folder != "" { // the claim, which the tool writes to as nobody else may
		if _, err := os.Stat(filepath.Join(folder, record.ID+".json")); err != nil {
			t.Error(err)
		}
	}
}

// TestInterrupted deletes the Job of a drill whose sandbox is up: the drill must remove that, and say in its evidence what happened.
func TestInterrupted(t *testing.T) {
	servertest.Cluster(t)
	b := servertest.Bucket(t, "")
	r := drills(t, fmt.Sprintf("  evidence: {s3: {name: %s, region: us-east-1, endpoint: %q, path_style: true}}\n", b.Name, b.Endpoint))
	ctx := timeout(t, 5*time.Minute)
	job, pod := r.trigger(ctx)
	var sandbox *corev1.Namespace
	within(ctx, t, "the sandbox's pod is there", func() bool {
		if sandbox = r.sandbox(ctx, pod); sandbox == nil {
			return false
		}
		pods, err := r.api.CoreV1().Pods(sandbox.Name).List(ctx, metav1.ListOptions{})
		check(t, err)
		return len(pods.Items) > 0
	})
	log := r.log(pod)
	propagation := metav1.DeletePropagationBackground // as kubectl
	check(t, r.api.BatchV1().Jobs(r.namespace).Delete(ctx, job.Name, metav1.DeleteOptions{PropagationPolicy: &propagation}))
	text, err := io.ReadAll(log)
	check(t, err)
	within(ctx, t, "the drill's pod goes", func() bool {
		_, err := r.api.CoreV1().Pods(r.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if left := r.sandbox(ctx, pod); left != nil {
		t.Errorf("still there: %s", left.Name)
	}
	store, err := evidence.OpenS3(ctx, b)
	check(t, err)
	record, err := store.Get(ctx, evidence.Latest)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if record.Status != evidence.Interrupted || sandbox.Labels["weaviate-drill.id"] != record.ID {
		t.Errorf("%s of %s: %+v", record.Status, record.ID, record.Reasons)
	}
}

// recordIn finds the record among the lines of a log.
func recordIn(t *testing.T, log []byte) *evidence.Record {
	t.Helper()
	_, text, _ := bytes.Cut(append([]byte("\n"), log...), []byte("\n{\n"))
	text, _, ok := bytes.Cut(text, []byte("\n}\n"))
	if !ok {
		t.Fatalf("no record:\n%s", log)
	}
	record, err := evidence.Parse([]byte("{" + string(text) + "}"))
	check(t, err)
	return record
}
