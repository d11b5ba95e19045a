#!/usr/bin/python3
"""solders talks to our server: its requests are understood, and its strict types read every answer.

  solders_client_test.py SERVER VENV LOCK
"""
import http.client
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "solana"))
from solders_venv import enter_venv  # noqa: E402  (beside solders.lock, which it installs)

PATIENCE = 30  # seconds for one answer, on a machine that does much else


class Node:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)

    def post(self, body):
        self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        assert answer.status == 200, answer.status
        return answer.read().decode()

    def ask(self, request, kind):
        """The value, read by solders' own type for it. It raises on what it does not know."""
        answer = kind.from_json(self.post(request.to_json()))
        assert isinstance(answer, kind), answer
        return answer.value


def check_chain(node):
    from solders.rpc import requests as q, responses as r

    assert node.ask(q.GetSlot(), r.GetSlotResp) == 3
    assert node.ask(q.GetBlocks(0), r.GetBlocksResp) == [0, 1, 2, 3]
    assert node.ask(q.GetBlocksWithLimit(1, 2), r.GetBlocksWithLimitResp) == [1, 2]
    assert node.ask(q.GetBlockHeight(), r.GetBlockHeightResp) == 3
    assert node.ask(q.GetBlockTime(2), r.GetBlockTimeResp) == 1700000002
    assert node.ask(q.GetFirstAvailableBlock(), r.GetFirstAvailableBlockResp) == 0
    assert node.ask(q.MinimumLedgerSlot(), r.MinimumLedgerSlotResp) == 0
    assert node.ask(q.GetHealth(), r.GetHealthResp) == "ok"
    assert node.ask(q.GetVersion(), r.GetVersionResp).solana_core.startswith("osvm-")


def check_transactions(node):
    from solders.rpc import requests as q, responses as r
    from solders.rpc.config import RpcBlockConfig, RpcTransactionConfig
    from solders.transaction import VersionedTransaction
    from solders.transaction_status import TransactionConfirmationStatus, UiTransactionEncoding

    def block(encoding):
        how = RpcBlockConfig(encoding=encoding, max_supported_transaction_version=0)
        return node.ask(q.GetBlock(3, how), r.GetBlockResp)

    wire = block(UiTransactionEncoding.Base64)
    assert wire.parent_slot == 2 and wire.block_height == 3
    transaction = wire.transactions[0].transaction
    assert isinstance(transaction, VersionedTransaction), transaction
    signature, (payer, recipient) = transaction.signatures[0], transaction.message.account_keys[:2]
    assert transaction.verify_with_results() == [True]
    for encoding in (UiTransactionEncoding.Json, UiTransactionEncoding.JsonParsed, UiTransactionEncoding.Base58):
        seen = block(encoding).transactions[0]
        assert seen.meta.fee == 5000 and seen.meta.err is None
        if encoding != UiTransactionEncoding.Base58:
            assert seen.transaction.signatures[0] == signature
    parsed = block(UiTransactionEncoding.JsonParsed).transactions[0].transaction.message.instructions[0].parsed
    assert parsed["info"]["lamports"] == 3 and parsed["info"]["destination"] == str(recipient)

    how = RpcTransactionConfig(encoding=UiTransactionEncoding.Base64, max_supported_transaction_version=0)
    found = node.ask(q.GetTransaction(signature, how), r.GetTransactionResp)
    assert found.slot == 3 and found.transaction.transaction == transaction
    history = node.ask(q.GetSignaturesForAddress(payer), r.GetSignaturesForAddressResp)
    assert [row.slot for row in history] == [3, 2, 1] and history[0].signature == signature
    status = node.ask(q.GetSignatureStatuses([signature]), r.GetSignatureStatusesResp)[0]
    assert status.slot == 3 and status.confirmation_status == TransactionConfirmationStatus.Finalized
    return transaction


def check_batch_and_errors(node, transaction):
    from solders.rpc import errors as e, requests as q, responses as r
    from solders.rpc.config import RpcBlockConfig

    both = r.batch_from_json(node.post(q.batch_to_json([q.GetSlot(id=1), q.GetBlockHeight(id=2)])),
                             [r.GetSlotResp, r.GetBlockHeightResp])
    assert [answer.value for answer in both] == [3, 3]
    missing = r.GetBlockResp.from_json(
        node.post(q.GetBlock(99, RpcBlockConfig(max_supported_transaction_version=0)).to_json()))
    assert isinstance(missing, e.BlockNotAvailableMessage), missing
    unknown = r.GetEpochInfoResp.from_json(node.post(q.GetEpochInfo().to_json()))
    assert isinstance(unknown, e.InternalErrorMessage) and "genesis.bin" in unknown.message, unknown
    refused = r.SendTransactionResp.from_json(node.post(q.SendVersionedTransaction(transaction).to_json()))
    assert isinstance(refused, e.MethodNotFoundMessage), refused


def main():
    enter_venv(sys.argv[2], sys.argv[3])
    with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            node = Node(server.stdout.readline().strip())
            check_chain(node)
            check_batch_and_errors(node, check_transactions(node))
        finally:
            server.stdin.close()
    print("all good")


main()
