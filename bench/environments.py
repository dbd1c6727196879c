"""The environments of the benchmarks' peers, pinned with hashes in bench/peers/, and those peers of
bench.transport that answer in one call: calfkit and Ray Serve.

In: a peer's name, a broker where it needs one. Out: its figures. Environments lie in Comitia's
cache directory and are made anew when their lock changes; the first run downloads them.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.common import BIN, NOOP, ROOT, processes, tail
from bench.reports import Figures, quantiles
from comitia.config import DirectorySettings, load

PEERS = ROOT / "bench" / "peers"
TIMEOUT_S = 400


def environment(name: str) -> Path:
    """The Python of peer `name`'s environment, made if it is not there."""
    lock = PEERS / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = load(DirectorySettings).cache_dir / "bench" / f"{name}-{digest}"
    python, stamp = folder / "bin" / "python", folder / "complete"
    if not stamp.exists():
        uv = str(BIN / "uv")
        print(f"making {name}'s environment in {folder}", file=sys.stderr)
        make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
        subprocess.run(make, check=True)
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(python)]
        # A lock is complete, and inference.lock leaves out what torch asks for and no CPU loads.
        install.append("--no-deps")
        subprocess.run([*install, "-r", str(lock)], check=True)
        stamp.touch()
    return python


def asked_versions(*names: str) -> dict[str, str]:
    """What is asked for of these peers, pinned."""
    lines = [line for name in names for line in (PEERS / f"{name}.in").read_text().splitlines()]
    return dict(line.split("==", 1) for line in lines if not line.startswith("#"))


def calfkit(bootstrap: str, tasks: int, singles: int, log: Path) -> Figures:
    """Three calfkit agents on the broker, asked and voted over by one caller."""
    python = str(environment("calfkit"))
    script = str(PEERS / "calfkit_panel.py")
    agents = [(python, script, "agent", bootstrap, name) for name in NOOP]
    with processes(agents, {"CALFKIT_MESH_URL": bootstrap}, log):
        return _figures((python, script, "panel", bootstrap, str(tasks), str(singles)), log)


def ray_serve(tasks: int, singles: int, log: Path) -> Figures:
    """Three Ray Serve deployments on this machine, asked and voted over by one caller."""
    python = str(environment("ray"))
    return _figures((python, str(PEERS / "ray_panel.py"), str(tasks), str(singles)), log)


def _figures(command: Sequence[str], log: Path) -> Figures:
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
    with log.open("ab") as errors:
        done = subprocess.run(
            list(command),
            env={**os.environ, **quiet},
            stdout=subprocess.PIPE,
            stderr=errors,
            timeout=TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{tail(log)}")
    found = json.loads(done.stdout.splitlines()[-1])
    return quantiles("one task", found["milliseconds"]) | {"decisions/s": found["decisions_per_s"]}
