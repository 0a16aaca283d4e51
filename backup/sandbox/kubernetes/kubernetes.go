// Package kubernetes is a sandbox in a Kubernetes cluster: a namespace of its own that enforces the Pod Security Standard "restricted", has a quota, and lets
// nothing in or out but what a restore needs. It is deleted as a whole, and its deletion is waited for.
//
// Whether the cluster's network plugin enforces the policies is another matter, which Instance.Isolation proves.
package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// What a namespace of a drill bears. Nothing is ever deleted that does not have both labels.
const (
	LabelManagedBy    = "app.kubernetes.io/managed-by" // "weaviate-drill"
	LabelDrill        = "weaviate-drill.id"
	AnnotationExpires = "weaviate-drill.expires" // RFC 3339; after it nobody needs the namespace any more
	AnnotationOwner   = "weaviate-drill.owner"   // who started the drill, and where
	AnnotationVolumes = "weaviate-drill.volumes" // "true": the data is on volumes, which must go with the namespace

	managedBy = "weaviate-drill"
)

const (
	// lifetime of a namespace is that of its drill many times over: the chart's ends after 12 hours, and a restore by default after 6. Whoever has the same journal, or the drill's id, removes
	// what a dead one left long before. Of the same tool a drill that holds the Lease is never collected; to others the namespace says no more than this.
	lifetime       = 72 * time.Hour
	callTimeout    = 30 * time.Second // of one request to the API server
	deleteTimeout  = 3 * time.Minute
	defaultTimeout = 10 * time.Minute // a node may have to be added to the cluster, and an image pulled
)

// Options say which cluster, and how the Weaviate runs there. The zero value is a Weaviate with modest resources in the cluster of the current context.
type Options struct {
	// Kubeconfig is a file. Empty: KUBECONFIG, then ~/.kube/config, then, in a pod, the cluster of the pod.
	Kubeconfig string
	Context    string // of the kubeconfig; empty: its current one
	// Namespace of the tool, which holds the Lease. Empty: in a pod its own, else that of the context.
	Namespace string
	// ClusterRole that the tool binds to itself in the sandbox's namespace. Empty: it has its rights already.
	ClusterRole string
	// Twin is the source's StatefulSet, after which the sandbox is made. Zero: none.
	Twin  Twin
	Owner string // for the namespace's annotation; empty: the user and host of this process

	// Image of the server. Empty: the twin's in the version of the backup, else semitechnologies/weaviate in it.
	Image string
	// PullSecrets are copied into the sandbox: "namespace/name" of secrets of type kubernetes.io/dockerconfigjson. Empty: the twin's.
	PullSecrets []string

	// Env are more variables of the server. Those that the sandbox depends on are refused.
	Env map[string]string

	// CPU that each pod requests, and Memory that it requests and may use. Zero: the twin's, else 500m and 4Gi.
	CPU, Memory resource.Quantity
	// Quota bounds the namespace. Empty: exactly what its pods may use.
	Quota corev1.ResourceList
	// StorageClass of each node's volume. Empty: the twin's, else an emptyDir, a folder on the disk of the cluster's node.
	StorageClass string
	// Size of each node's data; zero: the twin's, else twice the backup's biggest part and 1Gi more, or 10Gi when that is not known. Of an emptyDir it is the limit beyond which the pod is evicted.
	Size resource.Quantity

	// Where the pods may run, and before whom. Empty: as the twin's.
	NodeSelector  map[string]string
	Tolerations   []corev1.Toleration
	PriorityClass string
	// SpreadOver are topology keys, such as topology.kubernetes.io/zone, over which the pods are spread where possible. Empty: the twin's constraints.
	SpreadOver []string

	// ServiceAccountAnnotations give the pods a role of their own, such as eks.amazonaws.com/role-arn.
	ServiceAccountAnnotations map[string]string
	// S3CIDRs are the only addresses that Weaviate reaches besides DNS and its own nodes. They must cover the S3 endpoint and, with a role, that of STS.
	// Empty: the endpoint's address where it is one, else every address but the metadata service of the machine; always on the endpoint's port only.
	S3CIDRs []string

	Timeout time.Duration // of the wait for all nodes to be ready; zero: 10 minutes
}

// Twin names a StatefulSet in the same cluster.
type Twin struct {
	Namespace   string
	StatefulSet string // empty: weaviate, as the official Helm chart calls it
}

// New returns a sandbox in a cluster.
func New(o Options) sandbox.Sandbox { return place{o} }

type place struct{ Options }

func (place) Kind() string { return "kubernetes" }

// cluster is a connection to an API server.
type cluster struct {
	*client.Clientset
	config *rest.Config
	inside string // namespace of the pod that this process runs in; empty outside the cluster
	home   string // namespace of the tool
}

// namespaceFile is where a pod finds its own namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// dial finds the cluster where kubectl does.
func (o Options) dial() (*cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	c := &cluster{}
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: kubeconfig: %w", err)
	}
	if len(raw.Clusters) > 0 {
		c.config, err = loader.ClientConfig()
	} else if c.config, err = rest.InClusterConfig(); err == nil {
		var namespace []byte
		namespace, err = os.ReadFile(namespaceFile)
		c.inside = strings.TrimSpace(string(namespace))
	}
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: no cluster is known (set KUBECONFIG, sandbox.kubernetes.kubeconfig or sandbox.kubernetes.context, or run in a pod with a service account): %w", err)
	}
	if c.home = cmp.Or(o.Namespace, c.inside); c.home == "" {
		if c.home, _, err = loader.Namespace(); err != nil {
			return nil, fmt.Errorf("kubernetes sandbox: kubeconfig: %w", err)
		}
	}
	c.config.UserAgent = managedBy
	c.config.QPS, c.config.Burst = 50, 100 // a sandbox is a dozen objects at once, then a few looks a second
	c.config.WarningHandler = rest.NoWarnings{}
	if c.Clientset, err = client.NewForConfig(c.config); err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: %w", err)
	}
	return c, nil
}

// namespaceOf is the namespace of a drill.
func namespaceOf(drillID string) (string, error) {
	n, err := sandbox.Name(drillID)
	if err == nil && len(validation.IsDNS1123Label(n)) > 0 {
		err = fmt.Errorf("kubernetes sandbox: no namespace can be called %q: a drill id in Kubernetes has only a to z, 0 to 9 and -, and does not end in -", n)
	}
	return n, err
}

func (p place) Up(ctx context.Context, spec sandbox.Spec) (_ sandbox.Instance, err error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	namespace, err := namespaceOf(spec.DrillID)
	if err != nil {
		return nil, err
	}
	key := sandbox.NewKey()
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	source, err := c.source(ctx, p.Twin)
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: %w", err)
	}
	d, err := p.design(spec, source)
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: %w", err)
	}
	m, err := p.manifest(namespace, c.inside, spec, key, d)
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: %w", err)
	}
	i := &Instance{cluster: c, namespace: namespace, drillID: spec.DrillID, nodes: m.nodes, probe: m.probe, notes: d.notes, since: began, source: source, hidden: slices.Collect(maps.Keys(m.secret.StringData))}
	made, err := c.create(ctx, d.pullSecrets, p.ClusterRole, m)
	defer func() {
		if err == nil {
			return
		}
		err = fmt.Errorf("kubernetes sandbox: %w", err)
		if made {
			if down := i.Down(context.WithoutCancel(ctx)); down != nil {
				err = fmt.Errorf("%w; and then: %w", err, down)
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	i.step("create", false)
	timeout := p.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	waiting := spec.Waiting
	if waiting == nil {
		waiting = func(string) {}
	}
	if err := i.ready(ctx, waiting); err != nil {
		return nil, err
	}
	if err := i.reach(ctx, spec, key); err != nil {
		if errors.Is(err, sandbox.ErrVersion) {
			err = fmt.Errorf("%w; set sandbox.kubernetes.image to an image of that version (this was %s)", err, m.image)
		}
		return nil, err
	}
	i.step("reach", false)
	return i, nil
}

// create makes everything, the pods last. made says whether there is something to remove. A create that was given up halfway might still come about after
// everything was removed; therefore ctx is looked at between those calls, not in them.
func (c *cluster) create(ctx context.Context, pullSecrets []string, clusterRole string, m manifest) (made bool, err error) {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*callTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	var pulls []*corev1.Secret
	for _, from := range pullSecrets {
		pull, err := c.pullSecret(whole, from, m.namespace)
		if err != nil {
			return false, err
		}
		pulls = append(pulls, pull)
	}
	// What is there already is another's, and is neither used nor removed.
	if err := create(whole, c.CoreV1().Namespaces().Create, m.namespace); err != nil {
		// Without an answer of the API server, and when it only gave up waiting, the namespace may have come about.
		unsure := apierrors.ReasonForError(err) == metav1.StatusReasonUnknown || apierrors.IsInternalError(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
		return unsure, err
	}
	ns := m.namespace.Name
	bound := time.Time{}
	if clusterRole != "" {
		if err := c.bind(whole, clusterRole, m.namespace); err != nil {
			return true, err
		}
		bound = time.Now()
	}
	steps := []func() error{
		func() error { return create(whole, c.CoreV1().ResourceQuotas(ns).Create, m.quota) },
		func() error { return create(whole, c.CoreV1().LimitRanges(ns).Create, m.limits) },
	}
	for _, policy := range m.policies {
		steps = append(steps, func() error { return create(whole, c.NetworkingV1().NetworkPolicies(ns).Create, policy) })
	}
	for _, each := range append(pulls, m.secret) {
		steps = append(steps, func() error { return create(whole, c.CoreV1().Secrets(ns).Create, each) })
	}
	steps = append(steps,
		func() error { return create(whole, c.CoreV1().ServiceAccounts(ns).Create, m.account) },
		func() error { return create(whole, c.CoreV1().Services(ns).Create, m.service) },
	)
	for _, set := range m.sets {
		steps = append(steps, func() error { return create(whole, c.AppsV1().StatefulSets(ns).Create, set) })
	}
	for _, step := range steps {
		err := errors.Join(ctx.Err(), step())
		for apierrors.IsForbidden(err) && time.Since(bound) < settleRole && ctx.Err() == nil {
			time.Sleep(look)
			err = step()
		}
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

// settleRole is how long an API server may not know yet of a role that was bound; it watches the bindings.
const settleRole = 5 * time.Second

// bind gives the ClusterRole to the tool itself in the sandbox's namespace, with which it goes.
func (c *cluster) bind(ctx context.Context, clusterRole string, to *corev1.Namespace) error {
	review, err := c.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("who the tool is to the cluster: %w", err)
	}
	me := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: review.Status.UserInfo.Username}
	if account, ok := strings.CutPrefix(me.Name, "system:serviceaccount:"); ok {
		namespace, name, _ := strings.Cut(account, ":")
		me = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
	}
	return create(ctx, c.RbacV1().RoleBindings(to.Name).Create, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: managedBy, Labels: map[string]string{LabelManagedBy: managedBy, LabelDrill: to.Labels[LabelDrill]}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole}, Subjects: []rbacv1.Subject{me},
	})
}

func create[T metav1.Object](ctx context.Context, do func(context.Context, T, metav1.CreateOptions) (T, error), object T) error {
	if _, err := do(ctx, object, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create %s: %w", object.GetName(), err)
	}
	return nil
}

// pullSecret reads a login for a registry, to be copied into the sandbox: a pod can use only those of its own namespace.
func (c *cluster) pullSecret(ctx context.Context, from string, to *corev1.Namespace) (*corev1.Secret, error) {
	namespace, name, ok := strings.Cut(from, "/")
	if !ok {
		return nil, fmt.Errorf("the image pull secret %q has no namespace: write namespace/name", from)
	}
	have, err := c.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("image pull secret %s: %w", from, err)
	}
	if have.Type != corev1.SecretTypeDockerConfigJson {
		return nil, fmt.Errorf("the secret %s is of type %s, and an image pull secret is of type %s", from, have.Type, corev1.SecretTypeDockerConfigJson)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: pullName(from), Labels: to.Labels}, Type: have.Type, Data: have.Data}, nil
}

// pullName is what an image pull secret is called in the sandbox, where secrets of several namespaces meet.
func pullName(from string) string { return strings.ReplaceAll(from, "/", ".") }

// Tidy deletes the drill's namespace, if it bears the labels of one.
func (p place) Tidy(ctx context.Context, drillID string) error {
	namespace, err := namespaceOf(drillID)
	if err != nil {
		return err
	}
	c, err := p.dial()
	if err != nil {
		return err
	}
	return (&Instance{cluster: c, namespace: namespace, drillID: drillID}).Down(ctx)
}

// Collect deletes the namespaces of drills that have expired, whoever started them and wherever, and returns the ids of those drills. One that cannot be
// deleted, or takes its time, does not keep the others from it. A drill that holds the tool's Lease is alive, and is left alone.
func (p place) Collect(ctx context.Context, now time.Time) (drills []string, err error) {
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	list, err := c.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: LabelManagedBy + "=" + managedBy + "," + LabelDrill})
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: %w", err)
	}
	var expired []*Instance
	for _, found := range list.Items {
		id := found.Labels[LabelDrill]
		expires, unreadable := time.Parse(time.RFC3339, found.Annotations[AnnotationExpires])
		if unreadable != nil {
			err = errors.Join(err, fmt.Errorf("kubernetes sandbox: the namespace %s does not say when it expires: delete it by hand when it is not in use", found.Name))
			continue
		}
		if want, illegal := namespaceOf(id); illegal != nil || want != found.Name || now.Before(expires) {
			continue
		}
		if alive, unknown := c.living(ctx, id, now); alive || unknown != nil {
			err = errors.Join(err, unknown)
			continue
		}
		expired = append(expired, &Instance{cluster: c, namespace: found.Name, drillID: id})
	}
	failed := make([]error, len(expired))
	group := errgroup.Group{}
	group.SetLimit(parallel)
	for n, i := range expired {
		group.Go(func() error {
			failed[n] = i.Down(ctx)
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	for n, i := range expired {
		if failed[n] == nil {
			drills = append(drills, i.drillID)
		}
	}
	return drills, errors.Join(append(failed, err)...)
}

// owner is who started the drill, for whoever finds its namespace.
func (o Options) owner() string {
	if o.Owner != "" {
		return o.Owner
	}
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return who + "@" + host
}
