#!/usr/bin/python3
"""Runs each program of table.py natively and in a VM of its own, and compares output, status and files.

  harness.py [--long] [--only TEXT] [--docs FILE]

--long adds the jobs that take longer; --only runs those whose name has TEXT in it; --docs writes the table that this
run has seen. OSVM_BINARY is the program under test. Exit status 77: no /dev/kvm.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import table

OSVM = os.environ.get("OSVM_BINARY", "osvm")
PATIENCE = 240  # seconds for one program, on a machine that does much else
NOBODY = 65534
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC0", "HOME": "/", "PATH": "/usr/bin:/bin"}


def installed_version(package):
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return asked.stdout if asked.returncode == 0 else ""


def name_of(job):
    return job.program or os.path.basename(job.argv[0])


def missing(job):
    """Why the job cannot run here, and whether that is a failure."""
    if job.needs and not os.path.exists(job.needs):
        return f"SKIPPED {name_of(job)}: {job.what}: {job.needs} is not installed", False
    if not job.needs and not (installed_version(job.package) and os.path.exists(job.argv[0])):
        return f"FAILED {name_of(job)}: {job.what}: package {job.package} is not installed (tools/dev/run setup test)", True
    return "", False


def native_user(job, work):
    """Root becomes an ordinary user for programs that refuse to be root."""
    if job.root or os.geteuid() != 0:
        return {}
    os.chmod(work.parent, 0o711)
    os.chown(work, NOBODY, NOBODY)
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def prepare(job, work):
    for name, content in job.files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (1_600_000_000, 1_600_000_000))


def words(job, work):
    return [w.replace("{work}", str(work)) for w in job.argv]


def content(path):
    """What a later reader would see: a digest, a link's target, or the names in a folder."""
    if path.is_symlink():
        return "link to " + os.readlink(path)
    if path.is_dir():
        return sorted(str(p.relative_to(path)) for p in path.rglob("*"))
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


class Result:
    def __init__(self, done, began, job, work):
        self.wall = time.monotonic() - began
        self.status, self.out = done.returncode, done.stdout
        self.files = {name: content(work / name) for name in job.outputs}
        self.err, self.stats = done.stderr, None

    def take_stats(self):
        """The last line of stderr is what `osvm run --stats` says about the guest."""
        text = self.err.rstrip(b"\n")
        last = text.rfind(b"\n{") + 1
        self.stats = json.loads(text[last:])
        self.err = self.err[:last]


def run(job, folder, inside):
    # Both runs use one path, one after the other: programs print paths.
    work = pathlib.Path(folder) / "work"
    work.mkdir()
    prepare(job, work)
    command = words(job, work)
    variables = {**ENVIRONMENT, "TMPDIR": str(work), "SQLITE_TMPDIR": str(work)}
    if inside:
        options = ["--rw", f"{work}:{work}", "--memory", job.memory, "--max-written", job.written,
                   "--timeout", f"{PATIENCE - 30}s"]
        for tree in job.ro:
            options += ["--ro", f"{tree}:{tree}"]
        for place in job.tmpfs:
            options += ["--tmpfs", place]
        for name, value in variables.items():
            options += ["--env", f"{name}={value}"]
        for grant in job.allow:
            options += ["--allow", grant]
        command = [OSVM, "--json", "run", "--stats", *options, *command]
    began = time.monotonic()
    environment = dict(os.environ) if inside else variables
    user = {} if inside else native_user(job, work)
    done = subprocess.run(command, input=job.stdin.encode(), capture_output=True, env=environment, cwd="/",
                          timeout=PATIENCE, **user)
    result = Result(done, began, job, work)
    if inside:
        result.take_stats()
    subprocess.run(["rm", "-rf", str(work)], check=True)
    return result


def compare(job, native, inside):
    """What differs, as a list of sentences."""
    wrong = []
    if native.status != job.status:
        wrong.append(f"native status is {native.status}, expected {job.status}: {native.err[-300:]!r}")
    if inside.status != native.status:
        wrong.append(f"status {inside.status} inside, {native.status} natively: {inside.err[-600:]!r}")
    if job.same and inside.out != native.out:
        wrong.append(f"output differs:\n  native {native.out[-300:]!r}\n  inside {inside.out[-300:]!r}\n  {inside.err[-300:]!r}")
    if job.check and job.check.encode() not in inside.out + inside.err:
        wrong.append(f"no {job.check!r} in the output {inside.out[-300:]!r}")
    for name in job.outputs:
        if native.files[name] is None:
            wrong.append(f"natively, {name} was not written")
        elif inside.files[name] != native.files[name]:
            wrong.append(f"{name} differs: {inside.files[name]} inside, {native.files[name]} natively")
    if inside.stats["refused"]:
        wrong.append(f"libraries were refused: {inside.stats['refused']}")
    return wrong


def describe(job, native, inside, version):
    calls = sum(inside.stats["syscalls"].values())
    name = name_of(job)
    same = "yes" if job.same else "ran (a speed test)"
    return (f"| {name} | {version} | {job.what} | {same} | {native.wall * 1000:.0f} | {inside.wall * 1000:.0f} |"
            f" {inside.stats['boot']['total_ms']:.1f} | {calls} |")


DOCS = """# Programs that run unmodified

Written by `tests/unikernel/programs/harness.py --long --docs`, from the run that tested them: each program of Debian 12
as its package installs it, once natively and once alone in a VM, with the same arguments, input and files. *Same* means
equal output, exit status and written files. Times are one run each on the machine of that run ({host}), process start to
end, `osvm` included; they are not a benchmark. *Calls* are the guest's system calls.

The program, its loader and the libraries that its ELF names are granted by `osvm run` itself. What a program opens later
(modules of Python and Perl, plug-ins) was granted with `--ro`; the table in `tests/unikernel/programs/table.py` has the
exact command of each row. Each process that a program starts
has a VM of its own.

| program | package version | what it did | same as native | native ms | inside ms | of it start ms | calls |
|---|---|---|---|---|---|---|---|
{rows}
"""


def host():
    model = [l.split(":")[1].strip() for l in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if "model name" in l]
    return f"{os.cpu_count()} cores of {model[0] if model else 'an unnamed CPU'}"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--long", action="store_true")
    options.add_argument("--only", default="")
    options.add_argument("--docs")
    chosen = options.parse_args()
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("SKIPPED: /dev/kvm cannot be opened")
        return 77
    rows, failed, ran = [], [], 0
    for job in table.JOBS:
        name = f"{name_of(job)}: {job.what}"
        if (job.long and not chosen.long) or chosen.only not in name:
            continue
        why, wrong = missing(job)
        if why:
            print(why)
            failed += [name] if wrong else []
            continue
        version = installed_version(job.package) or "of another origin"
        with tempfile.TemporaryDirectory(prefix="osvm-programs-") as folder:
            native, inside = run(job, folder, False), run(job, folder, True)
        ran += 1
        wrong = compare(job, native, inside)
        if not wrong:
            rows.append(describe(job, native, inside, version))
        if wrong:
            failed.append(name)
            print(f"FAILED {name}")
            print("  " + "\n  ".join(wrong))
            print("  denied: " + ", ".join(d["what"] for d in inside.stats["denials"][:8]))
        else:
            print(f"ok     {name}  ({native.wall * 1000:.0f} ms, inside {inside.wall * 1000:.0f} ms)", flush=True)
    print(f"{ran} programs ran, {len(failed)} failed" + "".join(f"\n  {f}" for f in failed))
    if chosen.docs:
        pathlib.Path(chosen.docs).write_text(DOCS.format(rows="\n".join(rows), host=host()))
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
