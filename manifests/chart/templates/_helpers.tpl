{{- define "idp.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Labels of one of the three parts, as in (include "idp.labels" "admission"). */}}
{{- define "idp.labels" -}}
app.kubernetes.io/name: idp-multicloud
app.kubernetes.io/component: {{ . }}
{{- end -}}

{{/* What every pod has: (dict "root" $ "part" .Values.admission "component" "admission"). */}}
{{- define "idp.pod" -}}
serviceAccountName: idp-multicloud-{{ .component }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{/* Pods apart from each other, as far as the cluster has room: never waiting for a place. */}}
{{- define "idp.spread" -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels: {{- include "idp.labels" $ | nindent 6 }}
{{- end }}
{{- end -}}

{{/* What every container has. */}}
{{- define "idp.container" -}}
image: {{ include "idp.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
{{- toYaml .part.resources | nindent 2 }}
env:
# As many heaps as there is use for. By default glibc has eight for each core of the node, and gives little of them back.
- {name: MALLOC_ARENA_MAX, value: "2"}
{{- with .root.Values.env }}
{{- toYaml . | nindent 0 }}
{{- end }}
livenessProbe:
  httpGet: {path: /livez, port: ops}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: ops}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end -}}

{{/* What is mounted into a server: the Secret with the pair that it serves, if it serves one, and files of the platform's own. */}}
{{- define "idp.mounts" -}}
{{- if .secret -}}
- {name: tls, mountPath: /var/run/idp-multicloud/tls, readOnly: true}
{{- end }}
{{- with .root.Values.volumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{- define "idp.volumes" -}}
{{- if .secret -}}
# The pair alone: whatever else the Secret has is not for the servers.
- name: tls
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
    - {key: tls.crt, path: tls.crt}
    - {key: tls.key, path: tls.key}
{{- end }}
{{- with .root.Values.volumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{/* The arguments that every process has. */}}
{{- define "idp.args" -}}
- --ops-addr={{ .Values.listenAddress }}:8081
- --log-format={{ .Values.log.format }}
- {{ printf "--log=%s" .Values.log.filter | quote }}
{{- end -}}

{{/* The Secret whose pair the servers serve. */}}
{{- define "idp.tlsName" -}}
idp-multicloud-admission.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* What stays in the cluster when the release goes. */}}
{{- define "idp.keep" -}}
annotations:
  helm.sh/resource-policy: keep
{{- end -}}

{{/* An alert's runbook: (list $ "idpnoserverready"), the heading as a page has it. */}}
{{- define "idp.runbook" -}}
{{ (index . 0).Values.prometheusRule.runbooks }}#{{ index . 1 }}
{{- end -}}

{{/* cert-manager publishes the authority itself. */}}
{{- define "idp.injected" -}}
{{- if eq .Values.certificates.source "cert-manager" -}}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/idp-multicloud-admission
{{- end -}}
{{- end -}}
