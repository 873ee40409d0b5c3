{{/* The chart's name, as a label. */}}
{{- define "dislodge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects. Cut so that the longest ending (-policy-editor) still fits a name of 63. */}}
{{- define "dislodge.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains (include "dislodge.name" .) .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "dislodge.name" .) | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The name of objects that lie in no namespace, of which each release in a namespace has its own. */}}
{{- define "dislodge.clusterName" -}}
{{- if eq .Values.scope "Namespace" }}
{{- printf "%s-%s" (include "dislodge.fullname" .) .Release.Namespace }}
{{- else }}
{{- include "dislodge.fullname" . }}
{{- end }}
{{- end }}

{{/* By which Services and the like find the Pods. */}}
{{- define "dislodge.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dislodge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dislodge.labels" -}}
{{ include "dislodge.selectorLabels" . }}
app.kubernetes.io/part-of: dislodge
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dislodge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "dislodge.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "dislodge.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository .Values.image.tag }}
{{- end }}
{{- end }}

{{/* The steps of rights that the profile has. */}}
{{- define "dislodge.steps" -}}
{{- get (dict "Audit" "cluster,observe" "Suspend" "cluster,observe,suspend" "Full" "cluster,observe,suspend,end") .Values.profile }}
{{- end }}

{{/* Whether the roles of a step lie in the namespace: all but the first can. */}}
{{- define "dislodge.roleKind" -}}
{{- if eq .Values.scope "Namespace" }}Role{{ else }}ClusterRole{{ end }}
{{- end }}
