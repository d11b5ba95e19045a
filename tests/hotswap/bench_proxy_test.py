#!/usr/bin/env python3
"""The bench beside other proxies, in small: every answer came, and every idle connection was held within its memory."""
import json
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.path.join(HERE, "..", "..", "bench", "peers", "proxy", "run.py")
TOOLS = ("nginx", "haproxy", "wrk", "h2load", "openssl")
KIB = 1024


class bench_proxy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        out = subprocess.run([sys.executable, RUN, "--json", "--build", os.environ["OSVM_BUILD_DIR"], "--rounds", "1",
                              "--seconds", "1", "--only", "tls", "--only", "idle", "--idle", "500",
                              "--only", "reloads", "--changes", "3"],
                             capture_output=True, text=True)
        cls.said, cls.status = out.stderr, out.returncode
        cls.report = json.loads(out.stdout)
        cls.ours = {r["name"]: r.get("value", r.get("p50")) for r in cls.report["results"]}
        cls.peers = {(r["peer"].split()[0], r["name"]): r for r in cls.report["peers"] if "name" in r}

    def test_nothing_failed(self):
        self.assertEqual(self.status, 0, self.said)
        self.assertGreater(self.ours["tls.connections"], 0)

    # A peer that answers errors is fast: nginx did, with 502, while its workers could not reach the backend.
    def test_the_peers_answered_too(self):
        for (who, name), row in self.peers.items():
            if name == "changes":  # reloads may lose some, which is what they are there for
                continue
            self.assertEqual(row.get("failed", 0), 0, (who, name))
            self.assertEqual(row.get("held"), row.get("wanted"), (who, name))
        for mode in ("tls.requests", "tls.connections", "equal.tls.requests", "idle.l7"):
            self.assertIn(("haproxy", mode), self.peers)
            self.assertIn(("nginx", mode), self.peers)

    def test_idle_connections_are_held_in_little_memory(self):
        for mode, most in (("l7", 16 * KIB), ("l4", 4 * KIB)):
            self.assertEqual(self.ours[f"idle.{mode}.held"], 500)
            self.assertLess(self.ours[f"idle.{mode}.memory"], most)

    def test_changes_under_load_lose_nothing_here(self):
        self.assertEqual(self.ours["changes.failed"], 0)
        self.assertGreater(self.ours["changes.requests"], 0)
        whole = {r["peer"]: r for r in self.report["peers"] if r.get("name") == "changes"}
        self.assertEqual(set(whole), {"haproxy runtime API", "haproxy reload", "nginx reload"})
        self.assertEqual(whole["haproxy runtime API"]["failed"], 0)


if __name__ == "__main__":
    for tool in TOOLS:
        if not shutil.which(tool):
            print(f"{tool} is not installed")
            sys.exit(77)
    unittest.main()
