{{/* What objects of the Strimzi operator say about topics and rights: comitia.topics and comitia.acls, for a chart. */}}

{{/* The newest version of Strimzi's objects that the cluster serves; v1 where it cannot be asked. */}}
{{- define "comitia.strimziVersion" -}}
{{- $old := .Capabilities.APIVersions.Has "kafka.strimzi.io/v1beta2" -}}
{{- $new := .Capabilities.APIVersions.Has "kafka.strimzi.io/v1" -}}
kafka.strimzi.io/{{ ternary "v1beta2" "v1" (and $old (not $new)) }}
{{- end }}

{{/* The catalogue. Out: YAML list of {name (of the object), topic, partitions, config}. */}}
{{- define "comitia.topics" -}}
{{- $days := "604800000" -}}
{{- $gib := "1073741824" -}}
{{- $many := int .Values.topics.partitions -}}
{{- $catalogue := list
  (dict "entity" "tasks" "partitions" $many)
  (dict "entity" "commands")
  (dict "entity" "stages" "bytes" "2097152")
  (dict "entity" "panel-events" "partitions" $many "bytes" "4194304")
  (dict "entity" "decisions" "partitions" $many "bytes" "4194304")
  (dict "entity" "feedback")
  (dict "entity" "weights" "partitions" 1 "compact" true)
  (dict "entity" "agents" "partitions" 1 "compact" true)
  (dict "entity" "heartbeats" "partitions" 1 "retention" "3600000" "size" "67108864")
  (dict "entity" "control" "partitions" 1 "retention" "7200000" "size" "67108864")
  (dict "entity" "dead-letters" "partitions" 1 "retention" "2592000000" "bytes" "8388608")
-}}
{{- range $agent, $_ := .Values.agents -}}
{{- $inbox := dict "partitions" (int $.Values.topics.inboxPartitions) "retention" "86400000" "bytes" "4194304" -}}
{{- $catalogue = append $catalogue (merge (dict "entity" (printf "inbox.%s" $agent) "name" (printf "inbox-%s" $agent)) $inbox) -}}
{{- if include "comitia.priorityLane" (dict "root" $ "agent" $agent) -}}
{{- $catalogue = append $catalogue (merge (dict "entity" (printf "inbox.%s.high" $agent) "name" (printf "inbox-%s.high" $agent)) $inbox) -}}
{{- end -}}
{{- end -}}
{{- $topics := list -}}
{{- range $catalogue -}}
{{- $config := dict "max.message.bytes" (default "1048576" .bytes) "message.timestamp.type" "LogAppendTime" -}}
{{- if .compact -}}
{{- $_ := set $config "cleanup.policy" "compact" -}}
{{- else -}}
{{- $_ := merge $config (dict "cleanup.policy" "delete" "retention.ms" (default $days .retention) "retention.bytes" (default $gib .size)) -}}
{{- end -}}
{{- $topics = append $topics (dict
  "name" (printf "%s-%s" (include "comitia.fullname" $) (default .entity .name))
  "topic" (printf "%scomitia.%s.v1" $.Values.kafka.prefix .entity)
  "partitions" (default 4 .partitions)
  "config" $config) -}}
{{- end -}}
{{- toYaml $topics -}}
{{- end }}

{{/* Not empty where an agent's card asks for a second inbox. In: dict root, agent. */}}
{{- define "comitia.priorityLane" -}}
{{- with (include "comitia.agent" . | fromYaml).card -}}
{{- if .priority_lane }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/* One right on topics. In: list of prefix, entity, operations. All look at a topic's settings before they use it. */}}
{{- define "comitia.topicAcl" -}}
- resource: {type: topic, name: {{ printf "%scomitia.%s.v1" (index . 0) (index . 1) }}, patternType: literal}
  operations: {{ toJson (append (index . 2) "DescribeConfigs") }}
{{ end }}

{{/* What somebody may do, and nothing else. In: dict root, component, agent. Out: YAML list of a KafkaUser's ACLs. */}}
{{- define "comitia.acls" -}}
{{- $prefix := .root.Values.kafka.prefix -}}
{{- $own := printf "%scomitia." $prefix -}}
{{- if eq .component "router" }}
{{- range $entity, $operations := dict "tasks" (list "Read") "commands" (list "Read") "stages" (list "Read") "agents" (list "Read") "weights" (list "Read") "heartbeats" (list "Read" "Write") "panel-events" (list "Write") "decisions" (list "Describe") "dead-letters" (list "Write") }}
{{ include "comitia.topicAcl" (list $prefix $entity $operations) }}
{{- end }}
- resource: {type: topic, name: {{ $own }}inbox., patternType: prefix}
  operations: [Write, DescribeConfigs]
- resource: {type: group, name: {{ $own }}router, patternType: literal}
  operations: [Read]
{{- else if eq .component "aggregator" }}
{{- range $entity, $operations := dict "panel-events" (list "Read" "Write") "decisions" (list "Read" "Write") "weights" (list "Read") "stages" (list "Write") "feedback" (list "Write") "control" (list "Write") "heartbeats" (list "Write") "dead-letters" (list "Write") }}
{{ include "comitia.topicAcl" (list $prefix $entity $operations) }}
{{- end }}
- resource: {type: topic, name: {{ $own }}inbox., patternType: prefix}
  operations: [Write, DescribeConfigs]
- resource: {type: group, name: {{ $own }}aggregator, patternType: literal}
  operations: [Read]
- resource: {type: transactionalId, name: {{ $own }}aggregator., patternType: prefix}
  operations: [Write]
{{- else if eq .component "learner" }}
{{- range $entity, $operations := dict "feedback" (list "Read") "decisions" (list "Read") "weights" (list "Read" "Write") "heartbeats" (list "Write") "dead-letters" (list "Write") }}
{{ include "comitia.topicAcl" (list $prefix $entity $operations) }}
{{- end }}
- resource: {type: group, name: {{ $own }}learner, patternType: literal}
  operations: [Read]
- resource: {type: transactionalId, name: {{ $own }}learner., patternType: prefix}
  operations: [Write]
{{- else if eq .component "agent" }}
{{- range $entity, $operations := dict "agents" (list "Read" "Write") "control" (list "Read") "panel-events" (list "Write") "heartbeats" (list "Write") "dead-letters" (list "Write") }}
{{ include "comitia.topicAcl" (list $prefix $entity $operations) }}
{{- end }}
{{- range $lane := ternary (list "" ".high") (list "") (not (empty (include "comitia.priorityLane" .))) }}
{{ include "comitia.topicAcl" (list $prefix (printf "inbox.%s%s" $.agent $lane) (list "Read")) }}
- resource: {type: group, name: {{ $own }}agent.{{ $.agent }}{{ $lane }}, patternType: literal}
  operations: [Read]
{{- end }}
{{- else if eq .component "test" }}
{{- range $entity, $operations := dict "tasks" (list "Write") "commands" (list "Write") "feedback" (list "Write") "decisions" (list "Read") }}
{{ include "comitia.topicAcl" (list $prefix $entity $operations) }}
{{- end }}
{{- else if eq .component "setup" }}
- resource: {type: topic, name: {{ $own }}, patternType: prefix}
  operations: [Create, Read, DescribeConfigs]
{{- range $entity := list "tasks" "commands" "feedback" "agents" "panel-events" "dead-letters" }}
- resource: {type: topic, name: {{ $own }}{{ $entity }}.v1, patternType: literal}
  operations: [Write]
{{- end }}
- resource: {type: topic, name: {{ $own }}inbox., patternType: prefix}
  operations: [Write]
- resource: {type: transactionalId, name: {{ $own }}doctor, patternType: literal}
  operations: [Write]
- resource: {type: cluster}
  operations: [Describe, DescribeConfigs]
{{- end }}
{{- end }}
