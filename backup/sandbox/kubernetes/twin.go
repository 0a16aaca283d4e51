package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

// design is how the pods of a sandbox are made: as the options say, where they say nothing like the source's StatefulSet, and else by default.
type design struct {
	image         string
	env           map[string]string // of the source
	resources     corev1.ResourceRequirements
	claim         bool    // the data is on a volume of its own, not in an emptyDir
	class         *string // of that volume; nil: the cluster's default
	size          resource.Quantity
	nodeSelector  map[string]string
	tolerations   []corev1.Toleration
	priorityClass string
	spread        []corev1.TopologySpreadConstraint
	pullSecrets   []string // namespace/name
	notes         []string // how the sandbox differs from the source
}

// source reads the StatefulSet that the sandbox is to be like; nil when there is none. Nothing else of the source is read: no pod, no configuration, no secret but those
// that its image is pulled with.
func (c *cluster) source(ctx context.Context, t Twin) (*appsv1.StatefulSet, error) {
	if t.Namespace == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name := cmp.Or(t.StatefulSet, app)
	set, err := c.AppsV1().StatefulSets(t.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("the source's StatefulSet %s/%s (sandbox.kubernetes.twin): %w", t.Namespace, name, err)
	}
	return set, nil
}

// design decides all that there is to decide; source may be nil. A volume in which the backup has no room is refused.
func (o Options) design(spec sandbox.Spec, source *appsv1.StatefulSet) (design, error) {
	d := design{priorityClass: o.PriorityClass, resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}}
	var server corev1.Container
	if source != nil {
		var err error
		if server, err = d.like(source, spec); err != nil {
			return d, err
		}
	}
	var said []string
	override := func(key string, given bool, set func()) {
		if given {
			said = append(said, key)
			set()
		}
	}
	requests, limits := d.resources.Requests, d.resources.Limits
	override("image", o.Image != "", func() { d.image = o.Image })
	override("pull_secrets", len(o.PullSecrets) > 0, func() { d.pullSecrets = o.PullSecrets })
	override("env", len(o.Env) > 0, func() {}) // on top of the source's
	override("cpu", !o.CPU.IsZero(), func() {
		requests[corev1.ResourceCPU] = o.CPU
		delete(limits, corev1.ResourceCPU)
	})
	override("memory", !o.Memory.IsZero(), func() { requests[corev1.ResourceMemory], limits[corev1.ResourceMemory] = o.Memory, o.Memory })
	override("storage_class", o.StorageClass != "", func() { d.claim, d.class = true, &o.StorageClass })
	override("size", !o.Size.IsZero(), func() { d.size = o.Size })
	override("node_selector", len(o.NodeSelector) > 0, func() { d.nodeSelector = o.NodeSelector })
	override("tolerate", len(o.Tolerations) > 0, func() { d.tolerations = o.Tolerations })
	override("spread_over", len(o.SpreadOver) > 0, func() {
		d.spread = nil
		for _, key := range o.SpreadOver {
			d.spread = append(d.spread, corev1.TopologySpreadConstraint{MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway})
		}
	})
	if d.image == "" {
		d.image = repository + ":" + spec.Version
	}
	if _, ok := requests[corev1.ResourceCPU]; !ok {
		requests[corev1.ResourceCPU] = resource.MustParse("500m")
	}
	if _, ok := requests[corev1.ResourceMemory]; !ok {
		requests[corev1.ResourceMemory], limits[corev1.ResourceMemory] = resource.MustParse("4Gi"), resource.MustParse("4Gi")
	}
	if d.size.IsZero() {
		d.size = sizeFor(spec.Bytes)
	}
	if source != nil {
		if d.image != server.Image {
			d.notes = append(d.notes, fmt.Sprintf("the source's image is %s, the sandbox's %s", server.Image, d.image))
		}
		if len(said) > 0 {
			d.notes = append(d.notes, "not as the source has it, but as the configuration says: "+strings.Join(said, ", "))
		}
		d.inherit(server, environment("", spec, secret.Value{}, limits))
	}
	if least := room(spec.Bytes); d.size.Cmp(least) < 0 {
		return d, fmt.Errorf("the biggest part of the backup needs a volume of %s at the least, and that of each node would have %s: raise sandbox.kubernetes.size", least.String(), d.size.String())
	}
	return d, nil
}

// repository of the official image.
const repository = "semitechnologies/weaviate"

// sizeFor is the size of a volume for a part of a backup, of that many bytes before compression: twice as much, because what is restored is written beside what is
// being compacted and indexed, and room for logs.
func sizeFor(bytes int64) resource.Quantity {
	if bytes == 0 {
		return resource.MustParse("10Gi")
	}
	return mebibytes(2*bytes + 1<<30)
}

// room is the least that such a part needs: a Weaviate makes its shards read-only when its disk is 90 % full (DISK_USE_READONLY_PERCENTAGE), and has a schema and logs besides.
func room(bytes int64) resource.Quantity {
	if bytes == 0 {
		return resource.Quantity{}
	}
	return mebibytes(bytes/9*10 + 64<<20)
}

// mebibytes rounds up, for people to read.
func mebibytes(bytes int64) resource.Quantity {
	return *resource.NewQuantity((bytes+1<<20-1)>>20<<20, resource.BinarySI)
}

// like takes over from the source's StatefulSet what makes a restore fare there as it would with the source, and returns its server's container. How many nodes there are, and
// their names, is the backup's to say.
func (d *design) like(source *appsv1.StatefulSet, spec sandbox.Spec) (corev1.Container, error) {
	pod := source.Spec.Template.Spec
	at := serverOf(pod)
	if at < 0 {
		return corev1.Container{}, fmt.Errorf("which container of the StatefulSet %s/%s is the server is not clear: none is called %s", source.Namespace, source.Name, app)
	}
	server := pod.Containers[at]
	d.notes = append(d.notes, fmt.Sprintf("made like the StatefulSet %s/%s", source.Namespace, source.Name))
	d.image = imageOf(server.Image, spec.Version)
	for _, kind := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if limit, ok := server.Resources.Limits[kind]; ok {
			d.resources.Limits[kind], d.resources.Requests[kind] = limit, limit // as the API server takes it, when there is no request
		}
		if request, ok := server.Resources.Requests[kind]; ok {
			d.resources.Requests[kind] = request
		}
	}
	data := volumeOf(server)
	for _, claim := range source.Spec.VolumeClaimTemplates {
		if claim.Name == data {
			d.claim, d.class, d.size = true, claim.Spec.StorageClassName, claim.Spec.Resources.Requests[corev1.ResourceStorage]
		}
	}
	d.nodeSelector, d.tolerations = pod.NodeSelector, pod.Tolerations
	for _, c := range pod.TopologySpreadConstraints {
		c.LabelSelector, c.MatchLabelKeys = nil, nil // the manifest's own
		d.spread = append(d.spread, c)
	}
	for _, s := range pod.ImagePullSecrets {
		d.pullSecrets = append(d.pullSecrets, source.Namespace+"/"+s.Name)
	}
	if names := podNames(source); !slices.Equal(names, slices.Sorted(slices.Values(spec.Nodes))) {
		d.notes = append(d.notes, fmt.Sprintf("the source is to have the pods %s, and the backup is restored into the nodes %s", strings.Join(names, ", "), strings.Join(spec.Nodes, ", ")))
	}

	var left []string
	if pod.PriorityClassName != "" { // With that of production a drill would push production out.
		left = append(left, "priority class "+pod.PriorityClassName)
	}
	if pod.Affinity != nil {
		left = append(left, "affinity")
	}
	for _, c := range pod.InitContainers { // Privileged ones set the machine up, which they did.
		left = append(left, "init container "+c.Name)
	}
	for i, c := range pod.Containers {
		if i != at {
			left = append(left, "container "+c.Name)
		}
	}
	for _, v := range pod.Volumes {
		if v.Name == data && v.EmptyDir != nil {
			continue
		}
		left = append(left, "volume "+v.Name)
	}
	if len(server.Command)+len(server.Args) > 0 {
		left = append(left, "command line")
	}
	if len(left) > 0 {
		d.notes = append(d.notes, "not taken over from the source: "+strings.Join(left, ", "))
	}
	return server, nil
}

// serverOf is the place of the server among the containers of a pod; negative when it is not clear.
func serverOf(pod corev1.PodSpec) int {
	at := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == app })
	if at < 0 && len(pod.Containers) == 1 {
		return 0
	}
	return at
}

// imageOf is the source's image in a version: the very one when its tag says that it is of that version, whatever registry it is from and digest it has; else the one of
// the version from the same place.
func imageOf(source, version string) string {
	name, _, _ := strings.Cut(source, "@")
	tag := ""
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") { // and not before the port of a registry
		name, tag = name[:i], name[i+1:]
	}
	tag = strings.TrimPrefix(tag, "v")
	if tag == version || strings.HasPrefix(tag, version+"-") { // such as 1.38.5-distroless
		return source
	}
	return name + ":" + version
}

// volumeOf is the name of the volume on which a server has its data.
func volumeOf(server corev1.Container) string {
	folder := dataFolder
	for _, v := range server.Env {
		if v.Name == "PERSISTENCE_DATA_PATH" && v.Value != "" {
			folder = v.Value
		}
	}
	for _, m := range server.VolumeMounts {
		if m.MountPath == folder {
			return m.Name
		}
	}
	return ""
}

// podNames of a StatefulSet, sorted.
func podNames(s *appsv1.StatefulSet) (names []string) {
	replicas, first := int32(1), int32(0)
	if s.Spec.Replicas != nil {
		replicas = *s.Spec.Replicas
	}
	if s.Spec.Ordinals != nil {
		first = s.Spec.Ordinals.Start
	}
	for i := range replicas {
		names = append(names, fmt.Sprintf("%s-%d", s.Name, first+i))
	}
	slices.Sort(names)
	return names
}

// inherited are the variables that come over from the source, by how their names begin: those by which a Weaviate decides how it stores, indexes, loads and searches what a
// restore brings, and how much of a machine it takes for that (usecases/config/environment.go of Weaviate 1.38.5). All others stay behind, because a list of those that must
// stay would let through the credential, the address or the clean-up that the next version, or a module, brings. Work on old data at the start (REINDEX_...) finds none here, a mode
// of operation (OPERATIONAL_MODE) could forbid the restore, the rest of replication would heal what the drill is to find.
var inherited = []string{
	"ASYNC_INDEX", "BLOCKMAX_WAND_", "BM25_", "COLLECTION_RETRIEVAL_STRATEGY", "DEFAULT_QUANTIZATION", "DEFAULT_SHARDING_COUNT", "DEFAULT_TOKENIZATION", "DEFAULT_VECTOR_",
	"DISABLE_LAZY_LOAD_SHARDS", "DISABLE_SROAR_MERGE_BUDGET", "DISK_USE_", "ENABLE_EXPERIMENTAL_", "ENABLE_TOKENIZER_", "FLAT_INDEX_", "FORCE_FULL_REPLICAS_SEARCH",
	"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "HNSW_", "INDEX_RANGEABLE_IN_MEMORY", "INVERTED_SORTER_DISABLED", "LAZY_LOAD_", "LIMIT_RESOURCES", "MAXIMUM_",
	"MAX_IMPORT_GOROUTINES_FACTOR", "MAX_MEMORY_MAPPINGS", "MEMORY_", "PERSISTENCE_", "QUERY_", "QUEUE_", "REPLICATION_FORCE_DELETION_STRATEGY", "TOKENIZER_",
	"TOMBSTONE_DELETION_", "TRACK_VECTOR_DIMENSIONS", "USE_BLOCKMAX_WAND", "USE_GSE", "USE_INVERTED_SEARCHABLE", "WEAVIATE_PREVIEW_",
}

// inherit takes over variables of the server, but none that the sandbox sets itself, and notes those that stay behind. What a secret or a configuration map holds is not
// read, and a value that quotes another variable may quote one of those.
func (d *design) inherit(server corev1.Container, own map[string]string) {
	d.env = map[string]string{}
	var left []string
	for _, v := range server.Env {
		_, set := own[v.Name]
		alike := slices.ContainsFunc(inherited, func(prefix string) bool { return strings.HasPrefix(v.Name, prefix) })
		switch {
		case set || v.Name == hostname:
		case !alike || v.ValueFrom != nil || strings.Contains(v.Value, "$("):
			left = append(left, v.Name)
		default:
			d.env[v.Name] = v.Value
		}
	}
	for _, from := range server.EnvFrom {
		if from.ConfigMapRef != nil {
			left = append(left, "all of the config map "+from.ConfigMapRef.Name)
		}
		if from.SecretRef != nil {
			left = append(left, "all of the secret "+from.SecretRef.Name)
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		d.notes = append(d.notes, "variables not taken over from the source: "+strings.Join(left, ", "))
	}
}

// add puts the variables that the configuration names into an environment, unless they would make another sandbox of it.
func (o Options) add(env map[string]string) error {
	for name, value := range o.Env {
		_, own := env[name]
		if own || name == hostname || slices.ContainsFunc(reserved, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			return fmt.Errorf("sandbox.kubernetes.env: the sandbox depends on the variable %s, which cannot be set", name)
		}
		env[name] = value
	}
	return nil
}

// reserved variables decide who gets in, whom the server speaks to, where its backups are, and what it removes there.
var reserved = []string{
	"AUTHENTICATION_", "AUTHORIZATION_", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "BACKUP_", "CLUSTER_", "ENABLE_CLEANUP_UNFINISHED_BACKUPS",
}
