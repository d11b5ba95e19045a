#!/usr/bin/python3
"""@solana/kit's client talks to our server.

  kit_peer_test.py SERVER FOLDER

Installs the npm lock beside this script into FOLDER once. Exit status 77: no npm, no registry, or an old Node.
"""
import pathlib
import shutil
import subprocess
import sys
import threading

PATIENCE = 120  # seconds, on a machine that does much else
HERE = pathlib.Path(__file__).parent
SERVER, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def install():
    for program in ("node", "npm"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, version.lstrip("v").split(".")[:2])) < (20, 18):
        skip(f"@solana/kit needs Node 20.18, this is {version}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "client.mjs", FOLDER)
    lock = (HERE / "package-lock.json").read_text()
    stamp = FOLDER / "installed"
    if stamp.exists() and stamp.read_text() == lock:
        return
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, FOLDER)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1",
                           "--fetch-timeout=20000"], cwd=FOLDER, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        skip("npm could not install @solana/kit: " + (said[0] if said else "no reason given"))
    stamp.write_text(lock)


def main():
    install()
    with subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().strip()
        with subprocess.Popen(["node", "client.mjs", address], cwd=FOLDER, stdout=subprocess.PIPE, text=True) as client:
            last = ""
            watch = threading.Timer(PATIENCE, client.kill)
            watch.start()
            for line in client.stdout:
                last = line.strip()
                if last == "grow":
                    server.stdin.write("grow\n")
                    server.stdin.flush()
            watch.cancel()
        server.stdin.close()
    print(last)
    sys.exit(0 if client.returncode == 0 and last == "all good" else 1)


main()
