#!/usr/bin/python3
"""Checks every #include against the module edges written in CMakeLists.txt.

usage: layering.py [ROOT]

 - A module includes its own headers and those of the modules that its DEPENDS names, nothing else.
 - DEPENDS names modules that are added earlier, so there is no cycle.
 - Leaves (capi, tools/osvm, bindings) include public headers only, and never each other.
 - An outside library has one owner (OWNERS), and public headers show only Asio and Boost.System.
"""
import pathlib
import re
import sys

# include prefix -> folders that may include it
OWNERS = {
    "linux/kvm.h": ["lib/kvm"],
    "asm/kvm.h": ["lib/kvm"],
    "yaml-cpp/": ["lib/core"],
    "archive.h": ["lib/images"],
    "archive_entry.h": ["lib/images"],
    "boost/beast": ["lib/net"],
    "boost/asio/ssl": ["lib/net"],
    "openssl/ssl.h": ["lib/net"],
    "nghttp2/": ["lib/net"],
    "CLI/": ["tools/osvm"],
    "pybind11/": ["bindings"],
    "seccomp.h": ["lib/unikernel"],
    "zstd.h": ["lib/ledger", "lib/solana"],
    "lz4.h": ["lib/ledger"],
    "lz4frame.h": ["lib/ledger"],
    "snappy-c.h": ["lib/ledger"],
    "xxhash.h": ["lib/ledger"],
    "tree_sitter/": ["lib/audit/grammar"],
}
PUBLIC_THIRD_PARTY = ("boost/asio", "boost/system")
THIRD_PARTY = ("boost/", "fmt/", "openssl/")
LEAVES = ["capi", "tools/osvm", "bindings"]
CHECKED = ["include", "lib", "capi", "tools", "bindings", "bench"]
SUFFIXES = {".cpp", ".hpp", ".c", ".h", ".S"}

MODULE = re.compile(r"^\s*osvm_add_module\(\s*(\w+)([^)]*)\)", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
# What only the test variant of a module sees is not part of the installed header.
TEST_ONLY = re.compile(r"^#ifdef OSVM_TEST_CONTROLS\n.*?^#(?:else|endif)", re.M | re.S)
KEYWORDS = {"DEPENDS", "LINK", "PRIVATE", "TESTABLE", "ALONE"}


def read_modules(cmake_text):
    """name -> set of modules that it may use, in the order of the file."""
    modules = {}
    for name, arguments in MODULE.findall(re.sub(r"#.*", "", cmake_text)):
        words, depends, inside = arguments.split(), set(), False
        for word in words:
            if word in KEYWORDS:
                inside = word == "DEPENDS"
            elif inside:
                depends.add(word)
        modules[name] = depends
    return modules


def check_order(modules):
    seen = set()
    for name, depends in modules.items():
        for missing in sorted(depends - seen):
            yield f"CMakeLists.txt: module {name} depends on {missing}, which is not added before it"
        seen.add(name)


class Checker:
    def __init__(self, root):
        self.root = root
        self.modules = read_modules((root / "CMakeLists.txt").read_text(encoding="utf-8"))
        self.capi_headers = {str(p.relative_to(root / "capi/include"))
                             for p in (root / "capi/include").rglob("*.h")} if (root / "capi/include").is_dir() else set()

    def files(self):
        for top in CHECKED:
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in SUFFIXES and path.is_file():
                    yield path.relative_to(self.root)

    def module_of(self, path):
        """The module that a file (relative to the root) belongs to, or None."""
        parts = path.parts
        if parts[0] == "lib" and len(parts) > 2:
            return parts[1]
        if parts[:2] == ("include", "osvm") and len(parts) > 3:
            return parts[2]
        return None

    def leaf_of(self, path):
        return next((leaf for leaf in LEAVES if str(path).startswith(leaf + "/")), None)

    def target_of(self, path, quote, name):
        """(module or leaf that the include reaches, True when it is an internal header), or (None, False)."""
        parts = pathlib.PurePosixPath(name).parts
        if quote == '"':
            near = (self.root / path.parent / name).resolve()
            if near.is_file() and near.is_relative_to(self.root.resolve()):
                target = near.relative_to(self.root.resolve())
                return self.module_of(target) or self.leaf_of(target), target.parts[0] == "lib"
        if name in self.capi_headers:
            return "capi", False
        if parts[0] == "osvm" and len(parts) > 2:
            return parts[1], False
        system = quote == "<" and not (self.root / "lib" / name).is_file()  # <net/if.h> is the C library's
        if parts[0] in self.modules and len(parts) > 1 and not system:
            return parts[0], True
        return None, False

    def check_edge(self, path, quote, name):
        module, leaf = self.module_of(path), self.leaf_of(path)
        target, internal = self.target_of(path, quote, name)
        if module and name in ("osvm/osvm.hpp",):
            return "a module names the headers that it uses, not the gathering one"
        if target is None:
            return None
        if module:
            if module not in self.modules:
                return f"{module} is not a module of CMakeLists.txt"
            if target != module and target not in self.modules[module]:
                return f"module {module} may not use {target} (its DEPENDS: {' '.join(sorted(self.modules[module])) or 'nothing'})"
            if path.parts[0] == "include" and internal:
                return "a public header includes an internal one"
        elif leaf:
            if target in LEAVES and target != leaf:
                return f"leaf {leaf} may not use leaf {target}"
            if internal and target not in LEAVES:
                return f"leaf {leaf} may use only public headers of {target}"
        return None

    def check_outside(self, path, name):
        for prefix, owners in OWNERS.items():
            if name.startswith(prefix) and not any(str(path).startswith(o + "/") for o in owners):
                return f"only {' and '.join(owners)} may include it"
        if path.parts[0] == "include" and name.startswith(THIRD_PARTY) and not name.startswith(PUBLIC_THIRD_PARTY):
            return "public headers show only Asio and Boost.System from outside"
        return None

    def findings(self):
        yield from check_order(self.modules)
        for path in self.files():
            text = (self.root / path).read_text(encoding="utf-8", errors="replace")
            text = TEST_ONLY.sub(lambda m: "\n" * m.group().count("\n"), text)
            for match in INCLUDE.finditer(text):
                quote, name = match.groups()
                line = text.count("\n", 0, match.start()) + 1
                for problem in (self.check_edge(path, quote, name), self.check_outside(path, name)):
                    if problem:
                        yield f"{path}:{line}: #include {name}: {problem}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    checker = Checker(root)
    findings = list(checker.findings())
    for finding in findings:
        print(finding)
    print(f"{len(checker.modules)} modules, {sum(1 for _ in checker.files())} files, {len(findings)} findings")
    return 1 if findings or not checker.modules else 0


if __name__ == "__main__":
    sys.exit(main())
