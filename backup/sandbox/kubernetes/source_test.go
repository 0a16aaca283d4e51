package kubernetes_test

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/kubernetes"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// A StatefulSet of no pods, with the claims that its pods would have: a volume of the CSI driver of EBS needs no such driver to be there. Claims name their volumes, and none is ever mounted.
func TestSource(t *testing.T) {
	c, ctx := admin(t), t.Context()
	ns, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "drill-source-"}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = c.CoreV1().Namespaces().Delete(context.WithoutCancel(ctx), ns.Name, metav1.DeleteOptions{})
	})
	const role = "arn:aws:iam::123456789012:role/weaviate"
	_, err = c.CoreV1().ServiceAccounts(ns.Name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "weaviate", Annotations: map[string]string{"eks.amazonaws.com/role-arn": role}}}, metav1.CreateOptions{})
	check(t, err)

	access, none, class := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, int32(0), ""
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	claim := corev1.PersistentVolumeClaimSpec{AccessModes: access, StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{Requests: size}}
	bind := func(name string, source corev1.PersistentVolumeSource) {
		volume := ns.Name + "-" + name
		_, err := c.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: volume}, Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: access, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain, PersistentVolumeSource: source,
		}}, metav1.CreateOptions{})
		check(t, err)
		t.Cleanup(func() {
			_ = c.CoreV1().PersistentVolumes().Delete(context.WithoutCancel(ctx), volume, metav1.DeleteOptions{})
		})
		spec := claim
		spec.VolumeName = volume
		_, err = c.CoreV1().PersistentVolumeClaims(ns.Name).Create(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
		check(t, err)
	}
	bind("weaviate-data-weaviate-0", corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "ebs.csi.aws.com", VolumeHandle: "vol-1234567890abcdef0"}})
	bind("extra", corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere"}})

	labels := map[string]string{"app": "weaviate"}
	_, err = c.AppsV1().StatefulSets(ns.Name).Create(ctx, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "weaviate"}, Spec: appsv1.StatefulSetSpec{
		Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			ServiceAccountName: "weaviate",
			Containers:         []corev1.Container{{Name: "weaviate", Image: "semitechnologies/weaviate:1.38.5", Env: []corev1.EnvVar{{Name: "AWS_ACCESS_KEY_ID", Value: "AKIAIOSFODNN7EXAMPLE"}}}},
			Volumes:            []corev1.Volume{{Name: "extra", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "extra"}}}},
		}},
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "weaviate-data"}, Spec: claim}},
	}}, metav1.CreateOptions{})
	check(t, err)

	o := kubernetes.Options{Kubeconfig: servertest.Cluster(t), Twin: kubernetes.Twin{Namespace: ns.Name}}
	s, err := o.Source(ctx)
	check(t, err)
	if s.Name != ns.Name+"/weaviate" || s.ServiceAccount != ns.Name+"/weaviate" || s.Role != role || strings.Join(s.Keys, " ") != "AWS_ACCESS_KEY_ID" || len(s.Unread) > 0 {
		t.Errorf("%+v", s)
	}
	if want := (kubernetes.Volume{Name: "extra", Kind: "a folder of the cluster's node"}); len(s.Volumes) != 1 || s.Volumes[0] != want {
		t.Errorf("without pods: %+v", s.Volumes)
	}

	// With one pod, which no node ever gets to run: its volume is wanted too.
	patch := []byte(`{"spec": {"replicas": 1, "template": {"spec": {"nodeSelector": {"weaviate-drill/none": "true"}}}}}`) // the controller writes to the set as well
	_, err = c.AppsV1().StatefulSets(ns.Name).Patch(ctx, "weaviate", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	check(t, err)
	s, err = o.Source(ctx)
	check(t, err)
	if want := (kubernetes.Volume{Name: "weaviate-data-weaviate-0", EBS: "vol-1234567890abcdef0", Kind: "the CSI driver ebs.csi.aws.com"}); len(s.Volumes) != 2 || s.Volumes[1] != want {
		t.Errorf("%+v", s.Volumes)
	}

	for _, twin := range []kubernetes.Twin{{}, {Namespace: ns.Name, StatefulSet: "none"}} {
		o.Twin = twin
		if _, err := o.Source(ctx); err == nil || !strings.Contains(err.Error(), "sandbox.kubernetes.twin") {
			t.Errorf("%+v: %v", twin, err)
		}
	}
}
