"""Exceptions. Every failure of the library is an ``osvm.Error``; its domain decides the subclass."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "Errc",
    "Error",
    "HostError",
    "HotswapError",
    "HotswapErrc",
    "ImagesErrc",
    "ImagesError",
    "KvmErrc",
    "KvmError",
    "LedgerErrc",
    "LedgerError",
    "TimedOut",
    "UnikernelErrc",
    "UnikernelError",
]


class Errc(IntEnum):
    """Codes of the domain ``osvm``."""

    UNSUPPORTED = 1
    INVALID_ARGUMENT = 2
    LIMIT_EXCEEDED = 3
    MALFORMED = 4
    TRUNCATED = 5
    TIMED_OUT = 6
    CANCELLED = 7
    NOT_FOUND = 8
    DENIED = 9
    BUSY = 10
    CLOSED = 11


class KvmErrc(IntEnum):
    """Codes of ``KvmError``: why this host cannot run hardware-isolated guests."""

    NO_DEVICE = 1
    NO_PERMISSION = 2
    NOT_KVM = 3
    MISSING_FEATURE = 4
    PROBE_FAILED = 5


class UnikernelErrc(IntEnum):
    """Codes of ``UnikernelError``: why a program was not started."""

    NOT_AN_ELF = 1
    WRONG_ARCHITECTURE = 2
    MALFORMED_ELF = 3
    BAD_LOADER = 4
    TOO_LARGE = 5
    BAD_POLICY = 6
    ISOLATION_UNSUPPORTED = 7
    ARGUMENTS_TOO_LONG = 8
    CANNOT_SNAPSHOT = 9
    BAD_TEMPLATE = 10
    DEBUGGER_UNSUPPORTED = 11


class ImagesErrc(IntEnum):
    """Codes of ``ImagesError``: why an image was refused."""

    NOT_AN_IMAGE = 1
    VERSION = 2
    MALFORMED = 3
    TRUNCATED = 4
    TOO_LARGE = 5
    BAD_PATH = 6
    BAD_ENTRY = 7
    BAD_MANIFEST = 8
    DIGEST_MISMATCH = 9
    NOT_SIGNED = 10
    WRONG_KEY = 11
    BAD_SIGNATURE = 12
    BAD_KEY = 13


class LedgerErrc(IntEnum):
    """Codes of ``LedgerError``: why a ledger could not answer."""

    CORRUPT = 1
    UNSUPPORTED_FORMAT = 2
    LOST = 3
    NOT_A_LEDGER = 4
    NO_SUCH_COLUMN = 5
    SKIPPED = 6
    INCOMPLETE = 7
    DEAD = 8
    NOT_ROOTED = 9
    CLEANED_UP = 10


class HotswapErrc(IntEnum):
    """Codes of ``HotswapError``."""

    BAD_LISTENER = 1
    BAD_ENDPOINT = 2
    NO_SUCH_RELEASE = 3
    PROBE_FAILED = 4
    BAD_RESPONSE = 5
    INSTANCE_LOST = 6
    BAD_CERTIFICATE = 7


class Error(Exception):
    """A failure: ``domain`` and ``code`` for programs, ``message`` for people."""

    def __init__(self, domain: str, code: int, message: str) -> None:
        super().__init__(message)
        self.domain = domain
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (from_parts, (self.domain, self.code, self.message))


class TimedOut(Error, TimeoutError):
    """The deadline came first. What was waited for goes on."""


class HostError(Error, OSError):
    """The operating system refused something; ``code`` is the errno."""

    @property
    def errno(self) -> int:  # type: ignore[override]
        return self.code


class KvmError(Error):
    """This host cannot run hardware-isolated guests; ``code`` is a ``KvmErrc``."""


class UnikernelError(Error):
    """A program was not started; ``code`` is a ``UnikernelErrc``."""


class ImagesError(Error):
    """An image was refused, or could not be made; ``code`` is an ``ImagesErrc``."""


class LedgerError(Error):
    """A ledger could not answer; ``code`` is a ``LedgerErrc``."""


class HotswapError(Error):
    """The proxy refused something; ``code`` is a ``HotswapErrc``."""


_DOMAINS: dict[str, tuple[type[Error], type[IntEnum] | None]] = {
    "osvm": (Error, Errc),
    "system": (HostError, None),
    "osvm.kvm": (KvmError, KvmErrc),
    "osvm.unikernel": (UnikernelError, UnikernelErrc),
    "osvm.images": (ImagesError, ImagesErrc),
    "osvm.ledger": (LedgerError, LedgerErrc),
    "osvm.hotswap": (HotswapError, HotswapErrc),
}


def from_parts(domain: str, code: int, message: str) -> Error:
    """The exception for an error of the library. Called by the extension module."""
    kind, codes = _DOMAINS.get(domain, (Error, None))
    if codes is not None and code in codes._value2member_map_:
        code = codes(code)
    if domain == "osvm" and code == Errc.TIMED_OUT:
        kind = TimedOut
    return kind(domain, code, message)
