"""kvm_summary.py: skipped kvm tests fail a run on a machine that has /dev/kvm, and only there."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/dev"))
import kvm_summary  # noqa: E402

GTEST = """<testsuites><testsuite name="boot">
<testcase name="hello" status="run" result="completed" classname="boot"/>
<testcase name="threads" status="run" result="{result}" classname="boot">{inside}</testcase>
<testcase name="off" status="notrun" result="suppressed" classname="boot"/>
</testsuite></testsuites>"""
JUNIT = '<testsuite><testcase name="kvm_test" status="{gtest}"/><testcase name="script" status="{script}"/></testsuite>'


class Summary(unittest.TestCase):
    def run_main(self, result="completed", inside="", gtest="run", script="run", opens=True):
        with tempfile.TemporaryDirectory() as build:
            results = pathlib.Path(build) / "results"
            results.mkdir()
            (results / "kvm_test.xml").write_text(GTEST.format(result=result, inside=inside))
            (results / "ctest.junit").write_text(JUNIT.format(gtest=gtest, script=script))
            out = io.StringIO()
            with mock.patch.object(kvm_summary, "kvm_tests", lambda _: {"kvm_test": "kvm_test", "script": "script.sh",
                                                                         "other": "other"}), \
                 mock.patch.object(kvm_summary, "kvm_opens", lambda: None if opens else "/dev/kvm: gone"), \
                 mock.patch.object(sys, "argv", ["kvm_summary.py", build]), \
                 contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                return kvm_summary.main(), out.getvalue()

    def test_all_ran(self):
        self.assertEqual(self.run_main(), (0, "kvm tests: 3 ran, 0 skipped\n"))

    def test_skipped_case_fails_where_kvm_opens(self):
        status, text = self.run_main(result="skipped")
        self.assertEqual(status, 1)
        self.assertIn("2 ran, 1 skipped", text)
        self.assertIn("boot.threads", text)

    def test_a_run_without_kvm_tests(self):
        with mock.patch.object(kvm_summary, "count", lambda _: (0, [], [])), \
             mock.patch.object(kvm_summary, "kvm_opens", lambda: None), \
             contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for arguments, status in ((["b"], 0), (["b", "--require"], 1)):
                with mock.patch.object(sys, "argv", ["kvm_summary.py", *arguments]):
                    self.assertEqual(kvm_summary.main(), status)

    def test_what_the_host_makes_impossible_is_no_failure(self):
        status, text = self.run_main(result="skipped", inside='<skipped message="x.cpp:3&#x0A;NOT APPLICABLE: EPT"/>')
        self.assertEqual((status, text), (0, "kvm tests: 2 ran, 0 skipped\nnot applicable on this host:\n  boot.threads\n"))
        self.assertEqual(self.run_main(result="skipped", inside='<skipped message="no musl"/>')[0], 1)

    def test_skipped_script_fails_where_kvm_opens(self):
        self.assertEqual(self.run_main(script="notrun")[0], 1)

    def test_skipping_is_right_without_kvm(self):
        status, text = self.run_main(result="skipped", script="notrun", opens=False)
        self.assertEqual(status, 0)
        self.assertEqual(text, "kvm tests: 1 ran, 2 skipped (/dev/kvm: gone)\n")


if __name__ == "__main__":
    unittest.main()
