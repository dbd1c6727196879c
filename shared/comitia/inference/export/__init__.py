"""Building graphs from weights. The only importer of onnx and gguf; a process that serves a model
never imports this.

`make.export` and `make.ensure` are the way in. Llama-family decoders and BERT encoders are built
straight from their weights with numpy alone; every other model goes through optimum in an
environment of its own.
"""
