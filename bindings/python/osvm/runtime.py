"""The threads that asynchronous work runs on, and what this host can do."""

from __future__ import annotations

from types import TracebackType

from . import _osvm
from .report import HostFacts

__all__ = ["Runtime", "host_facts"]


class Runtime:
    """Threads for proxies and instances. Whoever needs one and is given none makes one of its own.

    Closing gives up this share: the threads end when nothing runs on them any more.
    """

    def __init__(self, threads: int = 1) -> None:
        self._raw = _osvm.Runtime(threads)

    @property
    def threads(self) -> int:
        return self._raw.threads

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def host_facts() -> HostFacts:
    """Runs the self-test VM (a few milliseconds). Raises ``osvm.KvmError`` where KVM cannot be used."""
    raw = _osvm.probe_host()
    return HostFacts(**raw.as_dict(), _raw=raw)
