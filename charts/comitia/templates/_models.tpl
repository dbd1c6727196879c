{{/* Where agents have their models from: models.source. */}}

{{- define "comitia.modelsVolume" -}}
{{- with .Values.models -}}
{{- if eq .source "pvc" -}}
persistentVolumeClaim: {claimName: {{ .pvc.claimName }}, readOnly: true}
{{- else if eq .source "image" -}}
image: {reference: {{ .image.reference | quote }}, pullPolicy: {{ .image.pullPolicy }}}
{{- else if .init.claimName -}}
persistentVolumeClaim: {claimName: {{ .init.claimName }}}
{{- else -}}
emptyDir: {sizeLimit: {{ .init.sizeLimit }}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Fetches a model's weights and builds its graph; done at once where it lies there already. In: dict root, name (of the container), model, ownModel. */}}
{{- define "comitia.modelsInit" -}}
- name: {{ .name }}
  image: {{ include "comitia.image" (dict "root" .root "name" "cli" "own" .root.Values.setup.image) }}
  imagePullPolicy: {{ .root.Values.images.pullPolicy }}
  args: [model, export, {{ .model }}, --models, {{ ternary "/etc/comitia/models" "/opt/comitia/models" .ownModel }}]
  {{- include "comitia.containerSecurity" .root | nindent 2 }}
  env:
    - {name: COMITIA_CACHE_DIR, value: /var/lib/comitia}
    # Wheels are as large as models; /tmp is not.
    - {name: PIP_NO_CACHE_DIR, value: "1"}
    {{- with .root.Values.models.init.indexUrl }}
    - {name: PIP_INDEX_URL, value: {{ . | quote }}}
    {{- end }}
  resources:
    {{- toYaml .root.Values.models.init.resources | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: models, mountPath: /var/lib/comitia}
    {{- if .ownModel }}
    - {name: model-cards, mountPath: /etc/comitia/models, readOnly: true}
    {{- end }}
{{- end }}

{{/* An agent's resources, and its GPU. In: an agent's settings. */}}
{{- define "comitia.agentResources" -}}
{{- $resources := deepCopy .resources -}}
{{- if .gpu.enabled -}}
{{- $_ := set $resources "limits" (set (default dict $resources.limits) .gpu.resource (.gpu.count | toString)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}
