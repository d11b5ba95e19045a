"""What objects over a native handle have in common: whose runtime they use, and how they are closed."""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeVar

from .runtime import Runtime

Own = TypeVar("Own", bound="Handle")


class Handle:
    """Owner of a native object, and of a runtime where it was given none. A context manager."""

    _raw: Any
    _own_runtime: Runtime | None

    def close(self) -> None:
        """Releases everything. Idempotent."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()
        if self._own_runtime is not None:
            self._own_runtime.close()
            self._own_runtime = None

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
