package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// Fidelity holds what the first node of the sandbox is really made of, after whatever the cluster did to its pod, against the source's StatefulSet. Without one only the sandbox's side is known, and what cannot be
// asked of that is not either.
func (i *Instance) Fidelity(ctx context.Context) []sandbox.Difference {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	own := facts{}
	if pod, err := i.cluster.CoreV1().Pods(i.namespace).Get(ctx, i.nodes[0].pod, metav1.GetOptions{}); err == nil {
		if at := serverOf(pod.Spec); at >= 0 {
			claims := map[string]corev1.PersistentVolumeClaimSpec{}
			if list, err := i.cluster.CoreV1().PersistentVolumeClaims(i.namespace).List(ctx, metav1.ListOptions{}); err == nil {
				for _, c := range list.Items {
					claims[c.Name] = c.Spec
				}
			}
			own = factsOf(pod.Spec, at, claims)
			for _, name := range i.hidden {
				own.env[name] = ""
			}
		}
	}
	theirs := facts{}
	if i.source != nil {
		pod := i.source.Spec.Template.Spec
		if at := serverOf(pod); at >= 0 {
			claims := map[string]corev1.PersistentVolumeClaimSpec{}
			for _, c := range i.source.Spec.VolumeClaimTemplates {
				claims[c.Name] = c.Spec
			}
			theirs = factsOf(pod, at, claims)
		}
	}
	return differences(theirs, own)
}

// facts are what a restore's speed depends on. Those that are not known are missing.
type facts struct {
	said map[string]string
	env  map[string]string // "": not known, or nobody's business
	from []string          // whole sets of variables that are not read
}

// factsOf a pod whose server is the container at that place. claims are of volumes, by the name of the claim, or of the volume in a template.
func factsOf(pod corev1.PodSpec, at int, claims map[string]corev1.PersistentVolumeClaimSpec) facts {
	server := pod.Containers[at]
	f := facts{said: map[string]string{"image": server.Image}, env: map[string]string{}}
	for _, kind := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit, limited := server.Resources.Limits[kind]
		request, requested := server.Resources.Requests[kind]
		if !requested && limited { // as the API server takes it
			request, requested = limit, true
		}
		f.said[string(kind)] = fmt.Sprintf("request %s, limit %s", quantity(request, requested), quantity(limit, limited))
	}
	data := volumeOf(server)
	storage := "a folder in the container"
	if claim, is := claims[data]; is {
		storage = claimed(claim)
	}
	for _, v := range pod.Volumes {
		switch {
		case v.Name != data:
		case v.EmptyDir != nil:
			storage = "emptyDir, a folder of the machine"
		case v.PersistentVolumeClaim != nil:
			storage = "a volume that cannot be looked at"
			if claim, is := claims[v.PersistentVolumeClaim.ClaimName]; is {
				storage = claimed(claim)
			}
		case data != "":
			storage = "a volume of another kind"
		}
	}
	f.said[sandbox.Storage] = storage
	var on []string
	for _, key := range slices.Sorted(maps.Keys(pod.NodeSelector)) {
		on = append(on, key+"="+pod.NodeSelector[key])
	}
	f.said["machines asked for"] = "any"
	if len(on) > 0 {
		f.said["machines asked for"] = strings.Join(on, ", ")
	}
	for _, v := range server.Env {
		f.env[v.Name] = v.Value
		if v.ValueFrom != nil || strings.Contains(v.Value, "$(") {
			f.env[v.Name] = ""
		}
	}
	for _, from := range server.EnvFrom {
		if from.ConfigMapRef != nil {
			f.from = append(f.from, "config map "+from.ConfigMapRef.Name)
		}
		if from.SecretRef != nil {
			f.from = append(f.from, "secret "+from.SecretRef.Name)
		}
	}
	return f
}

func quantity(q resource.Quantity, given bool) string {
	if !given {
		return "none"
	}
	return q.String()
}

func claimed(c corev1.PersistentVolumeClaimSpec) string {
	class := "the cluster's default"
	if c.StorageClassName != nil {
		class = *c.StorageClassName
	}
	size := c.Resources.Requests[corev1.ResourceStorage]
	return fmt.Sprintf("volume of class %s, %s", class, size.String())
}

// differences of variables: those by which a Weaviate decides how it stores, indexes and loads (inherited) one by one, with their values; all others by name alone, because any of them may be a secret.
func differences(source, own facts) []sandbox.Difference {
	var list []sandbox.Difference
	names := slices.Sorted(maps.Keys(own.said))
	if len(own.said) == 0 {
		names = slices.Sorted(maps.Keys(source.said))
	}
	for _, what := range names {
		list = append(list, sandbox.Difference{What: what, Source: source.said[what], Sandbox: own.said[what]})
	}
	if source.env == nil || own.env == nil {
		return append(list, sandbox.Difference{What: sandbox.Environment})
	}
	var only, ours []string
	all := maps.Clone(source.env)
	maps.Copy(all, own.env)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a, onSource := source.env[name]
		b, onOwn := own.env[name]
		shown := slices.ContainsFunc(inherited, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		switch {
		case onSource && onOwn && a == b && a != "":
		case shown:
			list = append(list, sandbox.Difference{What: name, Source: value(a, onSource), Sandbox: value(b, onOwn)})
		case onSource && !onOwn:
			only = append(only, name)
		case onOwn && !onSource:
			ours = append(ours, name)
		default: // differs, or is hidden on a side
			only, ours = append(only, name), append(ours, name)
		}
	}
	only = append(only, source.from...)
	return append(list, sandbox.Difference{What: sandbox.Environment, Source: named(only), Sandbox: named(ours)})
}

func value(v string, set bool) string {
	switch {
	case !set:
		return "not set"
	case v == "":
		return "set to what is not shown"
	}
	return v
}

// named lists variables without their values.
func named(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
