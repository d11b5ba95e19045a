"""osvm audit owner/repo: a clone that nothing of the repository takes part in, parsed inside a VM."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import osvm_process
from osvm_process import Case
from audit_test import FOUND, NOTHING, NO_GRAMMAR, PROGRAM, USAGE

GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


class Repositories(Case):
    def setUp(self):
        super().setUp()
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.skipTest("NOT APPLICABLE: /dev/kvm cannot be opened")
        folder = tempfile.TemporaryDirectory(prefix="osvm-repository-")
        self.addCleanup(folder.cleanup)
        self.at = pathlib.Path(folder.name)
        self.origin = self.at / "origin"
        self.origin.mkdir()
        self.git("init", "-q", "-b", "main", ".")
        self.commit("lib.rs", PROGRAM)
        self.url = "file://" + str(self.at / "bare")
        subprocess.run(["git", "clone", "-q", "--bare", str(self.origin), str(self.at / "bare")], check=True,
                       env={**self.env, **GIT})
        # Where clones go, so that what is left behind is seen.
        self.scratch = self.at / "scratch"
        self.scratch.mkdir()
        self.env["TMPDIR"] = str(self.scratch)
        if self.osvm("audit", str(self.origin)).returncode == NO_GRAMMAR:
            self.skipTest("NOT APPLICABLE: this build has no Rust grammar")

    def tearDown(self):
        self.assertEqual(sorted(self.scratch.iterdir()) if hasattr(self, "scratch") else [], [])
        super().tearDown()

    def git(self, *args):
        subprocess.run(["git", *args], cwd=self.origin, check=True, env={**self.env, **GIT})

    def commit(self, name, text):
        path = self.origin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)

    def push(self):
        self.git("push", "-q", str(self.at / "bare"), "--all")

    def audit(self, name, *args, status):
        return self.osvm("audit", name, "--repository-url", self.url, *args, status=status)

    def test_a_repository_is_parsed_in_a_vm_with_the_findings_of_outside(self):
        inside = self.audit("someone/thing", "--format", "json", status=FOUND)
        self.assertIn("parsed in a VM of its own: hardware", inside.stderr)
        self.assertRegex(inside.stderr, r"someone/thing at [0-9a-f]{40}")
        outside = self.audit("someone/thing", "--format", "json", "--isolation", "none", status=FOUND)
        self.assertIn("no isolation", outside.stderr)
        self.assertEqual(json.loads(inside.stdout), json.loads(outside.stdout))
        self.assertTrue(json.loads(inside.stdout)["findings"])

    def test_a_path_can_be_parsed_in_a_vm_too(self):
        for level in ("vm", "jail"):
            done = self.osvm("audit", str(self.origin), "--isolation", level, "--format", "json")
            if level == "jail" and done.returncode == NO_GRAMMAR:
                continue  # a host that cannot jail says so
            self.assertEqual(done.returncode, FOUND, done.stderr)
            outside = self.osvm("audit", str(self.origin), "--format", "json", status=FOUND)
            self.assertEqual(done.stdout, outside.stdout)

    def test_a_branch_is_what_is_audited(self):
        self.git("checkout", "-q", "-b", "mended")
        self.commit("lib.rs", PROGRAM.replace("UncheckedAccount", "Signer"))
        self.push()
        self.audit("someone/thing#mended", status=NOTHING)
        self.audit("someone/thing#main", status=FOUND)
        self.assertIn("git cannot clone", self.audit("someone/thing#nowhere", status=USAGE).stderr)

    def test_hooks_filters_submodules_and_links_of_the_repository_do_nothing(self):
        mark = self.at / "ran"
        self.commit(".gitattributes", "*.rs filter=evil\n")
        self.commit(".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = file://{self.at}/bare\n')
        (self.origin / "secret.rs").symlink_to("/etc/passwd")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "link")
        self.push()
        hook = self.at / "bare" / "hooks" / "post-checkout"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n", encoding="utf-8")
        hook.chmod(0o755)
        config = pathlib.Path(self.home, ".gitconfig")
        config.write_text(f'[filter "evil"]\n\tsmudge = touch {mark}\n[core]\n\thooksPath = {hook.parent}\n',
                          encoding="utf-8")
        done = self.audit("someone/thing", "--allow-unparsed", "--format", "json", status=FOUND)
        self.assertFalse(mark.exists())
        self.assertNotIn("root:", done.stdout)
        # The control: with the user's configuration the same clone runs the filter.
        subprocess.run(["git", "clone", "-q", "-c", "protocol.file.allow=always", self.url, str(self.at / "plain")],
                       check=True, env=self.env, capture_output=True)
        self.assertTrue(mark.exists())

    def test_the_environment_does_not_lead_git_elsewhere(self):
        self.env.update({"GIT_DIR": str(self.at / "elsewhere"), "GIT_ALLOW_PROTOCOL": "https",
                         "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.worktree", "GIT_CONFIG_VALUE_0": "/"})
        self.audit("someone/thing", status=FOUND)
        self.assertFalse((self.at / "elsewhere").exists())

    def test_only_https_and_files_are_cloned(self):
        for url in ("ssh://host/x", "git://host/x", "ext::sh -c true", "/tmp/x", "--upload-pack=true"):
            done = self.osvm("audit", "someone/thing", "--repository-url=" + url, status=USAGE)
            self.assertIn("https://", done.stderr)
        self.osvm("audit", "../../etc", "--repository-url", self.url, status=USAGE)
        self.osvm("audit", "someone/thing#--upload-pack=x", "--repository-url", self.url, status=USAGE)

    def test_what_lies_here_by_that_name_is_a_path(self):
        (self.at / "someone").mkdir()
        (self.at / "someone" / "thing").symlink_to(self.origin)
        done = subprocess.run([osvm_process.OSVM, "audit", "someone/thing"], cwd=self.at, env=self.env,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, FOUND, done.stderr)
        self.assertNotIn("VM", done.stderr)

    def test_a_comment_for_a_pull_request(self):
        comment = self.at / "comment.md"
        self.audit("someone/thing", "--pr-comment", str(comment), status=FOUND)
        text = comment.read_text(encoding="utf-8")
        self.assertTrue(text.startswith("<!-- osvm-audit -->\n"))
        self.assertIn("| high | OSVM-A01 | lib.rs:13 |", text)


if __name__ == "__main__":
    osvm_process.main()
