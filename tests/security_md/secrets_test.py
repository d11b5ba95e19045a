"""Values of --env reach the guest and nothing else: no report, statistic, log line or error of osvm repeats them.

Environment: OSVM_BINARY, OSVM_GUESTS. Exit status 77: skipped, /dev/kvm cannot be opened.
"""
import os
import subprocess
import sys
import unittest

OSVM, GUESTS = os.environ["OSVM_BINARY"], os.environ["OSVM_GUESTS"]
SECRET = "hunter2-never-shown"


def run(guest, *arguments, options=()):
    command = [OSVM, *options, "run", "--stats", "--env", f"TOKEN={SECRET}", os.path.join(GUESTS, guest), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


class Secrets(unittest.TestCase):
    def test_reports_of_a_good_run_lack_it(self):
        for options in ([], ["-v"], ["--json", "-v"]):
            status, text = run("hello", options=options)
            self.assertEqual(status, 0, text)
            self.assertGreater(len(text), 100, "the report is what is looked at")
            self.assertNotIn(SECRET, text)

    def test_reports_of_a_fault_lack_it(self):
        status, text = run("cpu_faults", "null_write", options=["-v"])
        self.assertGreaterEqual(status, 125, text)
        self.assertNotIn(SECRET, text)

    def test_errors_lack_it(self):
        status, text = run("there-is-no-such-file", options=["-v"])
        self.assertEqual(status, 125, text)
        self.assertNotIn(SECRET, text)

    def test_control_what_the_guest_prints_is_seen_here(self):
        self.assertIn(SECRET, run("hello", SECRET)[1])


if __name__ == "__main__":
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as e:
        print(f"SKIPPED: /dev/kvm cannot be opened: {e}")
        sys.exit(77)
    unittest.main()
