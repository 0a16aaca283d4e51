package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Instance is a Weaviate in a namespace of its own. Up returns it as a sandbox.Instance.
type Instance struct {
	cluster   *cluster
	namespace string
	drillID   string
	nodes     []node
	began     map[string]string // each pod's container when it was ready
	probe     corev1.PodSpec
	tunnels   []*tunnel
	carried   meter // by the tunnels
	endpoint  weaviate.Endpoint
	notes     []string
	source    *appsv1.StatefulSet // that it was made like; nil: none
	hidden    []string            // variables of the server that come from its secret
	steps     []sandbox.Step
	since     time.Time // when the last step ended
}

// step ends a step of Up; the next begins.
func (i *Instance) step(name string, weaviate bool) {
	now := time.Now()
	i.steps = append(i.steps, sandbox.Step{Name: name, Took: now.Sub(i.since), Weaviate: weaviate})
	i.since = now
}

// Steps tells where the time of Up went.
func (i *Instance) Steps() []sandbox.Step { return i.steps }

// Notes tell how the sandbox differs from the source's StatefulSet that it was made like, and what the port-forward carried.
func (i *Instance) Notes() []string {
	if len(i.tunnels) == 0 {
		return i.notes
	}
	return append(slices.Clone(i.notes), "the port-forward carried "+i.carried.String())
}

// Endpoint is the first node: a port on the loopback that is forwarded through the API server, or, in the cluster, the name of its pod.
func (i *Instance) Endpoint() weaviate.Endpoint { return i.endpoint }

// Disposable says that the namespace and all in it are this drill's alone.
func (i *Instance) Disposable() {}

// Describe names the namespace and how to get at the API key.
func (i *Instance) Describe() string {
	return fmt.Sprintf(`Weaviate in namespace %s: "kubectl -n %s port-forward pod/%s %d" reaches it, the secret %s there holds its API key; remove it with "weaviate-drill gc" or "kubectl delete namespace %s"`,
		i.namespace, i.namespace, i.nodes[0].pod, restPort, app, i.namespace)
}

// Down deletes the namespace and waits until it is gone, and with it the volumes that were made for it. It never deletes one without the labels of this drill.
func (i *Instance) Down(ctx context.Context) error {
	for _, t := range i.tunnels {
		t.close()
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	found, err := i.get(ctx)
	for began := time.Now(); err != nil && lost(err) && ctx.Err() == nil && time.Since(began) < grace; found, err = i.get(ctx) {
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
	if err != nil || found == nil {
		return err
	}
	if found.Labels[LabelManagedBy] != managedBy || found.Labels[LabelDrill] != i.drillID {
		return fmt.Errorf("kubernetes sandbox: the namespace %s does not bear the labels %s=%s and %s=%s, so it is not this drill's and was not deleted",
			i.namespace, LabelManagedBy, managedBy, LabelDrill, i.drillID)
	}
	var volumes []string
	var unseen error // A role that is bound in the namespace goes with it: of one that was going already, the volumes may be hidden. It is removed nevertheless.
	if found.Annotations[AnnotationVolumes] != "" {
		if volumes, unseen = i.volumes(ctx); unseen != nil && !apierrors.IsForbidden(unseen) {
			return fmt.Errorf("kubernetes sandbox: volumes of namespace %s: %w", i.namespace, unseen)
		}
	}
	// The very namespace that was looked at, and no later one of the same name.
	err = i.cluster.CoreV1().Namespaces().Delete(ctx, i.namespace, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &found.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !lost(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("kubernetes sandbox: delete namespace %s: %w", i.namespace, err)
	}
	uid := found.UID
	for {
		now, err := i.get(ctx)
		switch {
		case err == nil && (now == nil || now.UID != uid):
			if unseen != nil {
				return fmt.Errorf("kubernetes sandbox: namespace %s is gone, but whether its volumes are was not seen (look for released ones with \"kubectl get persistentvolumes\"): %w", i.namespace, unseen)
			}
			return i.released(ctx, volumes)
		case err == nil:
			found = now
			if now.DeletionTimestamp.IsZero() { // the request was lost
				_ = i.cluster.CoreV1().Namespaces().Delete(ctx, i.namespace, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
			}
		case !lost(err):
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kubernetes sandbox: namespace %s is not gone yet (%w): %s", i.namespace, ctx.Err(), stuck(found))
		case <-time.After(look):
		}
	}
}

// get returns nil when there is no such namespace.
func (i *Instance) get(ctx context.Context) (*corev1.Namespace, error) {
	found, err := i.cluster.CoreV1().Namespaces().Get(ctx, i.namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("kubernetes sandbox: namespace %s cannot be looked at, and may still be there: %w", i.namespace, err)
	}
	return found, nil
}

// stuck is what keeps a namespace from going: the namespace controller says so in its conditions, such as finalizers that nobody removes.
func stuck(n *corev1.Namespace) string {
	var why []string
	for _, c := range n.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			why = append(why, oneLine(c.Message))
		}
	}
	for _, f := range n.Spec.Finalizers {
		if f != corev1.FinalizerKubernetes {
			why = append(why, "finalizer "+string(f)+" of the namespace")
		}
	}
	for _, f := range n.Finalizers {
		why = append(why, "finalizer "+f+" of the namespace")
	}
	if len(why) == 0 {
		return "the cluster does not say why"
	}
	return strings.Join(why, "; ")
}

// volumes are those that are bound to claims of the namespace.
func (i *Instance) volumes(ctx context.Context) ([]string, error) {
	claims, err := i.cluster.CoreV1().PersistentVolumeClaims(i.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range claims.Items {
		if c.Spec.VolumeName != "" {
			names = append(names, c.Spec.VolumeName)
		}
	}
	return names, nil
}

// released waits until the volumes are gone too. They hold production data, and one whose class retains it stays for ever, as one that belongs to nobody.
func (i *Instance) released(ctx context.Context, volumes []string) error {
	for _, name := range volumes {
		for {
			volume, err := i.cluster.CoreV1().PersistentVolumes().Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				break
			}
			if err == nil && (volume.Spec.ClaimRef == nil || volume.Spec.ClaimRef.Namespace != i.namespace) { // freed, and given to another
				break
			}
			if err == nil && volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain {
				return fmt.Errorf("kubernetes sandbox: namespace %s is gone, but its volume %s is retained (its class says so) and holds restored data: delete it by hand, and use a class that deletes", i.namespace, name)
			}
			if err != nil && !lost(err) {
				return fmt.Errorf("kubernetes sandbox: namespace %s is gone, but whether its volume %s is cannot be seen: %w", i.namespace, name, err)
			}
			select {
			case <-ctx.Done():
				return errors.Join(fmt.Errorf("kubernetes sandbox: namespace %s is gone, but its volume %s is not: %w", i.namespace, name, ctx.Err()), err)
			case <-time.After(look):
			}
		}
	}
	return nil
}
