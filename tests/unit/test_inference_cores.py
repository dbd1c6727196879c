"""What a process may use is read off its control groups, of either version, and its affinity."""

from pathlib import Path

import pytest

from comitia.inference import cores as module
from comitia.inference.cores import Cores, cores
from comitia.inference.session import SPIN_US, Threads


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_affinity", lambda: 8)


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def found(root: Path, own: str) -> Cores:
    (root / "own").write_text(own + "\n")
    return cores(root / "groups", root / "own")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", Cores(8, None)),
        ("200000 100000", Cores(2, 2.0)),
        ("150000 100000", Cores(2, 1.5)),
        ("50000 100000", Cores(1, 0.5)),
        ("25000 50000", Cores(1, 0.5)),
        ("1600000 100000", Cores(8, None)),
    ],
)
def test_version_2(tmp_path: Path, quota: str, expected: Cores) -> None:
    group(tmp_path / "groups" / "pod" / "agent", cpu__max=quota)
    assert found(tmp_path, "0::/pod/agent") == expected


def test_the_least_of_all_groups_around_holds(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "pod" / "agent", cpu__max="max 100000")
    group(tmp_path / "groups" / "pod", cpu__max="300000 100000")
    group(tmp_path / "groups", cpu__max="600000 100000")
    assert found(tmp_path, "0::/pod/agent") == Cores(3, 3.0)


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "expected"), [("250000", Cores(3, 2.5)), ("-1", Cores(8, None))])
def test_version_1(tmp_path: Path, mount: str, quota: str, expected: Cores) -> None:
    group(tmp_path / "groups" / mount / "a", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    assert found(tmp_path, "4:memory:/a\n2:cpu,cpuacct:/a\n1:cpuset:/a") == expected


def test_a_container_that_reads_the_path_of_its_host(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "cpu", cpu__cfs_quota_us="100000", cpu__cfs_period_us="100000")
    assert found(tmp_path, "2:cpu:/docker/0123abcd") == Cores(1, 1.0)


def test_version_2_mounted_beside_version_1(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "unified" / "a", cpu__max="400000 100000")
    assert found(tmp_path, "3:memory:/a\n0::/a") == Cores(4, 4.0)


def test_no_groups_at_all(tmp_path: Path) -> None:
    assert cores(tmp_path / "none", tmp_path / "nowhere") == Cores(8, None)


def test_affinity_is_less_than_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
    assert module._affinity() == 3


@pytest.mark.parametrize(
    ("asked", "allowed", "expected"),
    [
        (0, Cores(8, None), (8, SPIN_US)),
        (2, Cores(8, None), (2, SPIN_US)),
        (0, Cores(2, 2.0), (2, SPIN_US)),
        (0, Cores(2, 1.5), (2, 0)),
        (1, Cores(2, 1.5), (1, SPIN_US)),
        (4, Cores(2, 2.0), (4, 0)),
    ],
)
def test_threads_wait_busily_where_each_has_a_core(
    asked: int, allowed: Cores, expected: tuple[int, int]
) -> None:
    assert Threads(asked).settle(allowed) == expected
