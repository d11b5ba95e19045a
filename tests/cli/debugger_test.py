#!/usr/bin/python3
"""gdb, as Debian has it, on guests of `osvm run --gdb`, and on core files of `osvm run --core`."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import osvm_process
from kvm_test import kvm_problem
from osvm_process import Case

GDB, CC = shutil.which("gdb"), shutil.which("gcc") or shutil.which("cc")
SOURCE = pathlib.Path(__file__).with_name("debugged.c")


@unittest.skipIf(kvm_problem(), kvm_problem())
@unittest.skipUnless(GDB and CC, "gdb or a C compiler is not installed")
class Debugger(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = os.path.join(cls.folder.name, "debugged")
        subprocess.run([CC, "-g", "-O0", "-pthread", "-o", cls.program, str(SOURCE)], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.socket = os.path.join(self.home, "gdb")

    def run_guest(self, *arguments):
        """`osvm run`, and its first line: the socket is there."""
        guest = self.start("run", "--gdb", self.socket, *arguments)
        line = guest.stderr.readline()
        self.assertIn("gdb can attach", line)
        return guest

    def gdb(self, *commands, target=None):
        words = [GDB, "-q", "-nx", "-batch", "-iex", "set pagination off", "-iex", "set sysroot /",
                 "-iex", "set debuginfod enabled off"]
        for c in (target or ["target remote " + self.socket]) + list(commands):
            words += ["-ex", c]
        done = subprocess.run(words + [self.program], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=osvm_process.TIMEOUT, errors="replace")
        return done.stdout

    def test_a_running_guest_shows_its_backtrace_and_goes_on(self):
        guest = self.run_guest(self.program, "endless")
        text = self.gdb("thread apply all bt", "print counted > 0", "set var go_on = 0", "detach")
        self.assertRegex(text, r"(?s)#\d+ .* in main \(argc=2.*debugged\.c:\d+")
        self.assertRegex(text, r"in count \(argument=0x0\)|#0 +count \(argument=0x0\)")
        self.assertIn("$1 = 1", text)
        out, _ = guest.communicate(timeout=osvm_process.TIMEOUT)
        self.assertEqual((out, guest.returncode), ("let go\n", 3))

    def test_breakpoints_in_threads_steps_values_and_calls(self):
        guest = self.run_guest("--gdb-wait", self.program)
        text = self.gdb("break worked", *["continue"] * 9, "info threads", "delete", "break deep if depth == 0",
                        "continue", "bt", "print *o", "next", "next", "set var o->number = 20", "print add(40, 2)",
                        "stepi", "delete", "continue")
        self.assertEqual(len(re.findall(r"hit Breakpoint 1, worked", text)), 9, text)
        self.assertRegex(text, r"hit Breakpoint 2, deep \(o=0x[0-9a-f]+, depth=0\)")
        self.assertEqual(len(re.findall(r"#[0-4] .*deep \(o=", text)), 5, text)
        self.assertIn('{number = 7, name = 0x', text)
        self.assertIn("= 42", text)
        self.assertIn("exited with code 05", text)
        out, _ = guest.communicate(timeout=osvm_process.TIMEOUT)
        self.assertEqual((out, guest.returncode), ("sum 36, deep 24, add 2\n", 5))

    def test_a_fault_is_seen_before_the_guest_ends(self):
        guest = self.run_guest("--gdb-wait", self.program, "fault")
        text = self.gdb("continue", "bt", "print $_siginfo", "continue")
        self.assertRegex(text, r"received signal SIGSEGV")
        self.assertRegex(text, r"#0 .* deep \(o=0x[0-9a-f]+, depth=0\)")
        self.assertIn("terminated with signal SIGSEGV", text)
        guest.communicate(timeout=osvm_process.TIMEOUT)
        self.assertEqual(guest.returncode, 128 + signal.SIGSEGV)

    def test_an_abort_is_seen(self):
        guest = self.run_guest("--gdb-wait", self.program, "abort")
        text = self.gdb("continue", "bt", "kill")
        self.assertRegex(text, r"received signal SIGABRT")
        self.assertRegex(text, r"#\d .* in deep \(o=0x[0-9a-f]+, depth=0\)")
        guest.communicate(timeout=osvm_process.TIMEOUT)
        self.assertNotEqual(guest.returncode, 5)

    def running_gdb(self, guest, *commands):
        """gdb that has let its guest go on: the guest says so."""
        words = [GDB, "-q", "-nx", "-batch", "-iex", "set pagination off", "-iex", "set sysroot /"]
        for c in ("target remote " + self.socket, "set var say = 1", "continue") + commands:
            words += ["-ex", c]
        gdb = subprocess.Popen(words + [self.program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               errors="replace", stderr=subprocess.STDOUT, start_new_session=True)
        self.addCleanup(self.end, gdb)
        self.assertEqual(guest.stdout.readline(), "going on\n")
        return gdb

    def test_control_c_stops_a_guest_that_computes(self):
        guest = self.run_guest(self.program, "endless")
        gdb = self.running_gdb(guest, "bt", "set var go_on = 0", "continue")
        os.kill(gdb.pid, signal.SIGINT)
        text, _ = gdb.communicate(timeout=osvm_process.TIMEOUT)
        self.assertRegex(text, r"received signal SIGINT|stopped")
        self.assertRegex(text, r"#\d+ ")
        guest.communicate(timeout=osvm_process.TIMEOUT)
        self.assertEqual(guest.returncode, 3)

    def test_a_killed_debugger_leaves_the_guest_running_and_another_attaches(self):
        guest = self.run_guest(self.program, "endless")
        gdb = self.running_gdb(guest)
        gdb.kill()
        gdb.wait()
        text = self.gdb("print counted > 0", "break worked", "set var go_on = 0", "continue")
        self.assertIn("exited with code 03", text)
        out, _ = guest.communicate(timeout=osvm_process.TIMEOUT)
        self.assertEqual(out, "let go\n")

    def test_the_socket_is_private_and_removed(self):
        guest = self.run_guest("--gdb-wait", self.program)
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o600)
        taken = self.osvm("run", "--gdb", self.socket, self.program, status=125)
        self.assertIn("--gdb", taken.stderr)
        guest.send_signal(signal.SIGINT)
        guest.send_signal(signal.SIGINT)
        while guest.poll() is None:
            guest.send_signal(signal.SIGINT)
            time.sleep(0.05)
        self.assertFalse(os.path.exists(self.socket))

    def core_of(self, *arguments):
        core = os.path.join(self.home, "core")
        return core, self.osvm("run", "--core", core, self.program, *arguments)

    def test_a_core_file_opens(self):
        for how, number in (("fault", signal.SIGSEGV), ("abort", signal.SIGABRT)):
            core, done = self.core_of(how)
            self.assertEqual(done.returncode, 128 + number, done.stderr)
            self.assertIn("core dump in " + core, done.stderr)
            self.assertEqual(os.stat(core).st_mode & 0o777, 0o600)
            text = self.gdb("bt", "echo end of bt\\n", "frame function deep", "print o->number", "print o->name", "info auxv",
                            "print $mxcsr", target=["core-file " + core])
            self.assertIn("terminated with signal SIG" + ("SEGV" if how == "fault" else "ABRT"), text)
            frames = re.findall(r"(?m)^#\d+ .*deep \(o=", text.split("end of bt")[0].split("\n#", 2)[-1])
            self.assertGreaterEqual(len(frames), 4, text)
            self.assertIn("= 7", text)
            self.assertIn('"%s"' % how, text)
            self.assertIn("AT_PHDR", text)
            self.assertNotRegex(text, r"(?i)warning|too small|cannot access")
            os.unlink(core)

    def test_no_core_of_a_guest_that_ends_well(self):
        core, done = self.core_of()
        self.assertEqual(done.returncode, 5)
        self.assertFalse(os.path.exists(core))
        with open(core, "w") as f:
            f.write("precious")
        self.osvm("run", "--core", core, self.program, "fault", status=125)
        self.assertEqual(pathlib.Path(core).read_text(), "precious")

    def test_a_full_disk_leaves_no_half_a_core(self):
        core = os.path.join(self.home, "core")
        done = subprocess.run(["/bin/sh", "-c", "ulimit -f 64; trap '' XFSZ; exec \"$@\"", "sh",
                               osvm_process.OSVM, "run", "--core", core, self.program, "fault"],
                              text=True, capture_output=True, timeout=osvm_process.TIMEOUT, env=self.env)
        self.assertEqual(done.returncode, 128 + signal.SIGSEGV, done.stderr)
        self.assertFalse(os.path.exists(core))

    def test_a_jailed_guest_is_not_debugged(self):
        done = self.osvm("run", "--jail", "--gdb-wait", "--gdb", self.socket, self.program, status=125)
        self.assertIn("cannot be debugged", done.stderr)


if __name__ == "__main__":
    osvm_process.main()
