#!/usr/bin/python3
"""`osvm bench load` as people run it, against the demo's HTTP server as an ordinary process."""
import json
import os
import signal
import socket
import subprocess
import time
import unittest

import osvm_process
from osvm_process import Case, guest


class Load(Case):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.home, "web")
        self.server = subprocess.Popen([guest("http_server"), "0", "v1", "--unix", self.path],
                                       stdout=subprocess.DEVNULL)
        self.addCleanup(self.end_server)
        until = time.monotonic() + osvm_process.TIMEOUT
        while True:
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.connect(self.path)
                    break
                except OSError:
                    self.assertLess(time.monotonic(), until)
                    time.sleep(0.01)

    def end_server(self):
        self.server.kill()
        self.server.wait()

    def load(self, *words, failed=0):
        """A busy machine may miss the rate, which the exit status says and is no matter here."""
        done = self.osvm("--json", "bench", "load", "unix:" + self.path, "--rate", "50", "--time", "200ms",
                         "--timeout", "30s", *words)
        told = json.loads(done.stdout)
        missed = any("offered" in text for text in told.get("failures", []))
        self.assertEqual(told["ok"], failed == 0 and not missed)
        self.assertEqual(done.returncode, 0 if told["ok"] else 1, done.stderr)
        self.rows = {row["name"]: row for row in told["results"]}
        return told

    def counted(self, name):
        return self.rows["load." + name]["value"]

    def test_every_kind_is_answered_and_checked(self):
        nonce = ("--nonce-header", "X-Osvm-Nonce")
        for words in ((), ("--close",), nonce, ("--version-header", "X-Osvm-Release", "--release", "v1"),
                      ("--path", "/echo", "--method", "POST", "--body", "a {nonce}", "--expect", "a {nonce}"),
                      (*nonce, "--path", "/store", "--upload", "100KiB", "--expect", "stored {size}"),
                      (*nonce, "--path", "/events?n=3&ms=1", "--events", "3", "--expect", "{nonce} {n}"),
                      ("--path", "/socket", "--websocket", "3")):
            with self.subTest(words):
                told = self.load(*words)
                self.assertEqual(told["bench"], "load")
                self.assertEqual(self.counted("requests"), 10)
                self.assertEqual(self.counted("answered"), 10)
                latency = self.rows["load.latency"]
                self.assertEqual(latency["n"], 10)
                self.assertEqual(sum(count for _, count in latency["histogram"]), 10)
                self.assertLessEqual(latency["p50"], latency["p999"])

    def test_a_wrong_answer_is_status_1_and_counted(self):
        for words, kind in ((("--path", "/none"), "status"), (("--expect", "other"), "wrong_content"),
                            (("--version-header", "X-Osvm-Release", "--release", "v2"), "misversioned"),
                            (("--path", "/events?n=2&ms=1", "--events", "3"), "truncated")):
            with self.subTest(words):
                self.load(*words, failed=10)
                self.assertEqual(self.counted("failed"), 10)
                self.assertEqual(self.counted("failed." + kind), 10)

    def test_a_histogram_for_people(self):
        shown = self.osvm("bench", "load", "unix:" + self.path, "--rate", "50", "--time", "200ms").stdout
        for text in ("load.latency", "p99", "load.latency up to", "100.000 %", "###"):
            self.assertIn(text, shown)

    def test_an_interrupt_ends_it_with_what_was_seen(self):
        process = self.start("-v", "--json", "bench", "load", "unix:" + self.path, "--rate", "100", "--time", "1h")
        self.assertEqual(process.stderr.readline(), "measuring\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=osvm_process.TIMEOUT)
        self.assertIn(process.returncode, (0, 1), err)  # 1: the rate was missed
        self.assertIn("load.requests", out)

    def test_wrong_words_are_2(self):
        target = "unix:" + self.path
        for words in (["nowhere at all"], [target, "--rate", "0"], [target, "--events", "1", "--websocket", "1"],
                      [target, "--ca", "/none"], [target, "--tls", "--ca", "/none"], [target, "--release", "v1"],
                      [target, "--http2", "--websocket", "1"], [target, "--path", "a b"]):
            with self.subTest(words):
                self.osvm("bench", "load", *words, status=2)


if __name__ == "__main__":
    osvm_process.main()
