{{/*
Texts that have a form: what the schema could only answer with a regular expression. Out: YAML list of sentences.
*/}}
{{- define "comitia.wrongForms" -}}
{{- $url := "^(https?://[^\\s/]+\\S*)?$" -}}
{{- $name := "^([a-z]([-a-z0-9]*[a-z0-9])?)?$" -}}
{{- $security := .Values.kafka.security -}}
{{- $forms := list
  (list "nameOverride" .Values.nameOverride $name "use a-z 0-9 -, beginning with a letter and not ending with -")
  (list "fullnameOverride" .Values.fullnameOverride $name "use a-z 0-9 -, beginning with a letter and not ending with -")
  (list "images.registry" .Values.images.registry "^([a-zA-Z0-9][-a-zA-Z0-9._:/]*[a-zA-Z0-9])?$" "write host[:port][/path], with no https:// before it and no / behind it")
  (list "kafka.prefix" .Values.kafka.prefix "^[a-zA-Z0-9._-]{0,64}$" "use up to 64 characters of A-Z a-z 0-9 . _ -")
  (list "kafka.security.awsRegion" $security.awsRegion "^([a-z]{2}(-[a-z]+)+-[0-9])?$" "write a region of AWS, such as eu-central-1")
  (list "kafka.security.oauth.tokenEndpoint" $security.oauth.tokenEndpoint $url "write a URL, such as https://login.example.com/token")
  (list "models.init.indexUrl" .Values.models.init.indexUrl $url "write a URL, such as https://pypi.example.com/simple")
  (list "models.pvc.subPath" .Values.models.pvc.subPath "^([^/].*)?$" "write a path within the volume, with no / before it")
  (list "telemetry.otlpEndpoint" .Values.telemetry.otlpEndpoint $url "write a URL, such as http://otel-collector.monitoring:4318")
  (list "telemetry.samplerArg" (toString .Values.telemetry.samplerArg) "^(0(\\.[0-9]+)?|1(\\.0+)?)$" "write a share from 0 to 1, such as 0.01 for one of a hundred tasks")
  (list "keda.prometheusAddress" .Values.keda.prometheusAddress "^https?://[^\\s/]+\\S*$" "write a URL, such as http://prometheus-operated.monitoring:9090")
  (list "monitoring.serviceMonitor.interval" .Values.monitoring.serviceMonitor.interval "^([0-9]+(ms|s|m|h))+$" "write a duration with its unit, such as 15s")
-}}
{{- $wrong := list -}}
{{- range $forms -}}
{{- if not (regexMatch (index . 2) (index . 1)) -}}
{{- $wrong = append $wrong (printf "%s is %q: %s" (index . 0) (index . 1) (index . 3)) -}}
{{- end -}}
{{- end -}}
{{- $asked := dict "router" .Values.router.resources "aggregator" .Values.aggregator.resources "learner" .Values.learner.resources "setup" .Values.setup.resources "models.init" .Values.models.init.resources -}}
{{- range $agent, $_ := .Values.agents -}}
{{- $_ := set $asked (printf "agents.%s" $agent) (include "comitia.agent" (dict "root" $ "agent" $agent) | fromYaml).resources -}}
{{- end -}}
{{- range $at, $resources := $asked -}}
{{- range $bound, $amounts := $resources -}}
{{- range $resource, $amount := $amounts -}}
{{- if and (kindIs "string" $amount) (not (regexMatch "^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi)?$" $amount)) -}}
{{- $wrong = append $wrong (printf "%s.resources.%s.%s is %q: write an amount such as 250m or 512Mi" $at $bound $resource $amount) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end }}
