"""``osvm.run``: one program, start to end, like ``subprocess.run`` but in a virtual machine of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .errors import Errc, Error, TimedOut
from .images import AppImage
from .instance import Image, Instance, Mounts, Path, Port
from .report import ExitReport, HostFacts, RunResult
from .runtime import Runtime

__all__ = ["RunFailed", "run"]


class RunFailed(Error):
    """With ``check``: the program did not end with status 0. ``result`` is what ``run`` would have returned;
    ``code`` is its status."""

    def __init__(self, result: RunResult) -> None:
        super().__init__("osvm.run", result.status, result.report.description)
        self.result = result

    def __reduce__(self) -> tuple[object, ...]:
        return (RunFailed, (self.result,))


def run(
    args: Sequence[Path],
    *,
    image: Image | AppImage | None = None,
    ro: Mounts = (),
    rw: Mounts = (),
    env: Mapping[str, str] | None = None,
    publish: Mapping[str, Port] | None = None,
    tmpfs: Iterable[str] = (),
    memory: int = 256 << 20,
    threads: int = 64,
    processes: int = 64,
    timeout: float | None = None,
    cpu_time: float | None = None,
    input: bytes | None = None,
    allow: Iterable[str] = (),
    isolation: str = "hardware",
    libraries: bool = False,
    exitless: bool = False,
    worker: Path | None = None,
    jail: bool = False,
    limit_memory: int = 0,
    limit_cpu_percent: int = 0,
    limit_tasks: int = 0,
    cwd: str = "/",
    output_limit: int = 64 << 20,
    check: bool = False,
    facts: HostFacts | None = None,
    runtime: Runtime | None = None,
) -> RunResult:
    """Runs a Linux program alone in a virtual machine and returns its output, status, boot phases
    and counters.

    The parameters are those of ``osvm.Instance``. ``timeout`` ends the guest: the result's ``report.cause``
    is then ``"wall_budget"``. Output beyond ``output_limit`` bytes ends it with an ``osvm.Error``. With
    ``check``, a program that did not end with status 0 raises ``osvm.RunFailed``. Blocks without the GIL;
    Ctrl-C ends the guest.
    """
    out, err = bytearray(), bytearray()
    with Instance(
        args,
        image=image,
        ro=ro,
        rw=rw,
        env=env,
        publish=publish,
        tmpfs=tmpfs,
        memory=memory,
        threads=threads,
        processes=processes,
        timeout=timeout,
        cpu_time=cpu_time,
        stdin=input,
        stdout="capture",
        stderr="capture",
        allow=allow,
        isolation=isolation,
        libraries=libraries,
        exitless=exitless,
        worker=worker,
        jail=jail,
        limit_memory=limit_memory,
        limit_cpu_percent=limit_cpu_percent,
        limit_tasks=limit_tasks,
        cwd=cwd,
        facts=facts,
        runtime=runtime,
    ) as guest:
        report = _collect(guest, out, err, output_limit)
        stats = guest.stats()
        where = guest.isolation
    result = RunResult(
        stdout=bytes(out),
        stderr=bytes(err),
        status=report.shell_status,
        report=report,
        boot=stats.boot,
        stats=stats,
        isolation=where,
    )
    if check and not result.ok:
        raise RunFailed(result)
    return result


def _collect(guest: Instance, out: bytearray, err: bytearray, limit: int) -> ExitReport:
    """Takes output while the guest runs, so that it never blocks on a full pipe for long, until it has
    ended."""
    report = None
    while report is None:
        try:
            report = guest.wait(0.02)
        except TimedOut:
            pass
        out += guest.take_output(1)
        err += guest.take_output(2)
        if len(out) + len(err) > limit:
            raise Error(
                "osvm", Errc.LIMIT_EXCEEDED, f"the guest wrote more than output_limit = {limit} bytes"
            )
    return report
