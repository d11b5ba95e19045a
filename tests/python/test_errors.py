"""Exceptions by domain, refused arguments, and that importing is free."""

import pickle
import subprocess
import sys

import osvm
import pytest

pytestmark = pytest.mark.unit


def test_import_starts_no_thread_and_opens_no_descriptor() -> None:
    count = """
import os, sys, time
def now(): return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
import dataclasses, enum, shutil, tempfile, typing, collections.abc  # what the package uses of Python itself
before = now()
import osvm
after = now()
with osvm.Proxy(): running = now()  # the control: here both numbers move
assert running[0] > before[0] and running[1] > before[1], (before, running)
assert before == after, (before, after)
end = time.monotonic() + 10  # a joined thread leaves /proc a moment after the join
while now() != before and time.monotonic() < end: time.sleep(0.01)
assert now() == before, (before, now())
"""
    subprocess.run([sys.executable, "-c", count], check=True, timeout=30)


def test_missing_file_is_an_os_error() -> None:
    with pytest.raises(osvm.HostError) as e:
        osvm.Image("/no/such/program")
    assert e.value.errno == 2 and isinstance(e.value, OSError)
    assert "/no/such/program" in str(e.value)


def test_not_an_elf() -> None:
    with pytest.raises(osvm.UnikernelError) as e:
        osvm.Image("/etc/passwd")
    assert e.value.code is osvm.UnikernelErrc.NOT_AN_ELF and e.value.domain == "osvm.unikernel"
    with pytest.raises(osvm.UnikernelError):
        osvm.Image.from_bytes(b"text", "text")


@pytest.mark.parametrize(
    "arguments",
    [
        {"allow": ["everything"]},
        {"isolation": "none"},
        {"listen": ["udp:80"]},
        {"listen": ["tcp:x"]},
        {"stdout": "everywhere"},
        {"publish": {"127.0.0.1:1": "x"}},
    ],
)
def test_refused_instance_arguments(arguments: dict) -> None:
    with pytest.raises(osvm.Error) as e:
        osvm.Instance(["/bin/true"], **arguments)
    assert e.value.code is osvm.Errc.INVALID_ARGUMENT


def test_instance_that_was_not_started() -> None:
    with pytest.raises(osvm.Error) as e:
        osvm.Instance(["/bin/true"]).wait()
    assert e.value.code is osvm.Errc.CLOSED


def test_proxy_without_release() -> None:
    with osvm.Proxy() as proxy:
        host, port = proxy.address
        assert host == "127.0.0.1" and port > 0
        assert proxy.active is None and proxy.stats().requests == 0
        with pytest.raises(osvm.HostError) as e:
            osvm.Proxy(f"127.0.0.1:{port}")
        assert isinstance(e.value, OSError)
    with pytest.raises(osvm.Error) as closed:
        proxy.stats()
    assert closed.value.code is osvm.Errc.CLOSED


def test_rejected_release_is_a_result() -> None:
    with osvm.Proxy() as proxy:
        result = proxy.shift("unix:/no/such/socket", version="v9", probe=osvm.Probe(deadline=0.05))
        assert (result.state, result.failed_at, result.ok) == ("rejected", "probing", False)
        assert result.version == "v9" and result.reason and result.generation == 0
        with pytest.raises(osvm.HotswapError) as e:
            result.check()
        assert e.value.code is osvm.HotswapErrc.PROBE_FAILED
        with pytest.raises(osvm.Error):
            proxy.shift("no endpoint")
    with pytest.raises(osvm.HotswapError):
        osvm.Proxy(backend="unix:/no/such/socket", probe=osvm.Probe(deadline=0.05))


def test_closing_gives_up_a_shift() -> None:
    import threading

    proxy = osvm.Proxy()
    failures: list[osvm.Error] = []
    began = threading.Event()

    def shift() -> None:
        began.set()
        try:
            failures.append(
                AssertionError(proxy.shift("unix:/no/such/socket", probe=osvm.Probe(deadline=60)))
            )
        except osvm.Error as e:
            failures.append(e)

    thread = threading.Thread(target=shift)
    thread.start()
    began.wait()
    proxy.close()
    thread.join(timeout=10)
    assert not thread.is_alive(), "shift() holds on although the proxy was closed"
    assert failures[0].code in (osvm.Errc.CANCELLED, osvm.Errc.CLOSED)


def test_errors_can_be_pickled() -> None:
    before = osvm.Error("osvm", osvm.Errc.DENIED, "no")
    after = pickle.loads(pickle.dumps(before))
    assert (after.domain, after.code, str(after)) == ("osvm", osvm.Errc.DENIED, "no")
