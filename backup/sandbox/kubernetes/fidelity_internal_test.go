package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// Each fact of a pod that a restore's speed depends on is held against the other's, what is not known is not taken for equal, and no value of a variable is shown that may be a secret.
func TestDifferences(t *testing.T) {
	pod := func(change func(*corev1.PodSpec, *corev1.Container)) corev1.PodSpec {
		p := corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: app, Image: "weaviate:1", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: dataFolder}},
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")}},
				Env:       []corev1.EnvVar{{Name: "GOGC", Value: "100"}, {Name: "LOG_LEVEL", Value: "info"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		}
		change(&p, &p.Containers[0])
		return p
	}
	class := "gp3"
	claims := map[string]corev1.PersistentVolumeClaimSpec{"data": {StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("100Gi")},
	}}}
	ref := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "k"}}
	for name, test := range map[string]struct {
		source, own func(*corev1.PodSpec, *corev1.Container)
		claims      map[string]corev1.PersistentVolumeClaimSpec
		want        []sandbox.Difference // without those that are equal
	}{
		"equal": {own: func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")} // as the API server fills it in
		}},
		"cpu": {source: func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourceCPU: resource.MustParse("4")}
		}, want: []sandbox.Difference{{What: "cpu", Source: "request 4, limit none", Sandbox: "request none, limit none"}}},
		"memory": {own: func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("2Gi")
		},
			want: []sandbox.Difference{{What: "memory", Source: "request 4Gi, limit 4Gi", Sandbox: "request 2Gi, limit 2Gi"}}},
		"storage": {source: func(p *corev1.PodSpec, _ *corev1.Container) { p.Volumes = nil }, claims: claims,
			want: []sandbox.Difference{{What: "storage", Source: "volume of class gp3, 100Gi", Sandbox: "emptyDir, a folder of the machine"}}},
		"machines": {source: func(p *corev1.PodSpec, _ *corev1.Container) { p.NodeSelector = map[string]string{"disk": "nvme"} },
			want: []sandbox.Difference{{What: "machines asked for", Source: "disk=nvme", Sandbox: "any"}}},
		"variables": {source: func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "GOGC", Value: "50"}, {Name: "GOMAXPROCS", Value: "8"}, {Name: "LOG_LEVEL", Value: "hush"}, {Name: "OPENAI_APIKEY", Value: "hush"}, {Name: "PERSISTENCE_HIDDEN", ValueFrom: ref}}
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "more"}}}}
		}, own: func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Env = append(c.Env, corev1.EnvVar{Name: "CLUSTER_JOIN", Value: "x"})
		},
			want: []sandbox.Difference{
				{What: "GOGC", Source: "50", Sandbox: "100"}, {What: "GOMAXPROCS", Source: "8", Sandbox: "not set"}, {What: "PERSISTENCE_HIDDEN", Source: "set to what is not shown", Sandbox: "not set"},
				{What: "environment", Source: "LOG_LEVEL, OPENAI_APIKEY, config map more", Sandbox: "CLUSTER_JOIN, LOG_LEVEL"},
			}},
	} {
		same := func(*corev1.PodSpec, *corev1.Container) {}
		if test.source == nil {
			test.source = same
		}
		if test.own == nil {
			test.own = same
		}
		got := slices.DeleteFunc(differences(factsOf(pod(test.source), 0, test.claims), factsOf(pod(test.own), 0, nil)), func(d sandbox.Difference) bool { return d.Source == d.Sandbox })
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %+v", name, got)
		}
		if raw, err := json.Marshal(got); err != nil || strings.Contains(string(raw), "hush") {
			t.Errorf("%s: a value that may be a secret is shown: %s, %v", name, raw, err)
		}
	}
	for _, each := range []struct{ source, own facts }{{facts{}, factsOf(pod(func(*corev1.PodSpec, *corev1.Container) {}), 0, nil)}, {factsOf(pod(func(*corev1.PodSpec, *corev1.Container) {}), 0, nil), facts{}}} {
		got := differences(each.source, each.own)
		if len(got) != 6 || slices.ContainsFunc(got, func(d sandbox.Difference) bool { return d.Source != "" && d.Sandbox != "" }) {
			t.Errorf("one side is not known: %+v", got)
		}
	}
}
