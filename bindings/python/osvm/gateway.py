"""A whole proxy from a configuration: listeners, routes, services with their releases."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from . import _osvm
from ._handle import Handle
from .errors import Errc, Error
from .report import ShiftResult, shift_result
from .runtime import Runtime

__all__ = ["Gateway", "ReleaseEvent"]


@dataclass(frozen=True)
class ReleaseEvent:
    """A transition of a service's release. ``time`` is in seconds since 1970."""

    service: str
    version: str
    attempt: int
    state: str
    reason: str
    time: float


class Gateway(Handle):
    """What ``osvm proxy -c FILE`` runs. Returns when the release of every service is active.

    Give the configuration as ``text`` (errors call it ``name``) or as the path of a ``file``; see
    ``docs/guides/replace-without-downtime.md``. ``control`` is for ``osvm proxy`` only.

    Thread-safe; calls that wait do so without the GIL, and Ctrl-C ends them. Use it as a context manager, or
    call ``close()``.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | None = None,
        *,
        text: str | None = None,
        name: str = "config",
        runtime: Runtime | None = None,
    ) -> None:
        self._own_runtime: Runtime | None = None
        self._raw: _osvm.Gateway | None = None
        source = self._source(file, text, name)
        self._own_runtime = Runtime() if runtime is None else None
        used = runtime if runtime is not None else self._own_runtime
        assert used is not None
        try:
            self._raw = _osvm.Gateway.open(used._raw, *source)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _source(file: str | os.PathLike[str] | None, text: str | None, name: str) -> tuple[str | None, str]:
        if (file is None) == (text is None):
            raise Error("osvm", Errc.INVALID_ARGUMENT, "a gateway needs a file or a text")
        return (None, os.fspath(file)) if file is not None else (text, name)

    def _gateway(self) -> _osvm.Gateway:
        if self._raw is None:
            raise Error("osvm", Errc.CLOSED, "the gateway was closed")
        return self._raw

    def reload(
        self, file: str | os.PathLike[str] | None = None, *, text: str | None = None, name: str = "config"
    ) -> None:
        """Another configuration, as a whole or not at all; no connection is lost."""
        self._gateway().reload(*self._source(file, text, name))

    def shift(self, service: str, version: str, *backends: str) -> ShiftResult:
        """Replaces a service's release. One that is rejected or rolled back is no exception."""
        return shift_result(self._gateway().shift(service, version, list(backends)))

    def rollback(self, service: str) -> ShiftResult:
        """To the release before; ends a deployment that is under way."""
        return shift_result(self._gateway().rollback(service))

    def pause(self, service: str) -> None:
        """The deployment that is under way goes no further than its next boundary."""
        self._gateway().command(service, 0)

    def resume(self, service: str) -> None:
        self._gateway().command(service, 1)

    def abort(self, service: str) -> None:
        """The deployment that is under way is given up: rejected, or rolled back."""
        self._gateway().command(service, 2)

    def set_weight(self, service: str, backend: str, weight: int) -> None:
        """0: nothing new goes to the backend. 100 is what backends begin with."""
        self._gateway().set_weight(service, backend, weight)

    def drain(self, service: str, backend: str, timeout: float | None = None) -> bool:
        """Nothing new goes to the backend; True when nothing is in flight there any more."""
        return self._gateway().drain(service, backend, timeout)

    def status(self) -> dict[str, Any]:
        """Listeners, and services with their backends: what ``osvm proxy status --json`` prints."""
        told: dict[str, Any] = json.loads(self._gateway().status())
        return told

    def metrics(self) -> str:
        """Prometheus text."""
        return self._gateway().metrics()

    def events(self, most: int = 1024) -> list[ReleaseEvent]:
        """Takes the oldest transitions of releases; the last 1024 are kept."""
        return [ReleaseEvent(**e) for e in self._gateway().take_events(most)]

    @property
    def lost_events(self) -> int:
        """How many transitions were not taken in time."""
        return self._gateway().lost_events()

    def stop(self, timeout: float = 30.0) -> None:
        """Stops listening, lets every service drain, then cuts what is left."""
        self._gateway().stop(timeout)

    def close(self) -> None:
        """Cuts every connection. Idempotent."""
        super().close()
