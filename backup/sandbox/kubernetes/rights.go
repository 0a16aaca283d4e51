package kubernetes

import (
	"cmp"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// Scope is where a Right must hold.
type Scope string

// The scopes, from wide to narrow.
const (
	InCluster   Scope = "in the cluster"             // on objects of no namespace, or of every one
	InSandbox   Scope = "in the sandbox's namespace" // which does not exist yet: by Options.ClusterRole, else by a role in the whole cluster
	InTool      Scope = "in the tool's namespace"    // Options.Namespace
	InNamespace Scope = "in a namespace"             // Right.Namespace
)

// Right is something that the sandbox does in the cluster, as RBAC sees it.
type Right struct {
	Group     string // of the API, empty for the core
	Resource  string // with its subresource, such as pods/log
	Verbs     []string
	Name      string // of the one object that it is about; empty: any
	Scope     Scope
	Namespace string // for InNamespace
	Why       string
	// Optional: only Examine and the audit do it, which without it cannot tell everything.
	Optional bool
}

// Rights are all that a sandbox with these options takes, from Examine and Lock to Down and Collect, and no more. inPod: the tool runs in a pod of the cluster, so that it
// needs no port-forward. The pull secrets of a twin are not in it, because their names stand in the cluster; Examine knows them.
func (o Options) Rights(inPod bool) []Right {
	const core, apps, networking, rbac = "", "apps", "networking.k8s.io", "rbac.authorization.k8s.io"
	rights := []Right{
		{core, "namespaces", []string{"create", "get", "list", "delete"}, "", InCluster, "", "make and remove the sandbox's namespace, find those that have expired", false},
		{"coordination.k8s.io", "leases", []string{"create"}, "", InTool, "", "keep other drills out: the first drill makes the Lease", false}, // of which RBAC cannot say the name
		{"coordination.k8s.io", "leases", []string{"get", "update"}, leaseName, InTool, "", "keep other drills out", false},
	}
	if o.ClusterRole != "" {
		rights = append(rights,
			Right{rbac, "rolebindings", []string{"create"}, "", InCluster, "", "give itself a role in the sandbox's namespace", false},
			Right{rbac, "clusterroles", []string{"bind"}, o.ClusterRole, InCluster, "", "give itself that role, and no other", false},
			Right{rbac, "clusterroles", []string{"get"}, o.ClusterRole, InCluster, "", "see before a drill what the role allows", true})
	}
	for _, each := range []struct {
		group, resource, verbs, why string
	}{
		{core, "resourcequotas", "create", "bound what the sandbox uses"},
		{core, "limitranges", "create", "bound what each container uses"},
		{networking, "networkpolicies", "create", "close the network but for what a restore needs"},
		{core, "secrets", "create", "hold the API key of the sandbox, and what its image is pulled with"},
		{core, "serviceaccounts", "create", "give the pods a role for S3 and no token for the API server"},
		{core, "services", "create", "let the nodes find each other"},
		{apps, "statefulsets", "create", "run Weaviate"},
		{core, "pods", "create get list delete", "see how the nodes fare; try the isolation with two small pods"},
		{core, "pods/log", "get", "read what the server logs"},
		{core, "events", "list", "name what is waited for"},
	} {
		rights = append(rights, Right{each.group, each.resource, strings.Fields(each.verbs), "", InSandbox, "", each.why, false})
	}
	if !inPod {
		rights = append(rights, Right{core, "pods/portforward", []string{"get", "create"}, "", InSandbox, "", "reach Weaviate from outside the cluster, over a websocket or, in an older cluster, SPDY", false})
	}
	if twin := o.Twin.Namespace != ""; twin || o.StorageClass != "" {
		rights = append(rights,
			Right{core, "persistentvolumeclaims", []string{"list"}, "", InSandbox, "", "find the volumes that hold restored data", false},
			Right{core, "persistentvolumes", []string{"get"}, "", InCluster, "", "see that those volumes are gone too", false},
			Right{"storage.k8s.io", "storageclasses", []string{"get"}, o.StorageClass, InCluster, "", "see before a drill whether volumes are encrypted and deleted", true})
		if twin {
			rights = append(rights, Right{apps, "statefulsets", []string{"get"}, cmp.Or(o.Twin.StatefulSet, app), InNamespace, o.Twin.Namespace, "make the sandbox like the source", false},
				Right{core, "persistentvolumeclaims", []string{"get"}, "", InNamespace, o.Twin.Namespace, "find the source's volumes, for the audit", true},
				Right{core, "serviceaccounts", []string{"get"}, "", InNamespace, o.Twin.Namespace, "see by which role the source writes backups, for the audit", true})
		}
	}
	for _, from := range o.PullSecrets {
		namespace, name, _ := strings.Cut(from, "/")
		rights = append(rights, Right{core, "secrets", []string{"get"}, name, InNamespace, namespace, "copy what the image is pulled with", false})
	}
	if o.PriorityClass != "" || o.Twin.Namespace != "" {
		rights = append(rights, Right{"scheduling.k8s.io", "priorityclasses", []string{"get"}, o.PriorityClass, InCluster, "", "see before a drill that the class is there", true})
	}
	return append(rights, Right{core, "nodes", []string{"list"}, "", InCluster, "", "see before a drill whether a node has room and the image", true})
}

// String is such as "get secrets registry in the namespace tools" or "create statefulsets.apps in the sandbox's namespace".
func (r Right) String() string {
	what := r.Resource
	if r.Group != "" {
		what += "." + r.Group
	}
	if r.Name != "" {
		what += " " + r.Name
	}
	where := string(r.Scope)
	if r.Scope == InNamespace {
		where = "in the namespace " + r.Namespace
	}
	return fmt.Sprintf("%s %s %s", strings.Join(r.Verbs, ", "), what, where)
}

// Rule grants the right, in a role for its scope.
func (r Right) Rule() rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: []string{r.Resource}, Verbs: r.Verbs}
	if r.Name != "" {
		rule.ResourceNames = []string{r.Name}
	}
	return rule
}

// Line is the rule as a line of a role's manifest.
func (r Right) Line() string {
	names := ""
	if r.Name != "" {
		names = fmt.Sprintf(", resourceNames: [%s]", r.Name)
	}
	return fmt.Sprintf("- {apiGroups: [%q], resources: [%s]%s, verbs: [%s]}", r.Group, r.Resource, names, strings.Join(r.Verbs, ", "))
}

// asked is one verb of the right as the API server is asked about it. sandbox and tool are the namespaces.
func (r Right) asked(verb, sandbox, tool string) *authorizationv1.ResourceAttributes {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	namespace := map[Scope]string{InSandbox: sandbox, InTool: tool, InNamespace: r.Namespace}[r.Scope]
	return &authorizationv1.ResourceAttributes{Group: r.Group, Resource: resource, Subresource: sub, Verb: verb, Name: r.Name, Namespace: namespace}
}
