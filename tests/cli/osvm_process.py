"""Runs the real osvm program for the tests beside this file."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

OSVM = os.environ.get("OSVM_BINARY", "osvm")
GUESTS = pathlib.Path(os.environ.get("OSVM_GUESTS", "guest"))
TIMEOUT = 60


def guest(name):
    return str(GUESTS / name)


class Case(unittest.TestCase):
    """Each test has a runtime folder of its own, and leaves nothing in it."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="osvm-cli-")
        os.chmod(self.home, 0o700)
        self.env = {"PATH": os.environ["PATH"], "HOME": self.home, "XDG_RUNTIME_DIR": self.home}
        for name in ("LSAN_OPTIONS", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def tearDown(self):
        self.assertEqual(self.leftovers(), [], "files left in the runtime folder")

    def leftovers(self):
        base = pathlib.Path(self.home, "osvm")
        return sorted(str(p) for p in base.rglob("*")) if base.exists() else []

    def osvm(self, *args, stdin=None, status=None, env=None):
        done = subprocess.run([OSVM, *args], input=stdin, capture_output=True, text=True, timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL if stdin is None else None, env=env or self.env)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def start(self, *args, **options):
        """Ended with the test at the latest, so that a failure never waits for it."""
        process = subprocess.Popen([OSVM, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.env, **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def json(self, *args, status=0):
        """The one object on stdout, which has nothing else on it."""
        return json.loads(self.osvm(*args, status=status).stdout)


def main():
    result = unittest.main(exit=False, verbosity=2).result
    ran = result.testsRun - len(result.skipped)
    if result.wasSuccessful() and ran == 0:
        for _, reason in result.skipped:
            print("skipped:", reason)
        sys.exit(77)
    sys.exit(0 if result.wasSuccessful() else 1)
