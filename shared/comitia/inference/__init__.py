"""Transformers on ONNX Runtime: cards as data, files in a cache, the engine behind `ports.Model`.

`cards` reads models/*.yaml, `pull` fetches a card's source, `export` (a sub-package that serving
processes never import) builds the graph, `store` keeps and checks what was built, and
`load.load_model` gives a running Model. This package is the only importer of onnxruntime and
tokenizers.
"""
