"""layering.py must fail on each kind of bad edge and pass the good ones: each test writes a tiny tree."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/dev"))
import layering  # noqa: E402

CMAKE = """
osvm_add_module(core  DEPENDS  LINK fmt::fmt PRIVATE yaml-cpp)
osvm_add_module(kvm   DEPENDS core)
osvm_add_module(vsock DEPENDS core TESTABLE
  UNITY ALONE one.cpp)
osvm_add_module(top   DEPENDS core kvm)   # not: vsock
"""


class Layering(unittest.TestCase):
    def findings(self, files, cmake=CMAKE):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "CMakeLists.txt").write_text(cmake)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return list(layering.Checker(root).findings())

    def one(self, path, include, expected, more=()):
        found = self.findings({path: f"// first line\n#include {include}\n", **dict(more)})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:2: "), found[0])
        self.assertIn(expected, found[0])

    def none(self, path, include, more=()):
        self.assertEqual(self.findings({path: f"#include {include}\n", **dict(more)}), [])

    def test_reads_depends_only(self):
        self.assertEqual(layering.read_modules(CMAKE),
                         {"core": set(), "kvm": {"core"}, "vsock": {"core"}, "top": {"core", "kvm"}})

    def test_allowed_edges(self):
        self.none("lib/top/a.cpp", "<osvm/kvm/vm.hpp>")
        self.none("lib/top/a.cpp", '"kvm/vm.hpp"')
        self.none("lib/top/a.cpp", '"top/b.hpp"')
        self.none("lib/top/sub/a.cpp", "<osvm/core/error.hpp>")
        self.none("include/osvm/top/a.hpp", "<osvm/core/error.hpp>")
        self.none("tools/osvm/main.cpp", "<osvm/top/a.hpp>")

    def test_edge_that_depends_does_not_name(self):
        self.one("lib/top/a.cpp", "<osvm/vsock/x.hpp>", "module top may not use vsock")
        self.one("lib/kvm/a.cpp", '"vsock/x.hpp"', "module kvm may not use vsock")
        self.one("include/osvm/core/a.hpp", "<osvm/kvm/x.hpp>", "module core may not use kvm")

    def test_edge_through_a_relative_path(self):
        self.one("lib/kvm/a.cpp", '"../vsock/x.hpp"', "may not use vsock", {"lib/vsock/x.hpp": ""}.items())

    def test_unusual_spelling_is_still_an_include(self):
        self.one("lib/kvm/a.cpp", "\t<osvm/vsock/x.hpp>  // why not", "may not use vsock")
        self.assertEqual(len(self.findings({"lib/kvm/a.cpp": "  #  include   <osvm/vsock/x.hpp>\n"})), 1)

    def test_cycle_or_unknown_module_in_depends(self):
        found = self.findings({}, "osvm_add_module(a DEPENDS b)\nosvm_add_module(b DEPENDS a)\n")
        self.assertEqual(found, ["CMakeLists.txt: module a depends on b, which is not added before it"])

    def test_folder_that_is_no_module(self):
        self.one("lib/rogue/a.cpp", "<osvm/core/error.hpp>", "rogue is not a module")

    def test_modules_do_not_include_the_gathering_header(self):
        self.one("lib/top/a.cpp", "<osvm/osvm.hpp>", "a module names the headers")
        self.none("tools/osvm/main.cpp", "<osvm/osvm.hpp>")

    def test_public_headers_do_not_show_internal_ones(self):
        self.one("include/osvm/top/a.hpp", '"kvm/x.hpp"', "a public header includes an internal one")

    def test_what_only_the_test_variant_sees_is_exempt(self):
        block = '#ifdef OSVM_TEST_CONTROLS\n#include "top/x.hpp"\n#endif\n'
        path = "include/osvm/top/a.hpp"
        self.assertEqual(self.findings({path: block}), [])
        self.assertEqual(len(self.findings({path: block + '#include "top/x.hpp"\n'})), 1)

    def test_leaves_see_public_headers_only(self):
        self.one("tools/osvm/main.cpp", '"kvm/vm.hpp"', "only public headers of kvm")
        self.one("capi/src/a.cpp", '"top/b.hpp"', "only public headers of top")

    def test_leaves_never_use_each_other(self):
        header = {"capi/include/osvm_kvm.h": ""}.items()
        self.one("tools/osvm/main.cpp", "<osvm_kvm.h>", "tools/osvm may not use leaf capi", header)
        self.one("bindings/python/a.cpp", '"../../tools/osvm/b.hpp"', "may not use leaf tools/osvm",
                 {"tools/osvm/b.hpp": ""}.items())
        self.none("capi/src/a.cpp", "<osvm_kvm.h>", header)

    def test_outside_libraries_have_one_owner(self):
        for include, owner in (("<linux/kvm.h>", "lib/kvm"), ("<yaml-cpp/yaml.h>", "lib/core"),
                               ("<CLI/CLI.hpp>", "tools/osvm"), ("<pybind11/pybind11.h>", "bindings")):
            self.none(f"{owner}/a.cpp", include)
            self.one("lib/top/a.cpp", include, f"only {owner} may include it")

    def test_public_headers_show_little_from_outside(self):
        self.one("include/osvm/top/a.hpp", "<boost/json.hpp>", "only Asio and Boost.System")
        self.none("include/osvm/top/a.hpp", "<boost/asio/any_io_executor.hpp>")
        self.none("lib/top/a.cpp", "<boost/json.hpp>")


if __name__ == "__main__":
    unittest.main()
