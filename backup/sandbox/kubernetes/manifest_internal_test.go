package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

func spec(nodes ...string) sandbox.Spec {
	return sandbox.Spec{DrillID: "drill-1", Version: "1.38.5", Nodes: nodes, S3: sandbox.S3{Bucket: "backups", Region: "eu-central-1"}}
}

func make0(t *testing.T, o Options, tool string, s sandbox.Spec) manifest {
	t.Helper()
	d, err := o.design(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := place{o}.manifest("weaviate-drill-drill-1", tool, s, sandbox.NewKey(), d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSetsBearTheNamesOfNodes(t *testing.T) {
	long := strings.Repeat("a", 60)
	for _, each := range []struct {
		names, sets, pods string
	}{
		{"node1", "node-0[0+1]", "node-0-0"},
		{"weaviate-0", "weaviate[0+1]", "weaviate-0"},
		{"weaviate-0,weaviate-1,weaviate-2", "weaviate[0+3]", "weaviate-0,weaviate-1,weaviate-2"},
		{"weaviate-2,weaviate-0,weaviate-1", "weaviate[0+3]", "weaviate-2,weaviate-0,weaviate-1"},
		{"weaviate-7,weaviate-8", "weaviate[7+2]", "weaviate-7,weaviate-8"},
		{"my-db-9,my-db-10", "my-db[9+2]", "my-db-9,my-db-10"},
		{"weaviate-0,weaviate-2", "node-0[0+1],node-1[0+1]", "node-0-0,node-1-0"},
		{"weaviate-0,other-1", "node-0[0+1],node-1[0+1]", "node-0-0,node-1-0"},
		{"weaviate-00,weaviate-01", "node-0[0+1],node-1[0+1]", "node-0-0,node-1-0"},
		{"Weaviate_A-0", "node-0[0+1]", "node-0-0"},
		{"db.internal-0", "node-0[0+1]", "node-0-0"},
		{long + "-0", "node-0[0+1]", "node-0-0"},
		{"weaviate-12345678901", "node-0[0+1]", "node-0-0"},
	} {
		names := strings.Split(each.names, ",")
		sets, nodes := setsFor(names)
		var gotSets, gotPods, gotNames []string
		for _, s := range sets {
			gotSets = append(gotSets, fmt.Sprintf("%s[%d+%d]", s.name, s.first, s.replicas))
			// Of a set for one node the name is given; of one for all it is the pod's.
			if byPod := s.hostname.ValueFrom != nil; byPod == strings.HasPrefix(s.name, "node-") {
				t.Errorf("%s: set %s has the host name %+v", each.names, s.name, s.hostname)
			}
		}
		for _, n := range nodes {
			gotPods, gotNames = append(gotPods, n.pod), append(gotNames, n.name)
		}
		if got := strings.Join(gotSets, ","); got != each.sets {
			t.Errorf("%s: sets %s, not %s", each.names, got, each.sets)
		}
		if got := strings.Join(gotPods, ","); got != each.pods || !slices.Equal(gotNames, names) {
			t.Errorf("%s: pods %s of %v, not %s", each.names, got, gotNames, each.pods)
		}
	}
}

// TestS3Peers looks at whom the policy lets Weaviate speak to.
func TestS3Peers(t *testing.T) {
	for _, each := range []struct {
		s3    sandbox.S3
		cidrs []string
		want  string
	}{
		{sandbox.S3{}, nil, "443 0.0.0.0/0-169.254.169.254/32 ::/0-fd00:ec2::254/128"},
		{sandbox.S3{Endpoint: "minio.storage.svc:9000", Plain: true}, nil, "9000 0.0.0.0/0-169.254.169.254/32 ::/0-fd00:ec2::254/128"},
		{sandbox.S3{Endpoint: "minio.storage.svc", Plain: true}, []string{"10.0.0.0/8"}, "80 10.0.0.0/8"},
		{sandbox.S3{Endpoint: "10.1.2.3:9000"}, nil, "9000 10.1.2.3/32"},
		{sandbox.S3{Endpoint: "10.1.2.3"}, nil, "443 10.1.2.3/32"},
		{sandbox.S3{Endpoint: "[fd00::1]:9000"}, nil, "9000 fd00::1/128"},
		{sandbox.S3{Endpoint: "10.1.2.3:9000"}, []string{"10.1.0.0/16", "fd00::/8"}, "9000 10.1.0.0/16 fd00::/8"},
	} {
		peers, port, err := Options{S3CIDRs: each.cidrs}.s3Peers(each.s3)
		if err != nil {
			t.Errorf("%+v: %v", each.s3, err)
		}
		got := fmt.Sprint(port)
		for _, p := range peers {
			got += " " + p.IPBlock.CIDR
			for _, except := range p.IPBlock.Except {
				got += "-" + except
			}
		}
		if got != each.want {
			t.Errorf("%s %v: %s, not %s", each.s3.Endpoint, each.cidrs, got, each.want)
		}
	}
	for _, bad := range []struct {
		endpoint string
		cidrs    []string
	}{{"minio:port", nil}, {"minio:0", nil}, {"minio:70000", nil}, {"", []string{"10.0.0.0"}}, {"", []string{"s3.amazonaws.com"}}} {
		if _, _, err := (Options{S3CIDRs: bad.cidrs}).s3Peers(sandbox.S3{Endpoint: bad.endpoint}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// TestPoliciesOpenNoMore counts the holes: whatever is added to them must be added here.
func TestPoliciesOpenNoMore(t *testing.T) {
	for tool, want := range map[string]string{
		"": "default-deny dns:out s3:out nodes:in nodes:out", "tools": "default-deny dns:out s3:out nodes:in nodes:out drill:in",
	} {
		var got []string
		for _, p := range make0(t, Options{}, tool, spec("node1")).policies {
			if p.Name == "default-deny" {
				got = append(got, p.Name)
				if len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions)+len(p.Spec.Ingress)+len(p.Spec.Egress) > 0 || len(p.Spec.PolicyTypes) != 2 {
					t.Errorf("default-deny: %+v", p.Spec)
				}
				continue
			}
			if p.Spec.PodSelector.MatchLabels[labelNetwork] != open {
				t.Errorf("%s is for all pods", p.Name)
			}
			for _, rule := range p.Spec.Ingress {
				got = append(got, p.Name+":in")
				wide(t, p.Name, rule.From)
			}
			for _, rule := range p.Spec.Egress {
				got = append(got, p.Name+":out")
				wide(t, p.Name, rule.To)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("tool in %q: %s, not %s", tool, s, want)
		}
	}
}

// wide fails when a rule has no peers, which means all of them.
func wide(t *testing.T, name string, peers []networkingv1.NetworkPolicyPeer) {
	t.Helper()
	if len(peers) == 0 {
		t.Errorf("%s is for everybody", name)
	}
}

// TestCredentialsAreInTheSecretOnly looks for them in everything else.
func TestCredentialsAreInTheSecretOnly(t *testing.T) {
	s := spec("weaviate-0", "weaviate-1")
	s.S3.AccessKeyID, s.S3.SecretAccessKey, s.S3.SessionToken = secret.New("AKIAEXAMPLE"), secret.New("very-secret"), secret.New("session-token")
	m := make0(t, Options{}, "", s)
	want := []string{
		"AUTHENTICATION_APIKEY_ALLOWED_KEYS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "CLUSTER_BASIC_AUTH_PASSWORD",
	}
	for _, name := range want {
		if m.secret.StringData[name] == "" {
			t.Errorf("the secret lacks %s", name)
		}
	}
	if len(m.secret.StringData) != len(want) {
		t.Errorf("the secret has %d values", len(m.secret.StringData))
	}
	raw, err := json.Marshal([]any{m.namespace, m.quota, m.limits, m.policies, m.account, m.service, m.sets, m.probe})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range m.secret.StringData {
		if strings.Contains(string(raw), value) {
			t.Errorf("%s is in another object", name)
		}
	}
	if m = make0(t, Options{}, "", spec("node1")); len(m.secret.StringData) != 2 {
		t.Errorf("without static credentials the secret has %d values", len(m.secret.StringData))
	}
}

func TestManifest(t *testing.T) {
	o := Options{
		Owner: "ci", StorageClass: "fast", SpreadOver: []string{"topology.kubernetes.io/zone"}, PriorityClass: "low", NodeSelector: map[string]string{"pool": "drills"},
		Tolerations: []corev1.Toleration{{Key: "drills"}}, PullSecrets: []string{"tools/registry"}, ServiceAccountAnnotations: map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"},
	}
	m := make0(t, o, "", spec("weaviate-0", "weaviate-1", "weaviate-2"))
	if expires, err := time.Parse(time.RFC3339, m.namespace.Annotations[AnnotationExpires]); err != nil || time.Until(expires) < 23*time.Hour {
		t.Errorf("expiry: %v, %v", expires, err)
	}
	if m.namespace.Labels[LabelManagedBy] != "weaviate-drill" || m.namespace.Labels[LabelDrill] != "drill-1" || m.namespace.Annotations[AnnotationOwner] != "ci" ||
		m.namespace.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Errorf("namespace: %+v", m.namespace.ObjectMeta)
	}
	if len(m.account.Annotations) != 1 || *m.account.AutomountServiceAccountToken {
		t.Errorf("service account: %+v", m.account)
	}
	for resource, want := range map[corev1.ResourceName]string{
		"pods": "5", "requests.memory": "12416Mi", "limits.memory": "12800Mi", "requests.cpu": "1520m", "persistentvolumeclaims": "3", "requests.storage": "30Gi", "services.loadbalancers": "0",
	} {
		if got := m.quota.Spec.Hard[resource]; got.String() != want {
			t.Errorf("quota of %s: %s, not %s", resource, got.String(), want)
		}
	}
	if len(m.sets) != 1 || *m.sets[0].Spec.Replicas != 3 {
		t.Fatalf("%d sets", len(m.sets))
	}
	set := m.sets[0]
	pod := set.Spec.Template.Spec
	c := pod.Containers[0]
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	for name, want := range map[string]string{
		"RAFT_JOIN": "weaviate-0,weaviate-1,weaviate-2", "RAFT_BOOTSTRAP_EXPECT": "3", "CLUSTER_JOIN": "127.0.0.1:1,weaviate-headless.weaviate-drill-drill-1.svc:7000",
		"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false", "BACKUP_SKIP_ACCESS_CHECK": "true", "GOMEMLIMIT": "3865470561",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, not %q", name, env[name], want)
		}
	}
	if c.Image != "semitechnologies/weaviate:1.38.5" || pod.ServiceAccountName != "weaviate" || *pod.AutomountServiceAccountToken || pod.PriorityClassName != "low" || pod.NodeSelector["pool"] != "drills" ||
		len(pod.Tolerations) != 1 || len(pod.TopologySpreadConstraints) != 1 || len(pod.ImagePullSecrets) != 1 || pod.ImagePullSecrets[0].Name != "tools.registry" {
		t.Errorf("pod: %+v", pod)
	}
	if len(set.Spec.VolumeClaimTemplates) != 1 || *set.Spec.VolumeClaimTemplates[0].Spec.StorageClassName != "fast" || len(pod.Volumes) != 1 {
		t.Errorf("volumes: %+v, %+v", set.Spec.VolumeClaimTemplates, pod.Volumes)
	}
	if m = make0(t, Options{}, "", spec("node1")); len(m.sets[0].Spec.VolumeClaimTemplates) != 0 || m.sets[0].Spec.Template.Spec.Volumes[0].EmptyDir == nil {
		t.Error("without a storage class the data is not in an emptyDir")
	}
}

func TestNamespaceOf(t *testing.T) {
	if n, err := namespaceOf("drill-20261124-222655-k3f9x2"); err != nil || n != "weaviate-drill-drill-20261124-222655-k3f9x2" {
		t.Error(n, err)
	}
	for _, id := range []string{"a_b", "a-", "A", "../x", "", strings.Repeat("a", 41)} {
		if _, err := namespaceOf(id); err == nil {
			t.Errorf("%q was taken", id)
		}
	}
}

// TestCause shows pods and warnings as clusters report them.
func TestCause(t *testing.T) {
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-0"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: app, Image: "w:1"}}}}
		change(p)
		return p
	}
	waiting := func(reason, message string) *corev1.Pod {
		return pod(func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
		})
	}
	unscheduled := pod(func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient memory."}}
	})
	warning := func(kind, name, reason, message string) []corev1.Event {
		return []corev1.Event{{InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name}, Reason: reason, Message: message}}
	}
	for name, each := range map[string]struct {
		pod      *corev1.Pod
		events   []corev1.Event
		want     string
		hopeless bool
	}{
		"ready": {pod: pod(func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		})},
		"no pod":           {nil, nil, "weaviate-0 has no pod yet", false},
		"quota":            {nil, warning("StatefulSet", "weaviate", "FailedCreate", `create Pod weaviate-0 in StatefulSet weaviate failed error: pods "weaviate-0" is forbidden: exceeded quota: weaviate`), "exceeded quota", true},
		"quota not known":  {nil, warning("StatefulSet", "weaviate", "FailedCreate", `create Pod weaviate-0 in StatefulSet weaviate failed error: pods "weaviate-0" is forbidden: status unknown for quota: weaviate`), "status unknown", false},
		"another's":        {nil, warning("StatefulSet", "weaviate", "FailedCreate", `create Pod weaviate-1 in StatefulSet weaviate failed error: pods "weaviate-1" is forbidden: exceeded quota: weaviate`), "has no pod yet", false},
		"no memory":        {unscheduled, nil, "Insufficient memory", false},
		"no storage class": {unscheduled, warning("PersistentVolumeClaim", "data-weaviate-0", "ProvisioningFailed", `storageclass.storage.k8s.io "fast" not found`), `"fast" not found`, true},
		"image not found":  {waiting("ErrImagePull", "rpc error: code = NotFound desc = failed to pull and unpack image: w:1: not found"), nil, "w:1 (ErrImagePull)", true},
		"registry down":    {waiting("ImagePullBackOff", `Back-off pulling image "w:1": ErrImagePull: dial tcp: i/o timeout`), nil, "i/o timeout", false},
		"crash":            {waiting("CrashLoopBackOff", "back-off 10s"), nil, "ended before it was ready", true},
		"volume":           {waiting("ContainerCreating", ""), warning("Pod", "weaviate-0", "FailedAttachVolume", "Multi-Attach error"), "Multi-Attach error", false},
		"not ready yet":    {pod(func(p *corev1.Pod) { p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{} }), nil, "does not answer", false},
		"out of memory": {pod(func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled"}
		}), nil, "lack of memory", true},
	} {
		s := state{pods: map[string]*corev1.Pod{}, events: each.events}
		if each.pod != nil {
			s.pods[each.pod.Name] = each.pod
		}
		got, hopeless := s.cause([]node{{"weaviate-0", "weaviate-0"}})
		if !strings.Contains(got, each.want) || each.want == "" && got != "" || hopeless != each.hopeless {
			t.Errorf("%s: %q, hopeless %v", name, got, hopeless)
		}
	}
}

// TestJudge reads what Weaviate 1.38.5 logs.
func TestJudge(t *testing.T) {
	const line = `{"action":"oidc_init","error":"oidc init: could not setup provider: %s","level":"fatal","msg":"oidc client could not start up"}` + "\n"
	if a := judge(`{"msg":"starts"}`, 0, 7*time.Second); a.answered || a.failed || a.age != 7*time.Second {
		t.Errorf("silence: %+v", a)
	}
	if a := judge(fmt.Sprintf(line, `404 Not Found: {\"code\":404}`), time.Second, 7*time.Second); !a.answered || a.failed || a.age != time.Second || !strings.Contains(a.words, "404 Not Found") {
		t.Errorf("an answer: %+v", a)
	}
	if a := judge(fmt.Sprintf(line, `Get \"http://10.0.0.1:8080/.well-known/openid-configuration\": dial tcp 10.0.0.1:8080: connect: connection refused`), time.Second, 0); a.answered || !a.failed {
		t.Errorf("a refusal: %+v", a)
	}
}
