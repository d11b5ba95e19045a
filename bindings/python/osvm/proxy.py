"""A proxy in front of one release at a time, which is replaced without losing a request."""

from __future__ import annotations

from dataclasses import dataclass

from . import _osvm
from ._handle import Handle
from .errors import Errc, Error
from .report import ProxyStats, ShiftResult, proxy_stats, shift_result
from .runtime import Runtime

__all__ = ["Probe", "Proxy"]


@dataclass(frozen=True)
class Probe:
    """When a release counts as healthy: by default as soon as ``GET path`` answers with ``status``.

    ``kind="tcp"`` only asks for a connection. ``status=0`` takes any of 200..399. ``body`` must be found in
    the answer. The probe gives up after ``deadline`` seconds.
    """

    path: str = "/"
    kind: str = "http"
    status: int = 200
    body: str = ""
    host: str = "localhost"
    successes: int = 1
    interval: float = 0.01
    timeout: float = 1.0
    deadline: float = 10.0


class Proxy(Handle):
    """Listens at once, and routes to ``backend`` after it has passed its probe.

    ``listen`` is ``"127.0.0.1:0"`` (any free port), ``"127.0.0.1:8080"``, ``"[::1]:8080"`` or
    ``"unix:/path"``. ``mode="http"`` sends each request to the release that is active when it arrives;
    ``mode="tcp"`` passes bytes, and a connection stays with its release until it ends. Without ``backend``
    it answers 503 until the first shift.

    Thread-safe. Use it as a context manager, or call ``close()``.
    """

    def __init__(
        self,
        listen: str = "127.0.0.1:0",
        backend: str | None = None,
        *,
        version: str | None = None,
        mode: str = "http",
        probe: Probe | str | None = None,
        max_connections: int = 16_000,
        max_head: int = 32 * 1024,
        max_body: int = 0,
        head_timeout: float = 10.0,
        idle_timeout: float = 60.0,
        response_timeout: float = 60.0,
        runtime: Runtime | None = None,
    ) -> None:
        if mode not in ("http", "tcp"):
            raise Error("osvm", Errc.INVALID_ARGUMENT, f"mode is 'http' or 'tcp', not {mode!r}")
        self._l4 = mode == "tcp"
        self._own_runtime = Runtime() if runtime is None else None
        used = runtime if runtime is not None else self._own_runtime
        assert used is not None
        self._raw: _osvm.Proxy | None = None
        try:
            self._raw = _osvm.Proxy.listen(
                used._raw,
                {
                    "listen": listen,
                    "l4": self._l4,
                    "max_connections": max_connections,
                    "max_head": max_head,
                    "max_body": max_body,
                    "head_timeout": head_timeout,
                    "idle_timeout": idle_timeout,
                    "response_timeout": response_timeout,
                },
            )
            if backend is not None:
                self.shift(backend, version=version, probe=probe).check()
        except BaseException:
            self.close()
            raise

    def _proxy(self) -> _osvm.Proxy:
        if self._raw is None:
            raise Error("osvm", Errc.CLOSED, "the proxy was closed")
        return self._raw

    @property
    def endpoint(self) -> str:
        """Where it listens, with the real port: ``"tcp:127.0.0.1:43210"`` or ``"unix:/path"``."""
        return self._proxy().endpoint()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of a TCP listener, as ``socket.create_connection`` takes them."""
        host, port = self.endpoint.removeprefix("tcp:").rsplit(":", 1)
        return host.strip("[]"), int(port)

    @property
    def active(self) -> str | None:
        """Version that is routed to."""
        return self._proxy().active()

    def shift(
        self,
        endpoint: str,
        *,
        version: str | None = None,
        probe: Probe | str | None = None,
        warmup: int | None = None,
        drain: float = 30.0,
        bake: float = 0.0,
        bake_max_error_rate: float = 0.05,
    ) -> ShiftResult:
        """Replaces the release: probes ``endpoint``, warms it up, routes to it by one atomic change, and
        drains the old one for at most ``drain`` seconds. Blocks (without the GIL) until that is over.

        A release that is rejected or rolled back is no exception: the result says so, and the release
        before serves on. ``probe`` may be a path. With ``bake`` seconds, real traffic is watched after the
        shift, and the old release comes back when the new one's errors exceed ``bake_max_error_rate``.
        """
        if probe is None:
            probe = Probe(kind="tcp" if self._l4 else "http")
        elif isinstance(probe, str):
            probe = Probe(path=probe)
        if probe.kind not in ("http", "tcp"):
            raise Error("osvm", Errc.INVALID_ARGUMENT, f"a probe is 'http' or 'tcp', not {probe.kind!r}")
        if warmup is None:
            warmup = 3 if probe.kind == "http" else 0
        return shift_result(
            self._proxy().shift(
                {
                    "endpoint": endpoint,
                    "version": endpoint if version is None else version,
                    "probe_tcp": probe.kind == "tcp",
                    "probe_path": probe.path,
                    "probe_host": probe.host,
                    "probe_status": probe.status,
                    "probe_body": probe.body,
                    "probe_successes": probe.successes,
                    "probe_interval": probe.interval,
                    "probe_timeout": probe.timeout,
                    "probe_deadline": probe.deadline,
                    "warmup_requests": warmup,
                    "bake": bake,
                    "bake_max_error_rate": bake_max_error_rate,
                    "drain": drain,
                }
            )
        )

    def stats(self) -> ProxyStats:
        return proxy_stats(self._proxy().stats())

    def close(self) -> None:
        """Stops listening and cuts every connection. Idempotent."""
        super().close()
