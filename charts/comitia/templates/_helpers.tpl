{{/* Names and labels. Everything is called <fullname>-<component>, an agent <fullname>-agent-<its name>. */}}

{{- define "comitia.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "comitia.fullname" -}}
{{- $name := include "comitia.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Name of one workload's objects. In: dict root, component, and agent where it is one. */}}
{{- define "comitia.componentName" -}}
{{- include "comitia.fullname" .root }}-{{ .component }}{{ with .agent }}-{{ . }}{{ end -}}
{{- end }}

{{/* Labels that select pods: they never change. In: as above; without component, all pods of the release. */}}
{{- define "comitia.selectorLabels" -}}
app.kubernetes.io/name: {{ include "comitia.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .agent }}
comitia.io/agent: {{ . }}
{{- end }}
{{- end }}

{{- define "comitia.labels" -}}
{{ include "comitia.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: comitia
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* One agent's settings: agentDefaults, and over them its own. In: dict root, agent. Out: YAML. */}}
{{- define "comitia.agent" -}}
{{- $own := deepCopy (default dict (get .root.Values.agents .agent)) -}}
{{- mergeOverwrite (deepCopy .root.Values.agentDefaults) $own | toYaml -}}
{{- end }}

{{/* The name of an agent's model: its card's, else the entry's. In: an agent's settings. */}}
{{- define "comitia.agentModel" -}}
{{- default .model (get (default dict .card) "model") -}}
{{- end }}

{{/* A hook of the set-up: before anything else; where Strimzi makes the users, they must be there first. */}}
{{- define "comitia.setupHook" -}}
{{- if .Values.strimzi.users }}post-install,pre-upgrade{{ else }}pre-install,pre-upgrade{{ end -}}
{{- end }}

{{/* All workloads, the services before the agents: YAML list of {component, agent}. */}}
{{- define "comitia.workloads" -}}
- {component: router}
- {component: aggregator}
- {component: learner}
{{- range $agent, $_ := .Values.agents }}
- {component: agent, agent: {{ $agent }}}
{{- end }}
{{- end }}
