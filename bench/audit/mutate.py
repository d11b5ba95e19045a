#!/usr/bin/python3
"""Mutation recall of `osvm audit`: one check at a time is taken out of clean code; what is said then that was not before?

usage: mutate.py OSVM PROGRAM_FOLDER [LIMIT]

A mutant counts as found when a finding of medium or above appears that the clean code has not. Mutants:
  signer-type     Signer<'info> becomes UncheckedAccount<'info>; not payers of an `init` (the system program asks them)
  program-type    Program<'info, T> becomes UncheckedAccount<'info>; not the system program (its callers name it)
  has-one         a has_one constraint goes
  constraint      a constraint = ..., address = ... or token::... constraint goes
  is-signer       a test of is_signer becomes false
  owner           a comparison of an owner becomes false
  key-guard       `if a.key != b { ... }` becomes `if false`
  require         a require_keys_eq! or require! about keys goes
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
    "program-type": (r"\bProgram<'info,\s*(?!System\b)\w+>", "UncheckedAccount<'info>"),
    "has-one": (r"\bhas_one\s*=\s*\w+(?:\s*@\s*[\w:]+)?", "mut"),
    "constraint": (r"\b(?:constraint|address|token::mint|token::authority)\s*=\s*(?:[^,()\[\]@]|\([^()]*\))+"
                   r"(?:@\s*[\w:]+(?:\([^()]*\))?)?(?=\s*[,)])", "mut"),
    "is-signer": (r"!\s*[\w.]+\.is_signer\b(?:\(\))?", "false"),
    "owner": (r"\b([\w.]+\.owner)\s*!=\s*&?[\w:.()*]+", "false"),
    "key-guard": (r"(?<=if )[^{};]*(?:\.key\b|_pubkey|_market\b|_mint\b)[^{};]*!=[^{};]*(?= \{)", "false"),
    "require": (r"\brequire(?:_keys)?_eq!\([^;]*?\);|\brequire!\([^;]*?key\(\)[^;]*?\);", ""),
}


def of_program(file, text, match):
    """Not tests, clients and instruction builders, and no account that something else proves to sign."""
    if any(part in file.parts for part in ("tests", "test", "sdk", "cli", "client", "clients", "js")):
        return False
    cut = text.find("#[cfg(test)]\nmod tests")
    if 0 <= cut < match.start():
        return False
    before = text[:match.start()].rsplit("\n", 1)[-1]
    name = re.search(r"(\w+)\s*:\s*$", before)
    return name is None or not re.search(rf"\bpayer\s*=\s*{name.group(1)}\b", text)


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
            sites = [(f, m) for f in sorted(copy.rglob("*.rs")) for text in [f.read_text(errors="replace")]
                     for m in re.finditer(pattern, text) if of_program(f.relative_to(copy), text, m)]
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
