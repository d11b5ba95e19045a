#!/usr/bin/python3
"""The own upgrade of `osvm proxy` under load on every kind of listener: HTTP/1.1 kept and closed, TLS, HTTP/2, L4.
OSVM_TEST_ALL: twenty upgrades instead of three."""
import collections
import json
import os
import pathlib
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
import unittest

import osvm_process
from osvm_process import Case

ROUNDS = 20 if os.environ.get("OSVM_TEST_ALL") else 3


class Backend:
    """HTTP/1.1 and, for L4, the same bytes: answers each request head with its name; /hold is let go by `free`."""

    def __init__(self, name):
        self.executed, self.free = collections.Counter(), threading.Event()
        executed, free = self.executed, self.free

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while True:
                    line = self.rfile.readline()
                    if not line:
                        return
                    path = line.split()[1].decode()
                    executed[path] += 1
                    if path == "/hold":
                        free.wait(osvm_process.TIMEOUT)
                    while line not in (b"\r\n", b""):
                        line = self.rfile.readline()
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name.encode()))

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, request_queue_size = True, 128

            def handle_error(self, *_):
                pass  # the proxy closes idle connections

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = "tcp:127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Client(threading.Thread):
    """Asks again and again until told to end; every request has to be answered."""

    def __init__(self, path, tls=None):
        super().__init__()
        self.path, self.tls, self.socket = path, tls, None
        self.ending, self.answered, self.failures, self.asked_to_leave = False, 0, [], 0

    def run(self):
        while not self.ending and len(self.failures) < 3:
            try:
                self.turn()
            except (OSError, AssertionError) as e:
                self.failures.append("%s: %r" % (type(self).__name__, e))
                self.leave()
        self.leave()

    def leave(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(osvm_process.TIMEOUT)
        s.connect(self.path)
        self.socket = self.tls.wrap_socket(s, server_hostname="localhost") if self.tls else s

    def take(self):
        part = self.socket.recv(16384)
        if not part:
            raise OSError("the connection ended early")
        return part


class Http1(Client):
    def __init__(self, path, tls=None, more=b""):
        super().__init__(path, tls)
        self.more = more

    def turn(self):
        if not self.socket:
            self.connect()
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + self.more + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\nv1"):
            answer += self.take()
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        self.answered += 1
        if b"\r\nconnection: close\r\n" in answer.lower():
            self.asked_to_leave += not self.more
            self.leave()


class Closing(Http1):
    def __init__(self, path, tls=None):
        super().__init__(path, tls, b"Connection: close\r\n")


class Passed(Http1):
    """An L4 connection: nobody asks it to leave, it ends itself after a while."""

    def turn(self):
        for _ in range(50):
            super().turn()
        self.leave()


DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


class Http2(Client):
    """Four requests at a time, in frames of its own: what GOAWAY names must be answered on this connection, what lies
    beyond must not be, and is asked again on the next one."""

    TOGETHER = 4

    def ask(self, path="/"):
        # GET, https, :authority: a, :path
        block = b"\x82\x87\x01\x01a\x04" + bytes((len(path),)) + path.encode()
        self.open[self.next] = b""
        self.next += 2
        return frame(HEADERS, END_HEADERS | END_STREAM, self.next - 2, block)

    def connect(self):
        super().connect()
        assert self.socket.selected_alpn_protocol() == "h2"
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
        self.next, self.open, self.last, self.bytes = 1, {}, None, b""

    def turn(self):
        if not self.socket:
            self.connect()
        text = b"".join(self.ask() for _ in range(self.TOGETHER))
        self.socket.sendall(text)  # never refused: what crosses with GOAWAY is read
        while any(self.last is None or n <= self.last for n in self.open):
            self.frames()
        if self.last is not None:
            self.until_the_end()
            self.leave()

    def frames(self):
        self.bytes += self.take()
        while len(self.bytes) >= 9:
            size = int.from_bytes(self.bytes[:3], "big")
            if len(self.bytes) < 9 + size:
                return
            kind, flags = self.bytes[3], self.bytes[4]
            stream = int.from_bytes(self.bytes[5:9], "big") & 0x7FFFFFFF
            payload, self.bytes = self.bytes[9 : 9 + size], self.bytes[9 + size :]
            self.frame(kind, flags, stream, payload)

    def frame(self, kind, flags, stream, payload):
        if kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            assert self.last is None, "a second GOAWAY"
            assert code == 0, "GOAWAY with error %d" % code
            assert last < self.next, "GOAWAY names a stream that is not open"
            self.last = last
            self.asked_to_leave += 1
        elif kind == SETTINGS and not flags & ACK:
            self.socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == RST_STREAM:
            raise OSError("stream %d was reset" % stream)
        elif kind in (HEADERS, DATA):
            assert self.last is None or stream <= self.last, "an answer beyond GOAWAY"
            if kind == HEADERS:
                assert payload[0] == 0x88, "a status other than 200: %r" % payload
            else:
                self.open[stream] += payload
            if flags & END_STREAM:
                assert self.open.pop(stream) == b"v1"
                self.answered += 1

    # Nothing but the end may come: no second GOAWAY.
    def until_the_end(self):
        try:
            while True:
                self.frames()
        except OSError as e:
            if "ended early" not in str(e):
                raise


class Upgrade(Case):
    def setUp(self):
        super().setUp()
        self.backend = Backend("v1")
        self.addCleanup(self.backend.close)
        self.file, self.control = os.path.join(self.home, "proxy.yaml"), os.path.join(self.home, "control")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.home + "/key.pem", "-out", self.home + "/chain.pem", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        tls = f"tls: {{certificates: [{{chain: {self.home}/chain.pem, key: {self.home}/key.pem}}]}}"
        pathlib.Path(self.file).write_text(f"""
state: {self.home}/state
control: {self.control}
threads: 2
listeners:
  - {{name: plain, listen: "unix:{self.home}/plain", service: web}}
  - {{name: secure, listen: "unix:{self.home}/secure", service: web, {tls}}}
  - {{name: bytes, listen: "unix:{self.home}/bytes", service: raw, mode: tcp}}
services:
  web: {{release: one, backends: ["{self.backend.endpoint}"], probe: {{kind: tcp, deadline: 20s}}}}
  raw: {{release: one, backends: ["{self.backend.endpoint}"], probe: {{kind: tcp, deadline: 20s}}}}
""")

    def begin(self, *more):
        process = self.start("--json", "proxy", "-c", self.file, *more)
        line = process.stdout.readline()
        self.assertTrue(line, "it ended: " + ("" if line else process.stderr.read()))
        self.assertEqual(len(json.loads(line)["listeners"]), 3)
        return process

    def secure(self, protocol):
        context = ssl.create_default_context(cafile=self.home + "/chain.pem")
        context.set_alpn_protocols([protocol])
        return context

    def eventually(self, condition):
        until = time.monotonic() + osvm_process.TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def test_no_request_is_lost_on_any_kind_of_listener(self):
        plain, secure, raw = (f"{self.home}/{name}" for name in ("plain", "secure", "bytes"))
        h1, h2 = self.secure("http/1.1"), self.secure("h2")
        clients = [Http1(plain), Closing(plain), Http1(secure, h1), Closing(secure, h1), Http2(secure, h2),
                   Http2(secure, h2), Passed(raw)]
        process = self.begin()
        for c in clients:
            c.start()
        try:
            for _ in range(ROUNDS):
                before = [c.answered for c in clients]
                self.eventually(lambda: all(c.answered > n + 10 or c.failures for c, n in zip(clients, before)))
                successor = self.begin("--take-over")
                self.assertEqual(process.wait(osvm_process.TIMEOUT), 0)
                self.assertNotIn("cut", process.stderr.read())
                process = successor
        finally:
            for c in clients:
                c.ending = True
            for c in clients:
                c.join()
        self.assertEqual([f for c in clients for f in c.failures], [])
        # A client that comes back at once may find a thread of the old process that still accepts: asked again.
        for c in clients:
            kept = type(c) in (Http1, Http2)
            self.assertGreaterEqual(c.asked_to_leave, ROUNDS if kept else 0)
            self.assertTrue(kept or c.asked_to_leave == 0)
        print(ROUNDS, "upgrades,", sum(c.answered for c in clients), "requests, 0 failed")

    def test_what_crosses_with_goaway_is_executed_once_on_the_next_connection(self):
        process = self.begin()
        c = Http2(f"{self.home}/secure", self.secure("h2"))
        c.connect()
        c.socket.sendall(c.ask("/hold"))
        self.eventually(lambda: self.backend.executed["/hold"])
        successor = self.begin("--take-over")
        while c.last is None:
            c.frames()
        self.assertEqual(c.last, 1)
        c.socket.sendall(c.ask("/beyond"))
        self.backend.free.set()
        while 1 in c.open:
            c.frames()
        c.until_the_end()
        self.assertEqual(list(c.open), [3])
        self.assertEqual(process.wait(osvm_process.TIMEOUT), 0)
        self.assertEqual(self.backend.executed["/beyond"], 0)
        c.leave()
        c.connect()
        c.socket.sendall(c.ask("/beyond"))
        while c.open:
            c.frames()
        c.leave()
        self.assertEqual((self.backend.executed["/hold"], self.backend.executed["/beyond"]), (1, 1))
        successor.terminate()
        self.assertEqual(successor.wait(osvm_process.TIMEOUT), 0)

    def test_bytes_stay_with_their_process_until_the_deadline_cuts_and_counts_them(self):
        process = self.begin("--drain", "1s")
        stays = [Http1(f"{self.home}/bytes") for _ in range(3)]
        for c in stays:
            self.addCleanup(c.leave)
            c.turn()
        successor = self.begin("--take-over")
        for c in stays:
            c.turn()  # the old process still serves it
        stays[0].leave()
        self.assertEqual(process.wait(osvm_process.TIMEOUT), 0)
        self.assertIn("2 connections were cut", process.stderr.read())
        for c in stays[1:]:
            with self.assertRaises(OSError):
                c.turn()
            c.leave()
        fresh = Http1(f"{self.home}/bytes")
        fresh.turn()
        fresh.leave()
        successor.terminate()
        self.assertEqual(successor.wait(osvm_process.TIMEOUT), 0)


if __name__ == "__main__":
    osvm_process.main()
