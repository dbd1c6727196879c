"""`python -m tests.chaos.check`: the independent proof that a run kept its promises.

In come a cluster's address, a prefix, the publisher's manifest and, where they can be read, the
brokers' data directories; out go counts and violations, on paper and as JSON. Exit code 0: none, 1:
some, 2: it could not be looked at.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from tests.chaos.checker import check
from tests.chaos.checker.evidence import HOUR_MS, SILENT_PERMILLE, Evidence, Report
from tests.chaos.checker.reading import Source
from tests.chaos.checker.segments import markers


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, check, tell; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        evidence = Source(options.bootstrap).evidence(options.prefix)
        evidence.manifest = _manifest(options.manifest)
        evidence.window_ms = options.window_ms
        evidence.silent_permille = options.silent_permille
        facts = _markers(evidence, options.log_dirs)
    except (KafkaException, LookupError, OSError, ValueError) as error:
        print(f"the log could not be checked: {error}", file=sys.stderr)
        return 2
    report = check(evidence)
    report.facts.update(facts)
    _tell(report)
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(report), indent=2) + "\n")
    return 0 if report.ok else 1


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON: ok, facts, violations, examples."""
    return {
        "ok": report.ok,
        "facts": dict(sorted(report.facts.items())),
        "violations": dict(report.violations),
        "examples": report.examples,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.check", description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="host:port, several with commas")
    parser.add_argument("--prefix", default="", help="prefix of topics and groups")
    parser.add_argument("--manifest", type=Path, help="JSON lines, one per task published")
    parser.add_argument("--json", type=Path, help="write counts and violations there")
    parser.add_argument(
        "--log-dirs", type=Path, nargs="*", default=[], help="data directories of the brokers"
    )
    parser.add_argument(
        "--window-ms", type=int, default=HOUR_MS, help="the aggregators' duplicate window"
    )
    parser.add_argument(
        "--silent-permille",
        type=int,
        default=SILENT_PERMILLE,
        help="how many of a thousand assignments the run's agents leave unanswered",
    )
    return parser


def _manifest(path: Path | None) -> list[Mapping[str, Any]]:
    if path is None:
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def _markers(evidence: Evidence, folders: Sequence[Path]) -> dict[str, int]:
    if not folders:
        return {}
    found = markers(folders, f"{evidence.prefix}comitia.decisions.v1")
    evidence.plain_decisions = sum(one.plain for one in found.values())
    return {
        "ABORT markers in decisions": sum(one.aborts for one in found.values()),
        "COMMIT markers in decisions": sum(one.commits for one in found.values()),
        "partitions of decisions with markers": sum(
            bool(one.aborts or one.commits) for one in found.values()
        ),
    }


def _tell(report: Report) -> None:
    for name, number in sorted(report.facts.items()):
        print(f"{number:>10}  {name}")
    for name, number in report.violations.most_common():
        print(f"VIOLATED {name}: {number}")
        for told in report.examples[name]:
            print(f"    {told}")
    print("OK" if report.ok else f"{report.violations.total()} VIOLATIONS")


if __name__ == "__main__":
    sys.exit(main())
