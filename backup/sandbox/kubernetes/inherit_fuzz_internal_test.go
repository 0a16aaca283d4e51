package kubernetes

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// FuzzInherit: of the source's environment only what decides how a restore fares comes over, and nothing of it is told; what a secret holds, or may hold, stays behind.
func FuzzInherit(f *testing.F) {
	f.Add("ASYNC_INDEXING", "true", false)
	f.Add("AUTHENTICATION_APIKEY_ALLOWED_KEYS", "hunter2", false)
	f.Add("OPENAI_APIKEY", "hunter2", true)
	f.Add("PERSISTENCE_DATA_PATH", "$(AWS_SECRET_ACCESS_KEY)", false)
	f.Add("QUERY_LIMIT", "10", true)
	f.Add("GOGC", "\x00", false)
	f.Fuzz(func(t *testing.T, name, value string, fromSecret bool) {
		v := corev1.EnvVar{Name: name, Value: value}
		if fromSecret {
			v = corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: value}}}
		}
		own := map[string]string{"PERSISTENCE_DATA_PATH": "/data"}
		var d design
		d.inherit(corev1.Container{Env: []corev1.EnvVar{v}}, own)
		got, taken := d.env[name]
		starts := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		switch _, set := own[name]; {
		case taken && (got != value || set || fromSecret || strings.Contains(value, "$(")):
			t.Fatalf("%s=%q came over as %q", name, value, got)
		case taken && (slices.ContainsFunc(reserved, starts) || !slices.ContainsFunc(inherited, starts)):
			t.Fatalf("%s came over", name)
		case taken == (len(d.notes) > 0) && !set && name != hostname:
			t.Fatalf("%s came over: %v; notes %q", name, taken, d.notes)
		}
		// Not even the value of a variable that stays behind is repeated.
		if note := strings.Join(d.notes, ""); len(value) > 8 && !strings.Contains(name, value) && strings.Contains(note, value) && !strings.Contains("variables not taken over from the source: ", value) {
			t.Fatalf("the value is told: %q", note)
		}
	})
}

// FuzzImageOf: the sandbox's image is the source's when that is of the version, and else of the same name with the version as its tag.
func FuzzImageOf(f *testing.F) {
	for _, image := range []string{"semitechnologies/weaviate:1.38.5", "registry.example:5000/weaviate", "registry.example:5000/weaviate:v1.38.5-distroless@sha256:00", "weaviate@sha256:00", ":", "@", "a/b:c/d"} {
		f.Add(image, "1.38.5")
	}
	f.Fuzz(func(t *testing.T, image, version string) {
		got := imageOf(image, version)
		if got == image {
			return
		}
		name, ok := strings.CutSuffix(got, ":"+version)
		if !ok || !strings.HasPrefix(image, name) || imageOf(got, version) != got && !strings.ContainsAny(version, ":/@") {
			t.Fatalf("%q of %q became %q", image, version, got)
		}
	})
}
