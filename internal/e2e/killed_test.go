package e2e

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// TestKilledInEachPhase kills drills with SIGKILL as each phase begins. The next gc or run of each leaves nothing of them, and of all else in the cluster, and beside the backups, not one object differs.
func TestKilledInEachPhase(t *testing.T) {
	kubeconfig := servertest.ClusterAlone(t)
	source, b := filled(t)
	foreign(t, kubeconfig)

	type victim struct {
		site
		phase  rto.Phase
		backup string
	}
	var victims []victim
	for _, phase := range []rto.Phase{
		rto.Preflight, rto.Posture, rto.Backup, rto.Catalogue, rto.Archive, rto.Copy, rto.Provision, rto.Restore, rto.Index, rto.FirstAnswer, rto.Verify, rto.Teardown,
	} {
		v := victim{phase: phase}
		v.site = newSite(t, b, settings{source: source, kubeconfig: kubeconfig})
		// Each its own backup: of one that is being restored the interlock lets nobody else in.
		v.backup = v.makeBackup(t)
		sections := "backup: {id: " + v.backup + "}\n"
		if phase == rto.Backup {
			sections = "" // a new one
		}
		if phase == rto.Copy {
			sections += "restore: {from: copy}\n"
		}
		v.site = newSite(t, b, settings{source: source, kubeconfig: kubeconfig, sections: sections + "verify: {level: counts}"})
		victims = append(victims, v)
	}
	before := settled(t, kubeconfig)
	atOnce := make(chan struct{}, 3)
	var wait sync.WaitGroup
	for i, v := range victims {
		wait.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			killed := v.run(t, v.phase, kill, "run")
			if killed.code != -1 {
				t.Errorf("%s: exit status %d", v.phase, killed.code)
			}
			if up := slices.Contains([]rto.Phase{rto.Restore, rto.Index, rto.FirstAnswer, rto.Verify}, v.phase); up && sandbox(t, kubeconfig, killed.drill) == "" {
				t.Errorf("killed in %s, and no namespace is left, so this proves nothing", v.phase)
			}
			if i%2 == 0 {
				v.run(t, "", nil, "gc").wants(t, evidence.Passed, "tidied up after drill")
			} else {
				v.run(t, "", nil, "run").wants(t, evidence.Passed, "tidied up after drill")
			}
			if left := sandbox(t, kubeconfig, killed.drill); left != "" {
				t.Errorf("killed in %s, and then there is still %s", v.phase, left)
			}
			if v.restoreConfig(t, v.backup) {
				t.Errorf("killed in %s, and restore_config.json is left", v.phase)
			}
			if journals, err := filepath.Glob(filepath.Join(v.dir, "evidence", "running", "*.json")); err != nil || len(journals) > 0 {
				t.Errorf("killed in %s, and a journal is left: %v, %v", v.phase, journals, err)
			}
		})
	}
	wait.Wait()
	after := settled(t, kubeconfig)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] != before[name] {
			t.Errorf("%s is another: %s, and was %s", name, after[name], before[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
}

// foreign makes objects that look like a drill's, and are not.
func foreign(t *testing.T, kubeconfig string) {
	t.Helper()
	c := api(t, kubeconfig)
	for _, labels := range []map[string]string{nil, {"app.kubernetes.io/managed-by": "weaviate-drill"}, {"weaviate-drill.id": "drill-20200101-000000-aaaaaa"}, {"app.kubernetes.io/managed-by": "Helm", "weaviate-drill.id": "x"}} {
		ns := namespace("weaviate-drill-foreign-")
		ns.Labels = labels
		ns.Annotations = map[string]string{"weaviate-drill.expires": "2020-01-01T00:00:00Z"}
		ns, err := c.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
		check(t, err)
		t.Cleanup(func() {
			check(t, c.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}))
		})
		_, err = c.CoreV1().Secrets(ns.Name).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "weaviate"}}, metav1.CreateOptions{})
		check(t, err)
	}
}

// settled is a snapshot of a cluster whose controllers have made, and removed, what follows from what was made and removed.
func settled(t *testing.T, kubeconfig string) (now map[string]string) {
	t.Helper()
	// What is being deleted, such as the endpoints of a namespace that is gone, may still be on its way.
	eventually(t, time.Minute, "no namespace is going", func() bool {
		list, err := api(t, kubeconfig).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		check(t, err)
		return !slices.ContainsFunc(list.Items, func(n corev1.Namespace) bool { return n.DeletionTimestamp != nil })
	})
	eventually(t, time.Minute, "nothing changes", func() bool {
		was := now
		now = snapshot(t, kubeconfig)
		return maps.Equal(was, now)
	})
	return now
}

// snapshot has the identity and the generation of every object in the cluster, of every kind that can be listed: by them a change of what somebody wants shows, and not one of what the cluster itself
// reports. Left out are what the cluster writes by itself all the time, and the leases, which are the drills' own.
func snapshot(t *testing.T, kubeconfig string) map[string]string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(t, err)
	config.QPS, config.Burst = 100, 200
	kinds, err := discovery.NewDiscoveryClientForConfigOrDie(config).ServerPreferredResources()
	check(t, err)
	client := dynamic.NewForConfigOrDie(config)
	objects := map[string]string{}
	for _, group := range kinds {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		check(t, err)
		for _, kind := range group.APIResources {
			if kind.Name == "events" || kind.Name == "leases" || !slices.Contains(kind.Verbs, "list") {
				continue
			}
			list, err := client.Resource(version.WithResource(kind.Name)).List(t.Context(), metav1.ListOptions{})
			if err != nil { // such as componentstatuses, which is no object
				t.Logf("%s cannot be listed: %v", kind.Name, err)
				continue
			}
			for _, o := range list.Items {
				objects[strings.Join([]string{kind.Name + "." + version.Group, o.GetNamespace(), o.GetName()}, "/")] = identity(o)
			}
		}
	}
	if len(objects) < 100 {
		t.Fatalf("only %d objects were found", len(objects))
	}
	return objects
}

func identity(o unstructured.Unstructured) string {
	return fmt.Sprintf("uid %s, generation %d, labels %v, data %v", o.GetUID(), o.GetGeneration(), o.GetLabels(), o.Object["data"])
}
