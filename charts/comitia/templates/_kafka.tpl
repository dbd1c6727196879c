{{/*
How a pod reaches Kafka, and as whom. All of its files are in one volume, /etc/comitia/kafka: password, ca.crt,
tls.crt, tls.key, tls-key-password, oauth-client-secret, oauth-ca.crt, token; the kubelet renews them.
*/}}

{{/*
Whose credentials a workload uses: its own, else those of its Strimzi user, else kafka.security's.
In: dict root, component, agent, credentials. Out: YAML with username, passwordSecret, clientSecret.
*/}}
{{- define "comitia.credentials" -}}
{{- $security := .root.Values.kafka.security -}}
{{- $own := .credentials -}}
{{- $found := dict "username" $security.username "passwordSecret" $security.passwordSecret "clientSecret" $security.tls.clientSecret -}}
{{- if .root.Values.strimzi.users -}}
{{- $user := include "comitia.componentName" . -}}
{{- if eq .root.Values.strimzi.authentication "tls" -}}
{{- $_ := set $found "clientSecret" (dict "name" $user "certificateKey" "user.crt" "keyKey" "user.key") -}}
{{- else -}}
{{- $_ := set $found "username" $user -}}
{{- $_ := set $found "passwordSecret" (dict "name" $user "key" "password") -}}
{{- end -}}
{{- end -}}
{{- with $own.username }}{{ $_ := set $found "username" . }}{{ end -}}
{{- if $own.passwordSecret.name -}}
{{- $_ := set $found "passwordSecret" (dict "name" $own.passwordSecret.name "key" (default $security.passwordSecret.key $own.passwordSecret.key)) -}}
{{- end -}}
{{- with $own.clientSecret -}}
{{- if .name -}}
{{- $keys := $security.tls.clientSecret -}}
{{- $_ := set $found "clientSecret" (dict "name" .name "certificateKey" (default $keys.certificateKey .certificateKey) "keyKey" (default $keys.keyKey .keyKey) "keyPasswordKey" .keyPasswordKey) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}

{{/* Which files the volume holds. In: dict root, credentials (as above puts out). Out: YAML, sources of a projected volume. */}}
{{- define "comitia.kafkaSources" -}}
{{- $security := .root.Values.kafka.security -}}
{{- $oauth := $security.oauth -}}
{{- if and (hasPrefix "SASL_" $security.protocol) (has $security.mechanism (list "PLAIN" "SCRAM-SHA-256" "SCRAM-SHA-512")) }}
- secret:
    name: {{ .credentials.passwordSecret.name }}
    items: [{key: {{ .credentials.passwordSecret.key }}, path: password}]
{{- end }}
{{- if hasSuffix "SSL" $security.protocol }}
{{- with $security.tls.caSecret }}
{{- if .name }}
- secret:
    name: {{ .name }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- with .credentials.clientSecret }}
{{- if .name }}
- secret:
    name: {{ .name }}
    items:
      - {key: {{ .certificateKey }}, path: tls.crt}
      - {key: {{ .keyKey }}, path: tls.key}
      {{- if .keyPasswordKey }}
      - {key: {{ .keyPasswordKey }}, path: tls-key-password}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $security.mechanism "OAUTHBEARER" }}
{{- if $oauth.tokenEndpoint }}
- secret:
    name: {{ $oauth.clientSecret.name }}
    items: [{key: {{ $oauth.clientSecret.key }}, path: oauth-client-secret}]
{{- with $oauth.caSecret }}
{{- if .name }}
- secret:
    name: {{ .name }}
    items: [{key: {{ .key }}, path: oauth-ca.crt}]
{{- end }}
{{- end }}
{{- else }}
- serviceAccountToken:
    audience: {{ $oauth.serviceAccountToken.audience | quote }}
    expirationSeconds: {{ $oauth.serviceAccountToken.expirationSeconds }}
    path: token
{{- end }}
{{- end }}
{{- end }}

{{/* The volume, or nothing. In: dict root, component, agent, credentials. */}}
{{- define "comitia.kafkaVolume" -}}
{{- $found := include "comitia.credentials" . | fromYaml -}}
{{- with include "comitia.kafkaSources" (dict "root" .root "credentials" $found) | trim }}
- name: kafka
  projected:
    defaultMode: 0440
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "comitia.kafkaMount" -}}
{{- if include "comitia.kafkaVolume" . | trim }}
- {name: kafka, mountPath: /etc/comitia/kafka, readOnly: true}
{{- end }}
{{- end }}

{{/* Environment of everything that talks to Kafka. In: dict root, component, agent, credentials. */}}
{{- define "comitia.kafkaEnv" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $security := $kafka.security -}}
{{- $found := include "comitia.credentials" . | fromYaml -}}
{{- $files := include "comitia.kafkaSources" (dict "root" .root "credentials" $found) -}}
- {name: COMITIA_BOOTSTRAP, value: {{ $kafka.bootstrap | quote }}}
{{- with $kafka.prefix }}
- {name: COMITIA_PREFIX, value: {{ . | quote }}}
{{- end }}
- {name: COMITIA_SECURITY_PROTOCOL, value: {{ $security.protocol }}}
{{- with $security.mechanism }}
- {name: COMITIA_SASL_MECHANISM, value: {{ . }}}
{{- end }}
{{- if contains "path: password" $files }}
- {name: COMITIA_SASL_USERNAME, value: {{ $found.username | quote }}}
- {name: COMITIA_SASL_PASSWORD_FILE, value: /etc/comitia/kafka/password}
{{- end }}
{{- if contains "path: ca.crt" $files }}
- {name: COMITIA_TLS_CA_FILE, value: /etc/comitia/kafka/ca.crt}
{{- end }}
{{- if contains "path: tls.crt" $files }}
- {name: COMITIA_TLS_CERTIFICATE_FILE, value: /etc/comitia/kafka/tls.crt}
- {name: COMITIA_TLS_KEY_FILE, value: /etc/comitia/kafka/tls.key}
{{- end }}
{{- if contains "path: tls-key-password" $files }}
- {name: COMITIA_TLS_KEY_PASSWORD_FILE, value: /etc/comitia/kafka/tls-key-password}
{{- end }}
{{- if contains "path: oauth-client-secret" $files }}
- {name: COMITIA_OAUTH_TOKEN_ENDPOINT, value: {{ $security.oauth.tokenEndpoint | quote }}}
- {name: COMITIA_OAUTH_CLIENT_ID, value: {{ $security.oauth.clientId | quote }}}
- {name: COMITIA_OAUTH_CLIENT_SECRET_FILE, value: /etc/comitia/kafka/oauth-client-secret}
{{- with $security.oauth.scope }}
- {name: COMITIA_OAUTH_SCOPE, value: {{ . | quote }}}
{{- end }}
{{- if contains "path: oauth-ca.crt" $files }}
- {name: SSL_CERT_FILE, value: /etc/comitia/kafka/oauth-ca.crt}
{{- end }}
{{- end }}
{{- if contains "path: token" $files }}
- {name: COMITIA_OAUTH_TOKEN_FILE, value: /etc/comitia/kafka/token}
{{- end }}
{{- if eq $security.mechanism "AWS_MSK_IAM" }}
- {name: AWS_REGION, value: {{ $security.awsRegion | quote }}}
{{- end }}
{{- end }}
