package kubernetes

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

const (
	app         = "weaviate" // what the account, the secret, the container and the like are called
	serviceName = "weaviate-headless"
	labelApp    = "app.kubernetes.io/name"
	// labelNetwork marks the pods for which the policies open the network. It is not that which the service goes by, so that a probe can have the one and not the other.
	labelNetwork = "weaviate-drill.network"
	open         = "open"
	hostname     = "CLUSTER_HOSTNAME" // the variable by which a Weaviate knows its own name

	restPort     = 8080
	grpcPort     = 50051
	gossipPort   = 7000
	uid          = 65532 // the "nonroot" of distroless images; the official image names no user, and would run as root
	dataFolder   = "/var/lib/weaviate"
	tmpSize      = "64Mi"
	probes       = 2 // pods of Isolation
	probeMemory  = "256Mi"
	probeRequest = "64Mi"
	probeCPU     = "10m"
)

// The ports of name servers. What is sent to a Service is judged by most network plugins when it has been turned to a pod, and so by the pod's port (AWS's is told that of the Service as well, by
// its controller). CoreDNS listens on 53 as EKS, GKE, AKS, kubeadm and kind run it, and on 5353 where it has not the right to that one.
const dnsPort, dnsPodPort = 53, 5353

// manifest is everything that a sandbox is in the cluster.
type manifest struct {
	namespace *corev1.Namespace
	quota     *corev1.ResourceQuota
	limits    *corev1.LimitRange
	policies  []*networkingv1.NetworkPolicy
	secret    *corev1.Secret
	account   *corev1.ServiceAccount
	service   *corev1.Service
	sets      []*appsv1.StatefulSet

	image string
	nodes []node
	probe corev1.PodSpec // a pod that may run in the namespace, for Isolation to build on
}

// node is one of Weaviate's, and the pod that it runs in.
type node struct{ name, pod string }

// manifest makes the sandbox for spec as designed; tool is the namespace of the pod that this process runs in, if any.
func (p place) manifest(namespace, tool string, spec sandbox.Spec, key secret.Value, d design) (manifest, error) {
	m := manifest{image: d.image}
	labels := map[string]string{LabelManagedBy: managedBy, LabelDrill: spec.DrillID}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Labels: labels} }

	m.namespace = p.namespace(namespace, spec.DrillID, d.claim)

	hard := p.Quota
	if len(hard) == 0 {
		hard = quota(d.resources, len(spec.Nodes), d.claim, d.size)
	}
	m.quota = &corev1.ResourceQuota{ObjectMeta: named(app), Spec: corev1.ResourceQuotaSpec{Hard: hard}}
	// A pod that somebody's webhook adds to, or that names no limits, gets those of a node and no more.
	m.limits = &corev1.LimitRange{ObjectMeta: named(app), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Max: d.resources.Limits, Default: d.resources.Limits, DefaultRequest: d.resources.Requests,
	}}}}

	policies, err := p.policies(tool, spec.S3)
	if err != nil {
		return m, err
	}
	for _, each := range policies {
		each.Labels = labels
		m.policies = append(m.policies, each)
	}

	own := environment(namespace, spec, key, d.resources.Limits)
	env := maps.Clone(d.env)
	if env == nil {
		env = map[string]string{}
	}
	if err := p.add(own); err != nil {
		return m, err
	}
	maps.Copy(env, own)
	held := credentials(spec, key, env)
	m.secret = &corev1.Secret{ObjectMeta: named(app), StringData: held}
	var list []corev1.EnvVar
	for _, variable := range slices.Sorted(maps.Keys(env)) {
		if _, ok := held[variable]; !ok {
			list = append(list, corev1.EnvVar{Name: variable, Value: env[variable]})
		}
	}

	m.account = &corev1.ServiceAccount{
		ObjectMeta:                   metav1.ObjectMeta{Name: app, Labels: labels, Annotations: p.ServiceAccountAnnotations},
		AutomountServiceAccountToken: new(bool),
	}
	selector := map[string]string{labelApp: app}
	m.service = &corev1.Service{ObjectMeta: named(serviceName), Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone, Selector: selector, Ports: []corev1.ServicePort{{Name: "http", Port: restPort}, {Name: "grpc", Port: grpcPort}},
		PublishNotReadyAddresses: true, // the nodes find each other before any is ready
	}}

	pod := d.pod(list)
	m.probe = *pod.DeepCopy()
	sets, nodes := setsFor(spec.Nodes)
	m.nodes = nodes
	for _, s := range sets {
		template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{
			Labels: map[string]string{LabelManagedBy: managedBy, LabelDrill: spec.DrillID, labelApp: app, labelNetwork: open},
			// A node that is scaled away in the middle would end the drill.
			Annotations: map[string]string{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"},
		}, Spec: *pod.DeepCopy()}
		container := &template.Spec.Containers[0]
		container.Env = append(container.Env, s.hostname)
		container.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: app}}}}
		container.ReadinessProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/v1/.well-known/ready", Port: intstr.FromInt32(restPort)}},
			PeriodSeconds: 1, TimeoutSeconds: 2,
			FailureThreshold: 60, // once it was ready, a server that is busy with a restore stays so
		}
		for _, c := range d.spread {
			c.LabelSelector = &metav1.LabelSelector{MatchLabels: selector}
			template.Spec.TopologySpreadConstraints = append(template.Spec.TopologySpreadConstraints, c)
		}
		set := &appsv1.StatefulSet{ObjectMeta: named(s.name), Spec: appsv1.StatefulSetSpec{
			ServiceName: serviceName, Replicas: &s.replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{labelApp: app}},
			PodManagementPolicy: appsv1.ParallelPodManagement, Template: template,
		}}
		if s.first > 0 {
			set.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: s.first}
		}
		if d.claim {
			set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: named("data"), Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: d.class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: d.size}},
			}}}
			volumes := &set.Spec.Template.Spec.Volumes
			*volumes = slices.DeleteFunc(*volumes, func(v corev1.Volume) bool { return v.Name == "data" })
		}
		if len(sets) > 1 { // the same labels in several sets: each must select its own
			set.Spec.Selector.MatchLabels["weaviate-drill.set"] = s.name
			set.Spec.Template.Labels["weaviate-drill.set"] = s.name
		}
		m.sets = append(m.sets, set)
	}
	return m, nil
}

// namespace of a drill; volumes: there will be some.
func (o Options) namespace(name, drillID string, volumes bool) *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{LabelManagedBy: managedBy, LabelDrill: drillID},
		Annotations: map[string]string{AnnotationOwner: o.owner(), AnnotationExpires: time.Now().Add(lifetime).UTC().Format(time.RFC3339)},
	}}
	if volumes {
		n.Annotations[AnnotationVolumes] = "true"
	}
	for _, mode := range []string{"enforce", "audit", "warn"} {
		n.Labels["pod-security.kubernetes.io/"+mode] = "restricted"
	}
	return n
}

// environment is the server's, as far as the sandbox depends on it, but for the name of the node. The namespace and the key may be empty for who asks for the names only.
func environment(namespace string, spec sandbox.Spec, key secret.Value, limits corev1.ResourceList) map[string]string {
	env := spec.Env(key)
	maps.Copy(env, map[string]string{
		"PERSISTENCE_DATA_PATH":    dataFolder,
		"CLUSTER_GOSSIP_BIND_PORT": fmt.Sprint(gossipPort), "CLUSTER_DATA_BIND_PORT": fmt.Sprint(gossipPort + 1),
		"RAFT_JOIN": strings.Join(spec.Nodes, ","), "RAFT_BOOTSTRAP_EXPECT": fmt.Sprint(len(spec.Nodes)),
	})
	if memory, ok := limits[corev1.ResourceMemory]; ok {
		env["GOMEMLIMIT"] = fmt.Sprint(memory.Value() / 10 * 9) // collects harder, rather than be killed
	}
	if len(spec.Nodes) > 1 {
		// Of these addresses Weaviate looks up the first only, once, before it tries them all: when that fails, it does not try at all for 30 seconds. The name of the
		// service is not known to the cluster's DNS at once; an address that is none is always "found", and refuses, and then all are tried again every second
		// (usecases/cluster/state.go, Init). The name has not the cluster's domain, which is not always cluster.local: the resolver of the pod adds it.
		env["CLUSTER_JOIN"] = fmt.Sprintf("127.0.0.1:1,%s.%s.svc:%d", serviceName, namespace, gossipPort)
	}
	return env
}

// pod is a Weaviate that satisfies "restricted" and does more: nothing of the image can be written to.
func (d design) pod(env []corev1.EnvVar) corev1.PodSpec {
	yes, no, grace, user := true, false, int64(1), int64(uid) // nothing that it has in memory is needed any more
	tmp := resource.MustParse(tmpSize)
	var pulls []corev1.LocalObjectReference
	for _, from := range d.pullSecrets {
		pulls = append(pulls, corev1.LocalObjectReference{Name: pullName(from)})
	}
	return corev1.PodSpec{
		ServiceAccountName: app, AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &grace, ImagePullSecrets: pulls,
		EnableServiceLinks: &no, // variables such as WEAVIATE_PORT would come from the service's name
		NodeSelector:       d.nodeSelector, Tolerations: d.tolerations, PriorityClassName: d.priorityClass,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: app, Image: d.image, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"--host", "0.0.0.0", "--port", fmt.Sprint(restPort), "--scheme", "http"}, Env: env, Resources: d.resources,
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: restPort}, {Name: "grpc", ContainerPort: grpcPort}},
			SecurityContext: &corev1.SecurityContext{
				Privileged: &no, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, RunAsNonRoot: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: dataFolder}, {Name: "tmp", MountPath: "/tmp"}},
		}},
		Volumes: []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &d.size}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &tmp}}},
		},
	}
}

// quota is what the pods of the sandbox, and those that probe it, may use together.
func quota(r corev1.ResourceRequirements, nodes int, volumes bool, size resource.Quantity) corev1.ResourceList {
	hard := corev1.ResourceList{
		corev1.ResourcePods: *resource.NewQuantity(int64(nodes+probes), resource.DecimalSI), corev1.ResourceServices: resource.MustParse("1"),
		corev1.ResourceServicesLoadBalancers: {}, corev1.ResourceServicesNodePorts: {}, corev1.ResourcePersistentVolumeClaims: {},
	}
	times := func(q resource.Quantity, more string) resource.Quantity {
		q.Mul(int64(nodes))
		if more != "" {
			each := resource.MustParse(more)
			each.Mul(probes)
			q.Add(each)
		}
		return q
	}
	for _, each := range []struct {
		in    corev1.ResourceList
		kind  corev1.ResourceName
		total corev1.ResourceName
		probe string
	}{
		{r.Requests, corev1.ResourceCPU, corev1.ResourceRequestsCPU, probeCPU}, {r.Requests, corev1.ResourceMemory, corev1.ResourceRequestsMemory, probeRequest},
		{r.Limits, corev1.ResourceCPU, corev1.ResourceLimitsCPU, r.Limits.Cpu().String()}, {r.Limits, corev1.ResourceMemory, corev1.ResourceLimitsMemory, probeMemory},
	} {
		if q, ok := each.in[each.kind]; ok {
			hard[each.total] = times(q, each.probe)
		}
	}
	if volumes {
		hard[corev1.ResourcePersistentVolumeClaims] = *resource.NewQuantity(int64(nodes), resource.DecimalSI)
		hard[corev1.ResourceRequestsStorage] = times(size, "")
	}
	return hard
}

// set is a StatefulSet to be: its pods are <name>-<ordinal>, from first on.
type set struct {
	name            string
	first, replicas int32
	hostname        corev1.EnvVar // the name by which Weaviate knows the node
}

var ordinal = regexp.MustCompile(`^(.+)-(0|[1-9][0-9]{0,8})$`)

// setsFor finds StatefulSets for the names of nodes. Names such as weaviate-0, weaviate-1 are those of the pods of one set; any others have a set of one pod
// each, called node-<i>.
func setsFor(names []string) ([]set, []node) {
	prefix, ordinals := "", map[int]bool{}
	for _, name := range names {
		parts := ordinal.FindStringSubmatch(name)
		// A pod's name is also its host name; the controller adds 11 characters to that of the set for its revisions.
		if parts == nil || prefix != "" && parts[1] != prefix || len(parts[1]) > 52 || len(validation.IsDNS1123Label(parts[1])) > 0 {
			return setForEach(names)
		}
		n, _ := strconv.Atoi(parts[2])
		prefix, ordinals[n] = parts[1], true
	}
	first := slices.Min(slices.Collect(maps.Keys(ordinals)))
	if len(ordinals) < len(names) || slices.Max(slices.Collect(maps.Keys(ordinals)))-first >= len(names) {
		return setForEach(names)
	}
	var nodes []node
	for _, name := range names {
		nodes = append(nodes, node{name, name})
	}
	return []set{{prefix, int32(first), int32(len(names)), corev1.EnvVar{Name: hostname, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"},
	}}}}, nodes
}

func setForEach(names []string) (sets []set, nodes []node) {
	for i, name := range names {
		s := fmt.Sprintf("node-%d", i)
		sets = append(sets, set{s, 0, 1, corev1.EnvVar{Name: hostname, Value: name}})
		nodes = append(nodes, node{name, s + "-0"})
	}
	return sets, nodes
}

// policies close the namespace, then open it for the marked pods only: to DNS, to S3, to each other, and from the tool where that is in the cluster.
func (o Options) policies(tool string, s3 sandbox.S3) ([]*networkingv1.NetworkPolicy, error) {
	peers, s3Port, err := o.s3Peers(s3)
	if err != nil {
		return nil, err
	}
	marked := metav1.LabelSelector{MatchLabels: map[string]string{labelNetwork: open}}
	each := func(name string, to metav1.LabelSelector, in []networkingv1.NetworkPolicyIngressRule, out []networkingv1.NetworkPolicyEgressRule, types ...networkingv1.PolicyType) *networkingv1.NetworkPolicy {
		return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.NetworkPolicySpec{PodSelector: to, Ingress: in, Egress: out, PolicyTypes: types}}
	}
	const in, out = networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	port := func(protocol corev1.Protocol, n int) networkingv1.NetworkPolicyPort {
		number := intstr.FromInt(n)
		return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &number}
	}
	list := []*networkingv1.NetworkPolicy{
		each("default-deny", metav1.LabelSelector{}, nil, nil, in, out),
		each("dns", marked, nil, []networkingv1.NetworkPolicyEgressRule{{
			To: []networkingv1.NetworkPolicyPeer{
				{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceSystem}}},
				// NodeLocal DNSCache, kubernetes.io/docs/tasks/administer-cluster/nodelocaldns. One that answers at the Service's own address needs a policy of the cluster's.
				{IPBlock: &networkingv1.IPBlock{CIDR: "169.254.20.10/32"}},
			},
			Ports: []networkingv1.NetworkPolicyPort{
				port(corev1.ProtocolUDP, dnsPort), port(corev1.ProtocolTCP, dnsPort), port(corev1.ProtocolUDP, dnsPodPort), port(corev1.ProtocolTCP, dnsPodPort),
			},
		}}, out),
		each("s3", marked, nil, []networkingv1.NetworkPolicyEgressRule{{To: peers, Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, s3Port)}}}, out),
		each("nodes", marked, []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &marked}}}},
			[]networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{PodSelector: &marked}}}}, in, out),
	}
	if tool != "" {
		list = append(list, each("drill", marked, []networkingv1.NetworkPolicyIngressRule{{
			From:  []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: tool}}}},
			Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, restPort), port(corev1.ProtocolTCP, grpcPort)},
		}}, nil, in))
	}
	return list, nil
}

// s3Peers are the addresses and the port of S3: those of the options, else the endpoint's own address, else all but the metadata services, whose answers
// would give the pod the rights of the machine that it runs on.
func (o Options) s3Peers(s3 sandbox.S3) (peers []networkingv1.NetworkPolicyPeer, port int, err error) {
	host, port := s3.Endpoint, 443
	if s3.Plain {
		port = 80
	}
	if h, number, err := net.SplitHostPort(s3.Endpoint); err == nil {
		host = h
		if port, err = strconv.Atoi(number); err != nil || port < 1 || port > 65535 {
			return nil, 0, fmt.Errorf("the port of the S3 endpoint %q is not a number from 1 to 65535", s3.Endpoint)
		}
	}
	cidrs := o.S3CIDRs
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && len(cidrs) == 0 {
		cidrs = []string{netip.PrefixFrom(address, address.BitLen()).String()}
	}
	for _, cidr := range cidrs {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return nil, 0, fmt.Errorf("%q is not an address range such as 10.0.0.0/16: %w", cidr, err)
		}
		peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}})
	}
	if len(cidrs) == 0 {
		peers = []networkingv1.NetworkPolicyPeer{
			{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"169.254.169.254/32"}}},
			{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"fd00:ec2::254/128"}}},
		}
	}
	return peers, port, nil
}

// credentials are those of a Weaviate's variables that are kept in a Secret.
func credentials(spec sandbox.Spec, key secret.Value, env map[string]string) map[string]string {
	held := map[string]string{}
	for _, v := range []secret.Value{key, spec.S3.AccessKeyID, spec.S3.SecretAccessKey, spec.S3.SessionToken} {
		for variable, value := range env {
			if !v.IsZero() && strings.Contains(value, v.Reveal()) {
				held[variable] = value
			}
		}
	}
	return held
}
