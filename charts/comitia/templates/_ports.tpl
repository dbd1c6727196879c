{{/* The brokers' ports: as given, else those of kafka.bootstrap. Out: YAML list. */}}
{{- define "comitia.kafkaPorts" -}}
{{- $ports := .Values.networkPolicy.kafkaPorts -}}
{{- if not $ports -}}
{{- range splitList "," .Values.kafka.bootstrap -}}
{{- $ports = append $ports (regexFind "[0-9]+$" (trim .) | int) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toYaml -}}
{{- end }}

{{/* The port of a URL, or its scheme's. */}}
{{- define "comitia.urlPort" -}}
{{- $port := (urlParse .).host | regexFind ":[0-9]+$" | trimPrefix ":" -}}
{{- default (ternary "443" "80" (hasPrefix "https" .)) $port -}}
{{- end }}
