"""The gateway from Python: a configuration, shifts and back, drains, events. The releases are ordinary processes."""

import http.client
import pathlib
import socket
import subprocess
import time
from collections.abc import Iterator

import osvm
import pytest

pytestmark = pytest.mark.unit


@pytest.fixture
def backends(guests: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[dict[str, str]]:
    started = []
    try:
        for name in ("v1", "v2"):
            path = tmp_path / name
            words = [guests / "http_server", "0", name, "--unix", path]
            started.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))
            until = time.monotonic() + 60
            while True:
                with socket.socket(socket.AF_UNIX) as s:
                    try:
                        s.connect(str(path))
                        break
                    except OSError:
                        assert time.monotonic() < until
                        time.sleep(0.01)
        yield {name: f"unix:{tmp_path / name}" for name in ("v1", "v2")}
    finally:
        for p in started:
            p.kill()
            p.wait()


def config(folder: pathlib.Path, backend: str, more: str = "") -> str:
    return f"""
listeners:
  - {{name: web, listen: "unix:{folder}/front", routes: [{{service: web}}]}}
services:
  web: {{release: v1, backends: ["{backend}"], probe: {{kind: tcp, deadline: 60s}}}}
{more}
"""


def served(folder: pathlib.Path) -> str:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(folder / "front"))
        connection = http.client.HTTPConnection("a")
        connection.sock = s
        connection.request("GET", "/")
        return connection.getresponse().read().decode().split()[-1]


def test_shifts_and_back(tmp_path: pathlib.Path, backends: dict[str, str]) -> None:
    with osvm.Gateway(text=config(tmp_path, backends["v1"])) as gateway:
        assert served(tmp_path) == "v1"
        done = gateway.shift("web", "v2", backends["v2"])
        assert done.state == "active" and done.replaced == "v1"
        assert served(tmp_path) == "v2"
        assert gateway.rollback("web").state == "active"
        assert served(tmp_path) == "v1"
        web = gateway.status()["services"]["web"]
        assert (web["active"], web["previous"]) == ("v1", "v2")
        assert 'osvm_proxy_answered_total{listener="web"}' in gateway.metrics()
        events = gateway.events()
        assert [e.state for e in events if e.version == "v2"][-1] == "retired"
        assert events[0].service == "web" and events[0].time > 1.6e9
        assert gateway.events() == [] and gateway.lost_events == 0
        bad = gateway.shift("web", "v3", f"unix:{tmp_path}/v1")
        assert bad.state == "active"
        gateway.stop(1)
        with pytest.raises(OSError):
            served(tmp_path)


def test_drains_and_weights(tmp_path: pathlib.Path, backends: dict[str, str]) -> None:
    with osvm.Gateway(text=config(tmp_path, backends["v1"])) as gateway:
        assert gateway.drain("web", backends["v1"], 60)
        assert gateway.status()["services"]["web"]["backends"][0]["weight"] == 0
        gateway.set_weight("web", backends["v1"], 100)
        with pytest.raises(osvm.Error):
            gateway.set_weight("web", "unix:/other", 1)
        for command in (gateway.pause, gateway.resume, gateway.abort):
            with pytest.raises(osvm.Error) as e:
                command("web")  # nothing is under way
            assert e.value.code is osvm.Errc.INVALID_ARGUMENT


def test_reload_is_whole_or_not_at_all(tmp_path: pathlib.Path, backends: dict[str, str]) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(config(tmp_path, backends["v1"]))
    with osvm.Gateway(file) as gateway:
        with pytest.raises(osvm.Error) as e:
            gateway.reload(text="services: []", name="other.yaml")
        assert e.value.code is osvm.Errc.MALFORMED and "other.yaml:1:" in str(e.value)
        assert served(tmp_path) == "v1"
        file.write_text(config(tmp_path, backends["v2"]).replace("release: v1", "release: v2"))
        gateway.reload(file)
        until = time.monotonic() + 60
        while served(tmp_path) != "v2":
            assert time.monotonic() < until


def test_refusals(tmp_path: pathlib.Path) -> None:
    with pytest.raises(osvm.Error) as e:
        osvm.Gateway(text=config(tmp_path, "unix:/none", "control: /tmp/none"))
    assert e.value.code is osvm.Errc.UNSUPPORTED
    for arguments in ({}, {"file": "a", "text": "b"}):
        with pytest.raises(osvm.Error):
            osvm.Gateway(**arguments)
    with pytest.raises(osvm.HostError):
        osvm.Gateway(tmp_path / "none.yaml")
