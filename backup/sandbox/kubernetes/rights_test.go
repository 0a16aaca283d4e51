package kubernetes_test

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// tool is a service account in a namespace of its own, with roles of the very rights that the table names.
type tool struct {
	namespace   string
	kubeconfig  string
	clusterRole string                         // for what is done in the sandbox's namespace
	rules       map[string][]rbacv1.PolicyRule // by the name of the ClusterRole, or "/" and the namespace of the Role
}

// newTool makes one that may do what rights say. The ClusterRole for the sandbox's namespace is bound to it in the whole cluster when everywhere is set.
func newTool(t *testing.T, everywhere bool, rights func(clusterRole string) []kubernetes.Right) tool {
	t.Helper()
	c, ctx := admin(t), t.Context()
	ns, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "drill-tool-"}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = c.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}) })
	_, err = c.CoreV1().ServiceAccounts(ns.Name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "drill"}}, metav1.CreateOptions{})
	check(t, err)
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns.Name, Name: "drill"}}
	made := tool{namespace: ns.Name, clusterRole: ns.Name + "-sandbox", kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	made.rules = map[string][]rbacv1.PolicyRule{made.clusterRole: {}}
	for _, r := range rights(made.clusterRole) {
		made.rules[made.where(r)] = append(made.rules[made.where(r)], r.Rule())
	}
	for name := range made.rules {
		made.apply(t, name, made.rules[name])
		if namespace, ok := strings.CutPrefix(name, "/"); ok {
			_, err = c.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: ns.Name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: ns.Name}, Subjects: subjects,
			}, metav1.CreateOptions{})
			check(t, err)
			continue
		}
		t.Cleanup(func() { _ = c.RbacV1().ClusterRoles().Delete(context.Background(), name, metav1.DeleteOptions{}) })
		if name == made.clusterRole && !everywhere {
			continue
		}
		_, err = c.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}, Subjects: subjects,
		}, metav1.CreateOptions{})
		check(t, err)
		t.Cleanup(func() {
			_ = c.RbacV1().ClusterRoleBindings().Delete(context.Background(), name, metav1.DeleteOptions{})
		})
	}
	token, err := c.CoreV1().ServiceAccounts(ns.Name).CreateToken(ctx, "drill", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	check(t, err)
	config, err := clientcmd.LoadFromFile(servertest.Cluster(t))
	check(t, err)
	current := config.Contexts[config.CurrentContext]
	current.Namespace = ns.Name
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{current.AuthInfo: {Token: token.Status.Token}}
	check(t, clientcmd.WriteToFile(*config, made.kubeconfig))
	return made
}

// admin is api, but for many requests.
func admin(t *testing.T) *client.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", servertest.Cluster(t))
	check(t, err)
	config.QPS = -1
	c, err := client.NewForConfig(config)
	check(t, err)
	return c
}

// where says which role has a right.
func (tool tool) where(r kubernetes.Right) string {
	return map[kubernetes.Scope]string{
		kubernetes.InCluster: tool.namespace, kubernetes.InSandbox: tool.clusterRole, kubernetes.InTool: "/" + tool.namespace, kubernetes.InNamespace: "/" + r.Namespace,
	}[r.Scope]
}

// apply makes or changes a role.
func (tool tool) apply(t *testing.T, name string, rules []rbacv1.PolicyRule) {
	t.Helper()
	c := admin(t).RbacV1()
	var err error
	if namespace, ok := strings.CutPrefix(name, "/"); ok {
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: tool.namespace}, Rules: rules}
		if _, err = c.Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			_, err = c.Roles(namespace).Update(t.Context(), role, metav1.UpdateOptions{})
		}
	} else {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
		if _, err = c.ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			_, err = c.ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{})
		}
	}
	check(t, err)
}

// without takes one verb away, until it is called back.
func (tool tool) without(t *testing.T, r kubernetes.Right, verb string) (back func()) {
	t.Helper()
	name := tool.where(r)
	var rules []rbacv1.PolicyRule
	for _, rule := range tool.rules[name] {
		if slices.Equal(rule.Resources, []string{r.Resource}) && slices.Equal(rule.ResourceNames, r.Rule().ResourceNames) {
			rule.Verbs = slices.DeleteFunc(slices.Clone(rule.Verbs), func(v string) bool { return v == verb })
		}
		if len(rule.Verbs) > 0 {
			rules = append(rules, rule)
		}
	}
	tool.apply(t, name, rules)
	return func() { tool.apply(t, name, tool.rules[name]) }
}

// furnished are options that take every right there is: a source to be like, a login for a registry, a class of priority and one of storage.
func furnished(t *testing.T) kubernetes.Options {
	t.Helper()
	c, ctx, o := admin(t), t.Context(), options(t)
	ns, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "drill-source-"}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = c.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}) })
	_, err = c.CoreV1().Secrets(ns.Name).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson, StringData: map[string]string{corev1.DockerConfigJsonKey: `{"auths":{}}`},
	}, metav1.CreateOptions{})
	check(t, err)
	_, err = c.SchedulingV1().PriorityClasses().Create(ctx, &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: ns.Name}, Value: 1}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = c.SchedulingV1().PriorityClasses().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	none, labels := int32(0), map[string]string{"app": "weaviate"}
	_, err = c.AppsV1().StatefulSets(ns.Name).Create(ctx, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "weaviate"}, Spec: appsv1.StatefulSetSpec{
		Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			Containers:        []corev1.Container{{Name: "weaviate", Image: servertest.WeaviateImage}},
			PriorityClassName: ns.Name,
		}},
	}}, metav1.CreateOptions{})
	check(t, err)
	o.Twin, o.PullSecrets, o.PriorityClass = kubernetes.Twin{Namespace: ns.Name}, []string{ns.Name + "/registry"}, ns.Name
	return o
}

// TestLeastPrivilege does all that a drill does with the rights of the table and no others: bound in each namespace by the tool itself, and in the whole cluster.
func TestLeastPrivilege(t *testing.T) {
	o := furnished(t)
	_, b := servertest.Source(t)
	for name, everywhere := range map[string]bool{"bound in each namespace": false, "in the whole cluster": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := o
			tool := newTool(t, everywhere, func(role string) []kubernetes.Right {
				if !everywhere {
					o.ClusterRole = role
				}
				return o.Rights(false)
			})
			o.Kubeconfig = tool.kubeconfig
			spec := sandboxtest.Spec(t, b, "weaviate-0")
			place := kubernetes.New(o)
			for _, c := range examine(t, o, spec) {
				if c.Result != sandbox.Pass {
					t.Errorf("%+v", c)
				}
			}
			_, release, err := place.(sandbox.Locker).Lock(t.Context(), spec.DrillID)
			check(t, err)
			i := up(t, o, spec)
			for _, p := range i.(sandbox.Isolated).Isolation(t.Context()) {
				if p.Result == sandbox.Unknown || p.Name != "network-policy" && p.Result != sandbox.Pass {
					t.Errorf("%+v", p)
				}
			}
			check(t, i.Logs(t.Context(), io.Discard))
			disturbed, err := i.(sandbox.Disturbable).Disturbed(t.Context())
			check(t, err)
			if disturbed != "" {
				t.Error(disturbed)
			}
			check(t, i.Down(t.Context()))

			// A drill that died left a volume, and its namespace, whose removal needs no role there.
			id := sandboxtest.ID()
			volume(t, id)
			if everywhere {
				check(t, place.Tidy(t.Context(), id))
			} else if err := place.Tidy(t.Context(), id); err == nil || !strings.Contains(err.Error(), "whether its volumes are was not seen") {
				t.Error(err)
			}
			if l := left(t, id); len(l) > 0 {
				t.Errorf("still there: %v", l)
			}
			expiring(t, o, id)
			if _, err := collect(t.Context(), o); len(left(t, id)) > 0 {
				t.Errorf("not collected: %v", err)
			}
			check(t, release(t.Context()))
		})
	}
}

// volume makes the namespace of a drill, with a volume.
func volume(t *testing.T, drillID string) {
	t.Helper()
	c, name, size := admin(t), "weaviate-drill-"+drillID, corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}
	_, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{kubernetes.LabelManagedBy: "weaviate-drill", kubernetes.LabelDrill: drillID}, Annotations: map[string]string{kubernetes.AnnotationVolumes: "true"},
	}}, metav1.CreateOptions{})
	check(t, err)
	_, err = c.CoreV1().PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{
		Capacity: size, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete, StorageClassName: name,
		PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/tmp/" + name}},
	}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = c.CoreV1().PersistentVolumes().Delete(context.Background(), name, metav1.DeleteOptions{}) })
	_, err = c.CoreV1().PersistentVolumeClaims(name).Create(t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: &name, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, Resources: corev1.VolumeResourceRequirements{Requests: size}, VolumeName: name,
	}}, metav1.CreateOptions{})
	check(t, err)
}

// TestEachVerb takes each verb away in turn, and has Examine name it.
func TestEachVerb(t *testing.T) {
	for name, everywhere := range map[string]bool{"bound in each namespace": false, "in the whole cluster": true} {
		t.Run(name, func(t *testing.T) {
			o := furnished(t)
			o.StorageClass = "no-such-class"
			tool := newTool(t, everywhere, func(role string) []kubernetes.Right {
				if !everywhere {
					o.ClusterRole = role
				}
				return o.Rights(false)
			})
			o.Kubeconfig = tool.kubeconfig
			spec := sandbox.Spec{Version: servertest.WeaviateVersion, Nodes: []string{"weaviate-0"}}
			for _, r := range o.Rights(false) {
				for _, verb := range r.Verbs {
					back := tool.without(t, r, verb)
					want := sandbox.Fail
					if r.Optional {
						want = sandbox.Unknown
					}
					var found sandbox.Check
					for deadline := time.Now().Add(5 * time.Second); found.Result != want && time.Now().Before(deadline); { // the authorizer sees it a moment later
						for _, c := range examine(t, o, spec) {
							if c.Name == r.String() {
								found = c
							}
						}
					}
					lacking := r
					lacking.Verbs = []string{verb}
					if found.Result != want || !strings.HasPrefix(found.Detail, "denied: "+verb+",") || !strings.HasPrefix(found.Remedy, lacking.Line()) {
						t.Errorf("without %s: %+v", lacking, found)
					}
					back()
				}
			}
		})
	}
}

// TestDenied is what Up says when nobody examined.
func TestDenied(t *testing.T) {
	var set kubernetes.Right
	tool := newTool(t, true, func(string) []kubernetes.Right {
		rights := options(t).Rights(false)
		at := slices.IndexFunc(rights, func(r kubernetes.Right) bool { return r.Resource == "statefulsets" })
		set = rights[at]
		return rights
	})
	defer tool.without(t, set, "create")()
	fails(t, options(t), func(o *kubernetes.Options) { o.Kubeconfig = tool.kubeconfig }, sandboxtest.Spec(t, servertest.Bucket(t, ""), "node1"),
		`cannot create resource "statefulsets" in API group "apps"`)
}

func examine(t *testing.T, o kubernetes.Options, spec sandbox.Spec) []sandbox.Check {
	t.Helper()
	checks, err := kubernetes.New(o).(sandbox.Examiner).Examine(t.Context(), spec)
	check(t, err)
	return checks
}
