#!/usr/bin/python3
"""Sums a gcovr JSON summary per module: coverage_table.py coverage.json"""
import collections
import json
import sys


def module(path):
    parts = path.split("/")
    if parts[0] == "lib":
        return parts[1]
    if parts[:2] == ["include", "osvm"]:
        return parts[2] if len(parts) > 3 else "osvm"
    return "/".join(parts[:2])


def percent(covered, total):
    return f"{100 * covered / total:5.1f}% {covered:>6}/{total:<6}" if total else f"{'-':>20}"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        files = json.load(f)["files"]
    sums = collections.defaultdict(lambda: [0, 0, 0, 0])
    for entry in files:
        for row in (sums[module(entry["filename"])], sums["~all"]):
            for i, key in enumerate(("line_covered", "line_total", "branch_covered", "branch_total")):
                row[i] += entry[key]
    print(f"{'module':<14} {'lines':<20} {'branches':<20}")
    for name in sorted(sums):
        lc, lt, bc, bt = sums[name]
        print(f"{name.lstrip('~'):<14} {percent(lc, lt)} {percent(bc, bt)}")


if __name__ == "__main__":
    main()
