#!/usr/bin/python3
"""The command line with real guests."""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import osvm_process
from osvm_process import OSVM, TIMEOUT, Case, guest


def kvm_problem():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
        return None
    except OSError as e:
        return f"/dev/kvm cannot be opened: {e.strerror}"


def rpc_problem():
    """osvm-rpc is one static program, which sanitizers do not allow; that a release build has it is tested."""
    here = pathlib.Path(guest("hello")).with_name("osvm-rpc").exists()
    return None if here else "osvm-rpc is not part of a build with sanitizers"


def free_port():
    """A port that nobody has and that the kernel gives to nobody: outside of its range for ephemeral ports."""
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


def fetch(port, path="/", tries=1500):
    """The answer of a server that may still be starting."""
    for _ in range(tries):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the server never answered")


def echo(port, tries=1500):
    """What an echo server answers; the address may be routed to it a moment after it listens."""
    for _ in range(tries):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
                s.sendall(b"hello")
                if answer := s.recv(5):
                    return answer
        except ConnectionError:
            pass
        time.sleep(0.02)
    return b""


@unittest.skipIf(kvm_problem(), kvm_problem())
class Run(Case):
    def test_hello_prints_and_exits_0(self):
        done = self.osvm("run", guest("hello"), status=0)
        self.assertTrue(done.stdout.startswith("hello"), done.stdout)
        self.assertEqual(done.stderr, "")

    def test_arguments_behind_the_program_are_the_guests(self):
        done = self.osvm("run", "--memory", "64MiB", guest("hello"), "--json", "--help", "-v", "two words", status=0)
        self.assertEqual(done.stdout, "--json\n--help\n-v\ntwo words\n")
        self.assertEqual(self.osvm("run", "--", guest("hello"), "--", "x", status=0).stdout, "--\nx\n")

    def test_exit_status_is_the_guests(self):
        port = free_port()
        server = self.start("run", "--publish", f"{port}=guest:8080", guest("http_server"), "8080", "v9")
        self.assertIn("v9", fetch(port))
        with self.assertRaises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/exit?code=7", timeout=10)
        self.assertEqual(server.wait(30), 7)

    def test_a_signal_is_128_plus_its_number(self):
        done = self.osvm("run", guest("http_server"), "8080", "v1", "--crash-at-start", status=128 + signal.SIGABRT)
        self.assertIn("osvm: ", done.stderr)

    def test_stdin_is_the_guests(self):
        # stall read gives the result of reading one byte as its status.
        self.osvm("run", guest("stall"), "read", stdin="x", status=1)
        self.osvm("run", guest("stall"), "read", stdin="", status=0)

    def interrupt(self, number, mode):
        run = self.start("run", guest("stall"), mode)
        self.assertEqual(run.stdout.readline(), "ready\n")
        run.send_signal(number)
        self.assertEqual(run.wait(20), 128 + number)

    def test_ctrl_c_ends_a_guest_that_loops_or_blocks(self):
        for mode in ("spin", "read", "futex", "epoll", "threads"):
            with self.subTest(mode):
                self.interrupt(signal.SIGINT, mode)

    def test_sigterm_ends_it_too(self):
        self.interrupt(signal.SIGTERM, "spin")

    def test_a_guest_with_a_handler_gets_the_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            run = self.start("run", guest("polite"), "leaves")
            self.assertEqual(run.stdout.readline(), "ready\n")
            run.send_signal(number)
            self.assertEqual(run.stdout.readline(), f"got {int(number)}\n")
            self.assertEqual(run.wait(20), 5)

    def test_a_second_ctrl_c_ends_a_guest_that_stays(self):
        run = self.start("run", guest("polite"), "stays")
        self.assertEqual(run.stdout.readline(), "ready\n")
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.stdout.readline(), "got 2\n")
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(20), 128 + signal.SIGINT)

    def test_timeout_ends_it(self):
        done = self.osvm("run", "--timeout", "200ms", guest("stall"), "spin", status=137)
        self.assertIn("time", done.stderr)

    def test_cpu_time_ends_it(self):
        self.osvm("run", "--cpu-time", "200ms", guest("stall"), "spin", status=137)

    def test_process_isolation_is_unsupported(self):
        done = self.osvm("run", "--isolation", "process", guest("hello"), status=125)
        self.assertIn("process", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_limits_hold_the_jailed_process(self):
        without = self.osvm("run", "--limit-tasks", "20", guest("hello"))
        self.assertEqual(without.returncode, 125)
        self.assertIn("--jail", without.stderr)
        nowhere = self.osvm("run", "--jail", "--limit-tasks", "20", "--limit-parent", "/osvm-no-such", guest("hello"))
        self.assertEqual(nowhere.returncode, 125)
        self.assertIn("limits of a worker", nowhere.stderr)
        limited = self.osvm("run", "--jail", "--stats", "--limit-tasks", "20", "--limit-memory", "64MiB",
                            "--limit-cpu", "50", guest("hello"))
        if "limits of a worker" in limited.stderr:
            self.skipTest(limited.stderr)
        self.assertEqual(limited.returncode, 0, limited.stderr)
        self.assertIn("cgroup limits: memory 64 MiB", limited.stderr)
        self.assertIn("50 % of a core", limited.stderr)
        self.assertIn("20 tasks", limited.stderr)

    def test_a_port_in_use_is_known_before_the_guest_starts(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = self.osvm("run", "--publish", f"{port}=guest:8080", guest("hello"), status=125)
        self.assertIn("use", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_stats_go_to_stderr(self):
        done = self.osvm("run", "--stats", guest("hello"), status=0)
        self.assertTrue(done.stdout.startswith("hello"))
        for word in ("boot", "system call", "memory", "hardware", "exit_group"):
            self.assertIn(word, done.stderr)
        stats = json.loads(self.osvm("--json", "run", "--stats", guest("hello"), status=0).stderr)
        self.assertEqual(stats["exit"]["cause"], "exited")
        self.assertGreater(stats["boot"]["total_ms"], 0)
        self.assertEqual(stats["syscalls"]["exit_group"], 1)
        self.assertEqual(stats["denials"], [])

    def test_metrics_are_kept_in_a_file(self):
        path = pathlib.Path(self.home) / "guest.prom"
        self.osvm("run", "--name", "tick", "--metrics", str(path), guest("hello"), status=0)
        text = path.read_text()
        self.assertIn('osvm_instance_system_calls_total{call="exit_group",instance="tick"} 1\n', text)
        self.assertIn("# TYPE osvm_instance_exits_total counter\n", text)
        self.assertEqual(list(path.parent.glob("guest.prom*")), [path])
        nowhere = self.osvm("run", "--metrics", "/no/such/folder/x", guest("hello"), status=125)
        self.assertIn("metrics file", nowhere.stderr)

    def test_metrics_of_a_guest_that_runs(self):
        path = pathlib.Path(self.home) / "guest.prom"
        port = free_port()
        run = self.start("run", "--metrics", str(path), "--publish", f"{port}=guest:8080", guest("http_server"))
        fetch(port, "/bytes/10000")
        for _ in range(1500):
            sent = [float(line.split()[1]) for line in path.read_text().splitlines()
                    if line.startswith("osvm_instance_socket_sent_bytes_total{")]
            if sent and sent[0] >= 10000:
                break
            time.sleep(0.02)
        else:
            self.fail(path.read_text())
        run.send_signal(signal.SIGINT)
        run.wait(TIMEOUT)

    def test_dynamic_program_as_it_is_typed(self):
        done = self.osvm("run", "/usr/bin/expr", "6", "*", "7", status=0)
        self.assertEqual((done.stdout, done.stderr), ("42\n", ""))
        done = self.osvm("run", "--stats", "/usr/bin/basename", "/a/b", status=0)
        for word in ("granted unasked", "/lib64/ld-linux-x86-64.so.2", "libc.so.6", "nothing was denied"):
            self.assertIn(word, done.stderr)
        done = self.osvm("run", "--no-libraries", "/usr/bin/expr", "1", status=125)
        self.assertIn("/lib64/ld-linux-x86-64.so.2", done.stderr)
        self.assertEqual(self.osvm("run", "--cwd", "/usr", "/usr/bin/pwd", status=0).stdout, "/usr\n")

    def test_script_runs_by_its_interpreter(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        script = pathlib.Path(folder, "script")
        for line in ("#!/usr/bin/bash", "#! /bin/dash -u\t", "#!/usr/bin/env bash"):
            script.write_text(line + '\necho "$0 $# $2"\nread line\necho "$line"\nexit 7\n')
            done = self.osvm("run", str(script), "a", "b c", stdin="typed\n")
            self.assertEqual((done.returncode, done.stdout), (7, f"{script} 2 b c\ntyped\n"), done.stderr)
        for line, why in (("#!", "names no interpreter"), ("#!/usr/bin/env nowhere-to-be-found", "names no program"),
                          ("#!/nowhere/sh", "/nowhere/sh")):
            script.write_text(line + "\n")
            done = self.osvm("run", str(script))
            self.assertEqual(done.returncode, 125)
            self.assertIn(why, done.stderr)

    def test_another_program_needs_a_grant_of_its_files(self):
        done = self.osvm("run", "--stats", "/usr/bin/env", "/usr/bin/true")
        self.assertEqual(done.returncode, 127)
        self.assertIn("execve /usr/bin/true", done.stderr)
        folders = [word for name in ("/usr", "/bin", "/lib", "/lib64", "/etc") for word in ("--ro", name)]
        done = self.osvm("run", *folders, "/usr/bin/env", "/usr/bin/true")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_shell_runs_its_commands(self):
        folders = [word for name in ("/usr", "/bin", "/lib", "/lib64", "/etc") for word in ("--ro", name)]
        script = "for n in 1 2 3; do echo $n; done | sort -r | head -1; (exit 7); echo $?"
        done = self.osvm("run", "--stats", *folders, "/bin/sh", "-c", script)
        self.assertEqual((done.returncode, done.stdout), (0, "3\n7\n"))
        self.assertRegex(done.stderr, r"\d processes")
        done = self.osvm("run", "--stats", "--processes", "1", *folders, "/bin/sh", "-c", script)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--processes N", done.stderr)

    def test_denials_name_the_rule(self):
        done = self.osvm("run", "--stats", guest("probe"), "listen", "8080", "0.0.0.0")
        self.assertIn("bind -13", done.stdout)
        self.assertIn("--publish HOST:PORT=guest:8080", done.stderr)

    def test_a_killed_osvm_leaves_nothing_behind_for_long(self):
        run = self.start("run", guest("stall"), "spin")
        self.assertEqual(run.stdout.readline(), "ready\n")
        run.kill()
        run.wait(20)
        self.osvm("run", guest("hello"), status=0)  # sweeps; tearDown checks

    def test_sweeping_takes_only_what_is_ours(self):
        base = pathlib.Path(self.home, "osvm")
        base.mkdir(mode=0o700)
        for name in ("mine", "i", "keep-this-name"):
            (base / name).mkdir()
            (base / name / "file").touch()
        (base / "file").touch()
        (base / "run-AbCdEf").mkdir()
        self.osvm("run", guest("hello"), status=0)
        self.assertEqual(sorted(p.name for p in base.iterdir()), ["file", "i", "keep-this-name", "mine"])
        shutil.rmtree(base)

    def test_vsock_port_can_be_published(self):
        port = free_port()
        run = self.start("run", "--publish-vsock", f"{port}=guest:52", guest("vsock_echo"), "52")
        self.assertEqual(run.stdout.readline(), "listening on port 52\n")
        self.assertEqual(echo(port), b"hello")
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(20), 130)


class Doctor(Case):
    @unittest.skipIf(kvm_problem(), kvm_problem())
    def test_facts(self):
        facts = self.json("doctor", "kvm", "--json")
        self.assertIn(facts["kvm"]["stub"], ("supervisor", "user"))
        self.assertGreater(facts["kvm"]["exit_us"], 0)
        self.assertIn("syscall stub", self.osvm("doctor", "kvm", status=0).stdout)

    @unittest.skipUnless(os.geteuid() == 0, "becoming another user needs root")
    def test_without_permission_is_3_and_says_so(self):
        """Copies: nobody may not read the build folder everywhere."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="osvm-nobody-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        program = shutil.copy(osvm_process.OSVM, folder / "osvm")
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        done = subprocess.run([program, "doctor", "kvm"], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/bin:/bin"}, **nobody)
        if os.stat("/dev/kvm").st_mode & 0o006 == 0o006:
            self.skipTest("everybody may open /dev/kvm here")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("group", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "hiding /dev/kvm needs root")
    def test_without_kvm_is_3_and_says_so(self):
        def hidden(*words):
            script = 'mount -t tmpfs none /dev && exec "$@"'
            return subprocess.run(["unshare", "-m", "/bin/sh", "-c", script, "sh", OSVM, *words], capture_output=True,
                                  text=True, timeout=60, env=self.env, stdin=subprocess.PIPE)
        probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True)
        if probe.returncode != 0:
            self.skipTest("no mount namespaces here: " + probe.stderr.strip())
        done = hidden("doctor", "kvm")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("/dev/kvm", done.stderr)
        done = hidden("run", guest("hello"))
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn("/dev/kvm", done.stderr)
        self.assertEqual(hidden("bench", "boot").returncode, 3)


@unittest.skipIf(kvm_problem(), kvm_problem())
class Bench(Case):
    def results(self, *words):
        """What it found; a busy machine may miss a rate, which the exit status says and is no matter here."""
        done = self.osvm("--json", "bench", *words)
        out = json.loads(done.stdout)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertTrue(all("offered" in text for text in out.get("failures", [])), out)
        self.assertEqual(out["bench"], words[0])
        self.assertIn("exit_us", out["host"]["kvm"])
        return {r["name"]: r for r in out["results"]}

    def test_boot(self):
        found = self.results("boot", "--count", "3", "--http-count", "2", "--alive", "3")
        for name in ("kvm.floor.first_exit", "kvm.floor.exit", "hello.create_to_exit", "native.fork_exec_exit",
                     "http.create_to_first_answer"):
            self.assertGreater(found[name]["p50"], 0, name)
        self.assertEqual(found["hello.create_to_exit"]["n"], 3)
        self.assertEqual(found["many3.dead"]["value"], 0)

    def test_vsock(self):
        found = self.results("vsock", "--round-trips", "50", "--stream", "1MiB")
        for name in ("echo64.rtt", "stream.h2g", "stream.g2h"):
            self.assertGreater(found[name]["p50"], 0, name)

    def test_kill(self):
        self.assertEqual(self.results("kill", "--count", "2")["kill.latency"]["n"], 10)

    def test_swap(self):
        found = self.results("swap", "--shifts", "4", "--rate", "300")
        self.assertEqual(found["swap.failed"]["value"], 0)
        self.assertEqual(found["swap.misversioned"]["value"], 0)
        self.assertGreater(found["swap.requests"]["value"], 100)

    def test_swap_under_every_kind_of_traffic(self):
        found = self.results("swap", "--mixed", "--shifts", "8", "--rate", "100")
        for name in ("failed", "truncated", "misversioned", "cut", "executed_twice"):
            self.assertEqual(found["mixed." + name]["value"], 0)
        self.assertEqual(found["mixed.shift"]["n"], 8)
        self.assertGreater(found["mixed.executed"]["value"], 0)
        for kind in ("keep_alive", "close", "tls", "http2", "http2_store", "events", "websocket", "upload", "tcp"):
            self.assertEqual(found[f"mixed.{kind}.requests"]["value"], found[f"mixed.{kind}.answered"]["value"])


@unittest.skipIf(kvm_problem(), kvm_problem())
@unittest.skipUnless(os.environ.get("OSVM_BUILD"), "run by ctest only: needs a build folder")
class Installed(Case):
    def test_an_installed_osvm_finds_its_guest_programs(self):
        prefix = pathlib.Path(self.home, "prefix")
        subprocess.run(["cmake", "--install", os.environ["OSVM_BUILD"], "--prefix", prefix, "--component", "tools"],
                       check=True, capture_output=True, timeout=60)
        done = subprocess.run([prefix / "bin/osvm", "bench", "kill", "--count", "1", "--json"], check=True, timeout=60,
                              capture_output=True, text=True, env=self.env)
        self.assertTrue(json.loads(done.stdout)["ok"])
        for path in ("share/man/man1/osvm.1", "share/bash-completion/completions/osvm",
                     "share/zsh/site-functions/_osvm"):
            self.assertTrue(pathlib.Path(prefix, path).stat().st_size > 0, path)


@unittest.skipIf(kvm_problem(), kvm_problem())
class Demo(Case):
    @unittest.skipIf(rpc_problem(), rpc_problem())
    def test_small_demo(self):
        out = self.json("demo", "--shifts", "3", "--rate", "300", "--json")
        self.assertTrue(out["ok"])
        self.assertEqual(out["failed"], 0)
        self.assertEqual([r["state"] for r in out["refused"]], ["rejected"] * 4)
        self.assertEqual(out["refused"][-1]["version"], "v6-empty")
        self.assertIn("hardware", out["isolation"])
        self.assertIn("JSON-RPC", out["serves"])

    def test_demo_of_a_server_without_a_ledger(self):
        out = self.json("demo", "--program", "http", "--shifts", "3", "--rate", "300", "--json")
        self.assertTrue(out["ok"])
        self.assertEqual(out["failed"], 0)
        self.assertEqual([r["state"] for r in out["refused"]], ["rejected"] * 3)

    def test_ctrl_c_cleans_up(self):
        demo = self.start("demo", "--program", "http")
        self.assertIn("v1", demo.stdout.readline())
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
        self.assertEqual(demo.wait(60), 130)


@unittest.skipIf(kvm_problem(), kvm_problem())
class BenchInterrupted(Case):
    def test_ctrl_c_cleans_up(self):
        bench = self.start("-v", "bench", "kill", "--count", "10000")
        self.assertEqual(bench.stderr.readline(), "measuring\n")
        bench.send_signal(signal.SIGINT)
        self.assertEqual(bench.stdout.read(), "")
        self.assertEqual(bench.wait(60), 130)


if __name__ == "__main__":
    osvm_process.main()
