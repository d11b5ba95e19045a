"""Real virtual machines: run to the end, budgets, kill, and a swap of two of them under load."""

from __future__ import annotations

import errno
import http.client
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import osvm
import pytest

pytestmark = pytest.mark.kvm


@pytest.fixture(scope="session")
def facts() -> osvm.HostFacts:
    return osvm.host_facts()


def server(guests: Path, release: str, **more: object) -> osvm.Instance:
    return osvm.Instance([guests / "http_server", "8080", release], listen=[8080], name=release, **more)


def test_run(guests: Path, facts: osvm.HostFacts) -> None:
    result = osvm.run([guests / "hello", "one", "two"], facts=facts, check=True)
    assert result.stdout == b"one\ntwo\n" and result.stderr == b"" and result.status == 0 and result.ok
    assert result.report.cause == "exited"
    assert 0 < result.boot.total < 5 and result.boot.vm > 0
    assert result.stats.syscalls["exit_group"] == 1 and result.stats.memory_peak_bytes > 0
    assert "hardware" in result.isolation


def test_dynamic_program(facts: osvm.HostFacts) -> None:
    with pytest.raises(osvm.UnikernelError, match="ld-linux") as e:
        osvm.run(["/usr/bin/expr", "6", "*", "7"], facts=facts)
    assert e.value.code is osvm.UnikernelErrc.BAD_LOADER
    result = osvm.run(["/usr/bin/expr", "6", "*", "7"], libraries=True, facts=facts, check=True)
    assert result.stdout == b"42\n"
    assert {g.guest for g in result.stats.granted} >= {"/usr/bin/expr", "/lib64/ld-linux-x86-64.so.2"}
    assert result.stats.refused == ()
    where = osvm.run(["/usr/bin/pwd"], libraries=True, cwd="/usr", facts=facts, check=True)
    assert where.stdout == b"/usr\n"


def test_jail(guests: Path, facts: osvm.HostFacts) -> None:
    worker = guests.parent / "libexec/osvm/osvm-worker"
    result = osvm.run([guests / "hello", "apart"], worker=worker, jail=True, facts=facts, check=True)
    assert result.stdout == b"apart\n" and result.isolation.startswith("hardware (KVM)")
    assert "in a jail" in result.isolation and "seccomp" in result.isolation
    with pytest.raises(osvm.Error, match="worker"):
        osvm.run([guests / "hello"], jail=True, facts=facts)


def test_limits_of_a_worker(guests: Path, facts: osvm.HostFacts) -> None:
    worker = guests.parent / "libexec/osvm/osvm-worker"
    with pytest.raises(osvm.Error, match="limits need worker"):
        osvm.run([guests / "hello"], limit_tasks=20, facts=facts)
    try:
        result = osvm.run([guests / "hello"], worker=worker, limit_tasks=20, facts=facts, check=True)
    except osvm.Error as e:
        assert e.code is osvm.Errc.UNSUPPORTED and "limits of a worker" in str(e)
        pytest.skip(str(e))
    assert "cgroup limits: 20 tasks" in result.isolation
    bomb = [guests / "bombs", "memory_touch"]
    limited = osvm.run(bomb, worker=worker, limit_memory=48 << 20, facts=facts)
    assert limited.report.cause is osvm.ExitCause.MEMORY_BUDGET
    assert limited.report.detail == "the memory limit of the worker process"
    control = osvm.run(bomb, worker=worker, facts=facts)
    assert control.report.detail != limited.report.detail


def test_adoption(guests: Path, facts: osvm.HostFacts, tmp_path: Path) -> None:
    worker = guests.parent / "libexec/osvm/osvm-worker"
    with pytest.raises(osvm.Error, match="socket_dir"):
        osvm.Instance([guests / "hello"], worker=worker, orphan_after=10)
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    script = f"""
import os, signal, osvm
guest = osvm.Instance(["{guests}/http_server", "8080"], listen=[8080], worker="{worker}", jail=True,
                      orphan_after=60, socket_dir="{sockets}").start()
guest.endpoint(8080)
print(guest.ticket, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    creator = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert creator.returncode == -signal.SIGKILL, creator.stderr
    ticket = creator.stdout.strip()
    with pytest.raises(osvm.Error) as wrong:
        osvm.Instance.adopt("0" * 32 + ticket[32:])
    assert wrong.value.code is osvm.Errc.DENIED
    with osvm.Instance.adopt(ticket, publish={"127.0.0.1:0": 8080}) as guest:
        assert guest.ticket == ticket and "in a jail" in guest.isolation
        guest.endpoint(8080)
        with urllib.request.urlopen("http://" + guest.published[0].removeprefix("tcp:") + "/bytes/5") as answer:
            assert len(answer.read()) == 5
        guest.signal(signal.SIGTERM)
        guest.wait(10)
        assert guest.stats().socket_sent_bytes > 5
        assert 'osvm_instance_socket_sent_bytes_total{instance="x"}' in guest.metrics("x")
    assert list(sockets.iterdir()) == []
    with pytest.raises(osvm.Error) as gone:
        osvm.Instance.adopt(ticket)
    assert gone.value.code is osvm.Errc.NOT_FOUND


def test_tmpfs(facts: osvm.HostFacts) -> None:
    words = ["/usr/bin/bash", "-c", 'echo kept > /tmp/a && read x < /tmp/a && echo "$x"']
    result = osvm.run(words, libraries=True, tmpfs=["/tmp:1MiB"], facts=facts, check=True)
    assert result.stdout == b"kept\n"
    assert osvm.run(words, libraries=True, facts=facts).status == 1
    with pytest.raises(osvm.Error, match="64MiB"):
        osvm.run(words, libraries=True, tmpfs=["tmp"], facts=facts)


def test_calls_without_an_exit(guests: Path, facts: osvm.HostFacts) -> None:
    with osvm.Instance([guests / "calls", "100000000"], exitless=True, facts=facts) as guest:
        end = time.monotonic() + 60
        while guest.stats().polled_calls == 0:
            assert time.monotonic() < end
            time.sleep(0.001)
    assert osvm.run([guests / "calls", "1"], facts=facts, check=True).stats.polled_calls == 0


def test_events_and_a_learned_policy(guests: Path, facts: osvm.HostFacts, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("text")
    with osvm.Instance(
        [guests / "probe", "read", secret], events=["denials", "trace"], learn="denials", facts=facts
    ) as guest:
        guest.wait(30)
        events = guest.take_events()
        policy = guest.learned_policy()
    assert [e.text for e in events if e.kind == "denial"] == [f"open {secret}"] or any(
        e.kind == "denial" and str(secret) in e.text and "--ro" in e.rule for e in events
    )
    assert any(e.kind == "trace" and e.text.startswith("exit_group(0)") for e in events)
    file = tmp_path / "policy.yaml"
    file.write_text(policy)
    with osvm.Instance([guests / "probe", "read", secret], policy=file, stdout="capture", facts=facts) as guest:
        assert guest.wait(30).ok
        assert guest.take_output() == b"content text\n"
    file.write_text("mounts:\n  - {host: /x, access: rx}\n")
    with pytest.raises(osvm.Error, match="policy.yaml:2:"):
        osvm.Instance([guests / "hello"], policy=file, facts=facts).start()
    with pytest.raises(osvm.Error, match="events"):
        osvm.Instance([guests / "hello"], events=["everything"])


def test_run_ends_with_its_time(guests: Path) -> None:
    begin = time.monotonic()
    result = osvm.run([guests / "http_server"], publish={"127.0.0.1:0": 8080}, timeout=0.2)
    assert result.report.cause == "wall_budget" and result.status == 137 and not result.ok
    assert time.monotonic() - begin < 10


def test_check_raises_with_the_result(guests: Path) -> None:
    with pytest.raises(osvm.RunFailed) as e:
        osvm.run(["/bin/cat", "/etc/fstab"], libraries=True, check=True, timeout=30)  # no other file is granted
    assert e.value.result.stderr and e.value.result.status == e.value.code != 0
    assert any("--ro HOST:/etc/fstab" == d.rule for d in e.value.result.stats.denials)


def test_listening_without_a_grant_fails_and_is_named(guests: Path) -> None:
    result = osvm.run([guests / "probe", "listen", "8080", "0.0.0.0"])
    assert b"listen -13" in result.stdout
    assert any("--publish" in d.rule for d in result.stats.denials)


def test_process_isolation_is_refused(guests: Path) -> None:
    with pytest.raises(osvm.UnikernelError) as e:
        osvm.run([guests / "hello"], isolation="process")
    assert e.value.code is osvm.UnikernelErrc.ISOLATION_UNSUPPORTED


def test_missing_mount_names_it(guests: Path) -> None:
    with pytest.raises(osvm.UnikernelError, match="/no/such/folder"):
        osvm.run([guests / "hello"], ro={"/no/such/folder": "/data"})


def test_kill_and_deadline(guests: Path, facts: osvm.HostFacts) -> None:
    with server(guests, "v1", facts=facts) as vm:
        assert vm.endpoint(8080).startswith("unix:")
        with pytest.raises(osvm.Error) as denied:
            vm.endpoint(9)
        assert denied.value.code is osvm.Errc.DENIED
        with pytest.raises(osvm.TimedOut):
            vm.wait(0.01)
        vm.kill()
        report = vm.wait(10)
        assert report.cause == "killed" and report.shell_status == 137
        assert "kill" in vm.wait().description  # may be asked again


def test_waiting_releases_the_gil(guests: Path) -> None:
    with server(guests, "v1") as vm:
        reports: list[osvm.ExitReport] = []
        waiter = threading.Thread(target=lambda: reports.append(vm.wait()))
        waiter.start()
        vm.endpoint(8080)
        ticks = sum(1 for _ in range(100_000))  # this thread runs on
        vm.kill()
        waiter.join(timeout=10)
        assert ticks == 100_000 and reports[0].cause == "killed"


def test_close_while_another_thread_waits(guests: Path) -> None:
    vm = server(guests, "v1").start()
    vm.endpoint(8080)
    began = threading.Event()
    outcomes: list[object] = []

    def wait() -> None:
        began.set()
        try:
            outcomes.append(vm.wait().cause)
        except osvm.Error as e:
            outcomes.append(e.code)

    waiter = threading.Thread(target=wait)
    waiter.start()
    began.wait()
    vm.close()
    waiter.join(timeout=10)
    assert outcomes in (["killed"], [osvm.Errc.CLOSED])  # it waited already, or came after close()


def test_interrupt_ends_the_guest(guests: Path) -> None:
    code = (
        "import osvm, sys\n"
        "vm = osvm.Instance([sys.argv[1]], listen=[8080]).start()\n"
        "vm.endpoint(8080)\n"
        "try: print('up', flush=True); vm.wait()\n"
        "except KeyboardInterrupt: vm.close(); print('interrupted')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, guests / "http_server"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=10)
    assert out == "interrupted\n" and child.returncode == 0


def test_publish(guests: Path) -> None:
    with server(guests, "v1", publish={"127.0.0.1:0": 8080}) as vm:
        vm.endpoint(8080)
        port = int(vm.published[0].rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers["X-Osvm-Release"] == "v1"
        answer.read()
        connection.close()


class Load(threading.Thread):
    """Asks one question after the other on a kept-alive connection, and keeps everything that was not
    right."""

    def __init__(self, address: tuple[str, int], keep_alive: bool, progress: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self.address, self.keep_alive, self.progress = address, keep_alive, progress
        self.stop = threading.Event()
        self.answered: dict[str, int] = {}
        self.failures: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        number = 0
        while not self.stop.is_set():
            number += 1
            nonce = f"{self.name}-{number}"
            headers = {"X-Osvm-Nonce": nonce, **({} if self.keep_alive else {"Connection": "close"})}
            try:
                connection.request("GET", "/bytes/1000", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as e:
                self.failures.append(repr(e))
                connection.close()
                continue
            if answer.status != 200 or len(body) != 1000 or answer.headers["X-Osvm-Nonce"] != nonce:
                self.failures.append(f"{answer.status}, {len(body)} bytes, {answer.headers['X-Osvm-Nonce']}")
            release = answer.headers["X-Osvm-Release"]
            self.answered[release] = self.answered.get(release, 0) + 1
            self.progress.release()
        connection.close()


def test_swap_under_load_loses_nothing(guests: Path, facts: osvm.HostFacts) -> None:
    with (
        osvm.Runtime(threads=2) as runtime,
        server(guests, "v1", facts=facts, runtime=runtime) as v1,
        server(guests, "v2", facts=facts, runtime=runtime) as v2,
        osvm.Proxy(backend=v1.endpoint(8080), probe="/health", runtime=runtime) as proxy,
    ):
        progress = threading.Semaphore(0)
        clients = [Load(proxy.address, i % 2 == 0, progress) for i in range(4)]
        for c in clients:
            c.start()
        for turn in range(20):
            vm, version = ((v2, "v2"), (v1, "v1"))[turn % 2]
            result = proxy.shift(vm.endpoint(8080), version=version, probe="/health", drain=10)
            assert result.ok and result.cut == 0, result
            assert proxy.active == version
            while progress.acquire(blocking=False):
                pass
            for _ in range(20):  # the next shift comes when clients have been served since this one
                assert progress.acquire(timeout=10), "no answers after the shift"
        # A release that is not there changes nothing.
        rejected = proxy.shift("unix:/no/such/socket", probe=osvm.Probe(deadline=0.05))
        assert rejected.state == "rejected" and proxy.active == "v1"
        for c in clients:
            c.stop.set()
        for c in clients:
            c.join(timeout=10)
        # An answer is counted after its last bytes have gone out.
        received = sum(sum(c.answered.values()) for c in clients)
        end = time.monotonic() + 10
        while proxy.stats().answered < received and time.monotonic() < end:
            time.sleep(0.01)
        stats = proxy.stats()
    failures = [f for c in clients for f in c.failures]
    totals = {v: sum(c.answered.get(v, 0) for c in clients) for v in ("v1", "v2")}
    print(f"answered {totals}, shifts {stats.shifts}, failed {len(failures)}")
    assert failures == []
    assert totals["v1"] > 50 and totals["v2"] > 50
    assert (
        stats.failed == 0 and stats.cut == 0 and stats.answered >= sum(totals.values()) and stats.shifts == 21
    )


def test_template(guests: Path) -> None:
    with server(guests, "warm") as first:
        assert first.endpoint(8080)
        template = first.snapshot()
    assert template.threads == 1 and template.memory_bytes > 0 and template.descriptors >= 4
    with template.spawn(publish={"127.0.0.1:0": 8080}, name="one") as one, template.spawn(name="two") as two:
        assert "/one-" in one.endpoint(8080) and "/two-" in two.endpoint(8080)
        host, port = one.published[0].removeprefix("tcp:").rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers["X-Osvm-Release"] == "warm"
        connection.close()
        assert one.stats().threads == 1
        one.reset()
        assert "/one-" in one.endpoint(8080)
    with server(guests, "plain") as plain, pytest.raises(osvm.UnikernelError, match="template"):
        plain.reset()


def test_template_on_a_disk(guests: Path, tmp_path: Path) -> None:
    path = tmp_path / "warm.osvmtpl"
    with server(guests, "kept") as first:
        first.wait_ready()
        first.snapshot().save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with osvm.Template.load(path).spawn(publish={"127.0.0.1:0": 8080}) as clone:
        assert clone.endpoint(8080)
        host, port = clone.published[0].removeprefix("tcp:").rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().headers["X-Osvm-Release"] == "kept"
        connection.close()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(osvm.UnikernelError, match="length") as e:
        osvm.Template.load(path)
    assert e.value.code is osvm.UnikernelErrc.BAD_TEMPLATE


def test_call(guests: Path, tmp_path: Path) -> None:
    with osvm.Instance([guests / "called", "2"]) as guest:
        guest.wait_ready()
        status, answer = guest.call("add", struct.pack("ii", 40, 2))
        assert (status, struct.unpack("i", answer)) == (0, (42,))
        assert guest.call("nothing") == (-errno.ENOSYS, b"")
        with pytest.raises(osvm.Error) as e:
            guest.call("spin", cpu_time=0.01)
        assert e.value.code is osvm.Errc.LIMIT_EXCEEDED
        assert guest.call("echo", b"still there") == (0, b"still there")
        with (tmp_path / "core").open("wb") as core:
            guest.dump_core(core)
        assert (tmp_path / "core").read_bytes()[:4] == b"\x7fELF"
        mine, theirs = socket.socketpair()
        session = threading.Thread(target=guest.debug, args=(theirs,))
        session.start()
        mine.sendall(b"$qC#b4")
        assert mine.recv(1) == b"+"
        mine.close()
        session.join()
        assert guest.call("empty") == (0, b"")


def test_what_a_template_cannot_hold(guests: Path) -> None:
    with osvm.Instance([guests / "http_server", "8080"], listen=[8080], exitless=True) as warm:
        assert warm.endpoint(8080)
        with pytest.raises(osvm.UnikernelError, match="exitless") as e:
            warm.snapshot()
        assert e.value.code is osvm.UnikernelErrc.CANNOT_SNAPSHOT
