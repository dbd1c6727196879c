"""Which machines are turned away before anything is downloaded, and what their users are told."""

import pytest

from scripts.check_platform import Machine, obstacle, this_machine


@pytest.mark.parametrize(
    "machine",
    [
        Machine("Linux", "x86_64", (3, 11), "glibc", "2.36"),
        Machine("Linux", "aarch64", (3, 13), "glibc", "2.31"),
        Machine("Darwin", "arm64", (3, 11), "", "14.5"),
        this_machine(),
    ],
)
def test_supported_machines_are_let_in(machine: Machine) -> None:
    assert obstacle(machine) is None


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (Machine("Linux", "x86_64", (3, 10), "glibc", "2.36"), "this is 3.10"),
        (Machine("Linux", "x86_64", (3, 14), "glibc", "2.36"), "make PYTHON="),
        (Machine("Linux", "x86_64", (3, 11), "", ""), "musl"),
        (Machine("Linux", "x86_64", (3, 11), "glibc", "2.28"), "needs glibc 2.31 or newer"),
        (Machine("Linux", "riscv64", (3, 11), "glibc", "2.36"), "for Linux on riscv64"),
        (Machine("Darwin", "arm64", (3, 11), "", "13.6.1"), "needs macOS 14 or newer"),
        (Machine("Darwin", "x86_64", (3, 11), "", "14.5"), "for Darwin on x86_64"),
        (Machine("Windows", "AMD64", (3, 11), "", ""), "WSL2"),
    ],
)
def test_others_are_told_why(machine: Machine, told: str) -> None:
    assert told in (obstacle(machine) or "")
