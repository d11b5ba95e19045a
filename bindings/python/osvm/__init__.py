"""Run services in their own hardware-isolated virtual machines, and replace them under load.

>>> import osvm
>>> osvm.run(["./hello"]).stdout  # a static Linux program, alone in a VM
>>> with osvm.Instance(["./server"], listen=[8080]) as v1, osvm.Proxy("127.0.0.1:8080") as proxy:
...     proxy.shift(v1.endpoint(8080)).check()

Importing this package starts no thread and opens no descriptor.
"""

from __future__ import annotations

from ._osvm import version as __version__
from ._audit import AuditReport, Evidence, Finding, audit, audit_checks
from .errors import (
    Errc,
    Error,
    HostError,
    HotswapErrc,
    HotswapError,
    ImagesErrc,
    ImagesError,
    KvmErrc,
    KvmError,
    LedgerErrc,
    LedgerError,
    TimedOut,
    UnikernelErrc,
    UnikernelError,
)
from .gateway import Gateway, ReleaseEvent
from .images import AppImage, build_image, sign_image
from .instance import Image, Instance, Template
from .ledger import Accounts, Bounds, Ledger, Lost, Slot
from .proxy import Probe, Proxy
from .report import (
    BootPhases,
    Denial,
    Event,
    ExitCause,
    ExitReport,
    Fault,
    HostFacts,
    InstanceStats,
    LibraryGrant,
    LibraryRefusal,
    ProxyStats,
    RunResult,
    ShiftResult,
    ShiftTimes,
)
from ._run import RunFailed, run
from .runtime import Runtime, host_facts
from .solana import Idl, decode_account, decode_transaction, unpack_idl

__all__ = [
    "Accounts",
    "AppImage",
    "AuditReport",
    "BootPhases",
    "Bounds",
    "Denial",
    "Event",
    "Evidence",
    "Errc",
    "Error",
    "ExitCause",
    "ExitReport",
    "Fault",
    "Finding",
    "Gateway",
    "HostError",
    "HostFacts",
    "HotswapErrc",
    "HotswapError",
    "Idl",
    "Image",
    "ImagesErrc",
    "ImagesError",
    "Instance",
    "InstanceStats",
    "KvmErrc",
    "KvmError",
    "Ledger",
    "LedgerErrc",
    "LedgerError",
    "LibraryGrant",
    "LibraryRefusal",
    "Lost",
    "Probe",
    "Proxy",
    "ProxyStats",
    "ReleaseEvent",
    "RunFailed",
    "RunResult",
    "Runtime",
    "ShiftResult",
    "ShiftTimes",
    "Slot",
    "Template",
    "TimedOut",
    "UnikernelErrc",
    "UnikernelError",
    "__version__",
    "audit",
    "audit_checks",
    "build_image",
    "decode_account",
    "decode_transaction",
    "host_facts",
    "run",
    "sign_image",
    "unpack_idl",
]
