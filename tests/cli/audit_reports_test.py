"""The reports of `osvm audit`, each held against a reader that is not ours: jsonschema, poppler, Typst where it is."""
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import osvm_process
from osvm_process import Case
from audit_test import FOUND, NOTHING, NO_GRAMMAR, PROGRAM, USAGE

# Names that mean something to every format that a report is written in.
HOSTILE = PROGRAM.replace("has_one = authority)]", 'has_one = authority)] // "</text>\\" #panic() %s {{x}} [a](b) \\\\end')


class Reports(Case):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="osvm-audit-")
        self.addCleanup(folder.cleanup)
        self.at = pathlib.Path(folder.name)
        (self.at / "src").mkdir()
        (self.at / "src" / "lib.rs").write_text(HOSTILE, encoding="utf-8")
        (self.at / "src" / "broken.rs").write_text("pub fn } broken {", encoding="utf-8")
        self.sources = str(self.at / "src")
        if self.osvm("audit", self.sources).returncode == NO_GRAMMAR:
            self.skipTest("NOT APPLICABLE: this build has no Rust grammar")
        self.out = self.at / "out"

    def reports(self):
        done = self.osvm("audit", self.sources, "--out", str(self.out), "--fail-on", "never", "--allow-unparsed",
                         status=NOTHING)
        return done

    def test_every_format_is_written_and_two_runs_are_the_same_bytes(self):
        self.reports()
        first = {p.name: p.read_bytes() for p in self.out.iterdir()}
        self.reports()
        second = {p.name: p.read_bytes() for p in self.out.iterdir()}
        self.assertEqual(first, second)
        for name in ("txt", "json", "sarif", "md", "html", "typ"):
            self.assertIn(f"report.{name}", first)

    def test_sarif_is_what_the_standard_says(self):
        schema = os.environ.get("OSVM_SARIF_SCHEMA", "")
        if not schema:
            self.skipTest("NOT APPLICABLE: SARIF's schema could not be downloaded when this was configured")
        import jsonschema
        with open(schema, encoding="utf-8") as file:
            standard = json.load(file)
        checker = jsonschema.validators.validator_for(standard)(standard)
        done = self.osvm("audit", self.sources, "--format", "sarif", "--fail-on", "never", "--allow-unparsed")
        report = json.loads(done.stdout)
        self.assertEqual([e.message for e in checker.iter_errors(report)], [])
        self.assertGreaterEqual(len(report["runs"][0]["results"]), 1)
        # The control: the schema notices what is wrong.
        report["runs"][0]["results"][0]["level"] = "dreadful"
        self.assertNotEqual(list(checker.iter_errors(report)), [])

    def test_a_pdf_has_text_outline_and_links(self):
        self.reports()
        pdf = self.out / "report.pdf"
        if not pdf.exists():
            self.skipTest("NOT APPLICABLE: this build has no osvm-pdf")
        text = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, check=True).stdout.decode()
        for words in ("Contents", "Instructions and accounts", "OSVM-A01", "Coverage", "Reproducing this report",
                      "page 1 of", "has_one = authority", "</text>"):
            self.assertIn(words, text)
        raw = pdf.read_bytes()
        self.assertIn(b"/Outlines", raw)
        self.assertRegex(subprocess.run(["pdfinfo", "-dests", str(pdf)], capture_output=True, check=True).stdout.decode(),
                         r"a\d+")
        self.assertEqual(subprocess.run(["pdfinfo", str(pdf)], capture_output=True, check=True).stderr, b"")

    def test_a_pdf_goes_to_stdout_too(self):
        done = subprocess.run([osvm_process.OSVM, "audit", self.sources, "--format", "pdf", "--fail-on", "never",
                               "--allow-unparsed"], capture_output=True, timeout=60, env=self.env, check=False)
        if done.returncode == NO_GRAMMAR:
            self.skipTest("NOT APPLICABLE: this build has no osvm-pdf")
        self.assertTrue(done.stdout.startswith(b"%PDF-1."), done.stdout[:20])

    def test_typst_compiles_the_source_where_it_is_found(self):
        self.reports()
        source = self.out / "report.typ"
        if shutil.which("typst"):
            subprocess.run(["typst", "compile", str(source)], check=True, timeout=60)
        elif importlib.util.find_spec("typst"):
            import typst
            typst.compile(str(source), output=str(self.at / "typst.pdf"))
        else:
            self.skipTest("NOT APPLICABLE: there is no Typst here")

    def test_a_template_of_the_user(self):
        template = self.at / "mine.html.mustache"
        template.write_text("<ul>{{#findings}}<li>{{check}} {{excerpt}}</li>{{/findings}}</ul>", encoding="utf-8")
        done = self.osvm("audit", self.sources, "--template", str(template), "--fail-on", "never", "--allow-unparsed",
                         status=NOTHING)
        self.assertIn("<li>OSVM-A01 ", done.stdout)
        self.assertNotIn("#[account(mut, has_one = authority)]</li><script", done.stdout)
        template.write_text("{{#findings}}", encoding="utf-8")
        done = self.osvm("audit", self.sources, "--template", str(template), status=USAGE)
        self.assertIn("template", done.stderr)
        self.osvm("audit", self.sources, "--template", str(self.at / "nowhere.md"), status=USAGE)


    def test_the_github_action_writes_reports_and_fails_as_asked(self):
        script = pathlib.Path(__file__).resolve().parents[2] / "tools" / "ci" / "audit_action.sh"
        (self.at / "bin").mkdir()
        (self.at / "bin" / "osvm").symlink_to(os.path.abspath(osvm_process.OSVM))
        output, summary = self.at / "outputs", self.at / "summary"
        env = {**self.env, "PATH": f"{self.at}/bin:{self.env['PATH']}", "AUDITED": self.sources, "REPORTS": str(self.out),
               "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
        (self.at / "src" / "broken.rs").unlink()
        for fail_on, status in (("medium", FOUND), ("never", NOTHING)):
            done = subprocess.run(["bash", str(script)], env={**env, "FAIL_ON": fail_on}, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, status, done.stderr)
            outputs = dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
            self.assertTrue(json.loads(pathlib.Path(outputs["sarif"]).read_text(encoding="utf-8"))["runs"])
            self.assertIn("OSVM-A01", pathlib.Path(outputs["comment"]).read_text(encoding="utf-8"))
            self.assertIn("OSVM-A01", summary.read_text(encoding="utf-8"))


if __name__ == "__main__":
    osvm_process.main()
