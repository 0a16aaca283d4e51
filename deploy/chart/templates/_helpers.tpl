{{/* The CronJob controller adds 11 characters to its name, and the chart up to 8. */}}
{{- define "weaviate-drill.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 44 | trimSuffix "-" -}}
{{- end -}}

{{- define "weaviate-drill.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "weaviate-drill.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "weaviate-drill.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The role that the tool gives itself in a sandbox's namespace, and nowhere else. */}}
{{- define "weaviate-drill.sandboxRole" -}}
{{ include "weaviate-drill.fullname" . }}-sandbox
{{- end -}}

{{/* sandbox.kubernetes of the configuration, {} where it is not set. */}}
{{- define "weaviate-drill.kubernetes" -}}
{{ dig "sandbox" "kubernetes" dict .Values.config | toYaml }}
{{- end -}}

{{- define "weaviate-drill.evidenceDir" -}}
/var/lib/weaviate-drill/evidence
{{- end -}}

{{/* drill.yaml: the values' config, and what only the chart knows. */}}
{{- define "weaviate-drill.config" -}}
{{- $known := dict "sandbox" (dict "kind" "kubernetes" "kubernetes" (dict "cluster_role" (include "weaviate-drill.sandboxRole" .) "namespace" .Release.Namespace)) -}}
{{- if not (dig "evidence" "s3" dict .Values.config) -}}
{{- $_ := set $known "evidence" (dict "dir" (include "weaviate-drill.evidenceDir" .)) -}}
{{- end -}}
{{- mergeOverwrite (deepCopy .Values.config) $known | toYaml -}}
{{- end -}}

{{/* The claim that records are kept in; "" when they are kept in S3. */}}
{{- define "weaviate-drill.claim" -}}
{{- if not (dig "evidence" "s3" dict .Values.config) -}}
{{- if not .Values.evidence.persistence.enabled -}}
{{- fail "records would be lost with the pod: set config.evidence.s3, or leave evidence.persistence.enabled" -}}
{{- end -}}
{{- default (printf "%s-evidence" (include "weaviate-drill.fullname" .)) .Values.evidence.persistence.existingClaim -}}
{{- end -}}
{{- end -}}

{{/* The Job of a drill; "args" are flags of "weaviate-drill run". */}}
{{- define "weaviate-drill.jobSpec" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $claim := include "weaviate-drill.claim" .root -}}
# A drill is never tried again by itself: what it found must be looked at, and the next one tidies up after one that died.
backoffLimit: 0
activeDeadlineSeconds: {{ .activeDeadlineSeconds | int64 }}
template:
  metadata:
    labels:
      {{- with $values.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- include "weaviate-drill.selectorLabels" $root | nindent 6 }}
    annotations:
      # A node that is scaled away in the middle would end the drill.
      cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
      karpenter.sh/do-not-disrupt: "true"
      {{- with $values.podAnnotations }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "weaviate-drill.fullname" $root }}
    automountServiceAccountToken: true
    enableServiceLinks: false
    # A drill that is told to end removes its sandbox first, which may take five minutes.
    terminationGracePeriodSeconds: 360
    {{- with $values.imagePullSecrets }}
    imagePullSecrets:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.affinity }}
    affinity:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.priorityClassName }}
    priorityClassName: {{ . }}
    {{- end }}
    securityContext:
      runAsNonRoot: true
      runAsUser: 65532
      runAsGroup: 65532
      fsGroup: 65532
      fsGroupChangePolicy: OnRootMismatch
      seccompProfile:
        type: RuntimeDefault
    containers:
      - name: weaviate-drill
        image: {{ required "image.repository is missing: the image is made by \"make image\" and is in no public registry" $values.image.repository }}
          {{- with $values.image.digest }}@{{ . }}{{ else }}:{{ default $root.Chart.AppVersion $values.image.tag }}{{ end }}
        imagePullPolicy: {{ $values.image.pullPolicy }}
        args:
          - run
          - --config=/etc/weaviate-drill/drill.yaml
          - --output={{ $values.output }}
          - --log-format=json
          - --log-level={{ $values.log.level }}
          {{- with .args }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        env:
          # The Job on which the tool's Events appear.
          - name: POD_NAMESPACE
            valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
          - name: POD_NAME
            valueFrom: {fieldRef: {fieldPath: metadata.name}}
          - name: JOB_NAME
            valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}
          - name: JOB_UID
            valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/controller-uid']"}}
          {{- range $values.secretEnv }}
          - name: {{ .name }}
            valueFrom:
              secretKeyRef:
                name: {{ .secret }}
                key: {{ .key | quote }}
          {{- end }}
        securityContext:
          privileged: false
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          runAsNonRoot: true
          capabilities:
            drop: [ALL]
        resources:
          {{- toYaml $values.resources | nindent 10 }}
        volumeMounts:
          - name: config
            mountPath: /etc/weaviate-drill
            readOnly: true
          - name: tmp
            mountPath: /tmp
          {{- if $claim }}
          - name: evidence
            mountPath: {{ include "weaviate-drill.evidenceDir" $root }}
          {{- end }}
          {{- range $i, $file := $values.secretFiles }}
          - name: secret-{{ $i }}
            mountPath: {{ $file.path | quote }}
            readOnly: true
          {{- end }}
    volumes:
      - name: config
        configMap:
          name: {{ include "weaviate-drill.fullname" $root }}
      - name: tmp
        emptyDir:
          sizeLimit: 256Mi
      {{- with $claim }}
      - name: evidence
        persistentVolumeClaim:
          claimName: {{ . }}
      {{- end }}
      {{- range $i, $file := $values.secretFiles }}
      - name: secret-{{ $i }}
        secret:
          secretName: {{ $file.secret }}
          defaultMode: 0440
      {{- end }}
{{- end -}}
