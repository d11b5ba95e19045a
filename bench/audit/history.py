#!/usr/bin/python3
"""Real recall of `osvm audit` on fixes in the history of public programs.

usage: history.py OSVM FOLDER

FOLDER holds git clones (bare ones too) by the names of history.json. Each pair is one commit that fixed a bug: the
tree before it must have a finding of the right class, at medium or above, in a file that the fix touches, which the
tree after it has not. What the fixed tree still has of the class is printed: it scores nothing, and whoever reads the
report has to read it. Classes are fixed in history.json.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def git(repo, *arguments):
    return subprocess.run(["git", "-C", str(repo), *arguments], capture_output=True, check=True).stdout


def checkout(repo, commit, path, into):
    into.mkdir()
    archive = subprocess.run(["git", "-C", str(repo), "archive", commit, path], capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", str(into)], input=archive, check=True)
    return into / path


def findings(osvm, folder, classes):
    done = subprocess.run([osvm, "audit", str(folder), "--format", "json", "--fail-on", "never", "--allow-unparsed"],
                          capture_output=True, timeout=300, check=True)
    return {(f["check"], f["location"]["file"], f["instruction"], f["account"]): f["location"]["line"]
            for f in json.loads(done.stdout)["findings"]
            if f["check"] in classes and f["severity"] in ("medium", "high", "critical")}


def measure(osvm, repo, pair, classes, scratch):
    touched = git(repo, "show", "--format=", "--name-only", pair["fix"], "--", pair["path"]).decode().split()
    touched = {t[len(pair["path"]) + 1:] for t in touched}
    before = findings(osvm, checkout(repo, pair["fix"] + "^", pair["path"], scratch / "before"), classes)
    after = findings(osvm, checkout(repo, pair["fix"], pair["path"], scratch / "after"), classes)
    gone = {k: line for k, line in before.items() if k not in after and k[1] in touched}
    return gone, after


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    config = json.loads((HERE / "history.json").read_text(encoding="utf-8"))
    real = total = 0
    for pair in config["pairs"]:
        name = f"{pair['repo']} {pair['path']} {pair['fix']} ({pair['class']})"
        repo = pathlib.Path(sys.argv[2]) / pair["repo"]
        if not repo.exists():
            print(f"{name}: absent")
            continue
        total += 1
        with tempfile.TemporaryDirectory() as scratch:
            gone, after = measure(sys.argv[1], repo, pair, config["classes"][pair["class"]], pathlib.Path(scratch))
        real += bool(gone)
        print(f"{'found ' if gone else 'missed'} {name}; of the class on the fixed tree: {len(after)}")
        for (check, file, instruction, account), line in sorted(gone.items())[:4]:
            print(f"    {check} {file}:{line} {instruction} {account}")
        for check, file, instruction, account in sorted(after)[:4]:
            print(f"    left on the fixed tree: {check} {file}:{after[(check, file, instruction, account)]} {instruction} {account}")
    print(f"real recall {real}/{total}")


if __name__ == "__main__":
    main()
