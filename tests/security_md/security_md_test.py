"""Every threat in SECURITY.md names a test that attacks its defence, and each named test exists and is enabled.

usage: security_md_test.py [--build DIR]   (with a build folder, names of ctest tests are looked up too)

A row of a threat table is `| threat | defence | `test` ... |`: the last column holds names in backticks, either
`suite.name` of GoogleTest, `file.py::test` of pytest, or the name of a ctest test.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GTEST = re.compile(r"^(?:OSVM_KVM_)?(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.M)
PYTEST = re.compile(r"^(?:async )?def (test_\w+)", re.M)
HEADING = ["threat", "defence", "attacked by"]


def rows(text):
    """(line number, cells) of every row of a threat table."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        cells = [c.strip() for c in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            inside = False
        elif [c.lower() for c in cells] == HEADING:
            inside = True
        elif inside and not set(line) <= set("|-: "):
            yield number, cells


def source_tests(root):
    names = set()
    for path in (root / "tests").rglob("*_test.cpp"):
        names.update(".".join(m) for m in GTEST.findall(path.read_text(encoding="utf-8")))
    for top in ("tests", "bindings"):
        for path in (root / top).rglob("*.py"):
            names.update(f"{path.name}::{m}" for m in PYTEST.findall(path.read_text(encoding="utf-8")))
    return names


def ctest_names(build):
    shown = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True)
    tests = json.loads(shown.stdout)["tests"]
    off = {t["name"] for t in tests for p in t.get("properties", []) if p["name"] == "DISABLED" and p["value"]}
    return {t["name"] for t in tests} - off


def problems(text, known):
    count = 0
    for number, cells in rows(text):
        count += 1
        if len(cells) != len(HEADING) or not all(cells):
            yield f"SECURITY.md:{number}: a row needs {len(HEADING)} filled cells"
            continue
        named = re.findall(r"`([^`]+)`", cells[-1])
        if not named:
            yield f"SECURITY.md:{number}: no test is named"
        for name in named:
            if name not in known:
                yield f"SECURITY.md:{number}: there is no test {name}"
    if count == 0:
        yield "SECURITY.md has no threat table"


class SelfTest(unittest.TestCase):
    table = "| Threat | Defence | Attacked by |\n|---|---|---|\n"

    def check(self, row, expected):
        found = list(problems(self.table + row, {"a.b"}))
        self.assertEqual(len(found), 1 if expected else 0, found)
        if expected:
            self.assertIn(expected, found[0])

    def test_rows(self):
        self.check("| t | d | `a.b` |\n", None)
        self.check("| t | d | `a.c` |\n", "there is no test a.c")
        self.check("| t | d | later |\n", "no test is named")
        self.check("| t | d |\n", "3 filled cells")
        self.check("", "no threat table")

    def test_disabled_tests_do_not_count(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "tests/x_test.cpp"
            path.parent.mkdir()
            path.write_text("TEST(s, DISABLED_a) {}\nTEST_F(s, b) {}\n// TEST(s, c)\n")
            self.assertEqual(source_tests(pathlib.Path(folder)), {"s.DISABLED_a", "s.b"})


class Security(unittest.TestCase):
    build = None

    def test_every_named_test_exists(self):
        known = source_tests(ROOT) | (ctest_names(self.build) if self.build else set())
        found = list(problems((ROOT / "SECURITY.md").read_text(encoding="utf-8"), known))
        self.assertEqual(found, [], "\n" + "\n".join(found))


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--build":
        Security.build = sys.argv.pop(2)
        sys.argv.pop(1)
    unittest.main()
