#!/usr/bin/python3
"""How good `osvm audit` is: real recall on vulnerable/fixed pairs, noise and speed on clean code.

usage: measure.py OSVM FOLDER [--null]

FOLDER holds checkouts by the names of corpora.json: sealevel-attacks, solana-lints, radar, sentio (pairs), and the clean
programs; anchor-lints has one program per class whose lines are labelled. What is missing is listed as absent. Real recall: a check of the right class fires, at medium or above, on
the vulnerable variant and on none of the fixed ones. Classes and severities are fixed in corpora.json and in the
checks, not by what is measured. --null scores a scanner that says nothing and one that says everything: both must
get 0.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
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
    return sorted(group.glob(pattern))


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


def labels_of(file, words):
    """Lines of a program that say in a comment what must, or must not, be said of them: kind -> line numbers."""
    out = {kind: [] for kind in words}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        for kind, word in words.items():
            if f"[{word}]" in line:
                out[kind].append(number)
    return out


def said_of(report, checks):
    """Every line that a finding of these checks stands on: its own, and those of its evidence that name an account."""
    for f in report["findings"]:
        if f["check"] in checks and not f["suppressed"] and LEVELS.index(f["severity"]) >= 2:
            places = [f["location"]] + [s["location"] for s in f["evidence"]]
            yield {n for p in places for n in range(p["line"], p["endLine"] + 1)}


def show_labels(name, corpus, root, classes, auditor):
    print(f"\n{name}: {'program':36} {'class':18} labels found  safe labels with a finding")
    found = total = alarms = 0
    for group, words in corpus["groups"].items():
        program = root / corpus["root"] / group / corpus["file"]
        sources = sorted(program.rglob("*.rs"))
        if not sources:
            continue
        labels = labels_of(sources[0], {"bad": words["bad"], "safe": words["safe"]})
        places = list(said_of(auditor.report(program), set(classes[words["class"]])))
        hits = [n for n in labels["bad"] if any(n in p for p in places)]
        wrong = [n for n in labels["safe"] if any(n in p for p in places)]
        print(f"  {group:44} {words['class']:18} {len(hits):>4}/{len(labels['bad']):<5} {len(wrong):>8}/{len(labels['safe'])}")
        missed = [str(n) for n in labels["bad"] if n not in hits]
        if missed or wrong:
            print(f"    not found: {', '.join(missed) or 'none'}; said of safe lines: {', '.join(map(str, wrong)) or 'none'}")
        found, total, alarms = found + len(hits), total + len(labels["bad"]), alarms + len(wrong)
    print(f"  labels found {found}/{total}, safe labels with a finding {alarms}")


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


def show_speed(root, program):
    """Over everything below the folder: speed with process start, memory, and whether two runs say the same bytes."""
    outputs, rates = set(), []
    for _ in range(5):
        began = time.monotonic()
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen([program, "audit", str(root), "--format", "json", "--fail-on", "never",
                                      "--allow-unparsed"], stdout=out, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            took = time.monotonic() - began
            out.seek(0)
            text = out.read()
        if status != 0:
            raise SystemExit(f"{root}: status {status}")
        outputs.add(hashlib.sha256(text).hexdigest())
        rates.append(json.loads(text)["sloc"] / 1000 / took)
    print(f"\neverything: {json.loads(text)['sloc']} lines, median {sorted(rates)[2]:.0f} kSLOC/s with process start"
          f" (slowest {min(rates):.0f}), {usage.ru_maxrss / 1024:.0f} MiB at most; five runs"
          f" {'say the same bytes' if len(outputs) == 1 else 'DIFFER'}")


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
    for name, corpus in config["labels"].items():
        if (root / name).is_dir():
            show_labels(name, corpus, root / name, config["classes"], auditor)
        else:
            print(f"\n{name}: absent")
    print("\nclean code")
    for name in config["clean"]:
        folder = root / name
        if folder.is_dir():
            show_clean(name, folder, auditor)
        else:
            print(f"  {name}: absent")
    show_speed(root, sys.argv[1])


if __name__ == "__main__":
    main()
