#!/usr/bin/env python3
"""h2spec, the conformance suite of HTTP/2, against the proxy: over TLS, and in clear text from the first byte."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "bench", "peers", "proxy"))
from peers import BACKEND, Peers, wait_for  # noqa: E402

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
BUILD = os.environ["OSVM_BUILD_DIR"]
TOOL = os.path.join(BUILD, "peers", "h2spec")
# nghttp2 takes a stream whose number is lower than the last one's for one that was closed, and answers nothing to it.
KNOWN = {"Sends stream identifier that is numerically smaller than previous"}


def get_tool():
    if os.path.exists(TOOL):
        return True
    if not shutil.which("go"):
        return False
    said = subprocess.run(["go", "install", MODULE], env=dict(os.environ, GOBIN=os.path.dirname(TOOL)),
                          capture_output=True, text=True, timeout=240)
    if said.returncode != 0:
        print(said.stderr[-2000:])
    return os.path.exists(TOOL)


class options:
    build, threads = BUILD, 1


class h2spec(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="osvm-h2spec-")
        self.addCleanup(folder.cleanup)
        self.peers = Peers(options, folder.name)
        self.addCleanup(self.peers.stop)
        backend = os.path.join(folder.name, "backend")
        wait_for(backend, self.peers.nginx("backend", 1, BACKEND.format(dir=folder.name)))
        self.report = os.path.join(folder.name, "report.xml")

    def failures(self, mode):
        driver = os.path.join(BUILD, "bin", "osvm_proxy_driver")
        more = [self.peers.make_certificate()] if mode == "tls" else []
        p = self.peers.spawn([driver, mode, "0", os.path.join(self.peers.dir, "backend"), "1"] + more,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        p.is_ours = True
        port = p.stdout.readline().strip()
        subprocess.run([TOOL, "-h", "127.0.0.1", "-p", port, "-o", "5", "-j", self.report]
                       + (["-t", "-k"] if mode == "tls" else []), capture_output=True, timeout=200)
        cases = list(xml.etree.ElementTree.parse(self.report).getroot().iter("testcase"))
        self.assertGreater(len(cases), 140)
        return {c.get("classname") for c in cases if c.find("failure") is not None or c.find("error") is not None}

    def test_over_tls(self):
        self.assertEqual(self.failures("tls") - KNOWN, set())

    def test_in_clear_text(self):
        # A connection that does not begin with the preface is one of HTTP/1.1 there, and is answered as such.
        self.assertEqual(self.failures("l7") - KNOWN - {"Sends invalid connection preface"}, set())


if __name__ == "__main__":
    if not shutil.which("nginx") or not shutil.which("openssl") or not get_tool():
        print("h2spec, nginx or openssl cannot be had: h2spec is built with Go from its module")
        sys.exit(77)
    unittest.main()
