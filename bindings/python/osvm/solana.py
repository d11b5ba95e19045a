"""Solana's wire formats: accounts and transactions decoded, also by programs' interfaces (IDLs)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from . import _osvm

__all__ = ["Idl", "decode_account", "decode_transaction", "unpack_idl"]


class Idl:
    """A program's interface: an Anchor IDL of any version, or Shank's. Immutable, thread-safe.

    What it decodes comes as Python values: ``{"info": …, "type": …}``. Where nothing has the data's
    discriminator, ``osvm.Error`` with ``Errc.NOT_FOUND`` is raised.
    """

    def __init__(self, text: str) -> None:
        self._raw = _osvm.Idl.parse(text)

    @property
    def name(self) -> str:
        return self._raw.name

    @property
    def address(self) -> str | None:
        """Of the program; older interfaces may lack it."""
        return self._raw.address

    def account(self, data: bytes) -> Any:
        return json.loads(self._raw.account(data))

    def event(self, data: bytes) -> Any:
        """What a log line ``Program data: …`` holds, after base64."""
        return json.loads(self._raw.event(data))

    def instruction(self, program: str, accounts: Iterable[str], data: bytes) -> Any:
        return json.loads(self._raw.instruction(program, list(accounts), data))


def decode_account(
    owner: str,
    data: bytes,
    *,
    address: str | None = None,
    decimals: int | None = None,
    idls: Iterable[Idl] = (),
    as_validator: bool = False,
) -> Any:
    """``{"parsed": …, "program": …, "space": …}``.

    ``address`` tells sysvars apart; a token account's amounts need the ``decimals`` of its mint. With
    ``as_validator`` only what validators decode is decoded. Raises ``osvm.Error`` with ``Errc.NOT_FOUND`` when no
    decoder understands the data.
    """
    raw = [i._raw for i in idls]
    return json.loads(_osvm.decode_account(owner, data, address, decimals, raw, as_validator))


def decode_transaction(wire: bytes, *, idls: Iterable[Idl] = (), as_validator: bool = False) -> Any:
    """A transaction as it goes over the wire, with its instructions decoded and ``signaturesValid``."""
    return json.loads(_osvm.decode_transaction(wire, [i._raw for i in idls], as_validator))


def unpack_idl(data: bytes) -> str:
    """The JSON text in the data of an on-chain IDL account: Anchor's or the program metadata program's."""
    return _osvm.unpack_idl(data)
