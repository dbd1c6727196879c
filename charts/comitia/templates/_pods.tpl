{{/* What pods of all workloads have in common. */}}

{{/* An image. In: dict root, name (router, agent, ...), own (a whole reference), suffix ("-cuda"). */}}
{{- define "comitia.image" -}}
{{- $images := .root.Values.images -}}
{{- if .own -}}
{{- .own -}}
{{- else -}}
{{- with $images.registry }}{{ . }}/{{ end }}comitia/{{ .name }}:{{ default .root.Chart.AppVersion $images.tag }}{{ .suffix -}}
{{- end -}}
{{- end }}

{{/* Admitted where Pod Security is restricted. No token of the service account, and no variables of other
services, which could look like settings of ours. */}}
{{- define "comitia.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "comitia.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods go. In: a workload's settings. */}}
{{- define "comitia.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* In: dict root, component, agent. */}}
{{- define "comitia.spread" -}}
{{- if .root.Values.topologySpread }}
topologySpreadConstraints:
  {{- range (list "topology.kubernetes.io/zone" "kubernetes.io/hostname") }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "comitia.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Liveness never asks Kafka: a broker that is away is no reason to start anew. In: seconds to start. */}}
{{- define "comitia.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 5
  failureThreshold: {{ max 1 (div (add . 4) 5) }}
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{/* A variable's value, quoted. Helm reads numbers as floats, and would write large ones as 1e+06. */}}
{{- define "comitia.text" -}}
{{- ternary . (toJson .) (kindIs "string" .) | quote -}}
{{- end }}

{{/* Environment of every service. In: dict root, component, agent, settings (a workload's). */}}
{{- define "comitia.serviceEnv" -}}
{{- $telemetry := .root.Values.telemetry -}}
{{ include "comitia.kafkaEnv" (dict "root" .root "component" .component "agent" .agent "credentials" .settings.credentials) }}
- {name: COMITIA_CREATE_TOPICS, value: "false"}
- {name: COMITIA_HTTP_HOST, value: 0.0.0.0}
- {name: COMITIA_HTTP_PORT, value: "8080"}
- {name: COMITIA_GRACE_MS, value: {{ mul .settings.graceSeconds 1000 | quote }}}
- {name: COMITIA_LOG_FORMAT, value: {{ $telemetry.logFormat }}}
- {name: COMITIA_LOG_LEVEL, value: {{ $telemetry.logLevel }}}
{{- if $telemetry.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $telemetry.otlpEndpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: {{ $telemetry.sampler }}}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $telemetry.samplerArg | quote }}}
# Prometheus reads /metrics.
- {name: OTEL_METRICS_EXPORTER, value: none}
{{- if $telemetry.captureContent }}
- {name: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, value: "true"}
{{- end }}
{{- end }}
{{- range $name, $value := .settings.env }}
- {name: {{ $name }}, value: {{ include "comitia.text" $value }}}
{{- end }}
{{- end }}
