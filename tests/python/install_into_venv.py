"""Installs the package with pip into a clean virtual environment, without a network, and imports it there.

Afterwards the environment also sees the system's packages, for pytest. Exit status 77: skipped, with the
reason.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(77)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--venv", "--source", "--build-dir"):
        parser.add_argument(name, type=Path, required=True)
    args = parser.parse_args()
    for module, package in (
        ("venv", "python3-venv"),
        ("ensurepip", "python3-venv"),
        ("pytest", "python3-pytest"),
    ):
        if importlib.util.find_spec(module) is None:
            skip(f"{sys.executable} has no module {module} (Debian package {package})")

    shutil.rmtree(args.venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", args.venv], check=True)
    python = args.venv / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    subprocess.run(
        [*pip, "install", "--no-index", "--config-settings", f"build-dir={args.build_dir}", args.source],
        check=True,
    )
    # In the clean environment: nothing of the system can be seen from it yet, nor the source tree.
    shown = subprocess.run(
        [python, "-I", "-c", "import osvm; print(osvm.__version__, osvm.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    ).stdout
    print(shown, end="")
    if str(args.venv) not in shown:
        sys.exit("the imported package is not the installed one")
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", args.venv], check=True
    )


main()
