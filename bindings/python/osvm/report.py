"""Plain results: how a guest ended, what it used, what a shift did. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from .errors import Error, from_parts

__all__ = [
    "BootPhases",
    "Denial",
    "Event",
    "LibraryGrant",
    "LibraryRefusal",
    "ExitCause",
    "ExitReport",
    "Fault",
    "HostFacts",
    "InstanceStats",
    "ProxyStats",
    "RunResult",
    "ShiftResult",
    "ShiftTimes",
]


@dataclass(frozen=True)
class HostFacts:
    """What this host's KVM can do, found by running a small VM. Pass it to instances to save the probe."""

    cpu: str
    cores: int
    kernel: str
    kvm_vendor: str
    syscall_stub: str
    sysret_works: bool
    cpl0_emulated: bool
    huge_pages: bool
    msr_filter: bool
    readonly_slots: bool
    sync_regs: bool
    tsc_direct: bool
    smep: bool
    smap: bool
    fsgsbase: bool
    phys_bits: int
    max_vcpus: int
    tsc_khz: int
    exit_us: float
    first_exit_us: float
    probe_ms: float
    _raw: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class Fault:
    """A CPU fault that ended a guest."""

    kind: str
    vector: int
    error_code: int
    address: int
    thread: int
    detail: str
    registers: Mapping[str, int]


class ExitCause(str, Enum):
    """Why a guest is over. Compares equal to its text: ``report.cause == "wall_budget"``."""

    EXITED = "exited"
    SIGNALED = "signaled"
    FAULTED = "faulted"
    KILLED = "killed"
    MEMORY_BUDGET = "memory_budget"
    CPU_BUDGET = "cpu_budget"
    WALL_BUDGET = "wall_budget"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ExitReport:
    """How a guest ended."""

    cause: ExitCause
    status: int
    signal: int
    shell_status: int
    description: str
    detail: str
    fault: Fault | None

    @property
    def ok(self) -> bool:
        """The program ended by itself with status 0."""
        return self.shell_status == 0


@dataclass(frozen=True)
class BootPhases:
    """Where boot time went; ``total`` runs to the guest's first instruction."""

    vm: float
    memory: float
    vcpu: float
    start: float
    total: float


@dataclass(frozen=True)
class Denial:
    """Something that policy forbade, and the rule that would grant it."""

    what: str
    rule: str
    count: int


@dataclass(frozen=True)
class LibraryGrant:
    """A file that the guest may read since its program needs it (``libraries=True``)."""

    host: str
    guest: str
    needed_by: str


@dataclass(frozen=True)
class LibraryRefusal:
    """A file that the program or one of its libraries names, but that is not granted unasked."""

    name: str
    needed_by: str
    reason: str


@dataclass(frozen=True)
class Event:
    """Something that happened while a guest ran. ``kind``: "denial" (``rule`` would grant it), "trace" (``text`` is
    the call as strace shows it) or "log" (a line that the guest wrote to descriptor ``stream``). Times are
    seconds; ``at`` counts from the guest's start."""

    kind: str
    at: float
    thread: int
    text: str
    rule: str
    call: int
    result: int
    duration: float
    stream: int


@dataclass(frozen=True)
class InstanceStats:
    """Counters of an instance: a snapshot, consistent per field while the guest runs."""

    boot: BootPhases
    exits: int
    polled_calls: int
    page_faults: int
    syscalls: Mapping[str, int]
    denials: tuple[Denial, ...]
    granted: tuple[LibraryGrant, ...]
    refused: tuple[LibraryRefusal, ...]
    memory_bytes: int
    memory_peak_bytes: int
    resident_bytes: int
    page_table_bytes: int
    threads: int
    processes_started: int
    descriptors: int
    written_bytes: int
    socket_received_bytes: int
    socket_sent_bytes: int
    cpu_time: float
    events_dropped: int


@dataclass(frozen=True)
class RunResult:
    """What ``osvm.run`` returns. ``status`` is what a shell would print: the program's status, or 128 +
    signal."""

    stdout: bytes
    stderr: bytes
    status: int
    report: ExitReport
    boot: BootPhases
    stats: InstanceStats
    isolation: str

    @property
    def ok(self) -> bool:
        """The program ended by itself with status 0."""
        return self.report.ok


@dataclass(frozen=True)
class ShiftTimes:
    """Steps of a shift; ``shift`` is the call that changed the route."""

    start: float
    probe: float
    warm: float
    shift: float
    bake: float
    drain: float
    stop: float
    total: float


@dataclass(frozen=True)
class ShiftResult:
    """What a shift did, exactly. ``state`` is active (it took over), rejected (the release before serves on,
    untouched), rolled_back (the release before serves again) or retired (lost with nothing to go back to)."""

    version: str
    state: str
    failed_at: str | None
    reason: str
    replaced: str
    generation: int
    times: ShiftTimes
    probe_attempts: int
    warmup_requests: int
    drained: int
    cut: int
    description: str
    error: Error | None

    @property
    def ok(self) -> bool:
        """The release took over."""
        return self.state == "active"

    def check(self) -> ShiftResult:
        """Itself, or raises why the release did not take over."""
        if self.error is not None:
            raise self.error
        return self

    def __str__(self) -> str:
        return self.description


@dataclass(frozen=True)
class ProxyStats:
    """Counters of a proxy since it began to listen. ``failed`` is the sum of ``failures``."""

    accepted: int
    active: int
    refused: int
    requests: int
    answered: int
    failed: int
    failures: Mapping[str, int]
    client_aborted: int
    cut: int
    retried: int
    upgraded: int
    bytes_to_release: int
    bytes_to_client: int
    shifts: int


def exit_report(raw: Mapping[str, Any]) -> ExitReport:
    fault = raw["fault"]
    cause = tuple(ExitCause)[raw["cause"]]
    return ExitReport(**{**raw, "cause": cause, "fault": Fault(**fault) if fault else None})


def instance_stats(raw: Mapping[str, Any]) -> InstanceStats:
    lists = {
        "denials": tuple(Denial(**d) for d in raw["denials"]),
        "granted": tuple(LibraryGrant(**g) for g in raw["granted"]),
        "refused": tuple(LibraryRefusal(**r) for r in raw["refused"]),
    }
    return InstanceStats(**{**raw, "boot": BootPhases(**raw["boot"]), **lists})


def shift_result(raw: Mapping[str, Any]) -> ShiftResult:
    error = None if raw["state"] == "active" else from_parts(*raw["error"])
    return ShiftResult(**{**raw, "times": ShiftTimes(**raw["times"]), "error": error})


def proxy_stats(raw: Mapping[str, Any]) -> ProxyStats:
    return ProxyStats(**{f.name: raw[f.name] for f in fields(ProxyStats)})
