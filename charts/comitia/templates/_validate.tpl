{{/*
What values.schema.json cannot say: values that contradict each other. Every sentence says what to change; all of them
are told at once.
*/}}
{{- define "comitia.validate" -}}
{{- $wrong := concat (include "comitia.wrongKafka" . | fromYamlArray) (include "comitia.wrongAgents" . | fromYamlArray) (include "comitia.wrongRest" . | fromYamlArray) (include "comitia.wrongForms" . | fromYamlArray) -}}
{{- if $wrong -}}
{{- fail (printf "\n\nThese values cannot be used:\n- %s\n" (join "\n- " $wrong)) -}}
{{- end -}}
{{- end }}

{{- define "comitia.wrongKafka" -}}
{{- $wrong := list -}}
{{- $security := .Values.kafka.security -}}
{{- $mechanism := $security.mechanism -}}
{{- $oauth := $security.oauth -}}
{{- if not .Values.kafka.bootstrap -}}
{{- $wrong = append $wrong "kafka.bootstrap is empty: set it to host:port of your brokers, several separated by commas" -}}
{{- end -}}
{{- range splitList "," .Values.kafka.bootstrap -}}
{{- if and (trim .) (not (regexMatch ":[0-9]+$" (trim .))) -}}
{{- $wrong = append $wrong (printf "kafka.bootstrap: %s has no port: write host:port, such as %s:9092" (trim .) (trim .)) -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "SASL_" $security.protocol) (not $mechanism) -}}
{{- $wrong = append $wrong (printf "kafka.security.mechanism is empty, and protocol %s needs one: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM" $security.protocol) -}}
{{- end -}}
{{- if and $mechanism (not (hasPrefix "SASL_" $security.protocol)) -}}
{{- $wrong = append $wrong (printf "kafka.security.mechanism %s has no effect with protocol %s: set kafka.security.protocol to SASL_SSL, or leave the mechanism away" $mechanism $security.protocol) -}}
{{- end -}}
{{- if and (not (hasSuffix "SSL" $security.protocol)) (or $security.tls.caSecret.name $security.tls.clientSecret.name) -}}
{{- $wrong = append $wrong (printf "kafka.security.tls has no effect with protocol %s: set kafka.security.protocol to SSL or SASL_SSL, or leave the Secrets away" $security.protocol) -}}
{{- end -}}
{{- if and (eq $mechanism "OAUTHBEARER") (not (or $oauth.tokenEndpoint $oauth.serviceAccountToken.audience)) -}}
{{- $wrong = append $wrong "kafka.security.mechanism OAUTHBEARER needs kafka.security.oauth.tokenEndpoint, with clientId and clientSecret.name, or kafka.security.oauth.serviceAccountToken.audience" -}}
{{- end -}}
{{- if and (eq $mechanism "OAUTHBEARER") $oauth.tokenEndpoint $oauth.serviceAccountToken.audience -}}
{{- $wrong = append $wrong "kafka.security.oauth.tokenEndpoint and serviceAccountToken.audience are both set: leave one away" -}}
{{- end -}}
{{- if and (eq $mechanism "OAUTHBEARER") $oauth.tokenEndpoint (not (and $oauth.clientId $oauth.clientSecret.name)) -}}
{{- $wrong = append $wrong "kafka.security.oauth.tokenEndpoint needs kafka.security.oauth.clientId and kafka.security.oauth.clientSecret.name, an existing Secret" -}}
{{- end -}}
{{- if and (eq $mechanism "AWS_MSK_IAM") (ne $security.protocol "SASL_SSL") -}}
{{- $wrong = append $wrong "kafka.security.mechanism AWS_MSK_IAM needs kafka.security.protocol SASL_SSL" -}}
{{- end -}}
{{- if and (eq $mechanism "AWS_MSK_IAM") (not $security.awsRegion) -}}
{{- $wrong = append $wrong "kafka.security.awsRegion is empty, and AWS_MSK_IAM needs it: set it to the cluster's region" -}}
{{- end -}}
{{- range include "comitia.principals" . | fromYamlArray -}}
{{- $found := include "comitia.credentials" (dict "root" $ "component" .component "agent" .agent "credentials" .credentials) | fromYaml -}}
{{- $at := .at -}}
{{- if has $mechanism (list "PLAIN" "SCRAM-SHA-256" "SCRAM-SHA-512") -}}
{{- if not $found.passwordSecret.name -}}
{{- $wrong = append $wrong (printf "mechanism %s needs a password for %s: name an existing Secret in kafka.security.passwordSecret.name, or in %s.credentials.passwordSecret.name" $mechanism $at $at) -}}
{{- end -}}
{{- if not $found.username -}}
{{- $wrong = append $wrong (printf "mechanism %s needs a user for %s: set kafka.security.username, or %s.credentials.username" $mechanism $at $at) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end }}

{{/* Everybody who logs in: YAML list of {at, component, agent, credentials}; `at` is where the values say it. */}}
{{- define "comitia.principals" -}}
{{- $found := list -}}
{{- range include "comitia.workloads" . | fromYamlArray -}}
{{- $settings := get $.Values .component -}}
{{- if .agent -}}{{- $settings = include "comitia.agent" (dict "root" $ "agent" .agent) | fromYaml -}}{{- end -}}
{{- $at := .component -}}
{{- with .agent -}}{{- $at = printf "agents.%s" . -}}{{- end -}}
{{- $found = append $found (dict "at" $at "component" .component "agent" .agent "credentials" $settings.credentials) -}}
{{- end -}}
{{- if or .Values.doctor.enabled (eq .Values.topics.manage "job") -}}
{{- $found = append $found (dict "at" "setup" "component" "setup" "credentials" .Values.setup.credentials) -}}
{{- end -}}
{{- if .Values.tests.enabled -}}
{{- $found = append $found (dict "at" "tests" "component" "test" "credentials" .Values.tests.credentials) -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}

{{- define "comitia.wrongAgents" -}}
{{- $wrong := list -}}
{{- if not .Values.agents -}}
{{- $wrong = append $wrong "agents is empty, and a panel without agents decides nothing: name one, such as --set agents.critic.model=smollm2-135m-instruct" -}}
{{- end -}}
{{- range $agent, $_ := .Values.agents -}}
{{- $settings := include "comitia.agent" (dict "root" $ "agent" $agent) | fromYaml -}}
{{- $at := printf "agents.%s" $agent -}}
{{- $scaling := $settings.scaling -}}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$" $agent) -}}
{{- $wrong = append $wrong (printf "%s: an agent's name has 1 to 64 characters of a-z 0-9 -, with no - at either end: rename the entry" $at) -}}
{{- end -}}
{{- $name := include "comitia.componentName" (dict "root" $ "component" "agent" "agent" $agent) -}}
{{- if gt (len $name) 63 -}}
{{- $wrong = append $wrong (printf "%s: its objects would be called %s, %d characters where Kubernetes takes 63: set a shorter fullnameOverride, or shorten the agent's name" $at $name (len $name)) -}}
{{- end -}}
{{- if and $settings.card (ne (get $settings.card "name") $agent) -}}
{{- $wrong = append $wrong (printf "%s.card.name is %s: a card has the name of its entry, so that no two entries are one agent. Rename one of them" $at (default "not set" (get $settings.card "name"))) -}}
{{- end -}}
{{- $model := include "comitia.agentModel" $settings -}}
{{- if and $settings.card $settings.model (ne $settings.model $model) -}}
{{- $wrong = append $wrong (printf "%s.model is %s, and its card says %s: leave %s.model away" $at $settings.model $model $at) -}}
{{- end -}}
{{- if and (not $model) (eq $.Values.models.source "init") -}}
{{- $wrong = append $wrong (printf "%s.model is empty, and models.source init builds the model that it names: set it as the agent's card says, such as smollm2-135m-instruct" $at) -}}
{{- end -}}
{{- $fixed := eq $scaling.type "fixed" -}}
{{- if and (not $fixed) (gt (int $scaling.min) (int $scaling.max)) -}}
{{- $wrong = append $wrong (printf "%s.scaling.min is %d, above max, %d: raise max, or lower min" $at (int $scaling.min) (int $scaling.max)) -}}
{{- end -}}
{{- $bound := ternary "min" "max" $fixed -}}
{{- $most := int (get $scaling $bound) -}}
{{- if gt $most (int $.Values.topics.inboxPartitions) -}}
{{- $wrong = append $wrong (printf "%s.scaling.%s is %d, and an inbox has %d partitions: a pod more would have nothing to do. Lower it, or grow the inbox and set topics.inboxPartitions" $at $bound $most (int $.Values.topics.inboxPartitions)) -}}
{{- end -}}
{{- if and (eq $scaling.type "hpa") (not (dig "requests" "cpu" "" $settings.resources)) -}}
{{- $wrong = append $wrong (printf "%s.scaling.type hpa compares with the requested processor time: set %s.resources.requests.cpu" $at $at) -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end }}

{{- define "comitia.wrongRest" -}}
{{- $wrong := list -}}
{{- $models := .Values.models -}}
{{- range $component := list "router" "aggregator" -}}
{{- $replicas := int (get $.Values $component).replicas -}}
{{- if gt $replicas (int $.Values.topics.partitions) -}}
{{- $wrong = append $wrong (printf "%s.replicas is %d, and its topics have %d partitions: a pod more would have nothing to do. Lower it, or grow the topics and set topics.partitions" $component $replicas (int $.Values.topics.partitions)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $models.source "pvc") (not $models.pvc.claimName) -}}
{{- $wrong = append $wrong "models.source pvc needs models.pvc.claimName, an existing claim with built models" -}}
{{- end -}}
{{- if and (eq $models.source "image") (not $models.image.reference) -}}
{{- $wrong = append $wrong "models.source image needs models.image.reference, an OCI image with built models" -}}
{{- end -}}
{{- if and (eq $models.source "image") (semverCompare "<1.33-0" .Capabilities.KubeVersion.Version) -}}
{{- $wrong = append $wrong (printf "models.source image needs Kubernetes 1.33 with image volumes, and this is %s: use init or pvc" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- range $name, $card := $models.cards -}}
{{- if ne (get $card "name") $name -}}
{{- $wrong = append $wrong (printf "models.cards.%s.name is %s: give card and entry one name" $name (default "not set" (get $card "name"))) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.topics.manage "strimzi") (not .Values.strimzi.enabled) -}}
{{- $wrong = append $wrong "topics.manage is strimzi, and strimzi.enabled is false: set it to true, with strimzi.clusterName" -}}
{{- end -}}
{{- if and .Values.strimzi.enabled (not .Values.strimzi.clusterName) -}}
{{- $wrong = append $wrong "strimzi.clusterName is empty: set it to the name of your Kafka resource" -}}
{{- end -}}
{{- if and .Values.strimzi.users (not .Values.strimzi.enabled) -}}
{{- $wrong = append $wrong "strimzi.users is true, and strimzi.enabled is false: set that to true too, or leave the users away" -}}
{{- end -}}
{{- if and .Values.strimzi.users (eq .Values.topics.manage "job") -}}
{{- $wrong = append $wrong "strimzi.users makes its logins while the services start, and the Job of topics.manage job would need one before: set topics.manage to strimzi, or to none" -}}
{{- end -}}
{{- if .Values.strimzi.users -}}
{{- $scram := eq .Values.strimzi.authentication "scram-sha-512" -}}
{{- if and $scram (ne .Values.kafka.security.mechanism "SCRAM-SHA-512") -}}
{{- $wrong = append $wrong "strimzi.users with authentication scram-sha-512 needs kafka.security.mechanism SCRAM-SHA-512 and protocol SASL_SSL" -}}
{{- else if and (not $scram) (ne .Values.kafka.security.protocol "SSL") -}}
{{- $wrong = append $wrong "strimzi.users with authentication tls needs kafka.security.protocol SSL" -}}
{{- end -}}
{{- end -}}
{{- $sets := list "COMITIA_BOOTSTRAP" "COMITIA_PREFIX" "COMITIA_CREATE_TOPICS" "COMITIA_HTTP_HOST" "COMITIA_HTTP_PORT" "COMITIA_GRACE_MS" "COMITIA_LOG_FORMAT" "COMITIA_LOG_LEVEL" "COMITIA_INSTANCE_ID" "COMITIA_SESSION_TIMEOUT_MS" "COMITIA_DELIVERY" "COMITIA_AGENT_CARDS" "COMITIA_MODELS_DIR" "COMITIA_CACHE_DIR" "COMITIA_THREADS" "COMITIA_DEVICE" "COMITIA_ENGINE_ROWS" "COMITIA_ENGINE_CACHE_MIB" -}}
{{- range include "comitia.workloads" . | fromYamlArray -}}
{{- $settings := get $.Values .component -}}
{{- $at := .component -}}
{{- if .agent -}}
{{- $settings = include "comitia.agent" (dict "root" $ "agent" .agent) | fromYaml -}}
{{- $at = printf "agents.%s" .agent -}}
{{- end -}}
{{- range $name, $_ := $settings.env -}}
{{- if or (has $name $sets) (regexMatch "^COMITIA_(SECURITY|SASL|TLS|OAUTH)_" $name) -}}
{{- $wrong = append $wrong (printf "%s.env.%s: the chart sets this variable itself: use the value that stands for it in values.yaml" $at $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end }}
