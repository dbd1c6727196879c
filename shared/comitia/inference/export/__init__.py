"""Building graphs from weights: the only importer of onnx and gguf, and no part of serving.

`make.export` and `make.ensure` are the way in. Llama-family decoders and BERT encoders are built
straight from their weights with numpy alone; every other model goes through optimum in an
environment of its own.
"""
