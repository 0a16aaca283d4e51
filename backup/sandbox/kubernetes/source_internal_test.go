package kubernetes

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestEBS(t *testing.T) {
	for _, test := range []struct {
		source   corev1.PersistentVolumeSource
		id, kind string
	}{
		{corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "ebs.csi.aws.com", VolumeHandle: "vol-1"}}, "vol-1", "the CSI driver ebs.csi.aws.com"},
		{corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "efs.csi.aws.com", VolumeHandle: "fs-1"}}, "", "the CSI driver efs.csi.aws.com"},
		{corev1.PersistentVolumeSource{AWSElasticBlockStore: &corev1.AWSElasticBlockStoreVolumeSource{VolumeID: "aws://us-east-1a/vol-2"}}, "vol-2", "awsElasticBlockStore"},
		{corev1.PersistentVolumeSource{AWSElasticBlockStore: &corev1.AWSElasticBlockStoreVolumeSource{VolumeID: "vol-3"}}, "vol-3", "awsElasticBlockStore"},
		{corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}}, "", "a folder of the cluster's node"},
		{corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/disk"}}, "", "a disk of the cluster's node"},
		{corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nfs"}}, "", "NFS"},
		{corev1.PersistentVolumeSource{ISCSI: &corev1.ISCSIPersistentVolumeSource{}}, "", "another kind"},
	} {
		if id, kind := ebs(test.source); id != test.id || kind != test.kind {
			t.Errorf("%+v: %q, %q", test.source, id, kind)
		}
	}
}

func TestKeysOf(t *testing.T) {
	named := corev1.LocalObjectReference{Name: "backup-s3"}
	keys, unread := keysOf(corev1.Container{
		Env: []corev1.EnvVar{
			{Name: "AWS_ACCESS_KEY_ID", Value: "AKIAIOSFODNN7EXAMPLE"}, {Name: "AWS_SECRET_KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "key"}}},
			{Name: "AWS_SECRET_ACCESS_KEY"}, {Name: "AWS_REGION", Value: "us-east-1"},
		},
		EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named}}, {ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: named}}},
	})
	if !slices.Equal(keys, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_KEY"}) || !slices.Equal(unread, []string{"the secret backup-s3", "the config map backup-s3"}) {
		t.Errorf("keys %q, unread %q", keys, unread)
	}
}
