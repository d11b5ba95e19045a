#!/usr/bin/python3
"""Commands that ask a Solana node: which node, which key, what is shown. The node is one of this process."""
import fcntl
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading

import osvm_process
from osvm_process import Case

MINT, OWNER, HELD = "So11111111111111111111111111111111111111112", "Vote111111111111111111111111111111111111111", \
    "Stake11111111111111111111111111111111111111"
KEY = list(range(1, 33)) + [121, 181, 86, 46, 143, 230, 84, 249, 64, 120, 177, 18, 232, 169, 139, 167, 144, 31, 133,
                            58, 230, 149, 190, 215, 224, 227, 145, 11, 173, 4, 150, 100]
ADDRESS = "9C6hybhQ6Aycep9jaUnP6uL9ZYvDjUp1aSkFWPUFJtpj"


def answer(method, params):
    context = {"context": {"slot": 77, "apiVersion": "3.0.0"}}
    amount = {"amount": "5", "decimals": 9, "uiAmount": 5e-09, "uiAmountString": "0.000000005"}
    if method == "getBalance":
        return context | {"value": 1500000000 if params[0] == ADDRESS else 18446744073709551615}
    if method == "getAccountInfo":
        if params[0] == ADDRESS:
            return context | {"value": None}
        return context | {"value": {"lamports": 1, "data": ["", "base64"], "owner": OWNER, "executable": False,
                                    "rentEpoch": 18446744073709551615, "space": 0}}
    if method == "getTokenSupply":
        return context | {"value": amount}
    if method == "getTokenLargestAccounts":
        return context | {"value": [{"address": HELD} | amount, {"address": OWNER} | amount]}
    if method == "getMultipleAccounts":
        return context | {"value": [{"data": {"parsed": {"info": {"owner": OWNER}}}}] + [None] * (len(params[0]) - 1)}
    if method == "getSlot":
        return 77
    return None


class Node(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = []

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Node.asked.append(request["method"])
        result = answer(request["method"], request["params"])
        body = {"jsonrpc": "2.0", "id": request["id"]}
        body |= {"error": {"code": -32601, "message": "Method not found"}} if result is None else {"result": result}
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Cluster(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
        cls.url = f"http://127.0.0.1:{cls.server.server_port}"
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        super().tearDownClass()

    def write(self, name, text, mode=0o600):
        path = pathlib.Path(self.home, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def test_a_node_is_asked_where_no_file_is_given(self):
        self.assertEqual(self.osvm("balance", ADDRESS, "-u", self.url, status=0).stdout, "1.5 SOL\n")
        self.assertEqual(self.json("balance", MINT, "--url", self.url, "--json")["lamports"], 18446744073709551615)
        account = self.json("account", MINT, "-u", self.url, "--json")
        self.assertEqual((account["pubkey"], account["slot"]), (MINT, 77))
        self.assertEqual(account["account"]["rentEpoch"], 18446744073709551615)
        self.assertIn("no such account", self.osvm("account", ADDRESS, "-u", self.url, status=1).stderr)

    def test_holders_by_a_node_are_said_to_be_inexact(self):
        done = self.osvm("token", "holders", MINT, "-u", self.url, "--json", status=0)
        told = json.loads(done.stdout)
        self.assertIn("not exact", done.stderr)
        self.assertIs(told["exact"], False)
        self.assertEqual([h["address"] for h in told["largest"]], [HELD, OWNER])
        self.assertEqual(told["largest"][0]["owner"], OWNER)
        self.assertIsNone(told["largest"][1]["owner"])
        self.assertEqual(told["largest"][0]["amount"]["amount"], "5")
        self.assertEqual(len(self.json("token", "holders", MINT, "-u", self.url, "--top", "1", "--json")["largest"]), 1)

    def test_the_node_comes_from_the_line_our_configuration_or_solana_s(self):
        self.assertIn("-u URL", self.osvm("balance", ADDRESS, status=2).stderr)
        self.write(".config/solana/cli/config.yml", "---\njson_rpc_url: \"" + self.url + "\"\nwebsocket_url: ''\n"
                   "keypair_path: " + self.home + "/id.json\naddress_labels:\n  \"11111111111111111111111111111111\": "
                   "System Program\ncommitment: confirmed\n")
        before = pathlib.Path(self.home, ".config/solana/cli/config.yml").stat().st_mtime_ns
        self.assertEqual(self.osvm("balance", ADDRESS, status=0).stdout, "1.5 SOL\n")
        self.assertEqual(pathlib.Path(self.home, ".config/solana/cli/config.yml").stat().st_mtime_ns, before)
        # Ours wins over Solana's, and the line over both.
        self.write(".config/osvm/config.yaml", "url: http://127.0.0.1:1\n")
        self.assertIn("127.0.0.1:1", self.osvm("balance", ADDRESS, status=1).stderr)
        self.assertEqual(self.osvm("balance", ADDRESS, "-u", self.url, status=0).stdout, "1.5 SOL\n")
        self.assertEqual(self.osvm("-u", self.url, "balance", ADDRESS, status=0).stdout, "1.5 SOL\n")

    def test_a_key_is_asked_for_only_where_one_is_needed(self):
        self.assertIn("--keypair", self.osvm("balance", "-u", self.url, status=2).stderr)
        good = self.write("id.json", json.dumps(KEY))
        self.assertEqual(self.osvm("balance", "-u", self.url, "--keypair", good, status=0).stdout, "1.5 SOL\n")
        open_key = self.write("open.json", json.dumps(KEY), 0o644)
        refused = self.osvm("balance", "-u", self.url, "--keypair", open_key, status=2).stderr
        self.assertIn("chmod 600", refused)
        self.write(".config/osvm/config.yaml", "keypair: " + good + "\n")
        self.assertEqual(self.osvm("balance", "-u", self.url, status=0).stdout, "1.5 SOL\n")
        # A key that cannot be read is no reason to fail where none is needed.
        self.write(".config/osvm/config.yaml", "keypair: /no/such/key\n")
        self.assertEqual(self.osvm("balance", ADDRESS, "-u", self.url, status=0).stdout, "1.5 SOL\n")

    def test_what_is_no_node_is_named(self):
        for where in ("nonsense", "ftp://h", "ws://h", "http://user@h"):
            with self.subTest(where):
                self.assertIn("http(s)://HOST", self.osvm("balance", ADDRESS, "-u", where, status=2).stderr)
        for secret in ("ws://h/rpc?api-key=hush", "ftp://hush@h#hush", "https:/h?hush", "h.example/hush"):
            with self.subTest(secret):
                done = self.osvm("balance", ADDRESS, "-u", secret, "--json", status=2)
                self.assertNotIn("hush", done.stdout + done.stderr)
                self.assertIn("h", done.stderr)
        for vsock in ("vsock://x", "vsock://:1", "vsock://a/b:1"):
            self.assertIn("hybrid socket", self.osvm("balance", ADDRESS, "-u", vsock, status=2).stderr)
        self.assertIn("no instance", self.osvm("balance", ADDRESS, "-u", "vsock://x:8899", status=1).stderr)
        self.osvm("balance", ADDRESS, "-u", "unix:/no/such/socket", status=1)

    def test_a_vsock_node_is_reached_through_its_hybrid_socket(self):
        path = os.path.join(self.home, "vm.sock")
        self.reach(path, path)

    def test_a_vsock_node_is_reached_by_its_instance_s_name(self):
        folder = os.path.join(self.home, "osvm", "run-Ab3xYz")
        os.makedirs(folder, 0o700)
        os.chmod(os.path.dirname(folder), 0o700)
        with open(os.path.join(folder, ".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.reach(os.path.join(folder, "node.vsock"), "node")
        # Its owner has gone: what is left of it is nobody's.
        self.assertIn("no instance", self.osvm("balance", ADDRESS, "-u", "vsock://node:8899", status=1).stderr)
        shutil.rmtree(folder)

    def reach(self, path, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        listener.settimeout(60)  # a command that does not come must not keep the test

        def serve():
            with listener.accept()[0] as s, s.makefile("rwb") as f:
                self.assertEqual(f.readline(), b"CONNECT 8899\n")
                f.write(b"OK 1073741824\n")
                f.flush()
                head = iter(lambda: f.readline().strip().lower(), b"")
                length = next(int(line.split(b":")[1]) for line in head if line.startswith(b"content-length"))
                for _ in head:
                    pass
                f.read(length)
                body = b'{"jsonrpc":"2.0","id":1,"result":{"context":{"slot":1},"value":7}}'
                f.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                f.flush()
        thread = threading.Thread(target=serve)
        thread.start()
        self.assertEqual(self.json("balance", ADDRESS, "-u", f"vsock://{name}:8899", "--json")["lamports"], 7)
        thread.join()
        listener.close()

    def test_the_example(self):
        example = pathlib.Path(osvm_process.OSVM).with_name("example_ask_node")
        if not example.exists():
            self.skipTest("the examples are not built")
        done = subprocess.run([example, self.url], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(done.stdout, "slot 77\n")


if __name__ == "__main__":
    osvm_process.main()
