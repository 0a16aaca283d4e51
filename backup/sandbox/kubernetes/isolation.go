package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Isolation tries whether the sandbox lets in who has no key, whether its namespace takes a privileged pod, and whether the cluster's network plugin enforces
// network policies. The last takes two small pods, removed afterwards, and 5 to 30 seconds, in which the sandbox can be used.
func (i *Instance) Isolation(ctx context.Context) []sandbox.Probe {
	return []sandbox.Probe{i.anonymousAccess(ctx), i.podSecurity(ctx), i.networkPolicy(ctx)}
}

func (i *Instance) anonymousAccess(ctx context.Context) sandbox.Probe {
	p := sandbox.Probe{Name: "anonymous-access", Result: sandbox.Fail, Detail: "a request without a key was answered"}
	stranger := i.endpoint
	stranger.APIKey = secret.Value{}
	c, err := weaviate.Dial(ctx, stranger)
	switch {
	case err == nil:
		_ = c.Close()
	case errors.Is(err, weaviate.ErrUnauthorized):
		p.Result, p.Detail = sandbox.Pass, "a request without a key was refused"
	default:
		p.Result, p.Detail = sandbox.Unknown, err.Error()
	}
	return p
}

func (i *Instance) podSecurity(ctx context.Context) sandbox.Probe {
	p := sandbox.Probe{Name: "pod-security", Result: sandbox.Fail, Detail: "the API server would take a privileged pod in the namespace"}
	spec := *i.probe.DeepCopy()
	yes := true
	spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "privileged"}, Spec: spec}
	_, err := i.cluster.CoreV1().Pods(i.namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case err == nil:
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "violates PodSecurity"):
		p.Result, p.Detail = sandbox.Pass, "the API server refused a privileged pod in the namespace (a dry run)"
	default:
		p.Result, p.Detail = sandbox.Unknown, oneLine(err.Error())
	}
	return p
}

const (
	// A pod may start before the network plugin knows the policies for it: AWS's for one enforces them some time after the start, unless it is told to be strict.
	settle = 10 * time.Second
	// Most plugins drop a connection that a policy forbids without an answer.
	silence      = 10 * time.Second
	probeTimeout = 2 * time.Minute
)

// networkPolicy tries a connection that the policies forbid, from a pod that they give no way out to a node that they let nobody else in, and one that they allow.
func (i *Instance) networkPolicy(ctx context.Context) sandbox.Probe {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	p := sandbox.Probe{Name: "network-policy", Result: sandbox.Unknown}
	target, err := i.cluster.CoreV1().Pods(i.namespace).Get(ctx, i.nodes[0].pod, metav1.GetOptions{})
	if err != nil {
		p.Detail = err.Error()
		return p
	}
	address := net.JoinHostPort(target.Status.PodIP, fmt.Sprint(restPort))
	p.Result, p.Detail = i.connects(ctx, address, address)
	return p
}

// connects has one pod ask the forbidden address and another the allowed one. The client is the sandbox's own image, the only one that is surely at hand, and it has
// no shell: a Weaviate that is to ask another about sign-in (OpenID Connect) does so before anything else, ends when it is told no, and logs which no that was.
// Without the answer of the allowed one the silence of the other means nothing.
func (i *Instance) connects(ctx context.Context, forbiddenAddress, allowedAddress string) (result sandbox.Result, detail string) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		for _, name := range []string{forbidden, allowed} {
			err := i.cluster.CoreV1().Pods(i.namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
			if err != nil && !apierrors.IsNotFound(err) {
				detail += fmt.Sprintf("; the pod %s stays until the namespace goes: %v", name, err)
			}
		}
	}()
	for name, address := range map[string]string{forbidden: forbiddenAddress, allowed: allowedAddress} {
		if _, err := i.cluster.CoreV1().Pods(i.namespace).Create(ctx, i.client(name, address), metav1.CreateOptions{}); err != nil {
			return sandbox.Unknown, "a pod that tries could not be made: " + oneLine(err.Error())
		}
	}
	detail = "the pods that try did not start in time"
	late := ""
	for {
		control, err := i.attempt(ctx, allowed)
		var trial attempt
		if err == nil {
			trial, err = i.attempt(ctx, forbidden)
		}
		switch {
		case err != nil:
			if ctx.Err() == nil {
				detail = oneLine(err.Error())
			}
		case !control.answered:
			detail = fmt.Sprintf("a connection to %s that the policies allow was not answered either%s", allowedAddress, control.words)
		case trial.answered && trial.age >= settle:
			return sandbox.Fail, fmt.Sprintf("a pod that the policies give no way out reached %s, which they let it not in: the cluster's network plugin does not enforce NetworkPolicy", forbiddenAddress)
		case trial.answered:
			late = fmt.Sprintf("; for some seconds after the pod's start it was: the network plugin enforces the policies late (%v were given)", settle)
		case trial.failed && trial.age >= settle, !trial.failed && trial.age >= silence:
			return sandbox.Pass, fmt.Sprintf("a connection to %s that the policies forbid was not made, one that they allow was%s", forbiddenAddress, late)
		}
		select {
		case <-ctx.Done():
			return sandbox.Unknown, detail
		case <-time.After(time.Second):
		}
	}
}

// Names of the pods that try.
const (
	forbidden = "probe-forbidden"
	allowed   = "probe-allowed"
)

// client is a pod that asks address until it is removed, again after each answer.
func (i *Instance) client(name, address string) *corev1.Pod {
	labels := map[string]string{LabelManagedBy: managedBy, LabelDrill: i.drillID}
	if name == allowed {
		maps.Copy(labels, map[string]string{labelNetwork: open})
	}
	spec := *i.probe.DeepCopy()
	c := &spec.Containers[0]
	c.Env = []corev1.EnvVar{
		{Name: "PERSISTENCE_DATA_PATH", Value: dataFolder}, {Name: "CLUSTER_HOSTNAME", Value: name}, {Name: "DEFAULT_VECTORIZER_MODULE", Value: "none"},
		{Name: "DISABLE_TELEMETRY", Value: "true"}, {Name: "GO_PROFILING_DISABLE", Value: "true"}, {Name: "LOG_FORMAT", Value: "json"},
		{Name: "RAFT_JOIN", Value: name}, {Name: "RAFT_BOOTSTRAP_EXPECT", Value: "1"},
		{Name: "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", Value: "false"},
		{Name: "AUTHENTICATION_OIDC_ENABLED", Value: "true"}, {Name: "AUTHENTICATION_OIDC_ISSUER", Value: "http://" + address},
		{Name: "AUTHENTICATION_OIDC_USERNAME_CLAIM", Value: "sub"}, {Name: "AUTHENTICATION_OIDC_SKIP_CLIENT_ID_CHECK", Value: "true"},
	}
	c.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(probeCPU), corev1.ResourceMemory: resource.MustParse(probeRequest)},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(probeMemory)},
	}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: spec}
}

// attempt is how a pod that tries fares.
type attempt struct {
	answered bool          // an HTTP answer came over the connection
	failed   bool          // the connection was refused, or timed out
	age      time.Duration // of the attempt's process since the pod was there, or since it started when it is not answered yet
	words    string
}

func (i *Instance) attempt(ctx context.Context, name string) (attempt, error) {
	pod, err := i.cluster.CoreV1().Pods(i.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return attempt{}, err
	}
	if len(pod.Status.ContainerStatuses) == 0 || pod.Status.StartTime == nil {
		return attempt{}, nil
	}
	c := pod.Status.ContainerStatuses[0]
	var began time.Time
	switch end := ended(c); {
	case c.State.Running != nil:
		began = c.State.Running.StartedAt.Time
	case end != nil:
		began = end.StartedAt.Time
	default:
		return attempt{}, nil
	}
	log, err := i.cluster.CoreV1().Pods(i.namespace).GetLogs(name, &corev1.PodLogOptions{Container: app}).Stream(ctx)
	if err != nil {
		return attempt{}, err
	}
	defer log.Close()
	text, err := io.ReadAll(io.LimitReader(log, 1<<20))
	if err != nil {
		return attempt{}, err
	}
	return judge(string(text), began.Sub(pod.Status.StartTime.Time), time.Since(began)), nil
}

// judge reads the log of a Weaviate that asked for an issuer of sign-in. Its library reports an answer by its status, and a connection that was not made by the
// request (github.com/coreos/go-oidc, NewProvider; net/url.Error).
func judge(log string, started, running time.Duration) attempt {
	const refusal = "could not setup provider: "
	_, said, ok := strings.Cut(log, refusal)
	if !ok {
		return attempt{age: running}
	}
	said, _, _ = strings.Cut(oneLine(said), `","`)
	if strings.HasPrefix(said, `Get \"http`) || strings.HasPrefix(said, `Get "http`) {
		return attempt{failed: true, age: started, words: ": " + said}
	}
	return attempt{answered: true, age: started, words: ": " + said}
}
