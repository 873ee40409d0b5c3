{{/* The chart's name, as a label. */}}
{{- define "dislodge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A text as the name of any object: a Service's begins with a letter and has no dots. Cut so that the longest ending
(-policy-editor) still fits a name of 63. */}}
{{- define "dislodge.asName" -}}
{{- $name := regexReplaceAll "[^a-z0-9]" (lower .) "-" | trimAll "-" | default "dislodge" }}
{{- regexReplaceAll "^([0-9])" $name "r${1}" | trunc 48 | trimAll "-" }}
{{- end }}

{{/* The name of all objects. */}}
{{- define "dislodge.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- include "dislodge.asName" .Values.fullnameOverride }}
{{- else if contains (include "dislodge.name" .) .Release.Name }}
{{- include "dislodge.asName" .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "dislodge.name" .) | include "dislodge.asName" }}
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
app.kubernetes.io/name: {{ include "dislodge.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of all objects; those of the chart go before what the values say. */}}
{{- define "dislodge.labels" -}}
{{- $labels := include "dislodge.selectorLabels" . | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/part-of" "dislodge" }}
{{- $_ := set $labels "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- merge $labels .Values.commonLabels | toYaml }}
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
