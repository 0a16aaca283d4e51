package kubernetes_test

import (
	"context"
	"path/filepath"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// tool is a service account in a namespace of its own, with roles of the very rights that the table names.
type tool struct {
	namespace  string
	kubeconfig string
}

// newTool makes one that may do what rights say; role is the ClusterRole for what is done in the sandbox's namespace, which is bound to it in the whole cluster when bind is set.
func newTool(t *testing.T, bind bool, rights func(role string) []kubernetes.Right) (made tool, role string) {
	t.Helper()
	c, ctx := api(t), t.Context()
	ns, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "drill-tool-"}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = c.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}) })
	_, err = c.CoreV1().ServiceAccounts(ns.Name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "drill"}}, metav1.CreateOptions{})
	check(t, err)
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns.Name, Name: "drill"}}
	role = ns.Name + "-sandbox"
	rules := map[string][]rbacv1.PolicyRule{role: nil} // by the role's name; of a Role by its namespace
	for _, r := range rights(role) {
		where := map[kubernetes.Scope]string{kubernetes.InCluster: ns.Name, kubernetes.InSandbox: role, kubernetes.InTool: "/" + ns.Name, kubernetes.InNamespace: "/" + r.Namespace}[r.Scope]
		rules[where] = append(rules[where], r.Rule())
	}
	for name, rules := range rules {
		meta := metav1.ObjectMeta{Name: name}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
		if name[0] == '/' {
			meta, ref = metav1.ObjectMeta{Name: ns.Name, Namespace: name[1:]}, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: ns.Name}
			_, err = c.RbacV1().Roles(meta.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
			check(t, err)
			_, err = c.RbacV1().RoleBindings(meta.Namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}, metav1.CreateOptions{})
			check(t, err)
			continue
		}
		_, err = c.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
		check(t, err)
		t.Cleanup(func() { _ = c.RbacV1().ClusterRoles().Delete(context.Background(), name, metav1.DeleteOptions{}) })
		if name == role && !bind {
			continue
		}
		_, err = c.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}, metav1.CreateOptions{})
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
	made = tool{namespace: ns.Name, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	check(t, clientcmd.WriteToFile(*config, made.kubeconfig))
	return made, role
}
