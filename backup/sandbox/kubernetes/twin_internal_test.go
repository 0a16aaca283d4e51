package kubernetes

import (
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

func TestImageOf(t *testing.T) {
	const version, digest = "1.38.5", "@sha256:0123456789abcdef"
	for source, want := range map[string]string{
		"semitechnologies/weaviate:1.38.5":                           "semitechnologies/weaviate:1.38.5",
		"cr.weaviate.io/semitechnologies/weaviate:1.38.5" + digest:   "cr.weaviate.io/semitechnologies/weaviate:1.38.5" + digest,
		"cr.weaviate.io/semitechnologies/weaviate:1.38.4" + digest:   "cr.weaviate.io/semitechnologies/weaviate:1.38.5",
		"mirror.example:5000/hub/weaviate:v1.38.5":                   "mirror.example:5000/hub/weaviate:v1.38.5",
		"mirror.example:5000/hub/weaviate:1.38.5-distroless":         "mirror.example:5000/hub/weaviate:1.38.5-distroless",
		"mirror.example:5000/hub/weaviate:1.38.50":                   "mirror.example:5000/hub/weaviate:1.38.5",
		"mirror.example:5000/hub/weaviate":                           "mirror.example:5000/hub/weaviate:1.38.5",
		"mirror.example:5000/hub/weaviate" + digest:                  "mirror.example:5000/hub/weaviate:1.38.5",
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com/db:stable":  "123456789012.dkr.ecr.eu-central-1.amazonaws.com/db:1.38.5",
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com/db:1.38.5x": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/db:1.38.5",
	} {
		if got := imageOf(source, version); got != want {
			t.Errorf("%s: %s, not %s", source, got, want)
		}
	}
}

// source is a StatefulSet with all that the official chart can give it, and more.
func source() *appsv1.StatefulSet {
	variable := func(name, value string) corev1.EnvVar { return corev1.EnvVar{Name: name, Value: value} }
	class := "gp3"
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "weaviate"}, Spec: appsv1.StatefulSetSpec{
		Replicas: new(int32(3)),
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-data"}, Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("32Gi")}},
		}}},
		Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Affinity: &corev1.Affinity{}, NodeSelector: map[string]string{"pool": "db"}, Tolerations: []corev1.Toleration{{Key: "db"}}, PriorityClassName: "high",
			ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}}, InitContainers: []corev1.Container{{Name: "configure-sysctl"}},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, MatchLabelKeys: []string{"pod-template-hash"},
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "weaviate"}},
			}},
			Volumes: []corev1.Volume{{Name: "weaviate-config"}},
			Containers: []corev1.Container{{Name: "proxy", Image: "proxy:1"}, {
				Name: "weaviate", Image: "mirror.example/weaviate:1.38.5", Args: []string{"--config-file", "/weaviate-config/conf.yaml"},
				VolumeMounts: []corev1.VolumeMount{{Name: "weaviate-config", MountPath: "/weaviate-config"}, {Name: "weaviate-data", MountPath: "/data"}},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceEphemeralStorage: resource.MustParse("1Gi")},
					Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi")},
				},
				EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "more"}}}},
				Env: []corev1.EnvVar{
					variable("PERSISTENCE_DATA_PATH", "/data"), variable("ASYNC_INDEXING", "true"), variable("PERSISTENCE_LSM_MAX_SEGMENT_SIZE", "1GiB"),
					variable("ENABLE_TOKENIZER_GSE", "true"), variable("USE_GSE", "true"), variable("GOGC", "90"), variable("GOMEMLIMIT", "7GiB"), variable("HNSW_DEFAULT_FILTER_STRATEGY", "acorn"),
					variable("QUERY_MAXIMUM_RESULTS", "10000"), variable("MAXIMUM_ALLOWED_COLLECTIONS_COUNT", "100"), variable("QUERY_DEFAULTS_LIMIT", "$(LIMIT)"),
					{Name: "HNSW_GEO_INDEX_EF", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{}}},
					// None of these may come over.
					{Name: "AUTHENTICATION_APIKEY_ALLOWED_KEYS", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{}}},
					{Name: "CLUSTER_HOSTNAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
					variable("AUTHENTICATION_OIDC_ENABLED", "true"), variable("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "true"), variable("AWS_ACCESS_KEY_ID", "production"),
					variable("BACKUP_GCS_BUCKET", "production"), variable("CLUSTER_JOIN", "weaviate-headless.prod"), variable("ENABLE_CLEANUP_UNFINISHED_BACKUPS", "true"),
					variable("OBJECTS_TTL_DELETE_SCHEDULE", "@hourly"), variable("OFFLOAD_S3_BUCKET", "production"), variable("OPENAI_APIKEY", "production"), variable("OPERATIONAL_MODE", "ReadOnly"),
					variable("PROMETHEUS_MONITORING_PORT", "2112"), variable("RAFT_JOIN", "weaviate-0"), variable("REINDEX_INDEXES_AT_STARTUP", "A:b"), variable("SENTRY_DSN", "https://production"),
					variable("TRANSFORMERS_INFERENCE_API", "http://production"), variable("USE_GOOGLE_AUTH", "true"), variable("ASYNC_REPLICATION_FREQUENCY", "1s"),
				},
			}},
		}},
	}}
}

func TestDesignIsATwin(t *testing.T) {
	s := spec("weaviate-0", "weaviate-1")
	d, err := Options{}.design(s, source())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"ASYNC_INDEXING": "true", "PERSISTENCE_LSM_MAX_SEGMENT_SIZE": "1GiB", "ENABLE_TOKENIZER_GSE": "true", "USE_GSE": "true", "GOGC": "90", "HNSW_DEFAULT_FILTER_STRATEGY": "acorn",
		"QUERY_MAXIMUM_RESULTS": "10000", "MAXIMUM_ALLOWED_COLLECTIONS_COUNT": "100",
	}
	if !maps.Equal(d.env, want) {
		t.Errorf("variables: %v, not %v", d.env, want)
	}
	m, err := place{}.manifest("weaviate-drill-drill-1", "", s, sandbox.NewKey(), d)
	if err != nil {
		t.Fatal(err)
	}
	set := m.sets[0]
	pod := set.Spec.Template.Spec
	c := pod.Containers[0]
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	for name, want := range map[string]string{"GOGC": "90", "PERSISTENCE_DATA_PATH": dataFolder, "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false", "GOMEMLIMIT": "7730941131"} {
		if env[name] != want {
			t.Errorf("%s is %q, not %q", name, env[name], want)
		}
	}
	for _, each := range []struct{ what, got, want string }{
		{"image", c.Image, "mirror.example/weaviate:1.38.5"},
		{"cpu", c.Resources.Requests.Cpu().String() + " " + c.Resources.Limits.Cpu().String(), "2 4"},
		{"memory", c.Resources.Requests.Memory().String() + " " + c.Resources.Limits.Memory().String(), "8Gi 8Gi"},
		{"class", *set.Spec.VolumeClaimTemplates[0].Spec.StorageClassName, "gp3"},
		{"size", set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests.Storage().String(), "32Gi"},
		{"quota of storage", m.quota.Spec.Hard.Name(corev1.ResourceRequestsStorage, resource.BinarySI).String(), "64Gi"},
		{"priority class", pod.PriorityClassName, ""}, {"pull secret", pod.ImagePullSecrets[0].Name, "prod.registry"}, {"node selector", pod.NodeSelector["pool"], "db"},
		{"toleration", pod.Tolerations[0].Key, "db"}, {"spread over", pod.TopologySpreadConstraints[0].TopologyKey, corev1.LabelTopologyZone},
		{"spread of", pod.TopologySpreadConstraints[0].LabelSelector.MatchLabels[labelApp], app},
		{"notes", strings.Join(d.notes, "\n"), `made like the StatefulSet prod/weaviate
the source is to have the pods weaviate-0, weaviate-1, weaviate-2, and the backup is restored into the nodes weaviate-0, weaviate-1
not taken over from the source: priority class high, affinity, init container configure-sysctl, container proxy, volume weaviate-config, command line
variables not taken over from the source: AUTHENTICATION_OIDC_ENABLED, AWS_ACCESS_KEY_ID, BACKUP_GCS_BUCKET, ENABLE_CLEANUP_UNFINISHED_BACKUPS, HNSW_GEO_INDEX_EF, ` +
			`OFFLOAD_S3_BUCKET, OPENAI_APIKEY, OPERATIONAL_MODE, PROMETHEUS_MONITORING_PORT, QUERY_DEFAULTS_LIMIT, REINDEX_INDEXES_AT_STARTUP, SENTRY_DSN, TRANSFORMERS_INFERENCE_API, USE_GOOGLE_AUTH, ` +
			`all of the config map more`},
	} {
		if each.got != each.want {
			t.Errorf("%s: %s, not %s", each.what, each.got, each.want)
		}
	}
	if len(set.Spec.Template.Spec.InitContainers) > 0 || len(pod.Containers) > 1 || pod.Affinity != nil || len(pod.Volumes) != 1 || len(pod.TopologySpreadConstraints[0].MatchLabelKeys) > 0 {
		t.Errorf("pod: %+v", pod)
	}
}

// TestDesignIsOverridden looks at what the configuration says though the source has it.
func TestDesignIsOverridden(t *testing.T) {
	o := Options{
		Image: "i:1", CPU: resource.MustParse("1"), Memory: resource.MustParse("1Gi"), StorageClass: "slow", Size: resource.MustParse("2Gi"), NodeSelector: map[string]string{"pool": "drills"},
		Tolerations: []corev1.Toleration{{Key: "drills"}}, PriorityClass: "low", SpreadOver: []string{corev1.LabelHostname}, PullSecrets: []string{"tools/login"}, Env: map[string]string{"GOGC": "50"},
	}
	d, err := o.design(spec("weaviate-0"), source())
	if err != nil {
		t.Fatal(err)
	}
	if d.image != "i:1" || d.resources.Requests.Cpu().String() != "1" || len(d.resources.Limits) != 1 || d.resources.Limits.Memory().String() != "1Gi" || *d.class != "slow" || d.size.String() != "2Gi" ||
		d.nodeSelector["pool"] != "drills" || d.tolerations[0].Key != "drills" || d.priorityClass != "low" || len(d.spread) != 1 || d.spread[0].TopologyKey != corev1.LabelHostname || !slices.Equal(d.pullSecrets, o.PullSecrets) {
		t.Errorf("%+v", d)
	}
	const note = "not as the source has it, but as the configuration says: image, pull_secrets, env, cpu, memory, storage_class, size, node_selector, tolerate, spread_over"
	if !slices.Contains(d.notes, note) || !slices.Contains(d.notes, "the source's image is mirror.example/weaviate:1.38.5, the sandbox's i:1") {
		t.Errorf("notes: %q", d.notes)
	}
	m, err := place{o}.manifest("weaviate-drill-drill-1", "", spec("weaviate-0"), sandbox.NewKey(), d)
	if err != nil {
		t.Fatal(err)
	}
	if env := m.sets[0].Spec.Template.Spec.Containers[0].Env; !slices.ContainsFunc(env, func(v corev1.EnvVar) bool { return v.Name == "GOGC" && v.Value == "50" }) {
		t.Errorf("variables: %+v", env)
	}
}

// TestDesignOfLittle is a source that says next to nothing.
func TestDesignOfLittle(t *testing.T) {
	s := source()
	s.Spec.Replicas, s.Spec.VolumeClaimTemplates[0].Spec.StorageClassName = nil, nil
	server := &s.Spec.Template.Spec.Containers[1]
	server.Resources = corev1.ResourceRequirements{}
	server.Image = "mirror.example/weaviate:1.38.4"
	d, err := Options{}.design(spec("weaviate-0"), s)
	if err != nil {
		t.Fatal(err)
	}
	if !d.claim || d.class != nil || d.resources.Requests.Cpu().String() != "500m" || d.resources.Limits.Memory().String() != "4Gi" ||
		!slices.Contains(d.notes, "the source's image is mirror.example/weaviate:1.38.4, the sandbox's mirror.example/weaviate:1.38.5") {
		t.Errorf("%+v", d)
	}
	if slices.ContainsFunc(d.notes, func(n string) bool { return strings.Contains(n, "pods") }) {
		t.Errorf("the names are the same, and the notes say: %q", d.notes)
	}
	server.Name = "db"
	if _, err := (Options{}).design(spec("weaviate-0"), s); err == nil || !strings.Contains(err.Error(), "prod/weaviate") {
		t.Errorf("with two containers, none of which is called weaviate: %v", err)
	}
	s.Spec.Template.Spec.Containers = s.Spec.Template.Spec.Containers[1:]
	if _, err := (Options{}).design(spec("weaviate-0"), s); err != nil {
		t.Error(err)
	}
}

func TestSize(t *testing.T) {
	small := source()
	small.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("50Gi")
	for _, each := range []struct {
		bytes  int64
		source *appsv1.StatefulSet
		size   string // of the options
		want   string // empty: refused
	}{
		{0, nil, "", "10Gi"},
		{1, nil, "", "1025Mi"},
		{100 << 30, nil, "", "201Gi"},
		{100 << 30, nil, "120Gi", "120Gi"},
		{100 << 30, nil, "101Gi", ""}, // 90 % of it are not enough
		{100 << 30, small, "", ""},
		{100 << 30, small, "150Gi", "150Gi"},
		{1 << 30, small, "", "50Gi"},
		{0, nil, "1Mi", "1Mi"},
	} {
		o := Options{}
		if each.size != "" {
			o.Size = resource.MustParse(each.size)
		}
		s := spec("weaviate-0")
		s.Bytes = each.bytes
		d, err := o.design(s, each.source)
		switch {
		case each.want == "" && (err == nil || !strings.Contains(err.Error(), "sandbox.kubernetes.size") || strings.Contains(err.Error(), "\n")):
			t.Errorf("%+v: %v", each, err)
		case each.want != "" && (err != nil || d.size.String() != each.want):
			t.Errorf("%d bytes, size %q: %s, %v, not %s", each.bytes, each.size, d.size.String(), err, each.want)
		}
	}
}

// TestReservedVariables are those with which a sandbox would be another.
func TestReservedVariables(t *testing.T) {
	for _, name := range []string{
		"AUTHENTICATION_APIKEY_ALLOWED_KEYS", "AUTHENTICATION_OIDC_ENABLED", "AUTHORIZATION_ADMIN_USERS", "AWS_SECRET_ACCESS_KEY", "BACKUP_S3_BUCKET", "CLUSTER_HOSTNAME", "CLUSTER_JOIN",
		"DEFAULT_VECTORIZER_MODULE", "ENABLE_CLEANUP_UNFINISHED_BACKUPS", "ENABLE_MODULES", "GOMEMLIMIT", "PERSISTENCE_DATA_PATH", "RAFT_JOIN",
	} {
		o := Options{Env: map[string]string{name: "x"}}
		d, err := o.design(spec("weaviate-0"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (place{o}).manifest("n", "", spec("weaviate-0"), sandbox.NewKey(), d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNothingIsForwardedInPlaintext speaks to an API server that has no TLS.
func TestNothingIsForwardedInPlaintext(t *testing.T) {
	i := &Instance{cluster: &cluster{config: &rest.Config{Host: "http://203.0.113.1:8080"}}}
	if _, err := i.forward(node{}, restPort); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Error(err)
	}
}
