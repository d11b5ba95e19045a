"""PEP 517 backend: builds osvm._osvm with CMake from the repository that this folder lies in, and packs the
wheel.

Config settings (``pip install --config-settings build-dir=DIR``): ``build-dir`` is an existing or new CMake
build folder; by default ``build/python-cpython-311`` (after the interpreter) in the repository. A given
folder that is configured already is used as it is.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def _version() -> str:
    found = re.search(r"project\(osvm VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    if not found:
        raise RuntimeError("the version is missing in CMakeLists.txt")
    return found[1]


def _summary() -> str:
    found = re.search(r'^description = "(.*)"$', (HERE / "pyproject.toml").read_text(), re.M)
    return found[1] if found else ""


def _require(tool: str, package: str) -> str:
    path = shutil.which(tool)
    if not path:
        raise RuntimeError(
            f"{tool} is missing (Debian package {package}); docs/guides/use-from-python.md has the list"
        )
    return path


def _cmake(*arguments: str | Path) -> None:
    # Where ccache is installed, what another clone or folder has compiled serves here too.
    environment = {"CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1", **os.environ}
    subprocess.run([_require("cmake", "cmake"), *arguments], check=True, env=environment)


def _configure(build: Path) -> None:
    # The interpreter behind a virtual environment: its path stays when the environment goes.
    python = getattr(sys, "_base_executable", None) or sys.executable
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    options = (
        "OSVM_BUILD_TOOLS=OFF",
        "OSVM_BUILD_TESTS=OFF",
        "OSVM_BUILD_PYTHON=ON",
        "OSVM_PYTHON_REQUIRED=ON",
    )
    defined = [f"-D{o}" for o in (*options, "CMAKE_BUILD_TYPE=Release", f"Python_EXECUTABLE={python}")]
    _cmake("-S", ROOT, "-B", build, *generator, *defined)


def _build_extension(settings: dict[str, str]) -> Path:
    given = settings.get("build-dir")
    build = Path(given).resolve() if given else ROOT / "build" / f"python-{sys.implementation.cache_tag}"
    if not given or not (build / "CMakeCache.txt").exists():
        _configure(build)
    _cmake("--build", build, "--target", "_osvm", "--parallel", str(len(os.sched_getaffinity(0))))
    built = build / "python" / f"_osvm{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not built.exists():
        raise RuntimeError(
            f"{built} is missing: {build} is configured for another Python; use another build-dir"
        )
    return built


def _metadata() -> str:
    return (
        f"Metadata-Version: 2.1\nName: osvm\nVersion: {_version()}\nSummary: {_summary()}\nLicense: MIT\n"
        "Requires-Python: >=3.9\n"
    )


def _tag() -> str:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"{python}-{python}-{platform}"


class _Wheel:
    """A wheel being written: a zip file whose last entry lists the digests of all others."""

    def __init__(self, path: Path, info: str) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._info = info
        self._record: list[str] = []

    def add(self, name: str, data: bytes) -> None:
        entry = zipfile.ZipInfo(name)  # a fixed time: the same input makes the same wheel
        entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self._record.append(f"{name},sha256={digest},{len(data)}\n")

    def close(self) -> None:
        record = f"{self._info}/RECORD"
        self._zip.writestr(zipfile.ZipInfo(record), "".join(self._record) + f"{record},,\n")
        self._zip.close()


def build_wheel(
    wheel_directory: str, config_settings: dict[str, str] | None = None, metadata_directory: str | None = None
) -> str:
    extension = _build_extension(config_settings or {})
    info = f"osvm-{_version()}.dist-info"
    name = f"osvm-{_version()}-{_tag()}.whl"
    wheel = _Wheel(Path(wheel_directory) / name, info)
    for source in sorted((HERE / "osvm").iterdir()):
        if source.suffix in (".py", ".pyi", ".typed") or source.name == "py.typed":
            wheel.add(f"osvm/{source.name}", source.read_bytes())
    wheel.add(f"osvm/{extension.name}", extension.read_bytes())
    wheel.add(f"{info}/METADATA", _metadata().encode())
    wheel.add(f"{info}/LICENSE", (ROOT / "LICENSE").read_bytes())
    tags = f"Wheel-Version: 1.0\nGenerator: osvm build_backend\nRoot-Is-Purelib: false\nTag: {_tag()}\n"
    wheel.add(f"{info}/WHEEL", tags.encode())
    wheel.close()
    return name


def build_sdist(sdist_directory: str, config_settings: dict[str, str] | None = None) -> str:
    raise NotImplementedError("the extension is built from the whole repository: install from a clone of it")
