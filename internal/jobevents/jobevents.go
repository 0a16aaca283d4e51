// Package jobevents tells what a drill does as Kubernetes Events on the Job that it runs in, where "kubectl describe job" and the cluster's event exporters show it.
package jobevents

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	component   = "weaviate-drill"
	callTimeout = 5 * time.Second
	backlog     = 64   // events that wait for the API server; a drill has about 15
	maxMessage  = 1024 // characters that an Event's message may have (validateEvent of the API server, noteLengthLimit)
)

// Job is what the events are about. A pod learns it by the downward API: the chart sets POD_NAMESPACE, POD_NAME, JOB_NAME and JOB_UID.
type Job struct{ Namespace, Name, UID, Pod string }

// FromEnv is the Job of this process; false when it runs in none.
func FromEnv() (Job, bool) {
	j := Job{Namespace: os.Getenv("POD_NAMESPACE"), Name: os.Getenv("JOB_NAME"), UID: os.Getenv("JOB_UID"), Pod: os.Getenv("POD_NAME")}
	return j, j.Namespace != "" && j.Name != "" && j.UID != ""
}

// InCluster is the API server of the cluster that this process runs in.
func InCluster() (kubernetes.Interface, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, err
	}
	config.UserAgent = component
	return kubernetes.NewForConfig(config)
}

// Recorder writes events one after the other, in the background: no drill waits for, or fails by, an API server that does not take them. All it needs is the right to create events in the Job's namespace.
type Recorder struct {
	client kubernetes.Interface
	job    Job
	log    *slog.Logger
	queue  chan *corev1.Event
	done   chan struct{}
}

// Start begins a recorder, which Close ends.
func Start(client kubernetes.Interface, job Job, log *slog.Logger) *Recorder {
	r := &Recorder{client: client, job: job, log: log, queue: make(chan *corev1.Event, backlog), done: make(chan struct{})}
	go r.write()
	return r
}

// Normal tells of something that is as it should be; reason is one word in CamelCase.
func (r *Recorder) Normal(reason, message string) { r.tell(corev1.EventTypeNormal, reason, message) }

// Warning tells of something that is not.
func (r *Recorder) Warning(reason, message string) { r.tell(corev1.EventTypeWarning, reason, message) }

func (r *Recorder) tell(kind, reason, message string) {
	if len(message) > maxMessage {
		message = message[:maxMessage-3] + "..."
	}
	now := time.Now()
	e := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: r.job.Namespace, Name: fmt.Sprintf("%s.%x", r.job.Name, now.UnixNano())}, // as client-go names them
		InvolvedObject: corev1.ObjectReference{APIVersion: "batch/v1", Kind: "Job", Namespace: r.job.Namespace, Name: r.job.Name, UID: types.UID(r.job.UID)},
		Type:           kind, Reason: reason, Message: message, Count: 1, FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now),
		Source: corev1.EventSource{Component: component}, ReportingController: component, ReportingInstance: cmp.Or(r.job.Pod, component),
	}
	select {
	case r.queue <- e:
	default:
		r.log.Warn("an event was dropped, because the API server does not take them", "reason", reason)
	}
}

func (r *Recorder) write() {
	defer close(r.done)
	for e := range r.queue {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		_, err := r.client.CoreV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
		cancel()
		if err != nil {
			r.log.Warn("an event could not be written", "reason", e.Reason, "error", err)
		}
	}
}

// Close waits until the last event is written, for some seconds at most. Nothing may be told after it.
func (r *Recorder) Close() {
	close(r.queue)
	select {
	case <-r.done:
	case <-time.After(2 * callTimeout):
	}
}
