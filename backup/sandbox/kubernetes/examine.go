package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// Examine asks the API server for every right that a drill takes, whether it would take the namespace, and looks for what the options name. Without a version in spec
// nothing is said about the image. It fails only what keeps a drill from its end, or leaves production data behind or unencrypted.
func (p place) Examine(ctx context.Context, spec sandbox.Spec) ([]sandbox.Check, error) {
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	version, err := c.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: the API server at %s: %w", c.config.Host, err)
	}
	checks := []sandbox.Check{{Name: "an API server", Result: sandbox.Pass, Detail: fmt.Sprintf("%s answers as Kubernetes %s", c.config.Host, version.GitVersion)}}
	id := cmp.Or(spec.DrillID, "examination")
	name, err := namespaceOf(id)
	if err != nil {
		return nil, err
	}
	source, found := c.examineTwin(ctx, p.Twin)
	d, undecided := p.design(spec, source)
	checks = append(checks, c.examineRights(ctx, p.rightsFor(d, c.inside != ""), p.ClusterRole, name)...)
	checks = append(checks, found...)
	if undecided != nil {
		checks = append(checks, sandbox.Check{Name: "a sandbox for the backup", Result: sandbox.Fail, Detail: undecided.Error()})
	}
	checks = append(checks, c.examineNamespaces(ctx, p.namespace(name, id, d.claim))...)
	if d.claim {
		checks = append(checks, c.examineClass(ctx, d.class)...)
	}
	if d.priorityClass != "" {
		_, err := c.SchedulingV1().PriorityClasses().Get(ctx, d.priorityClass, metav1.GetOptions{})
		checks = append(checks, there("the priority class "+d.priorityClass, err, "set sandbox.kubernetes.priority_class to one that is there (kubectl get priorityclasses)"))
	}
	for _, from := range d.pullSecrets {
		_, err := c.pullSecret(ctx, from, &corev1.Namespace{})
		check := there("the image pull secret "+from, err, "name secrets of type "+string(corev1.SecretTypeDockerConfigJson)+" in sandbox.kubernetes.pull_secrets, as namespace/name")
		checks = append(checks, check)
	}
	return append(checks, c.examineNodes(ctx, d, spec.Version != "" || p.Image != "")...), nil
}

// rightsFor are the Rights for a design, which knows what the twin adds.
func (o Options) rightsFor(d design, inPod bool) []Right {
	o.PullSecrets = d.pullSecrets
	if d.class != nil {
		o.StorageClass = *d.class
	}
	o.PriorityClass = d.priorityClass
	return o.Rights(inPod)
}

// there is the check that something could be read. What may not be read is not known; what is wrong with it, err says.
func there(name string, err error, remedy string) sandbox.Check {
	switch {
	case err == nil:
		return sandbox.Check{Name: name, Result: sandbox.Pass, Detail: "is there"}
	case apierrors.IsForbidden(err):
		return sandbox.Check{Name: name, Result: sandbox.Unknown, Detail: "may not be read: " + oneLine(err.Error())}
	case errors.As(err, new(*url.Error)) || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown && lost(err): // no answer, or one that says to come back
		return sandbox.Check{Name: name, Result: sandbox.Unknown, Detail: oneLine(err.Error())}
	}
	return sandbox.Check{Name: name, Result: sandbox.Fail, Detail: oneLine(err.Error()), Remedy: remedy}
}

// examineTwin returns the source's StatefulSet as well, nil when there is none.
func (c *cluster) examineTwin(ctx context.Context, t Twin) (*appsv1.StatefulSet, []sandbox.Check) {
	source, err := c.source(ctx, t)
	if source == nil && err == nil {
		return nil, nil
	}
	return source, []sandbox.Check{there(fmt.Sprintf("the source's StatefulSet %s/%s", t.Namespace, cmp.Or(t.StatefulSet, app)), err, "set sandbox.kubernetes.twin to the namespace and the StatefulSet of the source")}
}

// parallel is how many questions are under way at a time.
const parallel = 8

// examineRights asks for each verb. What a role will allow once it is bound in the sandbox's namespace is read in the role.
func (c *cluster) examineRights(ctx context.Context, rights []Right, clusterRole, namespace string) []sandbox.Check {
	var rules []rbacv1.PolicyRule
	var unread error
	if clusterRole != "" {
		role, err := c.RbacV1().ClusterRoles().Get(ctx, clusterRole, metav1.GetOptions{})
		if rules, unread = role.Rules, err; apierrors.IsNotFound(err) {
			unread = nil // it allows nothing
		}
	}
	checks := make([]sandbox.Check, len(rights))
	group := errgroup.Group{}
	group.SetLimit(parallel)
	for i, right := range rights {
		group.Go(func() error {
			var denied []string
			check := sandbox.Check{Name: right.String(), Result: sandbox.Pass, Detail: "allowed"}
			for _, verb := range right.Verbs {
				review, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
					Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: right.asked(verb, namespace, c.home)},
				}, metav1.CreateOptions{})
				if err != nil {
					checks[i] = sandbox.Check{Name: check.Name, Result: sandbox.Unknown, Detail: "the API server was asked, and: " + oneLine(err.Error())}
					return nil
				}
				one := right
				one.Verbs = []string{verb}
				covered, _ := validation.Covers(rules, []rbacv1.PolicyRule{one.Rule()})
				if !review.Status.Allowed && (right.Scope != InSandbox || !covered) {
					denied = append(denied, verb)
				}
			}
			if len(denied) > 0 {
				lacking := right
				lacking.Verbs = denied
				check.Result, check.Detail, check.Remedy = sandbox.Fail, "denied: "+strings.Join(denied, ", ")+", which is to "+right.Why, lacking.Line()+" # in "+right.role(clusterRole, c.home)
				if right.Optional {
					check.Result = sandbox.Unknown
				}
				if right.Scope == InSandbox && unread != nil {
					check.Result, check.Detail = sandbox.Unknown, fmt.Sprintf("the ClusterRole %s that is to allow it may not be read: %s", clusterRole, oneLine(unread.Error()))
				}
			}
			checks[i] = check
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	return checks
}

// role names the role that a right belongs into.
func (r Right) role(clusterRole, tool string) string {
	switch {
	case r.Scope == InTool:
		return "a Role of the namespace " + tool
	case r.Scope == InNamespace:
		return "a Role of the namespace " + r.Namespace
	case r.Scope == InSandbox && clusterRole != "":
		return "the ClusterRole " + clusterRole
	}
	return "a ClusterRole"
}

// examineNamespaces has the API server take the sandbox's namespace without making it, and looks for the tool's.
func (c *cluster) examineNamespaces(ctx context.Context, ours *corev1.Namespace) []sandbox.Check {
	dry := sandbox.Check{Name: "the sandbox's namespace is admitted", Result: sandbox.Pass, Detail: "the API server, its policies and webhooks would take it (a dry run)"}
	_, err := c.CoreV1().Namespaces().Create(ctx, ours, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case err == nil:
	case lost(err) || apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run"): // of a webhook with side effects
		dry.Result, dry.Detail = sandbox.Unknown, oneLine(err.Error())
	default:
		dry.Result, dry.Detail = sandbox.Fail, oneLine(err.Error())
		dry.Remedy = fmt.Sprintf("have the cluster's policies take namespaces weaviate-drill-* with the labels %s and %s", LabelManagedBy, LabelDrill)
	}
	_, err = c.CoreV1().Namespaces().Get(ctx, c.home, metav1.GetOptions{})
	return []sandbox.Check{dry, there("the tool's namespace "+c.home, err, "kubectl create namespace "+c.home+", or set sandbox.kubernetes.namespace")}
}

// examineClass looks whether the class of the volumes deletes them, and encrypts them as far as that can be seen. class is nil for the cluster's default.
func (c *cluster) examineClass(ctx context.Context, class *string) []sandbox.Check {
	if class == nil {
		return []sandbox.Check{{Name: "the storage class", Result: sandbox.Unknown, Detail: "the source's volumes are of the cluster's default class, which was not looked for", Remedy: "set sandbox.kubernetes.storage_class"}}
	}
	found, err := c.StorageV1().StorageClasses().Get(ctx, *class, metav1.GetOptions{})
	check := there("the storage class "+*class, err, "set sandbox.kubernetes.storage_class to one that is there (kubectl get storageclasses)")
	if err != nil {
		return []sandbox.Check{check}
	}
	check.Name += " deletes volumes"
	check.Detail = "a volume goes with its claim"
	if policy := found.ReclaimPolicy; policy != nil && *policy != corev1.PersistentVolumeReclaimDelete {
		check.Result, check.Detail = sandbox.Fail, fmt.Sprintf("its reclaim policy is %s: volumes with production data would stay", *policy)
		check.Remedy = "set sandbox.kubernetes.storage_class to a class with reclaimPolicy: Delete"
	}
	return []sandbox.Check{check, encrypts(found)}
}

// encrypts reads what the driver for Amazon EBS is told (github.com/kubernetes-sigs/aws-ebs-csi-driver, docs/parameters.md; keys in any case). Of other drivers it is not known.
func encrypts(class *storagev1.StorageClass) sandbox.Check {
	check := sandbox.Check{Name: fmt.Sprintf("the storage class %s encrypts", class.Name), Result: sandbox.Pass}
	if !slices.Contains([]string{"ebs.csi.aws.com", "kubernetes.io/aws-ebs"}, class.Provisioner) {
		check.Result, check.Detail = sandbox.Unknown, "whether volumes of "+class.Provisioner+" are encrypted cannot be seen in the cluster"
		return check
	}
	told := map[string]string{}
	for key, value := range class.Parameters {
		told[strings.ToLower(key)] = value
	}
	switch {
	case told["encrypted"] != "true":
		check.Result, check.Detail = sandbox.Fail, `its parameters do not say encrypted: "true"`
		check.Remedy = `set sandbox.kubernetes.storage_class to a class with parameters: {encrypted: "true", kmsKeyId: <the key>}`
	case told["kmskeyid"] == "":
		check.Detail = "with the account's default key for EBS, which AWS manages unless the account says otherwise"
	default:
		check.Detail = "with the key " + told["kmskeyid"]
	}
	return check
}

// examineNodes looks whether any node could hold one of the pods, empty, and whether the image is on one. A cluster may add nodes: that none fits fails nothing.
func (c *cluster) examineNodes(ctx context.Context, d design, imageKnown bool) []sandbox.Check {
	room := sandbox.Check{Name: "a node with room for a pod", Result: sandbox.Unknown}
	image := sandbox.Check{Name: "the image " + d.image, Result: sandbox.Unknown}
	nodes, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		room.Detail, image.Detail = "the nodes may not be looked at: "+oneLine(err.Error()), "only its pull can tell"
	} else {
		fitting, having := 0, 0
		for _, n := range nodes.Items {
			if d.fits(n) {
				fitting++
			}
			if has(n, d.image) {
				having++
			}
		}
		requests := d.resources.Requests
		want := fmt.Sprintf("%s of CPU and %s of memory", requests.Cpu(), requests.Memory())
		if room.Result, room.Detail = sandbox.Pass, fmt.Sprintf("%d of %d nodes can be used and have %s when they are empty", fitting, len(nodes.Items), want); fitting == 0 {
			room.Result, room.Detail = sandbox.Unknown, fmt.Sprintf("none of %d nodes can be used and has %s: the drill waits until the cluster adds one", len(nodes.Items), want)
			room.Remedy = "see sandbox.kubernetes.cpu, memory, node_selector and tolerate"
		}
		if image.Result, image.Detail = sandbox.Pass, fmt.Sprintf("%d of %d nodes have it", having, len(nodes.Items)); having == 0 {
			image.Result, image.Detail = sandbox.Unknown, "no node has it, or says so: only its pull can tell"
		}
	}
	if !imageKnown {
		return []sandbox.Check{room}
	}
	return []sandbox.Check{room, image}
}

// fits says whether a pod may run on a node, as far as its selector, its tolerations and the size of the node go.
func (d design) fits(n corev1.Node) bool {
	if n.Spec.Unschedulable || !labels.SelectorFromSet(d.nodeSelector).Matches(labels.Set(n.Labels)) {
		return false
	}
	for _, taint := range n.Spec.Taints {
		tolerated := slices.ContainsFunc(d.tolerations, func(t corev1.Toleration) bool { return t.ToleratesTaint(&taint) })
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !tolerated {
			return false
		}
	}
	for kind, request := range d.resources.Requests {
		if has := n.Status.Allocatable[kind]; has.Cmp(request) < 0 {
			return false
		}
	}
	return true
}

// has says whether a node reports an image, under the full name that a container runtime gives to those of Docker Hub.
func has(n corev1.Node, image string) bool {
	return slices.ContainsFunc(n.Status.Images, func(i corev1.ContainerImage) bool {
		return slices.ContainsFunc(i.Names, func(name string) bool {
			return slices.Contains([]string{image, "docker.io/" + image, "docker.io/library/" + image}, name)
		})
	})
}
