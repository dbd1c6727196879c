"""A real Prometheus that scrapes the services of a test and evaluates our rules.

In: targets by job. Out: answers of its HTTP API. It keeps its data in a folder of the test and ends
with it. Skips where no `prometheus` is on the PATH (Debian's package has it).
"""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.observability.expressions import RULES

# Often enough that a test need not wait for it.
SCRAPE = "500ms"
LOOK_EVERY_S = 0.25
Found = list[dict[str, Any]]


class Prometheus:
    """Use as a context manager. `targets`: job -> host:port."""

    def __init__(self, folder: Path, port: int, targets: Mapping[str, Sequence[str]]) -> None:
        command = shutil.which("prometheus")
        if command is None:
            pytest.skip("prometheus is not on the PATH; Debian's package prometheus has it")
        self.address = f"127.0.0.1:{port}"
        self._log = folder / "prometheus.log"
        settings = folder / "prometheus.yml"
        settings.write_text(yaml.safe_dump(_settings(targets)))
        self._command = [
            command,
            f"--config.file={settings}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={self.address}",
        ]

    def __enter__(self) -> "Prometheus":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)

    def query(self, promql: str) -> Found:
        """Series of an instant query now; AssertionError when it is not valid."""
        answer = self._get("query", {"query": promql})
        assert answer["resultType"] in {"vector", "scalar"}, answer
        found: Found = answer["result"]
        return found

    def until(self, promql: str, within_s: float, wanted: Callable[[Found], bool] = bool) -> Found:
        """Ask until the series are as wanted."""
        end = time.monotonic() + within_s
        found: Found = []
        while time.monotonic() < end:
            self.check()
            try:
                found = self.query(promql)
            except URLError:
                found = []  # It has not begun to listen.
            if wanted(found):
                return found
            time.sleep(LOOK_EVERY_S)
        raise AssertionError(f"{promql}: {found or 'no series'} after {within_s:.0f} s")

    async def meet(self, promql: str, wanted: Callable[[Found], bool] = bool) -> Found:
        """As `until`, beside other work."""
        return await asyncio.to_thread(self.until, promql, 60, wanted)

    def alerts(self) -> dict[str, str]:
        """Alerts that are active -> pending or firing."""
        active = self._get("alerts", {})["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in active}

    def names(self) -> set[str]:
        """Every metric that was ever scraped or recorded."""
        return set(self._get("label/__name__/values", {}))

    def check(self) -> None:
        """Fail when it has ended."""
        if self._process.poll() is not None:
            raise AssertionError(f"Prometheus has ended:\n{self._log.read_text()}")

    def _get(self, path: str, arguments: Mapping[str, str]) -> Any:
        url = f"http://{self.address}/api/v1/{path}?{urlencode(arguments)}"
        with urlopen(url, timeout=10) as response:  # An answer of 4xx raises.
            return json.load(response)["data"]


def _settings(targets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {
        "global": {
            "scrape_interval": SCRAPE,
            "scrape_timeout": SCRAPE,
            "evaluation_interval": "1s",
        },
        "rule_files": [str(path) for path in RULES],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
            for job, addresses in targets.items()
        ],
    }
