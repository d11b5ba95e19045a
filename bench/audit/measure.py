#!/usr/bin/python3
"""How good `osvm audit` is: real recall on vulnerable/fixed pairs, noise and speed on clean code.

usage: measure.py OSVM FOLDER [--null]

FOLDER holds checkouts by the names of corpora.json: sealevel-attacks, solana-lints, radar (pairs), and the clean
programs. What is missing is listed as absent. Real recall: a check of the right class fires, at medium or above, on
the vulnerable variant and on none of the fixed ones. Classes and severities are fixed in corpora.json and in the
checks, not by what is measured. --null scores a scanner that says nothing and one that says everything: both must
get 0.
"""
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LEVELS = ["info", "low", "medium", "high", "critical"]


class Auditor:
    def __init__(self, program):
        self.program = program

    def report(self, folder):
        done = subprocess.run([self.program, "audit", str(folder), "--format", "json", "--fail-on", "never", "--allow-unparsed"],
                              capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{folder}: {done.stderr.decode()}")
        return json.loads(done.stdout)

    def fired(self, folder):
        """Checks that fire at medium or above, with how often."""
        return [f["check"] for f in self.report(folder)["findings"]
                if LEVELS.index(f["severity"]) >= 2 and not f["suppressed"]]


class Constant:
    """A control: a scanner that always says the same."""
    def __init__(self, checks):
        self.checks = checks

    def fired(self, _folder):
        return self.checks


def variants(group, pattern):
    return sorted(p for p in group.glob(pattern) if p.is_dir())


def pairs(corpus, root, classes, auditor):
    """One row per group: class, hits of vulnerable variants, firings on the fixed ones."""
    for name, kind in corpus["groups"].items():
        group = root / corpus["root"] / name
        if not group.is_dir():
            continue
        wanted = set(classes[kind])
        bad = [auditor.fired(v) for v in variants(group, corpus["vulnerable"])]
        good = [c for pattern in corpus["fixed"] for v in variants(group, pattern) for c in auditor.fired(v)]
        same = sum(c in wanted for c in good)
        hits = sum(bool(wanted & set(b)) for b in bad)
        yield {"group": name, "class": kind, "vulnerable": len(bad), "hits": hits, "fixed": len(good), "same": same,
               "real": hits if same == 0 else 0}


def show_pairs(name, rows):
    print(f"\n{name}: {'group':36} {'class':18} vulnerable  fixed(any)  fixed(same)  real recall")
    for r in rows:
        print(f"  {r['group']:44} {r['class']:18} {r['hits']:>4}/{r['vulnerable']:<5} {r['fixed']:>8} {r['same']:>12}"
              f" {r['real']:>8}/{r['vulnerable']}")
    whole = sum(r["real"] == r["vulnerable"] and r["vulnerable"] > 0 for r in rows)
    real, all_ = sum(r["real"] for r in rows), sum(r["vulnerable"] for r in rows)
    print(f"  classes with full real recall {whole}/{len(rows)}; variants {real}/{all_}; firings on fixed code"
          f" {sum(r['fixed'] for r in rows)}, of the same class {sum(r['same'] for r in rows)}")
    missed = [r["group"] for r in rows if r["real"] < r["vulnerable"]]
    print(f"  not found, or fires on the fix too: {', '.join(missed) or 'none'}")


def show_clean(name, folder, auditor):
    began = time.monotonic()
    report = auditor.report(folder)
    took = time.monotonic() - began
    kilo = max(report["sloc"], 1) / 1000
    found = [f for f in report["findings"] if not f["suppressed"]]
    noise = ", ".join(f"{level} or above {sum(LEVELS.index(f['severity']) >= i for f in found) / kilo:.2f}"
                      for i, level in enumerate(LEVELS) if i in (1, 2, 3))
    print(f"  {name:18} {report['sloc']:>7} lines  {kilo / took:7.1f} kSLOC/s with process start  per kSLOC: {noise}")
    for f in found:
        if LEVELS.index(f["severity"]) >= 2:
            print(f"    {f['check']} {f['location']['file']}:{f['location']['line']} {f['message']}")


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    config = json.loads((HERE / "corpora.json").read_text(encoding="utf-8"))
    root = pathlib.Path(sys.argv[2])
    auditor = Auditor(sys.argv[1])
    everything = [c for checks in config["classes"].values() for c in checks]
    for name, corpus in config["corpora"].items():
        if not (root / name).is_dir():
            print(f"\n{name}: absent")
            continue
        if "--null" in sys.argv:
            for control, checks in (("silent", []), ("noisy", everything)):
                real = sum(r["real"] for r in pairs(corpus, root / name, config["classes"], Constant(checks)))
                print(f"{name}: control {control}: {real}")
                if real:
                    raise SystemExit("a control scored")
            continue
        show_pairs(name, list(pairs(corpus, root / name, config["classes"], auditor)))
    if "--null" in sys.argv:
        return
    print("\nclean code")
    for name in config["clean"]:
        folder = root / name
        if folder.is_dir():
            show_clean(name, folder, auditor)
        else:
            print(f"  {name}: absent")


if __name__ == "__main__":
    main()
