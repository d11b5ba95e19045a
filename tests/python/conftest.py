"""Fixtures: the guest programs, and the kvm mark, which skips where /dev/kvm cannot be opened and says
why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SKIPPED = 77  # what CTest shows as skipped


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "unit: needs nothing")
    config.addinivalue_line("markers", "kvm: runs a real virtual machine")


def _kvm_missing() -> str | None:
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as e:
        return f"/dev/kvm cannot be opened: {e.strerror}"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kvm") and (reason := _kvm_missing()):
        pytest.skip(reason)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == 0 and "kvm" in session.config.option.markexpr and _kvm_missing():
        session.exitstatus = SKIPPED


@pytest.fixture(scope="session")
def guests() -> Path:
    """Folder of the guest programs."""
    return Path(os.environ["OSVM_GUEST_DIR"])
