"""osvm audit: what a project decides about its findings, and the exit status that follows."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import osvm_process
from osvm_process import Case

PROGRAM = """
use anchor_lang::prelude::*;
#[program]
pub mod vault {
    use super::*;
    pub fn set(ctx: Context<Set>, value: u64) -> Result<()> {
        ctx.accounts.state.value = value;
        Ok(())
    }
}
#[derive(Accounts)]
pub struct Set<'info> {
    #[account(mut, has_one = authority)]
    pub state: Account<'info, State>,
    pub authority: UncheckedAccount<'info>,
}
#[account]
pub struct State {
    pub authority: Pubkey,
    pub value: u64,
}
"""
FOUND, NOTHING, USAGE, NO_GRAMMAR = 1, 0, 2, 3


class Audit(Case):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="osvm-audit-")
        self.addCleanup(folder.cleanup)
        self.at = pathlib.Path(folder.name)
        (self.at / "src").mkdir()
        (self.at / "src" / "lib.rs").write_text(PROGRAM, encoding="utf-8")
        self.sources = str(self.at / "src")
        if self.osvm("audit", self.sources).returncode == NO_GRAMMAR:
            self.skipTest("NOT APPLICABLE: this build has no Rust grammar")

    def file(self, name, text):
        path = self.at / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def test_a_baseline_accepts_what_is_known_and_nothing_else(self):
        known = str(self.at / "known.json")
        self.osvm("audit", self.sources, status=FOUND)
        self.osvm("audit", self.sources, "--write-baseline", known, "--fail-on", "never", status=NOTHING)
        self.osvm("audit", self.sources, "--baseline", known, status=NOTHING)
        more = PROGRAM.replace("set(", "put(").replace("Set", "Put").replace("vault", "vault2")
        (self.at / "src" / "other.rs").write_text(more, encoding="utf-8")
        self.osvm("audit", self.sources + "/other.rs", "--baseline", known, status=FOUND)
        self.osvm("audit", self.sources, "--baseline", self.file("none.json", "{}"), status=USAGE)

    def test_a_diff_keeps_what_it_touches(self):
        touched = "+++ b/src/lib.rs\n@@ -0,0 +1,99 @@\n"
        self.osvm("audit", self.sources, "--diff", "-", stdin=touched, status=FOUND)
        self.osvm("audit", self.sources, "--diff", "-", stdin=touched.replace("lib.rs", "x.rs"), status=NOTHING)
        self.osvm("audit", self.sources, "--diff", "-", stdin="+++ b/a\n@@ x\n", status=USAGE)

    def git(self, *words):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.at), "GIT_CONFIG_NOSYSTEM": "1"}
        for who in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{who}_NAME": "n", f"GIT_{who}_EMAIL": "n@example.org"}
        subprocess.run(["git", "-C", str(self.at), *words], check=True, capture_output=True, timeout=60, env=env)

    @unittest.skipUnless(shutil.which("git"), "git is not installed")
    def test_a_base_keeps_what_is_new_since_the_branches_parted(self):
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "first")
        # Nothing is new; then main goes on without this branch, which changes another line.
        self.osvm("audit", self.sources, "--diff", "main", status=NOTHING)
        self.git("checkout", "-q", "-b", "topic")
        lib = self.at / "src" / "lib.rs"
        lib.write_text(PROGRAM + "// the end\n", encoding="utf-8")
        self.osvm("audit", self.sources, "--diff", "main", status=NOTHING)
        lib.write_text(PROGRAM.replace("authority: UncheckedAccount", "authority:  UncheckedAccount"), encoding="utf-8")
        self.osvm("audit", self.sources, "--diff", "main", status=FOUND)
        self.osvm("audit", self.sources + "/lib.rs", "--diff", "HEAD", status=FOUND)
        self.osvm("audit", str(self.at), "--diff", "main", status=FOUND)
        self.git("commit", "-q", "-a", "-m", "second")
        self.osvm("audit", self.sources, "--diff", "main", status=FOUND)
        self.osvm("audit", self.sources, "--diff", "HEAD", status=NOTHING)
        self.assertIn("git", self.osvm("audit", self.sources, "--diff", "no-such-branch", status=USAGE).stderr)
        self.osvm("audit", self.sources, "--diff=--output=x", status=USAGE)
        self.assertFalse((self.at / "src" / "x").exists())

    def test_settings_switch_off_and_move_the_threshold(self):
        for text, status in (('[audit]\nfail-on = "critical"\n', NOTHING), ('[audit]\nfail-on = "high"\n', FOUND),
                             ('[audit]\noff = ["OSVM-A01"]\n', NOTHING), ('[severity]\nOSVM-A01 = "info"\n', NOTHING),
                             ('[audit]\nof = []\n', USAGE)):
            self.osvm("audit", self.sources, "--settings", self.file("audit.toml", text), status=status)

    def test_every_format_names_the_finding(self):
        for form in ("human", "json", "sarif", "markdown", "html", "typst"):
            done = self.osvm("audit", self.sources, "--format", form, "--fail-on", "never", status=NOTHING)
            self.assertIn("OSVM-A01", done.stdout, form)
        self.osvm("audit", self.sources, "--format", "word", status=USAGE)
        self.osvm("audit", self.sources, "--out", str(self.at / "out"), "--fail-on", "never", status=NOTHING)
        self.assertEqual(sorted(p.name for p in (self.at / "out").iterdir() if p.suffix != ".pdf"),
                         ["report.html", "report.json", "report.md", "report.sarif", "report.txt", "report.typ"])
        self.assertTrue(json.loads((self.at / "out" / "report.json").read_text(encoding="utf-8"))["findings"])


    def test_watching_sees_changes_and_ends_with_a_signal(self):
        process = self.start("audit", self.sources, "--watch")
        seen = []

        def until(words):
            for line in process.stdout:
                seen.append(line)
                if words in line:
                    return
            self.fail("".join(seen) + process.stderr.read())

        until("1 high")
        for text, words in ((PROGRAM.replace("UncheckedAccount", "Signer"), "0 high"), (PROGRAM, "1 high")):
            # As editors do: another file takes the place.
            (self.at / "src" / "lib.rs.new").write_text(text, encoding="utf-8")
            (self.at / "src" / "lib.rs.new").rename(self.at / "src" / "lib.rs")
            until(words)
        (self.at / "src" / "more").mkdir()
        (self.at / "src" / "more" / "lib.rs").write_text(PROGRAM.replace("vault", "second"), encoding="utf-8")
        until("2 high")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), FOUND)

    def test_own_checks_are_found_beside_the_others(self):
        rule = {"id": "ACME-1", "title": "raw", "severity": "critical", "when": {"type": "UncheckedAccount*", "bound": False}}
        own = self.file("own.json", json.dumps({"checks": [rule]}))
        done = self.osvm("audit", self.sources, "--own-checks", own, "--format", "json", "--fail-on", "critical", status=FOUND)
        found = [f for f in json.loads(done.stdout)["findings"] if f["check"] == "ACME-1"]
        self.assertEqual([(f["account"], f["location"]["line"]) for f in found], [("authority", 15)])
        self.osvm("audit", self.sources, "--fail-on", "critical", status=NOTHING)
        rule["when"] = {"singer": True}
        done = self.osvm("audit", self.sources, "--own-checks", self.file("own.json", json.dumps({"checks": [rule]})),
                         status=USAGE)
        self.assertIn("when.singer", done.stderr)

    def test_clients_are_judged_apart_from_programs(self):
        for name, dependency, text in (("program", "anchor-lang", PROGRAM),
                                       ("keeper", "solana-client", "pub fn go(c: &RpcClient, t: &Transaction) {\n"
                                        "    let _ = c.send_transaction(t);\n}\n")):
            folder = self.at / "both" / name
            (folder / "src").mkdir(parents=True)
            (folder / "Cargo.toml").write_text(f'[package]\nname = "{name}"\n[dependencies]\n{dependency} = "1"\n', encoding="utf-8")
            (folder / "src" / "lib.rs").write_text(text, encoding="utf-8")
        seen = {}
        for profile in ("program", "offchain"):
            for level in ("none", "vm") if os.access("/dev/kvm", os.R_OK | os.W_OK) else ("none",):
                done = self.osvm("audit", str(self.at / "both"), "--profile", profile, "--format", "json", "--fail-on",
                                 "never", "--isolation", level, status=NOTHING)
                found = {f["check"] for f in json.loads(done.stdout)["findings"] if f["severity"] != "low"}
                self.assertEqual(seen.setdefault(profile, found), found)
        self.assertEqual(seen["offchain"], {"OSVM-X02"})
        self.assertIn("OSVM-A01", seen["program"])
        self.assertNotIn("OSVM-X02", seen["program"])
        self.osvm("audit", self.sources, "--profile", "both", status=USAGE)

    def test_kept_results_change_nothing(self):
        kept = str(self.at / "kept")
        plain = self.osvm("audit", self.sources, "--format", "json", status=FOUND).stdout
        for _ in range(2):
            done = self.osvm("audit", self.sources, "--format", "json", "--cache", kept, status=FOUND)
            self.assertEqual(done.stdout, plain)
        self.assertEqual(os.stat(kept).st_mode & 0o777, 0o700)


if __name__ == "__main__":
    osvm_process.main()
