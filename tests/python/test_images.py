"""Images: made, signed, opened and run; signals and lines of output of what runs."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import osvm
import pytest


@pytest.fixture
def app(tmp_path: Path, guests: Path) -> Path:
    (tmp_path / "root/bin").mkdir(parents=True)
    (tmp_path / "root/etc").mkdir()
    shutil.copy(guests / "probe", tmp_path / "root/bin/probe")
    (tmp_path / "root/etc/motd").write_text("of the image")
    image = tmp_path / "app.osvm"
    assert len(osvm.build_image(tmp_path / "root", image, "entry: /bin/probe\n")) == 64
    return image


@pytest.mark.unit
def test_build_sign_open_verify(tmp_path: Path, app: Path) -> None:
    private = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=private, check=True, capture_output=True).stdout
    with pytest.raises(osvm.ImagesError) as unsigned:
        osvm.AppImage(app, key=public.decode())
    assert unsigned.value.code is osvm.ImagesErrc.NOT_SIGNED
    osvm.sign_image(app, private.decode())
    image = osvm.AppImage(app, key=public.decode())
    image.verify()
    assert image.manifest == "entry: /bin/probe\n" and len(image.id) == 64
    data = app.read_bytes()
    app.write_bytes(data.replace(b"of the image", b"of elsewhere"))
    with pytest.raises(osvm.ImagesError) as changed:
        osvm.AppImage(app).verify()
    assert changed.value.code is osvm.ImagesErrc.DIGEST_MISMATCH
    with pytest.raises(osvm.ImagesError) as manifest:
        osvm.build_image(tmp_path / "root", tmp_path / "bad.osvm", "entry: probe\n")
    assert manifest.value.code is osvm.ImagesErrc.BAD_MANIFEST
    with pytest.raises(osvm.HostError):
        osvm.AppImage(tmp_path / "none.osvm")


@pytest.mark.kvm
def test_run(app: Path) -> None:
    image = osvm.AppImage(app)
    assert osvm.run(["read", "/etc/motd"], image=image, check=True).stdout == b"content of the image\n"
    assert osvm.run(["write", "/etc/motd", "x"], image=image, check=True).stdout == b"write 1\n"
    assert osvm.run(["read", "/etc/motd"], image=image, check=True).stdout == b"content of the image\n"
    app.write_bytes(app.read_bytes().replace(b"of the image", b"of elsewhere"))
    with pytest.raises(osvm.ImagesError):
        osvm.run(["read", "/etc/motd"], image=osvm.AppImage(app))
    ended = osvm.run(["read", "/etc/motd"], image=osvm.AppImage(app, verify_on_open=True))
    assert ended.report.cause == "failed" and "etc/motd" in ended.report.detail and ended.stdout == b""


@pytest.mark.kvm
def test_signal(guests: Path) -> None:
    with osvm.Instance([guests / "http_server", "8080"], listen=[8080]) as vm:
        vm.endpoint(8080)
        with pytest.raises(osvm.Error) as bad:
            vm.signal(1000)
        assert bad.value.code is osvm.Errc.INVALID_ARGUMENT
        vm.signal(signal.SIGKILL)
        report = vm.wait(30)
        assert report.cause == "signaled" and report.signal == signal.SIGKILL
        with pytest.raises(osvm.Error) as over:
            vm.signal(signal.SIGTERM)
        assert over.value.code is osvm.Errc.CLOSED


@pytest.mark.kvm
def test_events_of_all_kinds(guests: Path) -> None:
    arguments = [guests / "probe", "read", "/etc/shadow"]
    with osvm.Instance(arguments, events=["denials", "trace"], stdout="log") as vm:
        vm.wait(30)
        events = vm.take_events(10_000)
    kinds = {kind: [e for e in events if e.kind == kind] for kind in ("denial", "trace", "log")}
    assert [(e.rule, e.stream) for e in kinds["denial"]] == [("--ro HOST:/etc/shadow", 0)]
    assert [(e.text, e.stream) for e in kinds["log"]] == [("open -2", 1)]
    assert any("exit_group" in e.text for e in kinds["trace"])
