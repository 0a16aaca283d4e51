package deploy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	sigsyaml "sigs.k8s.io/yaml"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

const (
	releaseName      = "weaviate-drill"
	releaseNamespace = "drills"
)

// Sets of values: the least that the chart needs, all that it can be given, and what can be left out.
const least = `
image: {repository: registry.example/weaviate-drill}
config:
  source: {url: https://weaviate.example}
  bucket: {name: weaviate-backups}
`

const all = least + `
  sandbox:
    kubernetes:
      twin: {namespace: weaviate}
      pull_secrets: [weaviate/registry, weaviate/mirror, other/registry]
      storage_class: gp3
      priority_class: batch
  evidence:
    s3: {name: weaviate-evidence}
imagePullSecrets: [{name: registry}]
secretEnv: [{name: WEAVIATE_API_KEY, secret: weaviate, key: api-key}]
secretFiles: [{secret: gateway, path: /run/secrets/gateway}]
serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/weaviate-drill"}}
cronjob: {schedule: "0 3 * * *", suspend: true, args: [--level=sample]}
job: {enabled: true, annotations: {helm.sh/hook: "post-install,post-upgrade"}, args: [--backup-id=latest]}
log: {level: debug}
output: json
nodeSelector: {workload: drills}
tolerations: [{key: drills, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: arch, operator: Exists}]}]}}}
priorityClassName: batch
podAnnotations: {team: search}
podLabels: {team: search}
networkPolicy: {source: null}
`

const bare = least + `
fullnameOverride: drill
evidence: {persistence: {existingClaim: records}}
admissionPolicy: {enabled: false}
networkPolicy: {enabled: false}
`

var sets = map[string]string{"least": least, "all": all, "bare": bare}

func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := chartutil.ReadValues([]byte(text))
	check(t, err)
	return v
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load("chart")
	check(t, err)
	return c
}

// render is what "helm template" does: it needs no cluster.
func render(t *testing.T, text string) (string, error) {
	t.Helper()
	install := action.NewInstall(new(action.Configuration))
	install.ReleaseName, install.Namespace, install.DryRun, install.ClientOnly = releaseName, releaseNamespace, true, true
	install.KubeVersion = &chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	release, err := install.Run(load(t), values(t, text))
	if err != nil {
		return "", err
	}
	manifest := release.Manifest
	for _, hook := range release.Hooks {
		manifest += "\n---\n" + hook.Manifest
	}
	return manifest, nil
}

// objects decodes what was rendered, and refuses fields that the API does not know.
func objects(t *testing.T, text string) (all []runtime.Object) {
	t.Helper()
	manifest, err := render(t, text)
	check(t, err)
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		check(t, err)
		if len(bytes.TrimSpace(regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAll(document, nil))) == 0 {
			continue
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v:\n%s", err, document)
		}
		all = append(all, object)
	}
}

func pick[T runtime.Object](all []runtime.Object) (found []T) {
	for _, o := range all {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLint(t *testing.T) {
	for name, set := range sets {
		lint := action.NewLint()
		lint.Strict, lint.Namespace, lint.KubeVersion = true, releaseNamespace, &chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
		result := lint.Run([]string{"chart"}, values(t, set))
		for _, m := range result.Messages {
			if !strings.Contains(m.Error(), "icon is recommended") {
				t.Errorf("%s: %s", name, m)
			}
		}
		if result.TotalChartsLinted != 1 {
			t.Errorf("%s: %v", name, result.Errors)
		}
	}
}

// What is wrong is refused before anything is made, with the name of the key.
func TestRefused(t *testing.T) {
	for text, word := range map[string]string{
		"image: {repository: a}": "source",
		strings.Replace(least, "repository: registry.example/weaviate-drill", "", 1): "/image/repository",
		strings.Replace(least, "url: https://weaviate.example", "", 1):               "/config/source/url",
		strings.Replace(least, "name: weaviate-backups", "", 1):                      "/config/bucket/name",
		least + "imagePullSecret: []":                                                "imagePullSecret",
		least + "cronjob: {schedule: \"\"}":                                          "/cronjob/schedule",
		least + "cronjob: {concurrencyPolicy: Allow}":                                "concurrencyPolicy",
		least + "cronjob: {suspend: \"no\"}":                                         "/cronjob/suspend",
		least + "output: html":                                                       "/output",
		least + "secretEnv: [{name: KEY, value: s3cret}]":                            "value",
		least + "resources: {limits: null}":                                          "limits",
		least + "networkPolicy: {s3: {to: []}}":                                      "/networkPolicy/s3/to",
		least + "evidence: {persistence: {enabled: false}}":                          "config.evidence.s3",
		least + "  sandbox: {kind: docker}":                                          "/config/sandbox/kind",
		least + "  sandbox: {kubernetes: {cluster_role: cluster-admin}}":             "/config/sandbox/kubernetes/cluster_role",
		least + "  sandbox: {kubernetes: {pull_secrets: [registry]}}":                "/config/sandbox/kubernetes/pull_secrets/0",
		least + "  evidence: {dir: /tmp}":                                            "/config/evidence/dir",
	} {
		if _, err := render(t, text); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

// The tool reads the configuration that the chart writes, whatever keys it has.
func TestConfig(t *testing.T) {
	example, err := os.ReadFile("../docs/drill.example.yaml")
	check(t, err)
	config := map[string]any{}
	check(t, sigsyaml.Unmarshal(example, &config))
	sandbox := config["sandbox"].(map[string]any)
	delete(sandbox, "kind")
	for _, key := range []string{"kubeconfig", "context", "namespace", "cluster_role"} {
		delete(sandbox["kubernetes"].(map[string]any), key)
	}
	delete(config["evidence"].(map[string]any), "dir")
	for name, change := range map[string]func(){
		"evidence in S3": func() {}, "evidence in a claim": func() { delete(config, "evidence") }, "nothing about the sandbox": func() { delete(config, "sandbox") },
	} {
		change()
		set, err := sigsyaml.Marshal(map[string]any{"image": map[string]any{"repository": "registry.example/weaviate-drill"}, "config": config})
		check(t, err)
		maps := pick[*corev1.ConfigMap](objects(t, string(set)))
		if len(maps) != 1 {
			t.Fatalf("%s: %d ConfigMaps", name, len(maps))
		}
		have, err := drill.ParseConfig("drill.yaml", []byte(maps[0].Data["drill.yaml"]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		given, err := sigsyaml.Marshal(config)
		check(t, err)
		want, err := drill.ParseConfig("values", given)
		check(t, err)
		want.Sandbox.Kind, want.Sandbox.Kubernetes.ClusterRole, want.Sandbox.Kubernetes.Namespace = "kubernetes", "weaviate-drill-sandbox", releaseNamespace
		if want.Evidence.S3 == nil {
			want.Evidence.Dir = "/var/lib/weaviate-drill/evidence"
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", name, have, want)
		}
	}
}

// Names are part of what users rely on: an upgrade that changes one makes a second object.
func TestNames(t *testing.T) {
	for set, want := range map[string][]string{
		least: {
			"ClusterRole weaviate-drill", "ClusterRole weaviate-drill-sandbox", "ClusterRoleBinding weaviate-drill", "ConfigMap weaviate-drill", "CronJob weaviate-drill",
			"NetworkPolicy weaviate-drill", "PersistentVolumeClaim weaviate-drill-evidence", "Role weaviate-drill", "RoleBinding weaviate-drill", "ServiceAccount weaviate-drill",
			"ValidatingAdmissionPolicy weaviate-drill", "ValidatingAdmissionPolicyBinding weaviate-drill",
		},
		bare: {
			"ClusterRole drill", "ClusterRole drill-sandbox", "ClusterRoleBinding drill", "ConfigMap drill", "CronJob drill", "Role drill", "RoleBinding drill", "ServiceAccount drill",
		},
	} {
		var have []string
		for _, o := range objects(t, set) {
			have = append(have, o.GetObjectKind().GroupVersionKind().Kind+" "+o.(metav1.Object).GetName())
		}
		slices.Sort(have)
		if !slices.Equal(have, want) {
			t.Errorf("%q, want %q", have, want)
		}
	}
}

// The roles grant what the sandbox takes and no more, each where it is needed.
func TestRights(t *testing.T) {
	for name, set := range sets {
		rendered := objects(t, set)
		cfg, err := drill.ParseConfig("drill.yaml", []byte(pick[*corev1.ConfigMap](rendered)[0].Data["drill.yaml"]))
		check(t, err)
		k := cfg.Sandbox.Kubernetes
		o := kubernetes.Options{ClusterRole: k.ClusterRole, StorageClass: k.StorageClass, PriorityClass: k.PriorityClass, PullSecrets: k.PullSecrets}
		if k.Twin != nil {
			o.Twin = kubernetes.Twin(*k.Twin)
		}
		want := map[string]bool{}
		for _, r := range o.Rights(true) {
			where := map[kubernetes.Scope]string{
				kubernetes.InCluster: "the cluster", kubernetes.InSandbox: k.ClusterRole, kubernetes.InTool: releaseNamespace, kubernetes.InNamespace: r.Namespace,
			}[r.Scope]
			grant(want, where, r.Rule())
		}
		grant(want, releaseNamespace, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}}) // on the Job, by internal/jobevents

		have := map[string]bool{}
		bound := map[string]string{} // the role that holds in the whole cluster, or in a namespace
		for _, b := range pick[*rbacv1.ClusterRoleBinding](rendered) {
			bound[b.RoleRef.Name] = "the cluster"
		}
		for _, r := range pick[*rbacv1.ClusterRole](rendered) {
			if where, ok := bound[r.Name]; ok || r.Name != k.ClusterRole {
				grant(have, where, r.Rules...)
			} else {
				grant(have, r.Name, r.Rules...)
			}
		}
		for _, b := range pick[*rbacv1.RoleBinding](rendered) {
			for _, r := range pick[*rbacv1.Role](rendered) {
				if r.Name == b.RoleRef.Name && r.Namespace == b.Namespace {
					grant(have, r.Namespace, r.Rules...)
				}
			}
		}
		for right := range want {
			if !have[right] {
				t.Errorf("%s: not granted: %s", name, right)
			}
		}
		for right := range have {
			if !want[right] {
				t.Errorf("%s: granted, and not needed: %s", name, right)
			}
		}
	}
}

// grant notes each single thing that rules allow.
func grant(into map[string]bool, where string, rules ...rbacv1.PolicyRule) {
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					for _, object := range append(r.ResourceNames, map[bool][]string{true: {"any"}}[len(r.ResourceNames) == 0]...) {
						into[fmt.Sprintf("%s %s %s/%s in %s", verb, object, group, resource, where)] = true
					}
				}
			}
		}
	}
}

// Both Jobs are of the same form, and what the values say arrives in them.
func TestJobs(t *testing.T) {
	rendered := objects(t, all)
	cron, job := pick[*batchv1.CronJob](rendered)[0].Spec, pick[*batchv1.Job](rendered)[0].Spec
	scheduled := cron.JobTemplate.Spec
	wantArgs := []string{"run", "--config=/etc/weaviate-drill/drill.yaml", "--output=json", "--log-format=json", "--log-level=debug"}
	for of, j := range map[string]batchv1.JobSpec{"--level=sample": scheduled, "--backup-id=latest": job} {
		if *j.BackoffLimit != 0 || *j.ActiveDeadlineSeconds != 43200 || j.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
			t.Errorf("%+v", j)
		}
		c := j.Template.Spec.Containers[0]
		if !slices.Equal(c.Args, append(slices.Clone(wantArgs), of)) || len(c.Command) > 0 {
			t.Errorf("%q %q", c.Command, c.Args)
		}
	}
	scheduled.Template.Spec.Containers[0].Args, job.Template.Spec.Containers[0].Args = nil, nil
	if !reflect.DeepEqual(scheduled, job) {
		t.Errorf("%+v is not %+v", scheduled, job)
	}
	pod := scheduled.Template.Spec
	if cron.ConcurrencyPolicy != batchv1.ForbidConcurrent || !*cron.Suspend || *cron.TimeZone != "Etc/UTC" || *cron.SuccessfulJobsHistoryLimit != 3 || *cron.FailedJobsHistoryLimit != 10 || *cron.StartingDeadlineSeconds != 3600 {
		t.Errorf("%+v", cron)
	}
	if pod.ImagePullSecrets[0].Name != "registry" || pod.NodeSelector["workload"] != "drills" || pod.Tolerations[0].Key != "drills" || pod.Affinity.NodeAffinity == nil || pod.PriorityClassName != "batch" {
		t.Errorf("%+v", pod)
	}
	meta := scheduled.Template.ObjectMeta
	if meta.Labels["team"] != "search" || meta.Annotations["team"] != "search" || meta.Labels["app.kubernetes.io/instance"] != releaseName {
		t.Errorf("%+v", meta)
	}
	env := pod.Containers[0].Env
	if key := env[len(env)-1].ValueFrom.SecretKeyRef; key.Name != "weaviate" || key.Key != "api-key" {
		t.Errorf("%+v", env)
	}
	if files := pod.Volumes[len(pod.Volumes)-1].Secret; files.SecretName != "gateway" || *files.DefaultMode != 0o440 {
		t.Errorf("%+v", files)
	}
	if account := pick[*corev1.ServiceAccount](rendered)[0]; account.Annotations["eks.amazonaws.com/role-arn"] == "" || *account.AutomountServiceAccountToken {
		t.Errorf("%+v", account)
	}
	if claims := pick[*corev1.PersistentVolumeClaim](rendered); len(claims) > 0 {
		t.Errorf("records are kept in S3, and there is a claim: %+v", claims)
	}
	if with := "@sha256:" + strings.Repeat("0", 64); !strings.HasSuffix(pick[*batchv1.CronJob](objects(t, strings.Replace(least, "-drill}", "-drill, digest: \""+with[1:]+"\"}", 1)))[0].Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image, with) {
		t.Error("the digest of the image is not used")
	}
}

// Nothing gets at the tool's pods, and they get at what is named only: a rule without peers or without ports would open everything.
func TestNetwork(t *testing.T) {
	for set, rules := range map[string]int{least: 5, all: 4} { // all leaves out the source's
		rendered := objects(t, set)
		policy := pick[*networkingv1.NetworkPolicy](rendered)[0].Spec
		pod := pick[*batchv1.CronJob](rendered)[0].Spec.JobTemplate.Spec.Template.Labels
		for key, value := range policy.PodSelector.MatchLabels {
			if pod[key] != value {
				t.Errorf("the policy is for %v, the pods have %v", policy.PodSelector.MatchLabels, pod)
			}
		}
		if len(policy.PodSelector.MatchLabels) == 0 || len(policy.PolicyTypes) != 2 || len(policy.Ingress) > 0 || len(policy.Egress) != rules {
			t.Errorf("%+v", policy)
		}
		for _, r := range policy.Egress {
			if len(r.To) == 0 || len(r.Ports) == 0 {
				t.Errorf("open to all: %+v", r)
			}
		}
		if to := policy.Egress[0].To[0].NamespaceSelector.MatchLabels; to[kubernetes.LabelManagedBy] != "weaviate-drill" {
			t.Errorf("the way to the sandbox: %v", to)
		}
	}
}

// The table of values in the README has each value with its default, and no other.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("chart/README.md")
	check(t, err)
	have := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z0-9.]+)` \\| (.+?) \\| .+ \\|$").FindAllStringSubmatch(string(readme), -1) {
		have[row[1]] = row[2]
	}
	want := map[string]string{}
	defaults(t, want, "", load(t).Values)
	for key, value := range want {
		if have[key] != value {
			t.Errorf("%s is %s in the README, and %s by default", key, have[key], value)
		}
	}
	for key := range have {
		if _, ok := want[key]; !ok {
			t.Errorf("the README has %s, which is no value", key)
		}
	}
}

func defaults(t *testing.T, into map[string]string, key string, value any) {
	t.Helper()
	section, ok := value.(map[string]any)
	switch _, rule := section["to"]; {
	case rule:
		into[key] = "see values.yaml"
	case ok && len(section) > 0:
		for k, v := range section {
			defaults(t, into, strings.TrimPrefix(key+"."+k, "."), v)
		}
	default:
		raw, err := json.Marshal(value)
		check(t, err)
		into[key] = "`" + string(raw) + "`"
	}
}

// The values that the README shows for EKS are values of the chart, and its configuration one of the tool.
func TestReadmeValues(t *testing.T) {
	readme, err := os.ReadFile("chart/README.md")
	check(t, err)
	block := regexp.MustCompile("(?s)```yaml\n(.+?)\n *```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README shows no values")
	}
	rendered := objects(t, regexp.MustCompile("(?m)^   ").ReplaceAllString(string(block[1]), ""))
	_, err = drill.ParseConfig("drill.yaml", []byte(pick[*corev1.ConfigMap](rendered)[0].Data["drill.yaml"]))
	check(t, err)
}
