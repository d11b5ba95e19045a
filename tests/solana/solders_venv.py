"""An environment with solders, made from its lock once; used by every test against solders."""
import pathlib
import subprocess
import sys


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def enter_venv(venv, lock):
    """Runs the script again with the environment's Python, which it makes when it is not there or outdated.
    Exit status 77: no registry, or no wheel for this Python. Returns in the environment."""
    if "--inside" in sys.argv:
        sys.argv.remove("--inside")
        return
    venv, lock = pathlib.Path(venv), pathlib.Path(lock)
    stamp = venv / "lock"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        done = subprocess.run([venv / "bin/pip", "--disable-pip-version-check", "--no-input", "install", "--quiet",
                               "--timeout", "20", "--retries", "1", "--only-binary=:all:", "--require-hashes", "-r",
                               lock], capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            skip("pip could not install solders: " + (said[-1] if said else "no reason given"))
        stamp.write_text(lock.read_text())
    sys.exit(subprocess.run([venv / "bin/python", *sys.argv, "--inside"], check=False).returncode)
