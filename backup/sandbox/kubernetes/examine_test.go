package kubernetes_test

import (
	"context"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// TestExamine looks for what is there, and for what is not.
func TestExamine(t *testing.T) {
	c, spec, whole := admin(t), sandbox.Spec{Version: servertest.WeaviateVersion, Nodes: []string{"weaviate-0"}}, furnished(t)
	whole.Namespace = whole.Twin.Namespace
	own := whole.Twin.Namespace
	_, err := c.CoreV1().Secrets(own).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "opaque"}, StringData: map[string]string{"password": "hidden-from-all"}}, metav1.CreateOptions{})
	check(t, err)
	class := func(name string, policy corev1.PersistentVolumeReclaimPolicy, provisioner string, parameters map[string]string) string {
		name = own + "-" + name
		_, err := c.StorageV1().StorageClasses().Create(t.Context(), &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner, ReclaimPolicy: &policy, Parameters: parameters,
		}, metav1.CreateOptions{})
		check(t, err)
		t.Cleanup(func() { _ = c.StorageV1().StorageClasses().Delete(context.Background(), name, metav1.DeleteOptions{}) })
		return name
	}
	const ebs, key = "ebs.csi.aws.com", "arn:aws:kms:eu-central-1:111122223333:key/1"
	retained := class("retained", corev1.PersistentVolumeReclaimRetain, "example.org/disk", nil)
	bare := class("bare", corev1.PersistentVolumeReclaimDelete, ebs, map[string]string{"type": "gp3"})
	default0 := class("default", corev1.PersistentVolumeReclaimDelete, ebs, map[string]string{"encrypted": "true"})
	keyed := class("keyed", corev1.PersistentVolumeReclaimDelete, ebs, map[string]string{"Encrypted": "true", "kmsKeyId": key})
	for name, each := range map[string]struct {
		change func(*kubernetes.Options)
		check  string // begins its name
		result sandbox.Result
		detail string
	}{
		"server":                 {nil, "an API server", sandbox.Pass, "answers as Kubernetes v1."},
		"namespace":              {nil, "the sandbox's namespace is admitted", sandbox.Pass, "dry run"},
		"home":                   {nil, "the tool's namespace " + own, sandbox.Pass, "is there"},
		"no home":                {func(o *kubernetes.Options) { o.Namespace = "no-such" }, "the tool's namespace no-such", sandbox.Fail, `"no-such" not found`},
		"twin":                   {nil, "the source's StatefulSet " + own + "/weaviate", sandbox.Pass, "is there"},
		"no twin":                {func(o *kubernetes.Options) { o.Twin.StatefulSet = "no-such" }, "the source's StatefulSet " + own + "/no-such", sandbox.Fail, `"no-such" not found`},
		"pull secret":            {nil, "the image pull secret " + own + "/registry", sandbox.Pass, "is there"},
		"no pull secret":         {func(o *kubernetes.Options) { o.PullSecrets = []string{own + "/none"} }, "the image pull secret " + own + "/none", sandbox.Fail, `"none" not found`},
		"other secret":           {func(o *kubernetes.Options) { o.PullSecrets = []string{own + "/opaque"} }, "the image pull secret " + own + "/opaque", sandbox.Fail, "is of type Opaque"},
		"priority class":         {nil, "the priority class " + own, sandbox.Pass, "is there"},
		"no priority class":      {func(o *kubernetes.Options) { o.PriorityClass = "no-such" }, "the priority class no-such", sandbox.Fail, `"no-such" not found`},
		"no storage class":       {func(o *kubernetes.Options) { o.StorageClass = "no-such" }, "the storage class no-such", sandbox.Fail, `"no-such" not found`},
		"retaining class":        {func(o *kubernetes.Options) { o.StorageClass = retained }, "the storage class " + retained + " deletes", sandbox.Fail, "Retain"},
		"class of another":       {func(o *kubernetes.Options) { o.StorageClass = retained }, "the storage class " + retained + " encrypts", sandbox.Unknown, "example.org/disk"},
		"deleting class":         {func(o *kubernetes.Options) { o.StorageClass = bare }, "the storage class " + bare + " deletes", sandbox.Pass, "goes with its claim"},
		"plain class":            {func(o *kubernetes.Options) { o.StorageClass = bare }, "the storage class " + bare + " encrypts", sandbox.Fail, `encrypted: "true"`},
		"class with default key": {func(o *kubernetes.Options) { o.StorageClass = default0 }, "the storage class " + default0 + " encrypts", sandbox.Pass, "AWS manages"},
		"class with a key":       {func(o *kubernetes.Options) { o.StorageClass = keyed }, "the storage class " + keyed + " encrypts", sandbox.Pass, key},
		"room":                   {nil, "a node with room", sandbox.Pass, "1 of 1 nodes"},
		"no room":                {func(o *kubernetes.Options) { o.CPU = resource.MustParse("10k") }, "a node with room", sandbox.Unknown, "10k of CPU"},
		"no such node":           {func(o *kubernetes.Options) { o.NodeSelector = map[string]string{"no-such": "node"} }, "a node with room", sandbox.Unknown, "none of 1 nodes"},
		"image":                  {nil, "the image " + servertest.WeaviateImage, sandbox.Pass, "1 of 1 nodes have it"},
		"no image":               {func(o *kubernetes.Options) { o.Image = "no/such:1.2.3" }, "the image no/such:1.2.3", sandbox.Unknown, "only its pull can tell"},
		"no room for the backup": {func(o *kubernetes.Options) { o.Size = resource.MustParse("1Mi") }, "a sandbox for the backup", sandbox.Fail, "raise sandbox.kubernetes.size"},
	} {
		t.Run(name, func(t *testing.T) {
			o, spec := whole, spec
			if each.change != nil {
				each.change(&o)
			}
			spec.Bytes = 1 << 20
			var found sandbox.Check
			for _, c := range examine(t, o, spec) {
				if strings.HasPrefix(c.Name, each.check) {
					found = c
				}
				if strings.Contains(c.Detail+c.Remedy, "\n") || strings.Contains(c.Detail, "hidden-from-all") {
					t.Errorf("%+v", c)
				}
			}
			if found.Result != each.result || !strings.Contains(found.Detail, each.detail) || each.result == sandbox.Fail && found.Remedy == "" && each.check != "a sandbox for the backup" {
				t.Errorf("%s: %+v", each.check, found)
			}
		})
	}
}

// TestNotAdmitted has a policy of the cluster refuse the namespace.
func TestNotAdmitted(t *testing.T) {
	c, o := admin(t), options(t)
	id := "refused" + strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))
	meta, fail := metav1.ObjectMeta{Name: "drill-test-" + id}, admissionv1.Fail
	_, err := c.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail, Validations: []admissionv1.Validation{{Expression: "object.metadata.name != 'weaviate-drill-" + id + "'", Message: "every namespace needs a cost centre"}},
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"namespaces"}},
		}}}},
	}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = c.AdmissionregistrationV1().ValidatingAdmissionPolicies().Delete(context.Background(), meta.Name, metav1.DeleteOptions{})
	})
	_, err = c.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: meta.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = c.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Delete(context.Background(), meta.Name, metav1.DeleteOptions{})
	})
	var found sandbox.Check
	for deadline := time.Now().Add(20 * time.Second); found.Result != sandbox.Fail && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) { // the API server compiles it a moment later
		for _, c := range examine(t, o, sandbox.Spec{DrillID: id}) {
			if c.Name == "the sandbox's namespace is admitted" {
				found = c
			}
		}
	}
	if found.Result != sandbox.Fail || !strings.Contains(found.Detail, "cost centre") {
		t.Errorf("%+v", found)
	}
}

// TestRoleUnread tells a role that is not there from one that may not be read.
func TestRoleUnread(t *testing.T) {
	var o kubernetes.Options
	var read kubernetes.Right
	tool := newTool(t, false, func(role string) (rights []kubernetes.Right) {
		o.ClusterRole = role
		rights = o.Rights(false)
		read = kubernetes.Right{Group: rbacv1.GroupName, Resource: "clusterroles", Verbs: []string{"get"}, Name: role, Scope: kubernetes.InCluster}
		return rights
	})
	o.Kubeconfig = tool.kubeconfig
	of := func(o kubernetes.Options) sandbox.Check {
		for _, c := range examine(t, o, sandbox.Spec{}) {
			if c.Name == "create statefulsets.apps in the sandbox's namespace" {
				return c
			}
		}
		return sandbox.Check{}
	}
	if c := of(o); c.Result != sandbox.Pass {
		t.Errorf("%+v", c)
	}
	o.Kubeconfig = servertest.Cluster(t)
	if c := of(o); c.Result != sandbox.Pass {
		t.Errorf("who may do anything: %+v", c)
	}
	o.Kubeconfig = tool.kubeconfig
	defer tool.without(t, read, "get")()
	var c sandbox.Check
	for deadline := time.Now().Add(5 * time.Second); c.Result != sandbox.Unknown && time.Now().Before(deadline); {
		c = of(o)
	}
	if c.Result != sandbox.Unknown || !strings.Contains(c.Detail, "may not be read") {
		t.Errorf("%+v", c)
	}
	tool = newTool(t, false, func(string) []kubernetes.Right {
		read.Name = "no-such-role"
		return []kubernetes.Right{read}
	})
	o.Kubeconfig, o.ClusterRole = tool.kubeconfig, "no-such-role"
	if c := of(o); c.Result != sandbox.Fail || !strings.HasSuffix(c.Remedy, "# in the ClusterRole no-such-role") {
		t.Errorf("%+v", c)
	}
}

// TestUnknownClusterExamined is the one error of Examine: nothing could be asked.
func TestUnknownClusterExamined(t *testing.T) {
	wire := servertest.NewWire(t, servertest.Cluster(t))
	wire.Cut()
	if checks, err := kubernetes.New(kubernetes.Options{Kubeconfig: wire.Kubeconfig}).(sandbox.Examiner).Examine(t.Context(), sandbox.Spec{}); err == nil || !strings.Contains(err.Error(), "the API server at https://127.0.0.1:") {
		t.Errorf("%v, %v", err, checks)
	}
}
