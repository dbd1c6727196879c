"""Wrong settings are told before anything is downloaded or started, and misspelt ones by doctor."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comitia_cli.main import app
from comitia_cli.system import settings, system


def invoke(tmp_path: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that has folders of its own."""
    own = {"COMITIA_STATE_DIR": str(tmp_path / "s"), "COMITIA_CACHE_DIR": str(tmp_path / "c")}
    done = CliRunner().invoke(app, list(arguments), env={**own, **env})
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COMITIA_DELIVERY", "exactly"),
        ("COMITIA_SEATS_DEFAULT", "0"),
        ("COMITIA_IN_FLIGHT_MAX", "many"),
        ("COMITIA_BROKER_PORT", "99999"),
    ],
)
def test_up_refuses_a_wrong_setting_before_it_starts_anything(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*_: object) -> None:
        raise AssertionError("models are being built")

    monkeypatch.setattr(system, "build", begun)
    code, _, said = invoke(tmp_path, "up", **{variable: value})
    assert (code, said.count(variable)) == (2, 1), said
    assert value in said
    assert not (tmp_path / "c").exists()


def test_the_embedded_broker_is_not_asked_for_what_it_has_not(tmp_path: Path) -> None:
    login = {"COMITIA_SASL_USERNAME": "a", "COMITIA_SASL_PASSWORD": "s3cret"}
    wanted = {"COMITIA_SECURITY_PROTOCOL": "SASL_SSL", "COMITIA_SASL_MECHANISM": "PLAIN"}
    code, _, said = invoke(tmp_path, "up", **wanted, **login)
    assert code == 2
    assert "COMITIA_SECURITY_PROTOCOL is SASL_SSL" in said
    assert "--bootstrap" in said
    assert not (tmp_path / "c").exists()


def test_doctor_names_wrong_settings_and_what_looks_like_one(tmp_path: Path) -> None:
    code, out, _ = invoke(tmp_path, "doctor", COMITIA_DELIVERY="exactly", COMITIA_DELIVRY="x")
    rows = [json.loads(line) for line in out.splitlines()]
    found = {row["verdict"]: row["words"] for row in rows if row["name"] == "settings"}
    assert code == 1
    assert "COMITIA_DELIVERY" in found["wrong"]
    assert found["note"] == (
        "COMITIA_DELIVRY is no setting and changes nothing: is COMITIA_DELIVERY meant?"
    )


def test_settings_are_settings_in_either_case_and_others_variables_are_no_matter() -> None:
    env = {"comitia_delivery": "x", "COMITIA_BROKER_PORT": "1", "PATH": os.sep}
    assert settings.unknown(env) == {}
    assert settings.unknown({"COMITIA_QQXYZ": ""}) == {"COMITIA_QQXYZ": ""}
