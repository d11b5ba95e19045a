#!/usr/bin/env python3
"""unity_names.py BUILD [SOURCES]: names at file scope that two files of one batch both define.

A redefinition stops the compiler. An overload does not: a call may then mean the other file's function. So within a
batch (BUILD/batches/**/*.cpp, which name files below SOURCES) a name in an unnamed namespace belongs to one file.
"""
import collections
import pathlib
import re
import sys

FUNCTION = re.compile(r"^[A-Za-z_][\w:<>,&*\s\[\]]*?[\s&*]([a-z_]\w*)\(")
OTHER = re.compile(r"^(?:constexpr|const|static)\b.*?\b([a-z_]\w*)(?:\[[^\]]*\])?\s*(?:=|\{|;)")
TYPE = re.compile(r"^(?:struct|class|enum class|enum|union)\s+([a-z_]\w*)")
# Declarations that may be repeated, and continued lines.
SKIPPED = re.compile(r"^(?:using|namespace|template|noexcept|requires)\b")

def names(path: pathlib.Path) -> set[str]:
    """Names that the file's unnamed namespaces define at their outermost level (the sources are clang-formatted)."""
    found, inside = set(), False
    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("namespace {"):
            inside = True
        elif line.startswith("}  // namespace") and line.rstrip() == "}  // namespace":
            inside = False
        elif inside and line[:1].isalpha() and not SKIPPED.match(line):
            for pattern in (TYPE, OTHER, FUNCTION):
                match = pattern.match(line)
                if match and match.group(1) != "noexcept":
                    found.add(match.group(1))
                    break
    return found


def main() -> int:
    build, bad, batches = pathlib.Path(sys.argv[1]), 0, 0
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    for unity in sorted((build / "batches").rglob("*.cpp")):
        batches += 1
        users = collections.defaultdict(list)
        for source in re.findall(r'#include "([^"]+\.cpp)"', unity.read_text()):
            for name in names(root / source):
                users[name].append(source)
        for name, files in sorted(users.items()):
            if len(files) > 1:
                bad += 1
                print(f"{name}: in one batch, defined by {' and '.join(files)}")
    print(f"{batches} batches, {bad} names twice")
    return 1 if bad or not batches else 0


if __name__ == "__main__":
    sys.exit(main())
