"""A task decided by processes that may do no more than comitia.acls lists: router, aggregator, an
agent with a model and the command line, each a principal of its own, each by another mechanism.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from comitia import acls
from comitia.errors import ConfigError
from comitia.inference.cards import find_card
from comitia.inference.export.make import ensure
from comitia.topics import Names
from tests.integration.panel_support import ROOT, Processes
from tests.integration.wire_acls import Acls
from tests.integration.wire_support import Demanding, password

AGENT, MODEL = "librarian", "minilm-l6-v2"
ASK = ("ask", "A warm, funny film.", "--skill", "sentiment", "--options", "positive,negative")


def comitia(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command line as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "comitia_cli.main", *arguments],
        env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert "s3cret" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


async def test_a_task_is_decided_by_principals_with_exactly_their_acls(
    demands: Demanding, cache_dir: Path, tmp_path: Path
) -> None:
    try:
        ensure(find_card(ROOT / "models", MODEL), cache_dir)
    except ConfigError as error:
        pytest.skip(f"the model {MODEL} cannot be had here: {error}")
    file = tmp_path / "password"
    file.write_text(password("aggregator") + "\n")
    with Processes(tmp_path, demands.secure, cache_dir) as processes:
        names = processes.names
        own = Acls(demands.bootstrap)
        await own.allow("operator", acls.operator(names))
        await own.allow("publisher", acls.publisher(names))
        await own.allow("router", acls.router(names))
        await own.allow("aggregator", acls.aggregator(names))
        await own.allow(AGENT, acls.agent(names, AGENT))
        places = {"COMITIA_PREFIX": names.prefix, "COMITIA_STATE_DIR": str(tmp_path / "state")}
        operator = demands.sasl("operator", "SCRAM-SHA-256") | places
        publisher = demands.sasl("publisher", "PLAIN") | places

        code, _, said = comitia(operator, "topics", "--apply", "--inbox", AGENT)
        assert code == 0, said
        processes.environment["COMITIA_CREATE_TOPICS"] = "false"
        by_file = demands.sasl("aggregator") | {"COMITIA_SASL_PASSWORD_FILE": str(file)}
        del by_file["COMITIA_SASL_PASSWORD"]
        processes.service("router", **demands.mtls("router"))
        processes.service("aggregator", **by_file)
        card = str(ROOT / "agents" / f"{AGENT}.yaml")
        processes.service("agent", **demands.sasl(AGENT), COMITIA_AGENT_CARDS=card)

        decision = _decided(processes, publisher)
        assert decision["value"] == {"optionId": "positive"}
        code, _, said = comitia(operator, "explain", str(decision["taskId"]), "--json")
        assert code == 0, said
        _look(operator)
        assert not any("s3cret" in processes.output(name) for name in ("router", "aggregator"))


def _decided(processes: Processes, publisher: Mapping[str, str]) -> dict[str, object]:
    """Ask until the agent has been met: a task that comes before is decided NO_AGENT."""
    for _ in range(60):
        processes.check()
        code, out, said = comitia(publisher, *ASK, "--json")
        assert code in (0, 3), said
        decision: dict[str, object] = json.loads(out)
        if code == 0:
            return decision
    raise AssertionError("the agent was never seated")


def _look(operator: Mapping[str, str]) -> None:
    """`comitia doctor` of a principal that may look at everything."""
    _, out, said = comitia(
        operator, "doctor", "--json", "--bootstrap", operator["COMITIA_BOOTSTRAP"]
    )
    rows = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert rows["security"]["words"] == "SASL_SSL, SCRAM-SHA-256 as User:operator", said
    assert rows["ACLs"]["words"].startswith("checked")
    assert rows["transactions"]["words"] == "work"
    assert rows["message.timestamp.type"]["words"].startswith("the broker's default is CreateTime")
    assert rows["settings"]["verdict"] == "ok"


@pytest.mark.parametrize("missing", ["every right", "the password"])
def test_the_command_line_says_which_right_or_variable_it_lacks(
    missing: str, demands: Demanding, tmp_path: Path
) -> None:
    names = Names(f"t{uuid.uuid4().hex[:8]}.")
    environment = demands.sasl("nobody") | {
        "COMITIA_PREFIX": names.prefix, "COMITIA_STATE_DIR": str(tmp_path),
    }  # fmt: skip
    if missing == "the password":
        environment["COMITIA_SASL_PASSWORD"] = "not the s3cret"
    code, _, said = comitia(environment, *ASK)
    assert code == 2
    assert len(said.splitlines()) == 1, said
    if missing == "the password":
        assert "COMITIA_SASL_USERNAME nobody with COMITIA_SASL_PASSWORD" in said
    else:
        topic = names.topic("decisions")
        assert f"grant User:nobody the operation Describe on topic {topic}" in said
