#!/usr/bin/python3
"""`osvm proxy` as people run it: real backends, real signals, its control socket."""
import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import stat
import threading
import time
import unittest

import osvm_process
from osvm_process import Case


class Backend:
    """An HTTP server on a port of its own that answers with its name."""

    def __init__(self, name):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = "tcp:127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Clients:
    """Asks again and again, on kept connections and on new ones; every request has to be answered."""

    def __init__(self, path, kept=3, fresh=1):
        self.path, self.ending, self.answered, self.failures = path, False, 0, []
        self.threads = [threading.Thread(target=self.run, args=(i < kept,)) for i in range(kept + fresh)]
        for t in self.threads:
            t.start()

    def run(self, keep):
        connection = None
        while not self.ending and len(self.failures) < 10:
            if connection is None:
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(osvm_process.TIMEOUT)
                connection.connect(self.path)
            try:
                more = b"" if keep else b"Connection: close\r\n"
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + more + b"\r\n")
                answer = b""
                while b"\r\n\r\nv" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < 2:
                    part = connection.recv(4096)
                    if not part:
                        raise OSError("the connection ended after %r" % answer)
                    answer += part
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise OSError(repr(answer))
                self.answered += 1
            except OSError as e:
                self.failures.append(str(e))
                answer = b"\r\nconnection: close\r\n"
            if b"\r\nconnection: close\r\n" in answer.lower():
                connection.close()
                connection = None
        if connection:
            connection.close()

    def end(self):
        self.ending = True
        for t in self.threads:
            t.join()


class Proxy(Case):
    def setUp(self):
        super().setUp()
        self.backends = {name: Backend(name) for name in ("v1", "v2", "v3")}
        for b in self.backends.values():
            self.addCleanup(b.close)
        self.file = os.path.join(self.home, "proxy.yaml")
        self.control = os.path.join(self.home, "control")
        self.write("v1")

    def write(self, release, more="", path="/"):
        pathlib.Path(self.file).write_text(f"""
state: {self.home}/state
control: {self.control}
access_log: {self.home}/access
threads: 1
listeners:
  - name: web
    listen: "unix:{self.home}/front"
    routes: [{{path: {path}, service: web}}]
services:
  web:
    release: {release}
    backends: ["{self.backends[release].endpoint}"]
    probe: {{kind: tcp, deadline: 20s}}
    {more}
""")

    def serve(self):
        process = self.start("--json", "proxy", "-c", self.file)
        line = process.stdout.readline()
        self.assertTrue(line, "it ended: " + ("" if line else process.stderr.read()))
        self.assertEqual(json.loads(line)["listeners"][0]["listen"], "unix:" + self.home + "/front")
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(osvm_process.TIMEOUT), 0)

    def ask(self, path="/"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(osvm_process.TIMEOUT)
            s.connect(self.home + "/front")
            connection = http.client.HTTPConnection("a")
            connection.sock = s
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def proxy(self, *words, status=0):
        return self.json("--json", "proxy", *words, "--control", self.control, status=status)

    def eventually(self, condition):
        until = time.monotonic() + osvm_process.TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def test_a_shift_a_roll_back_and_a_kill(self):
        process = self.serve()
        self.assertEqual(self.ask(), (200, "v1"))
        self.assertEqual(stat.S_IMODE(os.stat(self.control).st_mode), 0o600)
        done = self.proxy("shift", "web", "--release", "v2", "--backend", self.backends["v2"].endpoint)
        self.assertEqual((done["state"], done["replaced"]), ("active", "v1"))
        self.assertEqual(self.ask(), (200, "v2"))
        process.kill()
        process.wait()
        process = self.serve()  # what was active is so again
        self.assertEqual(self.ask(), (200, "v2"))
        done = self.proxy("rollback", "web")
        self.assertEqual((done["version"], done["state"]), ("v1", "active"))
        self.assertEqual(self.ask(), (200, "v1"))
        web = self.proxy("status")["services"]["web"]
        self.assertEqual((web["active"], web["previous"], web["step"]), ("v1", "v2", "idle"))
        self.stop(process)

    def test_a_successor_takes_its_place_without_losing_a_request(self):
        process = self.serve()
        self.proxy("shift", "web", "--release", "v2", "--backend", self.backends["v2"].endpoint)
        clients = Clients(self.home + "/front")
        try:
            for _ in range(3):
                before = clients.answered
                self.eventually(lambda: clients.answered > before + 50 or clients.failures)
                successor = self.start("--json", "proxy", "-c", self.file, "--take-over")
                self.assertTrue(successor.stdout.readline(), "it ended")
                self.assertEqual(process.wait(osvm_process.TIMEOUT), 0)
                process = successor
                self.assertEqual(self.proxy("status")["services"]["web"]["active"], "v2")
        finally:
            clients.end()
        self.assertEqual(clients.failures, [])
        self.assertEqual(stat.S_IMODE(os.stat(self.control).st_mode), 0o600)
        self.assertEqual(self.proxy("rollback", "web")["version"], "v1")  # the journal is its own
        self.stop(process)

    def test_a_successor_that_fails_changes_nothing(self):
        process = self.serve()
        text = pathlib.Path(self.file).read_text()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            extra = '  - {name: other, listen: "tcp:127.0.0.1:%d", service: web}\nservices:' % taken.getsockname()[1]
            pathlib.Path(self.file).write_text(text.replace("services:", extra, 1))
            failed = self.osvm("proxy", "-c", self.file, "--take-over", status=1)
            self.assertIn("other", failed.stderr)
        self.assertEqual(self.ask(), (200, "v1"))
        shift = ("shift", "web", "--release", "v2", "--backend", self.backends["v2"].endpoint)
        self.assertEqual(self.proxy(*shift)["state"], "active")
        self.stop(process)
        pathlib.Path(self.file).write_text(text)
        self.assertNotEqual(self.osvm("proxy", "-c", self.file, "--take-over").returncode, 0)  # there is nobody any more

    def test_a_bad_release_is_rejected_with_status_1(self):
        self.write("v1", "")
        pathlib.Path(self.file).write_text(pathlib.Path(self.file).read_text().replace("20s", "100ms"))
        process = self.serve()
        done = self.proxy("shift", "web", "--release", "v9", "--backend", f"unix:{self.home}/nothing", status=1)
        self.assertEqual((done["state"], done["failed_at"]), ("rejected", "probing"))
        self.assertEqual(self.ask(), (200, "v1"))
        self.stop(process)

    def test_sighup_reads_the_configuration_anew(self):
        process = self.serve()
        self.write("v3", path="/new")
        process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.ask("/new") == (200, "v3"))
        self.assertEqual(self.ask()[0], 404)
        pathlib.Path(self.file).write_text("listeners: nonsense")
        process.send_signal(signal.SIGHUP)
        while "not reloaded" not in process.stderr.readline():
            pass
        self.assertEqual(self.ask("/new"), (200, "v3"))
        self.stop(process)

    def test_weight_drain_metrics_and_log(self):
        second = self.backends["v2"].endpoint
        text = pathlib.Path(self.file).read_text()
        pathlib.Path(self.file).write_text(text.replace('backends: ["', f'backends: ["{second}", "'))
        process = self.serve()
        self.assertTrue(self.proxy("drain", "web", second)["drained"])
        self.assertEqual({self.ask()[1] for _ in range(10)}, {"v1"})
        self.proxy("weight", "web", second, "100")
        self.eventually(lambda: self.ask()[1] == "v2")
        self.assertIn("osvm_proxy_answered_total{listener=\"web\"}", self.proxy("metrics")["text"])
        self.proxy("weight", "web", "tcp:127.0.0.1:1", "100", status=1)
        self.proxy("tell", "web", "pause", status=1)  # nothing is under way
        self.stop(process)
        lines = [json.loads(line) for line in pathlib.Path(self.home, "access").read_text().splitlines()]
        self.assertTrue(lines)
        self.assertTrue(all(l["status"] == 200 and l["service"] == "web" for l in lines))

    def test_what_stands_in_the_control_sockets_place_is_kept(self):
        pathlib.Path(self.control).write_text("a letter")  # connect() refuses it as it does a dead socket
        process = self.start("--json", "proxy", "-c", self.file)
        out, err = process.communicate(timeout=osvm_process.TIMEOUT)
        self.assertNotEqual(process.returncode, 0, out)
        self.assertIn("exists and is no socket", out + err)
        self.assertEqual(pathlib.Path(self.control).read_text(), "a letter")
        os.unlink(self.control)
        first = self.serve()
        second = self.start("--json", "proxy", "-c", self.file)
        out, err = second.communicate(timeout=osvm_process.TIMEOUT)
        self.assertNotEqual(second.returncode, 0, out)
        self.assertEqual(self.ask(), (200, "v1"))
        self.assertIn("web", self.proxy("status")["services"])  # the first one's socket is still there
        self.stop(first)

    def test_a_wrong_configuration_is_2_and_says_where(self):
        self.osvm("proxy", "-c", self.file, "--check", status=0)
        pathlib.Path(self.file).write_text("listeners: []\nservices:\n  web: {backends: [nowhere at all]}\n")
        done = self.osvm("proxy", "serve", "-c", self.file, "--check", status=2)
        self.assertIn(self.file + ":3:20: ", done.stderr)
        self.osvm("proxy", "status", status=2)
        self.osvm("proxy", "serve", status=2)


if __name__ == "__main__":
    osvm_process.main()
