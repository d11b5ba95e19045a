#!/usr/bin/python3
"""osvm idl and osvm decode: what people keep, and what they get decoded by it."""
import base64
import http.server
import json
import pathlib
import struct
import threading
import zlib

import osvm_process
from osvm_process import Case

TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
KEY = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"  # 32 bytes of 1
SHOP = {"address": MEMO, "metadata": {"name": "shop", "version": "1.2.3", "spec": "0.1.0"},
        "instructions": [{"name": "buy", "discriminator": [5], "accounts": [{"name": "payer"}],
                          "args": [{"name": "n", "type": "u16"}]}],
        "accounts": [{"name": "Store", "discriminator": [9]}],
        "types": [{"name": "Store", "type": {"kind": "struct", "fields": [{"name": "price", "type": "u8"}]}}]}
# Made and signed by solders: 42 lamports.
TRANSFER = ("ATVXUCqCyZgO2NbErY4Lpj7aPBaI52QRpu8O12KRpp7WiRvVHNhr6Tqja0DR9sS/ZRPh3PiunCUiBV5ow4oqJgkBAAEDA6EHv/POEL4d"
            "cN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMBAgIAAQwCAAAAKgAAAAAAAAA=")


def b64(data):
    return base64.b64encode(data).decode()


class Idl(Case):
    def setUp(self):
        super().setUp()
        self.file = pathlib.Path(self.home, "shop.json")
        self.file.write_text(json.dumps(SHOP))

    def decoded(self, text, *options):
        return json.loads(self.osvm("--json", "decode", *options, stdin=text, status=0).stdout)

    def refused(self, text, *options, status=1):
        done = self.osvm("decode", *options, stdin=text, status=status)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_kept_listed_replaced_removed(self):
        self.assertEqual(self.json("--json", "idl", "list"), {"idls": []})
        self.assertEqual(self.json("--json", "idl", "add", str(self.file)), {"added": MEMO})
        self.assertIn("already", self.osvm("idl", "add", str(self.file), status=1).stderr)
        self.osvm("idl", "add", "-", "--replace", stdin=self.file.read_text(), status=0)
        self.assertIn("is of the program", self.osvm("idl", "add", str(self.file), "--program", TOKEN, status=2).stderr)
        (row,) = self.json("--json", "idl", "list")["idls"]
        self.assertEqual((row["program"], row["name"], row["version"], row["accounts"]), (MEMO, "shop", "1.2.3", 1))
        self.assertIn("shop", self.osvm("idl", "list", status=0).stdout)
        self.osvm("idl", "remove", MEMO, status=0)
        self.osvm("idl", "remove", MEMO, status=1)
        self.osvm("idl", "remove", "x", status=2)

    def test_the_folder_is_xdg_s(self):
        elsewhere = pathlib.Path(self.home, "data")
        self.osvm("idl", "add", str(self.file), status=0, env=self.env | {"XDG_DATA_HOME": str(elsewhere)})
        self.assertTrue((elsewhere / "osvm/idl" / f"{MEMO}.json").exists())
        self.assertEqual(self.json("--json", "idl", "list"), {"idls": []})

    def test_a_damaged_one_is_named_and_the_rest_is_listed(self):
        self.osvm("idl", "add", str(self.file), status=0)
        folder = pathlib.Path(self.home, ".local/share/osvm/idl")
        (folder / f"{TOKEN}.json").write_text("{")
        done = self.osvm("idl", "list", status=4)
        self.assertIn("shop", done.stdout)
        self.assertIn(f"{TOKEN}.json", done.stderr)

    def test_fetched_from_the_account_s_data(self):
        packed = zlib.compress(json.dumps(SHOP).encode())
        data = bytes.fromhex("184662bf3a907b9e") + bytes(32) + struct.pack("<I", len(packed)) + packed
        file = pathlib.Path(self.home, "account.bin")
        file.write_bytes(data)
        shown = self.osvm("idl", "fetch", MEMO, "--data", str(file), "--print", status=0).stdout
        self.assertEqual(json.loads(shown), SHOP)
        self.assertEqual(self.json("--json", "idl", "fetch", MEMO, "--data", str(file)), {"added": MEMO})
        file.write_bytes(data[:60])
        self.assertIn("ends before", self.osvm("idl", "fetch", MEMO, "--data", str(file), status=1).stderr)
        self.osvm("idl", "fetch", MEMO, "--data", "x", "--from", "y", status=2)

    def test_fetched_from_dumped_accounts(self):
        metadata = (b"\2" + bytes(64) + b"\1\1idl" + bytes(13) + b"\1\0\1\0")
        text = json.dumps(SHOP).encode()
        data = metadata + struct.pack("<I", len(text)) + bytes(5) + text
        address = self.metadata_address()
        dump = {"pubkey": address, "account": {"lamports": 1, "owner": TOKEN, "executable": False, "rentEpoch": 0,
                                               "data": [b64(data), "base64"]}}
        file = pathlib.Path(self.home, "dump.json")
        file.write_text(json.dumps(dump))
        self.assertEqual(self.json("--json", "idl", "fetch", MEMO, "--from", str(file)), {"added": MEMO})

    def test_fetched_from_a_node(self):
        """The node lacks the newer of the two accounts."""
        packed = zlib.compress(json.dumps(SHOP).encode())
        data = bytes.fromhex("184662bf3a907b9e") + bytes(32) + struct.pack("<I", len(packed)) + packed
        asked = []

        class Node(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append(request["params"][0])
                value = {"lamports": 1, "owner": MEMO, "executable": False, "rentEpoch": 18446744073709551615,
                         "data": [b64(data), "base64"]}
                result = {"context": {"slot": 1}, "value": None if len(asked) == 1 else value}
                text = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        shown = self.osvm("idl", "fetch", MEMO, "-u", f"http://127.0.0.1:{server.server_port}", "--print", status=0)
        self.assertEqual(json.loads(shown.stdout), SHOP)
        self.assertEqual(asked[0], self.metadata_address())
        self.assertEqual(len(asked), 2)

    def metadata_address(self):
        """The error names both addresses: no second implementation of their derivation is needed here."""
        file = pathlib.Path(self.home, "other.json")
        file.write_text(json.dumps({"pubkey": KEY, "account": {"lamports": 1, "owner": TOKEN, "data": ["", "base64"]}}))
        said = self.osvm("idl", "fetch", MEMO, "--from", str(file), status=1).stderr
        return said.split("neither ")[1].split(" nor ")[0]

    def test_decode_a_transaction(self):
        shown = self.decoded(TRANSFER)
        self.assertTrue(shown["signaturesValid"])
        (instruction,) = shown["transaction"]["message"]["instructions"]
        self.assertEqual(instruction["parsed"]["info"]["lamports"], 42)
        self.assertEqual(self.decoded("\n " + TRANSFER + "\n\n"), shown)
        self.assertIn("1 bytes behind", self.refused(b64(base64.b64decode(TRANSFER) + b"x")))

    def test_what_is_no_transaction_says_what_would_help(self):
        for text in ("YWJj", "!!!", "1111"):
            with self.subTest(text):
                said = self.refused(text)
                self.assertIn("as base64", said)
                self.assertIn("as base58", said)
                self.assertIn("--owner", said)
        self.assertIn("empty", self.refused("\n"))
        self.assertIn("not JSON", self.refused("{"))

    def test_decode_an_account(self):
        held = bytes(64) + struct.pack("<Q", 1500) + bytes(36) + b"\1" + bytes(56)
        self.assertIn("--decimals", self.refused(b64(held), "--owner", TOKEN))
        amount = self.decoded(b64(held), "--owner", TOKEN, "--decimals", "3")["parsed"]["info"]["tokenAmount"]
        self.assertEqual(amount["uiAmountString"], "1.5")
        clock = struct.pack("<QqQQq", 1, 2, 3, 4, 5)
        sysvar = "Sysvar1111111111111111111111111111111111111"
        self.assertIn("--address", self.refused(b64(clock), "--owner", sysvar))
        shown = self.decoded(b64(clock), "--owner", sysvar, "--address", "SysvarC1ock11111111111111111111111111111111")
        self.assertEqual(shown["parsed"]["type"], "clock")

    def test_decode_by_an_idl(self):
        store = b64(b"\x09\x2a")
        self.assertIn("no decoder", self.refused(store, "--owner", MEMO))
        by_file = self.decoded(store, "--owner", MEMO, "--idl", str(self.file))
        self.assertEqual(by_file, {"parsed": {"info": {"price": 42}, "type": "Store"}, "program": "shop", "space": 2})
        self.osvm("idl", "add", str(self.file), status=0)
        self.assertEqual(self.decoded(store, "--owner", MEMO), by_file)
        self.refused(store, "--owner", MEMO, "--as-validator")
        self.assertIn("field price, at byte 0", self.refused(b64(b"\x09"), "--owner", MEMO))
        buy = self.decoded(b64(b"\x05\x01\x01"), "--program", MEMO, "--account", KEY)
        # Memos are what validators decode: theirs comes first where it understands the data.
        self.assertEqual(buy["program"], "spl-memo")
        self.osvm("idl", "add", "-", "--program", KEY, stdin=json.dumps({**SHOP, "address": KEY}), status=0)
        buy = self.decoded(b64(b"\x05\x01\x01"), "--program", KEY, "--account", KEY)
        self.assertEqual(buy["parsed"]["info"], {"accounts": {"payer": KEY}, "args": {"n": 257}})
        self.assertIn("discriminator", self.refused(b64(b"\x06"), "--program", KEY))

    def test_more_programs(self):
        shown = self.decoded(b64(b"\2" + struct.pack("<I", 7)), "--program", "ComputeBudget111111111111111111111111111111")
        self.assertEqual(shown["parsed"], {"info": {"units": 7}, "type": "setComputeUnitLimit"})
        self.refused(b64(b"\2" + struct.pack("<I", 7)), "--program", "ComputeBudget111111111111111111111111111111",
                     "--as-validator")

    def test_wrong_options_are_2(self):
        for options in (["--owner", "x"], ["--owner", TOKEN, "--program", TOKEN], ["--account", KEY],
                        ["--decimals", "3"], ["--owner", TOKEN, "--decimals", "300"], ["--from", "hex"],
                        ["--encoding", "base64"]):
            with self.subTest(options):
                self.refused("YWJj", *options, status=2)


if __name__ == "__main__":
    osvm_process.main()
