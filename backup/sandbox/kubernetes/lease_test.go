package kubernetes_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
)

// locker is a sandbox whose Lease is in a namespace of this test.
func locker(t *testing.T, owner string) (kubernetes.Options, sandbox.Locker) {
	t.Helper()
	o := options(t)
	ns, err := api(t).CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "drill-tool-"}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = api(t).CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}) })
	o.Namespace, o.Owner = ns.Name, owner
	return o, kubernetes.New(o).(sandbox.Locker)
}

func lease(t *testing.T, o kubernetes.Options) *coordinationv1.Lease {
	t.Helper()
	l, err := api(t).CoordinationV1().Leases(o.Namespace).Get(t.Context(), "weaviate-drill", metav1.GetOptions{})
	check(t, err)
	return l
}

// TestTwoAtOnce lets a second drill in only when the first has released the lock, and then at once.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	o, place := locker(t, "alice@host")
	held, release, err := place.Lock(t.Context(), "one")
	check(t, err)
	began := time.Now()
	if _, _, err := place.Lock(t.Context(), "two"); !errors.Is(err, sandbox.ErrBusy) || !strings.Contains(err.Error(), "one of alice@host, since 20") || !strings.Contains(err.Error(), o.Namespace+"/weaviate-drill") {
		t.Error(err)
	} else {
		t.Logf("after %v: %v", time.Since(began).Round(time.Second), err)
	}
	if held.Err() != nil {
		t.Error(context.Cause(held))
	}
	check(t, release(t.Context()))
	if held.Err() != nil {
		t.Errorf("who released the lock has lost it: %v", context.Cause(held))
	}
	check(t, release(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // less than a retry takes
	defer cancel()
	_, release, err = place.Lock(ctx, "two")
	check(t, err)
	if has := *lease(t, o).Spec.HolderIdentity; has != "two of alice@host" {
		t.Errorf("held by %q", has)
	}
	<-ctx.Done() // the lock outlives the drill's context, because its sandbox does
	check(t, release(t.Context()))
	if has := lease(t, o).Spec.HolderIdentity; has != nil && *has != "" {
		t.Errorf("still held by %q", *has)
	}
}

// TestStale takes over what a drill that died left.
func TestStale(t *testing.T) {
	t.Parallel()
	o, place := locker(t, "")
	dead, seconds, then := "dead of bob@host", int32(4), metav1.NewMicroTime(time.Now().Add(time.Hour)) // by the clock of another machine
	_, err := api(t).CoordinationV1().Leases(o.Namespace).Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "weaviate-drill"}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &dead, LeaseDurationSeconds: &seconds, AcquireTime: &then, RenewTime: &then},
	}, metav1.CreateOptions{})
	check(t, err)
	began := time.Now()
	_, release, err := place.Lock(t.Context(), "next")
	check(t, err)
	if took := time.Since(began); took < 4*time.Second {
		t.Errorf("taken over after %v", took)
	}
	check(t, release(t.Context()))
	// Who is told to stop while it waits, stops.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	left := lease(t, o)
	seconds = 3600
	left.Spec.HolderIdentity, left.Spec.LeaseDurationSeconds = &dead, &seconds
	_, err = api(t).CoordinationV1().Leases(o.Namespace).Update(t.Context(), left, metav1.UpdateOptions{})
	check(t, err)
	if _, _, err := place.Lock(ctx, "impatient"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if has := *lease(t, o).Spec.HolderIdentity; has != dead {
		t.Errorf("who gave up left the lease to %q", has)
	}
}

// TestStolen overwrites the holder, as somebody does who thinks it dead.
func TestStolen(t *testing.T) {
	t.Parallel()
	o, place := locker(t, "")
	held, release, err := place.Lock(t.Context(), "victim")
	check(t, err)
	var thief string
	for err = errors.New("not yet"); err != nil; {
		l := lease(t, o)
		thief = "thief of eve@host"
		l.Spec.HolderIdentity = &thief
		_, err = api(t).CoordinationV1().Leases(o.Namespace).Update(t.Context(), l, metav1.UpdateOptions{})
	}
	select {
	case <-held.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it was not noticed")
	}
	if err := context.Cause(held); !errors.Is(err, sandbox.ErrLockLost) || !strings.Contains(err.Error(), thief) {
		t.Error(err)
	}
	check(t, release(t.Context()))
	if has := *lease(t, o).Spec.HolderIdentity; has != thief {
		t.Errorf("its lease was given up: %q", has)
	}
}

// TestNoLease are lacks that no waiting ends.
func TestNoLease(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Namespace = "no-such-namespace"
	began := time.Now()
	if _, _, err := kubernetes.New(o).(sandbox.Locker).Lock(t.Context(), "drill"); err == nil || !strings.Contains(err.Error(), `namespaces "no-such-namespace" not found`) {
		t.Error(err)
	}
	for verb, rights := range map[string][]kubernetes.Right{
		"get":    {},
		"create": {{Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"get"}, Scope: kubernetes.InTool}},
	} {
		tool := newTool(t, false, func(string) []kubernetes.Right { return rights })
		_, _, err := kubernetes.New(kubernetes.Options{Kubeconfig: tool.kubeconfig}).(sandbox.Locker).Lock(t.Context(), "drill")
		if err == nil || !strings.Contains(err.Error(), "cannot "+verb+` resource "leases"`) || !strings.Contains(err.Error(), tool.namespace) || strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("told after %v", took)
	}
}
