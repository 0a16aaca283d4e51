package kubernetes

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

const (
	look = 250 * time.Millisecond
	// grace is how long the API server may not answer before that is the outcome: it restarts, a connection breaks.
	grace = time.Minute
)

// ready waits until every node is, and names what is waited for. It gives up at once when that never comes.
func (i *Instance) ready(ctx context.Context, waiting func(string)) error {
	told := ""
	answered := time.Now()
	running := false
	for {
		w, err := i.watch(ctx)
		// Of several API servers one may not know yet of the role that was bound.
		passes := lost(err) || apierrors.IsForbidden(err) && time.Since(answered) < settleRole
		var cause string
		switch {
		case err == nil:
			answered = time.Now()
			if !running && w.running(i.nodes) {
				running = true
				i.step("schedule, pull and start of the containers", false)
			}
			var hopeless bool
			cause, hopeless = w.cause(i.nodes)
			if cause == "" {
				i.began = w.containers()
				i.step("Weaviate's own start", true) // and up to 1.25 s until the kubelet's probe, and then the look here, notice
				return nil
			}
			if hopeless {
				return fmt.Errorf("%s%s", cause, i.lastWords(context.WithoutCancel(ctx), w))
			}
		case ctx.Err() == nil && (!passes || time.Since(answered) > grace):
			return err
		default:
			cause = err.Error()
		}
		if cause != told && ctx.Err() == nil {
			waiting(cause)
			told = cause
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w: %s%s", ctx.Err(), told, i.lastWords(context.WithoutCancel(ctx), w))
		case <-time.After(look):
		}
	}
}

// lost says whether an error of the API server may pass: no answer, or one that says to come back.
func lost(err error) bool {
	switch apierrors.ReasonForError(err) {
	case metav1.StatusReasonUnknown, metav1.StatusReasonInternalError, metav1.StatusReasonServerTimeout, metav1.StatusReasonTimeout,
		metav1.StatusReasonServiceUnavailable, metav1.StatusReasonTooManyRequests:
		return true
	}
	return false
}

// state is what the cluster says about the sandbox at one moment.
type state struct {
	pods   map[string]*corev1.Pod
	events []corev1.Event // newest first
}

func (i *Instance) watch(ctx context.Context) (state, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	pods, err := i.cluster.CoreV1().Pods(i.namespace).List(ctx, metav1.ListOptions{LabelSelector: labelApp + "=" + app})
	if err != nil {
		return state{}, fmt.Errorf("pods: %w", err)
	}
	s := state{pods: map[string]*corev1.Pod{}}
	for _, pod := range pods.Items {
		s.pods[pod.Name] = &pod
	}
	if s.unready(i.nodes) == nil && maps.Equal(s.containers(), i.began) {
		return s, nil
	}
	events, err := i.cluster.CoreV1().Events(i.namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning})
	if err != nil {
		return state{}, fmt.Errorf("events: %w", err)
	}
	s.events = events.Items
	slices.SortStableFunc(s.events, func(a, b corev1.Event) int { return when(b).Compare(when(a)) })
	return s, nil
}

func when(e corev1.Event) time.Time {
	if !e.LastTimestamp.IsZero() {
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}

// unready lists the nodes whose pods are not ready.
func (s state) unready(nodes []node) (list []node) {
	for _, n := range nodes {
		pod := s.pods[n.pod]
		if pod == nil || !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}) {
			list = append(list, n)
		}
	}
	return list
}

// running says whether each node's container runs.
func (s state) running(nodes []node) bool {
	return !slices.ContainsFunc(nodes, func(n node) bool {
		pod := s.pods[n.pod]
		return pod == nil || len(pod.Status.ContainerStatuses) == 0 || pod.Status.ContainerStatuses[0].State.Running == nil
	})
}

// cause says what is waited for, of the first node that is not ready, or of one that never will be; "" when all are ready.
func (s state) cause(nodes []node) (text string, hopeless bool) {
	for _, n := range s.unready(nodes) {
		cause, hopeless := s.causeOf(n)
		cause = n.name + " " + oneLine(cause)
		if hopeless {
			return cause, true
		}
		if text == "" {
			text = cause
		}
	}
	return text, false
}

func (s state) causeOf(n node) (text string, hopeless bool) {
	pod := s.pods[n.pod]
	if pod == nil {
		for _, e := range s.events {
			if e.InvolvedObject.Kind == "StatefulSet" && e.Reason == "FailedCreate" && strings.Contains(e.Message, n.pod) {
				return "has no pod: " + e.Message, refused(e.Message)
			}
		}
		return "has no pod yet", false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			text = "finds no place in the cluster: " + c.Message
			if e, ok := s.event("PersistentVolumeClaim", "data-"+n.pod); ok {
				return text + ": its volume: " + e.Message, strings.Contains(e.Message, "storageclass.storage.k8s.io") && strings.Contains(e.Message, "not found")
			}
			return text, false
		}
	}
	if pod.Status.Phase == corev1.PodFailed { // such as Evicted; the set replaces it
		return fmt.Sprintf("ended before it was ready (%s): %s", pod.Status.Reason, pod.Status.Message), false
	}
	for _, c := range pod.Status.ContainerStatuses {
		if end := ended(c); end != nil && end.Reason == "OOMKilled" {
			return "ended before it was ready (killed for lack of memory: raise sandbox.kubernetes.memory)", true
		}
		switch waiting := c.State.Waiting; {
		case waiting == nil:
		case waiting.Reason == "CrashLoopBackOff":
			code := "several times"
			if end := ended(c); end != nil {
				code = fmt.Sprintf("%d times, exit status %d", c.RestartCount+1, end.ExitCode)
				if end.Message != "" { // such as why the runtime could not start it
					code += ": " + end.Message
				}
			}
			return fmt.Sprintf("ended before it was ready (CrashLoopBackOff: %s)", code), true
		case waiting.Reason == "ErrImagePull" || waiting.Reason == "ImagePullBackOff":
			return fmt.Sprintf("waits for its image %s (%s): %s", c.Image, waiting.Reason, waiting.Message), absent(waiting.Message)
		case waiting.Reason == "InvalidImageName" || waiting.Reason == "ErrImageNeverPull" || waiting.Reason == "CreateContainerConfigError":
			return fmt.Sprintf("cannot start (%s): %s", waiting.Reason, waiting.Message), true
		default:
			text := "starts: " + waiting.Reason
			if waiting.Message != "" {
				text += ": " + waiting.Message
			}
			if e, ok := s.event("Pod", n.pod); ok { // such as a volume that is not attached
				text += ": " + e.Message
			}
			return text, false
		}
	}
	return "does not answer as ready yet", false
}

// containers are the ids of those that the pods run.
func (s state) containers() map[string]string {
	ids := map[string]string{}
	for name, pod := range s.pods {
		for _, c := range pod.Status.ContainerStatuses {
			ids[name] = c.ContainerID
		}
	}
	return ids
}

// Disturbed says what the cluster did to the nodes since Up returned, the cause of a restore that failed or never ends: one was evicted, was killed, or ended and was
// started again, and with an emptyDir its data is gone. "" when all still run.
func (i *Instance) Disturbed(ctx context.Context) (string, error) {
	s, err := i.watch(ctx)
	if err != nil {
		return "", fmt.Errorf("kubernetes sandbox: %w", err)
	}
	var list []string
	have := s.containers()
	for _, n := range i.nodes {
		if have[n.pod] == i.began[n.pod] && have[n.pod] != "" {
			continue
		}
		text := n.name + " was stopped by the cluster, or ended, after it was ready"
		if pod := s.pods[n.pod]; pod != nil {
			for _, c := range pod.Status.ContainerStatuses {
				if end := ended(c); end != nil {
					text += fmt.Sprintf(": %s, exit status %d", end.Reason, end.ExitCode)
				}
			}
		}
		if e, ok := s.event("Pod", n.pod); ok && !strings.HasPrefix(e.Reason, "Unhealthy") {
			text += ": " + e.Reason + ": " + oneLine(e.Message)
		}
		list = append(list, text)
	}
	return strings.Join(list, "; "), nil
}

// event is the newest warning about an object.
func (s state) event(kind, name string) (corev1.Event, bool) {
	for _, e := range s.events {
		if e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name {
			return e, true
		}
	}
	return corev1.Event{}, false
}

func ended(c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

// refused says whether the API server will never take a pod like this. Two refusals pass: a quota and a service account are seen a moment after they were made.
func refused(message string) bool {
	return (strings.Contains(message, "forbidden") || strings.Contains(message, "is invalid")) &&
		!strings.Contains(message, "status unknown for quota") && !strings.Contains(message, "error looking up service account")
}

// absent tells a registry that does not have the image, or does not give it to us, from one that cannot be reached.
func absent(message string) bool {
	message = strings.ToLower(message)
	return slices.ContainsFunc([]string{"not found", "manifest unknown", "does not exist", "unauthorized", "denied", "forbidden"}, func(words string) bool {
		return strings.Contains(message, words)
	})
}

// lastWords are the last two log lines of the first node that has ended or is not ready, as one, with a separator before them; "" when it has not said anything.
func (i *Instance) lastWords(ctx context.Context, s state) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var talking *corev1.Pod
	for _, n := range s.unready(i.nodes) {
		pod := s.pods[n.pod]
		if pod == nil || len(pod.Status.ContainerStatuses) == 0 {
			continue
		}
		c := pod.Status.ContainerStatuses[0]
		if ended(c) != nil || talking == nil && c.State.Running != nil {
			talking = pod
		}
		if ended(c) != nil {
			break
		}
	}
	if talking == nil {
		return ""
	}
	lines := int64(2)
	log, err := i.cluster.CoreV1().Pods(i.namespace).GetLogs(talking.Name, &corev1.PodLogOptions{
		TailLines: &lines, Previous: talking.Status.ContainerStatuses[0].State.Running != nil && ended(talking.Status.ContainerStatuses[0]) != nil,
	}).Stream(ctx)
	if err != nil {
		return ": its log cannot be read: " + err.Error()
	}
	defer log.Close()
	text, err := io.ReadAll(io.LimitReader(log, 4096))
	if err != nil || len(text) == 0 {
		return ""
	}
	return ": " + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " | ")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Logs copies what the nodes have written. Of a container that was started again, what it wrote before comes first: the reason stands there.
func (i *Instance) Logs(ctx context.Context, w io.Writer) error {
	s, err := i.watch(ctx)
	if err != nil {
		return fmt.Errorf("kubernetes sandbox: %w", err)
	}
	for _, n := range i.nodes {
		pod := s.pods[n.pod]
		if pod == nil {
			if _, err := fmt.Fprintf(w, "%s: has no pod\n", n.name); err != nil {
				return err
			}
			continue
		}
		for _, c := range pod.Status.ContainerStatuses {
			if c.RestartCount > 0 {
				if err := i.log(ctx, w, n, true); err != nil && !apierrors.IsBadRequest(err) { // the log of a container that is gone may be gone with it
					return err
				}
			}
		}
		if err := i.log(ctx, w, n, false); err != nil {
			return err
		}
	}
	return nil
}

func (i *Instance) log(ctx context.Context, w io.Writer, n node, previous bool) error {
	log, err := i.cluster.CoreV1().Pods(i.namespace).GetLogs(n.pod, &corev1.PodLogOptions{Container: app, Previous: previous}).Stream(ctx)
	if err != nil {
		return fmt.Errorf("kubernetes sandbox: log of %s: %w", n.name, err)
	}
	defer log.Close()
	return sandbox.CopyLog(w, n.name, log)
}
