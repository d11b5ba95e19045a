"""A ledger, accounts and decoding. The ledger is the one that tests/capi/make_ledger.cpp writes."""

from __future__ import annotations

import os
from pathlib import Path

import osvm
import pytest

pytestmark = pytest.mark.unit

PAYER = "FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
SHOP = """{"address":"TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA","metadata":{"name":"shop","version":"1",
"spec":"0.1.0"},"instructions":[{"name":"buy","discriminator":[5],"accounts":[{"name":"payer"}],
"args":[{"name":"n","type":"u16"}]}],"accounts":[{"name":"Store","discriminator":[9]}],"events":[
{"name":"Store","discriminator":[7]}],"types":[{"name":"Store","type":{"kind":"struct","fields":[
{"name":"price","type":"u8"}]}}]}"""


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(os.environ["OSVM_TEST_LEDGER"])


@pytest.fixture(scope="module")
def ledger(folder: Path) -> osvm.Ledger:
    return osvm.Ledger(folder)


def test_errors_by_domain(ledger: osvm.Ledger) -> None:
    with pytest.raises(osvm.LedgerError) as none:
        osvm.Ledger("/")
    assert none.value.code is osvm.LedgerErrc.NOT_A_LEDGER
    with pytest.raises(osvm.LedgerError) as skipped:
        ledger.block(2)
    assert skipped.value.code is osvm.LedgerErrc.SKIPPED
    with pytest.raises(osvm.Error) as wrong:
        ledger.block(1, encoding="text")
    assert wrong.value.code is osvm.Errc.INVALID_ARGUMENT
    with pytest.raises(osvm.Error):
        ledger.transaction("no signature")


def test_slots_and_blocks(ledger: osvm.Ledger) -> None:
    assert ledger.bounds.lowest == 0 and ledger.bounds.last_root == 3 and ledger.bounds.last_confirmed == 3
    assert [(s.slot, s.parent, s.full, s.root, s.dead) for s in ledger.slots()] == [
        (0, 0, True, True, False),
        (1, 0, True, True, False),
        (3, 1, True, True, False),
    ]
    assert [s.slot for s in ledger.slots(2)] == [3] and list(ledger.slots(4)) == []
    blocks = dict(ledger.blocks(details="signatures"))
    assert list(blocks) == [0, 1, 3] and len(blocks[1]["signatures"]) == 1
    assert ledger.block(3)["parentSlot"] == 1
    assert ledger.lost == [] and ledger.refresh() in (True, False)


def test_transactions(ledger: osvm.Ledger) -> None:
    (entry,) = ledger.signatures(PAYER)
    found = ledger.transaction(entry["signature"], encoding="jsonParsed")
    assert found["slot"] == 1
    (instruction,) = found["transaction"]["message"]["instructions"]
    assert instruction["parsed"]["info"]["lamports"] == 42
    assert ledger.transaction("1" * 64) is None
    (wire,) = ledger.wire(1)
    decoded = osvm.decode_transaction(wire)
    assert decoded["signaturesValid"] and decoded["transaction"] == found["transaction"]
    with pytest.raises(osvm.Error):
        osvm.decode_transaction(wire + b"x")


def test_accounts(folder: Path) -> None:
    accounts = osvm.Accounts(folder / "accounts.json")
    mint, held = accounts.addresses()
    assert len(accounts) == 2
    info = accounts.get(held)["data"]["parsed"]["info"]
    assert info["tokenAmount"]["uiAmountString"] == "1.5" and info["mint"] == mint
    assert accounts.get(PAYER) is None
    with pytest.raises(osvm.Error):
        accounts.get(held, encoding="text")


def test_decoding_by_an_idl() -> None:
    idl = osvm.Idl(SHOP)
    assert (idl.name, idl.address) == ("shop", TOKEN)
    assert idl.account(b"\x09\x2a") == {"info": {"price": 42}, "type": "Store"}
    assert idl.event(b"\x07\x2a")["event"] == "Store"
    assert idl.instruction(TOKEN, [PAYER], b"\x05\x01\x01")["info"] == {"accounts": {"payer": PAYER}, "args": {"n": 257}}
    assert osvm.decode_account(TOKEN, b"\x09\x2a", idls=[idl])["program"] == "shop"
    for how in ({}, {"idls": [idl], "as_validator": True}):
        with pytest.raises(osvm.Error) as unknown:
            osvm.decode_account(TOKEN, b"\x09\x2a", **how)
        assert unknown.value.code is osvm.Errc.NOT_FOUND
    with pytest.raises(osvm.Error) as bad:
        osvm.Idl("{")
    assert bad.value.code is osvm.Errc.MALFORMED
    with pytest.raises(osvm.Error):
        osvm.unpack_idl(b"nothing")


def test_token_accounts_need_decimals() -> None:
    data = bytes(64) + (1500).to_bytes(8, "little") + bytes(36) + b"\x01" + bytes(56)
    with pytest.raises(osvm.Error):
        osvm.decode_account(TOKEN, data)
    amount = osvm.decode_account(TOKEN, data, decimals=3)["parsed"]["info"]["tokenAmount"]
    assert amount["uiAmountString"] == "1.5"
