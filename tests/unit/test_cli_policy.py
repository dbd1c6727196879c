"""`comitia policy check`: what a router would say, without one."""

from pathlib import Path

from typer.testing import CliRunner

from comitia_cli.main import app

ROOT = Path(__file__).parents[2]


def test_good_policies_are_ok_and_bad_ones_end_with_what_to_change(tmp_path: Path) -> None:
    examples = str(ROOT / "examples" / "policies")
    good = CliRunner().invoke(app, ["policy", "check", examples])
    assert good.exit_code == 0, good.output
    assert good.stdout.count('"ok": true') == 3
    bad = tmp_path / "s.yaml"
    bad.write_text("steps: [{judge: {agents: [a, a]}}]\nquorum: 1000")
    found = CliRunner().invoke(app, ["policy", "check", str(bad), examples])
    assert found.exit_code == 2
    assert "'a' stands there 2 times" in found.stderr
    assert "policy.quorum: 1000 ballots" in found.stderr
    assert found.stdout.count('"ok": true') == 3, "the others are told all the same"
