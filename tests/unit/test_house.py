"""The style of the house, as a test: what ruff, mypy and import-linter do not see.

Comes in: the files of this tree. Goes out: one failure per rule, with every place that breaks it.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "shared/comitia/v1"
FOLDERS = ("shared", "cli", "services", "scripts", "tests", "examples", "bench", "observability")
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PROJECTS = [
    ROOT / "shared",
    ROOT / "cli",
    *(path for path in sorted((ROOT / "services").iterdir()) if path.is_dir()),
]

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 5


def modules() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if GENERATED not in path.parents:
                yield path


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def place(path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A command of the command line: its parameters are the options that a person types."""
    return any(
        argument.annotation is not None and ast.unparse(argument.annotation) == "typer.Context"
        for argument in function.args.args
    )


def project(folder: Path) -> dict[str, Any]:
    """The table [project] of a distribution."""
    settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    table: dict[str, Any] = settings["project"]
    return table


def pins(lock: Path) -> dict[str, list[str]]:
    """Versions by distribution; several where a marker chooses among them."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", lock.read_text(encoding="utf-8"), re.M
    ):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules()
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert not silent, silent


def test_files_stay_short_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    }
    assert not long, long


def test_functions_stay_short() -> None:
    long = [
        place(path, function)
        for path in modules()
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not long, long


def test_functions_take_few_parameters() -> None:
    greedy = [
        place(path, function)
        for path in modules()
        for function in functions(path)
        if parameters(function) > PARAMETERS_MAX and not is_command(function)
    ]
    assert not greedy, greedy


def test_nothing_is_left_to_be_done_later() -> None:
    marker = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in modules()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marker.search(line)
    ]
    assert not left, left


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_pin_by_hash_and_name_no_registry(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text and "--index-url" not in text and "--find-links" not in text
    pins = re.split(r"\n(?=[a-z0-9])", text)
    unhashed = [pin.splitlines()[0] for pin in pins if pin[:1].isalnum() and "sha256:" not in pin]
    assert unhashed == []


def test_every_distribution_names_backend_licence_and_python() -> None:
    for folder in PROJECTS:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        assert 'build-backend = "flit_core.buildapi"' in text, folder
        assert project(folder)["license"] == "Apache-2.0", folder
        assert project(folder)["requires-python"] == ">=3.11,<3.14", folder


def test_the_run_lock_meets_what_the_distributions_ask_for() -> None:
    locked = pins(ROOT / "requirements/run.lock")
    unmet = []
    for folder in PROJECTS:
        settings = project(folder)
        extras = settings.get("optional-dependencies", {})
        asked = settings["dependencies"] + [
            line for extra, lines in extras.items() if extra not in ("gpu", "msk") for line in lines
        ]
        for requirement in map(Requirement, asked):
            name = canonicalize_name(requirement.name)
            if name.startswith("comitia"):
                continue
            versions = locked.get(name, [])
            if not versions or not all(map(requirement.specifier.contains, versions)):
                unmet.append(f"{folder.name}: {requirement} (locked: {versions})")
    assert unmet == []


def test_the_development_lock_holds_the_run_lock() -> None:
    development = pins(ROOT / "requirements/dev.lock")
    differing = {
        name: versions
        for name, versions in pins(ROOT / "requirements/run.lock").items()
        if development.get(name) != versions
    }
    assert differing == {}


def test_onnxruntime_comes_once_per_environment() -> None:
    assert "onnxruntime-gpu" not in pins(ROOT / "requirements/run.lock")
    assert "onnxruntime" not in pins(ROOT / "requirements/gpu.lock")
