"""How near to the limit of the memory one text at a time comes, and where the rest goes.

Every token of a text that is written alone needs all weights once, so tokens per second times bytes
of weights cannot exceed what the memory gives. `bandwidth` measures that in the same run;
`python -m bench.inference_limit CACHE FORM` profiles steps of one text and prints JSON.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import ROOT
from bench.inference_comitia import card_of
from bench.reports import Figures
from comitia.inference.cache import CpuCache
from comitia.inference.runner import CHUNK_TOKENS_MAX, Feed, RowRunner
from comitia.inference.store import verify

THREADS, READ_S = 2, 2.0
PROMPT, STEPS, ROW_TOKENS = 48, 60, 512
_KINDS = {
    "MatMul": "products with the weights",
    "FusedMatMul": "products with the weights",
    "Gemm": "products with the weights",
    "MatMulNBits": "products with the weights",
    "GroupQueryAttention": "attention",
    "SkipSimplifiedLayerNormalization": "norms",
    "SimplifiedLayerNormalization": "norms",
}
_OTHERS = "other operators"


def bandwidth(size: int) -> float:
    """Bytes per second that two threads read of `size` bytes of memory; the best of two seconds."""
    memory = np.ones(size // 4, np.float32)
    parts = np.array_split(memory, THREADS)
    best = 0.0
    with ThreadPoolExecutor(THREADS) as threads:
        end = time.perf_counter() + READ_S
        while (began := time.perf_counter()) < end:
            # The maximum is the one pass over an array that numpy does at the memory's own speed.
            list(threads.map(np.max, parts))
            best = max(best, memory.nbytes / (time.perf_counter() - began))
    return best


def weight_bytes(cache: Path, form: str) -> int:
    """Bytes of the weights that a step reads."""
    return (verify(card_of(form), cache).folder / "model.onnx.data").stat().st_size


def profiled(cache: Path, form: str) -> Figures:
    """Milliseconds of one step for one text, by kind of work, from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.inference_limit", str(cache), form],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: Figures = json.loads(done.stdout)
    return found


def profile(cache: Path, form: str) -> Figures:
    """One step, without the profiler and by ONNX Runtime's profile (which makes it slower)."""
    figures, _ = _steps(cache, form, "")
    with tempfile.TemporaryDirectory() as folder:
        slower, events = _steps(cache, form, f"{folder}/profile")
    took: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            took[_KINDS.get(event["args"]["op_name"], _OTHERS)] += event["dur"]
    parts = {name: us / 1000 / STEPS for name, us in took.items()}
    between = slower["step"] - sum(parts.values())
    named = {f"profiled: {name}": value for name, value in parts.items()}
    return figures | named | {"profiled: between operators and outside": between}


def _steps(cache: Path, form: str, prefix: str) -> tuple[Figures, list[dict[str, Any]]]:
    import onnxruntime

    built = verify(card_of(form), cache)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    options.enable_profiling, options.profile_file_prefix = bool(prefix), prefix
    session = onnxruntime.InferenceSession(
        str(built.folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    runner = RowRunner(session, CpuCache(built.manifest.shape, 1, ROW_TOKENS + CHUNK_TOKENS_MAX))
    tokens = np.random.default_rng(0).integers(100, 40_000, PROMPT).tolist()
    runner.run([Feed(0, 0, tokens, (PROMPT - 1,))], logits=False)
    for place in range(8):
        runner.run([Feed(0, PROMPT + place, (500,), (0,))], logits=False)
    began = time.perf_counter()
    for place in range(STEPS):
        runner.run([Feed(0, PROMPT + 8 + place, (500,), (0,))], logits=False)
    figures = {"step": 1000 * (time.perf_counter() - began) / STEPS}
    if not prefix:
        return figures, []
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    first = [event["ts"] for event in events if event["name"] == "model_run"][-STEPS]
    return figures, [event for event in events if event["ts"] >= first]


if __name__ == "__main__":
    print(json.dumps(profile(Path(sys.argv[1]), sys.argv[2])))
