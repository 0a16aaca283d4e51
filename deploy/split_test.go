package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

const (
	splitDrill = `
source: {url: %q, grpc: %q, api_key: env:WEAVIATE_API_KEY, allow_plaintext: true}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
sandbox: {kind: external, external: {url: %q, grpc: %q, api_key: env:RESTORED_API_KEY, allow_plaintext: true}}
evidence: {s3: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}}
verify: {max_rate: 900}
`
	splitParts  = "weaviate-drill-parts"
	splitReduce = "weaviate-drill-reduce"
)

// split are the objects of split/verify.yaml.
func split(t *testing.T) []runtime.Object {
	t.Helper()
	raw, err := os.ReadFile("split/verify.yaml")
	check(t, err)
	var all []runtime.Object
	for doc := range strings.SplitSeq(string(raw), "\n---\n") {
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(doc), nil, nil)
		check(t, err)
		all = append(all, o)
	}
	return all
}

// TestSplitVerify splits a comparison over the pods of an Indexed Job, as split/verify.yaml has it, kills one of them half-way, and puts the parts together: the result is that of one comparison.
func TestSplitVerify(t *testing.T) {
	c, _ := api(t)
	image := toolImage(t)
	b, kept := servertest.Bucket(t, "backups"), servertest.Bucket(t, "evidence")
	m := servertest.MinIO(t)
	source, restored := servertest.ClusterSource(t, b, 1), servertest.ClusterSource(t, b, 1)
	from, to := dialed(t, source.Outside), dialed(t, restored.Outside)
	_, err := demo.Fill(t.Context(), from)
	check(t, err)
	const id = "split"
	_, err = from.CreateBackup(t.Context(), weaviate.BackupRequest{ID: id})
	check(t, err)
	await(t, func() (weaviate.BackupStatus, error) { return from.BackupStatus(t.Context(), id, weaviate.Location{}) })
	_, err = to.Restore(t.Context(), weaviate.RestoreRequest{ID: id})
	check(t, err)
	await(t, func() (weaviate.BackupStatus, error) { return to.RestoreStatus(t.Context(), id, weaviate.Location{}) })
	page, err := to.Scan(weaviate.Range{Collection: "Article", Most: 1}).Next(t.Context())
	check(t, err)
	check(t, to.Do(t.Context(), "DELETE", "/objects/Article/"+page[0].ID.String(), nil, nil))

	ns := namespace(t, c)
	config := fmt.Sprintf(splitDrill, source.InCluster.URL, source.InCluster.GRPC, b.Name, b.Path, m.Endpoint, restored.InCluster.URL, restored.InCluster.GRPC, kept.Name, kept.Path, m.Endpoint)
	_, err = c.CoreV1().Secrets(ns).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-drill-verify"}, StringData: map[string]string{
		"source": servertest.APIKey, "restored": servertest.APIKey, "AWS_ACCESS_KEY_ID": m.AccessKey, "AWS_SECRET_ACCESS_KEY": m.SecretKey,
	}}, metav1.CreateOptions{})
	check(t, err)
	strict := metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}
	for _, o := range split(t) {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			o.Namespace, o.Data["drill.yaml"], o.Data["backup"] = ns, config, id
			_, err = c.CoreV1().ConfigMaps(ns).Create(t.Context(), o, strict)
		case *corev1.ServiceAccount:
			o.Namespace = ns
			_, err = c.CoreV1().ServiceAccounts(ns).Create(t.Context(), o, strict)
		case *networkingv1.NetworkPolicy: // S3 is elsewhere here; that it is taken is all that this cluster can show
			o.Namespace = ns
			_, err = c.NetworkingV1().NetworkPolicies(ns).Create(t.Context(), o, metav1.CreateOptions{FieldValidation: "Strict", DryRun: []string{metav1.DryRunAll}})
		case *batchv1.Job:
			o.Namespace = ns
			pod := &o.Spec.Template.Spec
			pod.Containers[0].Image = image
			pod.Containers[0].Resources.Requests = nil // the machine of the tests is small
			for _, key := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
				pod.Containers[0].Env = append(pod.Containers[0].Env, corev1.EnvVar{Name: key, ValueFrom: &corev1.EnvVarSource{
					SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "weaviate-drill-verify"}, Key: key},
				}})
			}
			_, err = c.BatchV1().Jobs(ns).Create(t.Context(), o, strict)
		default:
			t.Fatalf("%T", o)
		}
		check(t, err)
	}

	ctx := timeout(t, 3*time.Minute)
	within(ctx, t, "part 0 keeps a result", func() bool { return keeps(t, kept, "c1", 3, 0) })
	victim := pods(ctx, t, c, ns, splitParts, "0")[0]
	if victim.Status.Phase != corev1.PodRunning {
		t.Fatalf("part 0 is %s already", victim.Status.Phase)
	}
	check(t, c.CoreV1().Pods(ns).Delete(ctx, victim.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
	within(ctx, t, "the parts are complete", func() bool {
		job, err := c.BatchV1().Jobs(ns).Get(ctx, splitParts, metav1.GetOptions{})
		check(t, err)
		return job.Status.Succeeded == 3
	})
	for _, p := range pods(ctx, t, c, ns, splitParts, "0") {
		if log := podLog(ctx, t, c, p); p.Name == victim.Name || !regexp.MustCompile(`"a comparison goes on","pieces":6,"done":1,`).MatchString(log) {
			t.Errorf("the pod that came after did not go on: %s", log)
		}
	}
	job, err := c.BatchV1().Jobs(ns).Get(ctx, splitReduce, metav1.GetOptions{})
	check(t, err)
	job.Spec.Suspend = new(bool)
	_, err = c.BatchV1().Jobs(ns).Update(ctx, job, metav1.UpdateOptions{})
	check(t, err)
	var reducer corev1.Pod
	within(ctx, t, "the parts are put together", func() bool {
		list := pods(ctx, t, c, ns, splitReduce, "")
		if len(list) == 0 {
			return false
		}
		reducer = list[0]
		return reducer.Status.Phase == corev1.PodSucceeded || reducer.Status.Phase == corev1.PodFailed
	})
	log := podLog(ctx, t, c, reducer)
	if code := reducer.Status.ContainerStatuses[0].State.Terminated.ExitCode; code != 1 || len(pods(ctx, t, c, ns, splitReduce, "")) != 1 {
		t.Errorf("exit status %d: %s", code, log)
	}
	var got verify.Result
	check(t, json.Unmarshal([]byte(log[strings.Index(log, "\n{\n")+1:]), &got))

	file := filepath.Join(t.TempDir(), "drill.yaml")
	t.Setenv("WEAVIATE_API_KEY", servertest.APIKey)
	t.Setenv("RESTORED_API_KEY", servertest.APIKey)
	check(t, os.WriteFile(file, []byte(config), 0o600))
	cfg, err := drill.LoadConfig(file)
	check(t, err)
	made, err := backup.ReadDescriptor(ctx, b, id)
	check(t, err)
	o := cfg.VerifyOptions()
	o.CapturePoint, o.BackupEnd, o.Included, o.MaxRate = made.StartedAt, made.CompletedAt, made.Collections(), 0
	want, err := verify.Compare(ctx, from, to, o)
	check(t, err)
	if want.Verdicts.Lost != 1 || want.Verdicts.Match != demo.Objects-1 {
		t.Errorf("%+v", want.Verdicts)
	}
	got.Duration, got.BytesRead, want.Duration, want.BytesRead = 0, 0, 0, 0
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("reduced:\n%+v\nat once:\n%+v", &got, want)
	}
}

func dialed(t *testing.T, e weaviate.Endpoint) *weaviate.Conn {
	t.Helper()
	c, err := weaviate.Dial(t.Context(), e)
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func await(t *testing.T, status func() (weaviate.BackupStatus, error)) {
	t.Helper()
	within(timeout(t, time.Minute), t, "a backup is made or restored", func() bool {
		s, err := status()
		check(t, err)
		if s.Done() && s.Status != "SUCCESS" {
			t.Fatalf("%s: %s", s.Status, s.Error)
		}
		return s.Done()
	})
}

// keeps says whether a part of a comparison has results in the evidence.
func keeps(t *testing.T, b *bucket.Bucket, comparison string, parts, part int) bool {
	t.Helper()
	prefix := b.Key("running/comparisons/"+comparison) + "/"
	list, err := b.Client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix})
	check(t, err)
	for _, o := range list.Contents {
		out, err := b.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String(*o.Key)})
		check(t, err)
		var batch struct{ Done []struct{ Item int } }
		check(t, json.NewDecoder(out.Body).Decode(&batch))
		check(t, out.Body.Close())
		for _, d := range batch.Done {
			if d.Item%parts == part {
				return true
			}
		}
	}
	return false
}

// pods are those of a Job, of one index unless that is "".
func pods(ctx context.Context, t *testing.T, c *kubernetes.Clientset, namespace, job, index string) []corev1.Pod {
	t.Helper()
	label := "batch.kubernetes.io/job-name=" + job
	if index != "" {
		label += ",batch.kubernetes.io/job-completion-index=" + index
	}
	list, err := c.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: label})
	check(t, err)
	return list.Items
}

func podLog(ctx context.Context, t *testing.T, c *kubernetes.Clientset, p corev1.Pod) string {
	t.Helper()
	raw, err := c.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	check(t, err)
	return string(bytes.TrimSpace(raw))
}
