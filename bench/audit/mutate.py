#!/usr/bin/python3
"""Mutation recall of `osvm audit`: one check at a time is taken out of clean code; what is said then that was not before?

usage: mutate.py OSVM PROGRAM_FOLDER [LIMIT]

A mutant counts as found when a finding of medium or above appears that the clean code has not. Mutants:
  signer-type     Signer<'info> becomes UncheckedAccount<'info>
  program-type    Program<'info, T> becomes UncheckedAccount<'info>
  account-type    Account<'info, T> becomes UncheckedAccount<'info>
  has-one         a has_one constraint goes
  is-signer       a test of is_signer becomes true
  owner           a comparison of an owner becomes one with itself
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MUTATIONS = {
    "signer-type": (r"\bSigner<'(?:info|_)>", "UncheckedAccount<'info>"),
    "program-type": (r"\bProgram<'info,\s*\w+>", "UncheckedAccount<'info>"),
    "has-one": (r"\bhas_one\s*=\s*\w+(?:\s*@\s*[\w:]+)?", "mut"),
    "is-signer": (r"!\s*[\w.]+\.is_signer\b(?:\(\))?", "false"),
    "owner": (r"\b([\w.]+\.owner)\s*!=\s*&?[\w:.()*]+", "false"),
}


def findings(osvm, folder):
    done = subprocess.run([osvm, "audit", str(folder), "--format", "json", "--fail-on", "never", "--allow-unparsed"],
                          capture_output=True, timeout=120, check=True)
    return {(f["check"], f["location"]["file"], f["account"], f["instruction"])
            for f in json.loads(done.stdout)["findings"] if f["severity"] in ("medium", "high", "critical")}


def main():
    osvm, source = sys.argv[1], pathlib.Path(sys.argv[2])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch) / "code"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("target", ".git", "node_modules", "tests"))
        clean = findings(osvm, copy)
        for kind, (pattern, replacement) in MUTATIONS.items():
            sites = [(f, m) for f in sorted(copy.rglob("*.rs")) for m in re.finditer(pattern, f.read_text(errors="replace"))]
            step = max(1, len(sites) // limit)
            found, missed = 0, []
            for file, match in sites[::step][:limit]:
                text = file.read_text(errors="replace")
                file.write_text(text[:match.start()] + replacement + text[match.end():])
                new = findings(osvm, copy) - clean
                file.write_text(text)
                if new:
                    found += 1
                else:
                    missed.append(f"{file.relative_to(copy)}:{text.count(chr(10), 0, match.start()) + 1}")
            total = found + len(missed)
            print(f"{kind:14} {found}/{total}" + (f"  of {len(sites)} places" if total < len(sites) else ""))
            for m in missed[:12]:
                print(f"    not found: {m}")


if __name__ == "__main__":
    main()
