package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Source is what the source's StatefulSet tells of its volumes and its identity. It holds names only, and no value of a variable.
type Source struct {
	Name           string // namespace/name of the StatefulSet
	Volumes        []Volume
	Keys           []string // variables of its server that hold an access key of AWS
	Unread         []string // where more variables come from, which is not read, such as "the secret backup-s3"
	ServiceAccount string   // namespace/name
	Role           string   // ARN that the service account is annotated with (IRSA)
}

// Volume is a persistent volume that a pod of the source claims.
type Volume struct {
	Name string // of the claim
	EBS  string // id of the volume of EBS; empty when it is none
	Kind string // what it is
}

// roleAnnotation gives a service account a role by IRSA.
// Source: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html.
const roleAnnotation = "eks.amazonaws.com/role-arn"

// accessKeys are the variables from which Weaviate 1.38.5 takes static keys (modules/backup-s3/client.go, resolveCredentials).
var accessKeys = []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"}

// Source reads the twin, the claims of its pods, the volumes that these are bound to, and its service account. No secret and no config map is read.
func (o Options) Source(ctx context.Context) (Source, error) {
	c, err := o.dial()
	if err != nil {
		return Source{}, err
	}
	set, err := c.source(ctx, o.Twin)
	if err != nil {
		return Source{}, err
	}
	if set == nil {
		return Source{}, errors.New("no StatefulSet of the source is named: set sandbox.kubernetes.twin")
	}
	pod := set.Spec.Template.Spec
	account := pod.ServiceAccountName
	if account == "" {
		account = "default"
	}
	s := Source{Name: set.Namespace + "/" + set.Name, ServiceAccount: set.Namespace + "/" + account}
	at := serverOf(pod)
	if at < 0 {
		return Source{}, fmt.Errorf("which container of the StatefulSet %s is the server is not clear: none is called %s", s.Name, app)
	}
	s.Keys, s.Unread = keysOf(pod.Containers[at])
	var claims []string
	for _, v := range pod.Volumes {
		if v.PersistentVolumeClaim != nil {
			claims = append(claims, v.PersistentVolumeClaim.ClaimName)
		}
	}
	for _, name := range podNames(set) {
		for _, template := range set.Spec.VolumeClaimTemplates {
			claims = append(claims, template.Name+"-"+name)
		}
	}
	for _, claim := range claims {
		v, err := c.volume(ctx, set.Namespace, claim)
		if err != nil {
			return Source{}, err
		}
		s.Volumes = append(s.Volumes, v)
	}
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	sa, err := c.CoreV1().ServiceAccounts(set.Namespace).Get(limited, account, metav1.GetOptions{})
	if err != nil {
		return Source{}, fmt.Errorf("the source's service account %s: %w", s.ServiceAccount, err)
	}
	s.Role = sa.Annotations[roleAnnotation]
	return s, nil
}

// keysOf names the variables of a server that hold static keys, and where others come from that may.
func keysOf(server corev1.Container) (keys, unread []string) {
	for _, v := range server.Env {
		if slices.Contains(accessKeys, v.Name) && (v.Value != "" || v.ValueFrom != nil) {
			keys = append(keys, v.Name)
		}
	}
	for _, from := range server.EnvFrom {
		switch {
		case from.SecretRef != nil:
			unread = append(unread, "the secret "+from.SecretRef.Name)
		case from.ConfigMapRef != nil:
			unread = append(unread, "the config map "+from.ConfigMapRef.Name)
		}
	}
	return keys, unread
}

// volume follows a claim to its volume.
func (c *cluster) volume(ctx context.Context, namespace, claim string) (Volume, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	pvc, err := c.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, claim, metav1.GetOptions{})
	if err != nil {
		return Volume{}, fmt.Errorf("the source's claim %s/%s: %w", namespace, claim, err)
	}
	if pvc.Spec.VolumeName == "" {
		return Volume{}, fmt.Errorf("the source's claim %s/%s is bound to no volume", namespace, claim)
	}
	pv, err := c.CoreV1().PersistentVolumes().Get(ctx, pvc.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return Volume{}, fmt.Errorf("the volume %s of the source's claim %s/%s: %w", pvc.Spec.VolumeName, namespace, claim, err)
	}
	id, kind := ebs(pv.Spec.PersistentVolumeSource)
	return Volume{Name: claim, EBS: id, Kind: kind}, nil
}

// ebsDriver is the CSI driver of EBS, whose handles are the ids of volumes: https://github.com/kubernetes-sigs/aws-ebs-csi-driver.
const ebsDriver = "ebs.csi.aws.com"

// ebs is the id of a volume of EBS, empty when it is none, and what it is. The kubelet's own kind wrote ids as aws://zone/id or as they are.
// Source: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-v1/.
func ebs(source corev1.PersistentVolumeSource) (id, kind string) {
	switch {
	case source.CSI != nil && source.CSI.Driver == ebsDriver:
		return source.CSI.VolumeHandle, "the CSI driver " + ebsDriver
	case source.CSI != nil:
		return "", "the CSI driver " + source.CSI.Driver
	case source.AWSElasticBlockStore != nil:
		id := source.AWSElasticBlockStore.VolumeID
		return id[strings.LastIndex(id, "/")+1:], "awsElasticBlockStore"
	case source.HostPath != nil:
		return "", "a folder of the cluster's node"
	case source.Local != nil:
		return "", "a disk of the cluster's node"
	case source.NFS != nil:
		return "", "NFS"
	}
	return "", "another kind"
}
