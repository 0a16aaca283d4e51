package kubernetes_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
)

// expiring makes the namespace of a drill that expires in a minute, which is expired for who asks about later times only, and so for no other test.
func expiring(t *testing.T, o kubernetes.Options, drillID string) (namespace string) {
	t.Helper()
	namespace = "weaviate-drill-" + drillID
	_, err := api(t).CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{kubernetes.LabelManagedBy: "weaviate-drill", kubernetes.LabelDrill: drillID},
		Annotations: map[string]string{kubernetes.AnnotationExpires: time.Now().Add(time.Minute).UTC().Format(time.RFC3339)},
	}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { _ = kubernetes.New(o).Tidy(context.Background(), drillID) })
	return namespace
}

// collect returns the drills and the error, which may be about the namespace of another test.
func collect(ctx context.Context, o kubernetes.Options) ([]string, error) {
	return kubernetes.New(o).(sandbox.Collector).Collect(ctx, time.Now().Add(2*time.Minute))
}

// TestOneIsStuck has a namespace that cannot go, and others that can.
func TestOneIsStuck(t *testing.T) {
	o, c := options(t), api(t)
	id := sandboxtest.ID()
	stuck := expiring(t, o, id+"-a")
	expiring(t, o, id+"-b")
	held, err := c.CoreV1().ConfigMaps(stuck).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"example.org/held"}}}, metav1.CreateOptions{})
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	drills, err := collect(ctx, o)
	if err == nil || !strings.Contains(err.Error(), stuck) || !strings.Contains(err.Error(), "example.org/held") {
		t.Error(err)
	}
	if !slices.Contains(drills, id+"-b") || slices.Contains(drills, id+"-a") {
		t.Errorf("collected: %v", drills)
	}
	held.Finalizers, held.ResourceVersion = nil, ""
	_, err = c.CoreV1().ConfigMaps(stuck).Update(t.Context(), held, metav1.UpdateOptions{})
	check(t, err)
}

// TestSpared has a namespace that has expired while its drill holds the lock.
func TestSpared(t *testing.T) {
	t.Parallel()
	o, place := locker(t, "")
	id := "spared-" + o.Namespace
	_, release, err := place.Lock(t.Context(), id)
	check(t, err)
	expiring(t, o, id)
	for _, free := range []bool{false, true} {
		if free {
			check(t, release(t.Context()))
		}
		_, err := collect(t.Context(), o)
		if gone := len(left(t, id)) == 0; gone != free {
			t.Errorf("released: %v, collected: %v, %v", free, gone, err)
		}
	}
}
