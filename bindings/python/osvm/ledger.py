"""A Solana validator's ledger, read-only and beside the running validator; accounts of snapshots and files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union

from . import _osvm
from .errors import Errc, Error

__all__ = ["Accounts", "Bounds", "Ledger", "Lost", "Slot"]

Path = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Bounds:
    """What a ledger covers at one moment; ``None``: it has no such row."""

    lowest: int | None
    highest: int | None
    highest_full: int | None
    first_root: int | None
    last_root: int | None
    last_confirmed: int | None
    first_available: int
    """The first block that can be served with its parent's hash."""


@dataclass(frozen=True)
class Slot:
    """One slot as the ledger knows it."""

    slot: int
    parent: int | None
    shreds: int
    """Data shreds from the first on without a gap."""
    full: bool
    root: bool
    dead: bool


@dataclass(frozen=True)
class Lost:
    """A file that the ledger lacks or cannot read."""

    column: str
    file: str
    reason: str


class Ledger:
    """The ledger folder of a validator, or its database folder.

    Takes no lock and writes nothing. JSON answers are those of a validator's RPC, as Python values. Raises
    ``osvm.LedgerError``. Thread-safe; calls release the GIL.
    """

    def __init__(self, folder: Path) -> None:
        self._raw = _osvm.Ledger.open(os.fspath(folder))

    def refresh(self) -> bool:
        """Takes over what a running validator has added; whether something had."""
        return self._raw.refresh()

    @property
    def bounds(self) -> Bounds:
        return Bounds(**self._raw.bounds())

    @property
    def lost(self) -> list[Lost]:
        return [Lost(**row) for row in self._raw.lost()]

    def slots(self, first: int = 0) -> Iterator[Slot]:
        """Every slot that the ledger knows, ascending, from ``first`` on."""
        step = 256
        while True:
            rows = self._raw.slots(first, step)
            for row in rows:
                yield Slot(**row)
            if len(rows) < step:
                return
            first = rows[-1]["slot"] + 1

    def blocks(self, first: int = 0, *, encoding: str = "json", details: str = "full") -> Iterator[Any]:
        """``(slot, block)`` of each rooted slot from ``first`` on."""
        for slot in self.slots(first):
            if slot.root and slot.full:
                yield slot.slot, self.block(slot.slot, encoding=encoding, details=details)

    def block(
        self, slot: int, *, encoding: str = "json", details: str = "full", commitment: str = "finalized"
    ) -> Any:
        """What ``getBlock`` answers."""
        return json.loads(self._raw.block(slot, encoding, details, commitment))

    def wire(self, slot: int) -> list[bytes]:
        """The block's transactions as they were sent, whatever became of the slot."""
        return self._raw.wire(slot)

    def transaction(
        self, signature: str, *, encoding: str = "json", commitment: str = "finalized"
    ) -> Any | None:
        """What ``getTransaction`` answers; ``None`` when the ledger has no such transaction."""
        return json.loads(self._raw.transaction(signature, encoding, commitment))

    def signatures(self, address: str, *, limit: int = 1000, commitment: str = "finalized") -> list[Any]:
        """What ``getSignaturesForAddress`` answers: newest first."""
        answer: list[Any] = json.loads(self._raw.signatures(address, limit, commitment))
        return answer


class Accounts:
    """Accounts of snapshot archives, of files that the Solana CLI dumped, or of folders of these.

    Immutable, thread-safe.
    """

    def __init__(self, *paths: Path) -> None:
        self._raw = _osvm.Accounts.load([os.fspath(p) for p in paths])

    def __len__(self) -> int:
        return self._raw.size()

    def addresses(self) -> list[str]:
        return self._raw.addresses()

    def get(self, address: str, *, encoding: str = "jsonParsed") -> Any | None:
        """The account as ``getAccountInfo`` shows it; ``None`` when there is none."""
        try:
            return json.loads(self._raw.account(address, encoding))
        except Error as e:
            if e.domain == "osvm" and e.code == Errc.NOT_FOUND:
                return None
            raise
