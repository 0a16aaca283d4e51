package jobevents_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weaviate-drill/weaviate-drill/internal/jobevents"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

// TestEventsOfAJob looks for the events where "kubectl describe job" does.
func TestEventsOfAJob(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", servertest.Cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-events-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}) })
	job, err := c.BatchV1().Jobs(ns.Name).Create(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "drill"}, Spec: batchv1.JobSpec{
		Suspend: new(true), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "c"}}}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r := jobevents.Start(c, jobevents.Job{Namespace: ns.Name, Name: job.Name, UID: string(job.UID), Pod: "drill-x"}, slog.New(slog.NewTextHandler(&log, nil)))
	r.Normal("DrillBegan", "it begins")
	r.Warning("DrillFailed", strings.Repeat("x", 3000))
	r.Close()
	if log.Len() > 0 {
		t.Error(log.String())
	}
	list, err := c.CoreV1().Events(ns.Name).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Job,involvedObject.uid=" + string(job.UID) + ",reportingComponent=weaviate-drill"})
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range list.Items {
		have = append(have, e.Type+" "+e.Reason)
	}
	if slices.Sort(have); !slices.Equal(have, []string{"Normal DrillBegan", "Warning DrillFailed"}) {
		t.Errorf("%q", have)
	}

	r = jobevents.Start(c, jobevents.Job{Namespace: "no-such-namespace", Name: "drill", UID: "x"}, slog.New(slog.NewTextHandler(&log, nil)))
	r.Normal("DrillBegan", "nobody takes it")
	r.Close()
	if !strings.Contains(log.String(), "an event could not be written") || !strings.Contains(log.String(), "no-such-namespace") {
		t.Errorf("the log says: %s", log.String())
	}
}

func TestFromEnv(t *testing.T) {
	if _, ok := jobevents.FromEnv(); ok {
		t.Error("a test runs in no Job")
	}
	for name, value := range map[string]string{"POD_NAMESPACE": "n", "POD_NAME": "p", "JOB_NAME": "j", "JOB_UID": "u"} {
		t.Setenv(name, value)
	}
	if j, ok := jobevents.FromEnv(); !ok || j != (jobevents.Job{Namespace: "n", Name: "j", UID: "u", Pod: "p"}) {
		t.Errorf("%+v, %v", j, ok)
	}
}
