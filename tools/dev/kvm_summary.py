#!/usr/bin/python3
"""Counts the kvm tests of a finished ctest run, and fails where they were skipped though /dev/kvm opens.

A GoogleTest case whose skip message says NOT APPLICABLE (this host's CPU makes what it tests impossible) is counted
apart and is no failure.

usage: kvm_summary.py BUILD_DIR [--require]
   reads BUILD_DIR/results: GoogleTest XML per program, ctest's junit file. With --require, a run on a machine with
   /dev/kvm that ran no kvm test at all fails too; without it such a run says nothing.
"""
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml


def kvm_tests(build):
    """Name -> program of every registered test that carries the label kvm."""
    text = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"],
                          check=True, capture_output=True, text=True).stdout
    tests = {}
    for test in json.loads(text)["tests"]:
        labels = [v for p in test.get("properties", []) if p["name"] == "LABELS" for v in p["value"]]
        if "kvm" in labels:
            tests[test["name"]] = pathlib.Path(test.get("command", ["?"])[0]).name
    return tests


def gtest_counts(path):
    ran, skipped, inapplicable = 0, [], []
    for case in xml.parse(path).getroot().iter("testcase"):
        if case.get("result") == "skipped" or case.find("skipped") is not None:
            message = " ".join(e.get("message", "") + (e.text or "") for e in case.iter("skipped"))
            where = inapplicable if "NOT APPLICABLE" in message else skipped
            where.append(f"{case.get('classname')}.{case.get('name')}")
        elif case.get("status") == "run":
            ran += 1
    return ran, skipped, inapplicable


def junit_status(path):
    return {c.get("name"): c.get("status") for c in xml.parse(path).getroot().iter("testcase")}


def count(build):
    """(ran, skipped names, inapplicable names) over the kvm tests of the run; a GoogleTest program counts by its cases."""
    results = pathlib.Path(build) / "results"
    status = junit_status(results / "ctest.junit")
    ran, skipped, inapplicable = 0, [], []
    for name, program in kvm_tests(build).items():
        if name not in status:
            continue  # not part of this run
        report = results / f"{program}.xml"
        if report.exists():
            cases, missed, impossible = gtest_counts(report)
            ran += cases
            skipped += missed
            inapplicable += impossible
        elif status[name] == "run":
            ran += 1
        elif status[name] != "fail":
            skipped.append(name)
    return ran, skipped, inapplicable


def kvm_opens():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as e:
        return f"/dev/kvm: {e.strerror}"
    return None


def main():
    ran, skipped, inapplicable = count(sys.argv[1])
    why = kvm_opens()
    required = "--require" in sys.argv[2:]
    if not (ran or skipped or inapplicable or required):
        return 0
    print(f"kvm tests: {ran} ran, {len(skipped)} skipped" + (f" ({why})" if why else ""))
    if inapplicable:
        print("not applicable on this host:", *inapplicable, sep="\n  ")
    if skipped and not why:
        print("error: /dev/kvm can be opened, so no kvm test may be skipped:", *skipped, sep="\n  ", file=sys.stderr)
        return 1
    if required and ran == 0 and not why:
        print("error: /dev/kvm can be opened, but no kvm test ran", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
