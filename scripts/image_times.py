"""How large the images of a running compose project are, and how long its services took to start.

In comes the project's name (default: comitia), out goes a Markdown table on standard output: for
each service of ours the size of its image, and the seconds from the start of its container to its
first line (interpreter and imports), and to /readyz saying yes (Kafka joined, model opened, log
read). Times are those of the containers' and the services' own records; nothing is started. Exit
code 2 where there is nothing to measure.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

OURS = "comitia/"
MEBIBYTE = 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", nargs="?", default="comitia", help="as docker compose -p")
    project = parser.parse_args(arguments).project
    rows = [row for one in _containers(project) if (row := _row(one))]
    if not rows:
        print(f"no service of the project {project!r} runs: docker compose up", file=sys.stderr)
        return 2
    print("| service | image | size, MiB | first line, s | ready, s |")
    print("|---|---|---|---|---|")
    for row in sorted(rows):
        print(f"| {' | '.join(row)} |")
    return 0


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)


def _containers(project: str) -> list[dict[str, Any]]:
    chosen = f"label=com.docker.compose.project={project}"
    names = _docker("ps", "--quiet", "--filter", chosen).stdout.split()
    return list(json.loads(_docker("inspect", *names).stdout)) if names else []


def _row(container: dict[str, Any]) -> list[str] | None:
    image = str(container["Config"]["Image"])
    if not image.startswith(OURS):
        return None
    began = _time(container["State"]["StartedAt"])
    told = _docker("logs", "--since", container["State"]["StartedAt"], container["Id"]).stderr
    events = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    [size] = json.loads(_docker("image", "inspect", image).stdout)
    return [
        container["Config"]["Labels"]["com.docker.compose.service"],
        image,
        f"{size['Size'] / MEBIBYTE:.0f}",
        _after(began, events, None),
        _after(began, events, "ready"),
    ]


def _after(began: datetime, events: list[dict[str, Any]], event: str | None) -> str:
    """Seconds until the first line that tells of `event`, of anything for None."""
    for one in events:
        if event in (None, one.get("event")):
            return f"{(_time(one['time']) - began).total_seconds():.1f}"
    return "not yet"


def _time(text: str) -> datetime:
    # Docker writes nanoseconds, of which Python reads the first six digits.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text.replace("Z", "+00:00")))


if __name__ == "__main__":
    sys.exit(main())
