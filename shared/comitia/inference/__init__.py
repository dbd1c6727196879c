"""Transformers on ONNX Runtime: cards as data, files in a cache, the engine behind `ports.Model`.

`cards` reads models/*.yaml, `pull` fetches a card's source, `export` (a sub-package that serving
processes never import) builds the graph, `store` keeps and checks what was built, and
`load.load_model` gives a running Model. This package is the only importer of onnxruntime and
tokenizers.
"""

import os

# The published builds of ONNX Runtime report to their maker unless this is set before they are
# loaded: what Comitia's users run is theirs to tell. Whoever wants to report sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
