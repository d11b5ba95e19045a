#!/usr/bin/python3
"""Traces, policy files, learning, named mounts and images, with real guests."""
import json
import os
import pathlib
import subprocess
import unittest

import osvm_process
from kvm_test import kvm_problem
from osvm_process import Case, guest


class Files(Case):
    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.home, "work")
        (self.dir / "data").mkdir(parents=True)
        (self.dir / "data/file").write_text("text")
        self.file = str(self.dir / "data/file")

    def path(self, name):
        return str(self.dir / name)


@unittest.skipIf(kvm_problem(), kvm_problem())
class Trace(Files):
    def test_calls_are_printed_like_strace_does(self):
        done = self.osvm("run", "--trace", guest("probe"), "read", self.file, status=0)
        self.assertEqual(done.stdout, "open -2\n")
        self.assertRegex(done.stderr, r'(?m)^1000 open(at)?\(.*"' + self.file + r'".* = -1 ENOENT \(No such file')
        self.assertRegex(done.stderr, r"(?m)^---- denied: open(at)? " + self.file + r" \(grant it with --ro HOST:")
        self.assertRegex(done.stderr, r"(?m)^1000 exit_group\(0\) = \? <")

    def test_to_a_file_and_as_json(self):
        done = self.osvm("--json", "run", "--trace=" + self.path("calls"), guest("hello"), "x", status=0)
        self.assertEqual((done.stdout, done.stderr), ("x\n", ""))
        calls = [json.loads(line) for line in pathlib.Path(self.path("calls")).read_text().splitlines()]
        self.assertTrue(all(c["event"] == "trace" for c in calls))
        self.assertIn({"call": 'write(1, "x\\n", 2) = 2', "result": 2, "number": 1},
                      [{k: c[k] for k in ("call", "result", "number")} for c in calls])
        self.assertEqual(os.stat(self.path("calls")).st_mode & 0o777, 0o600)

    def test_a_trace_that_cannot_be_written_is_125(self):
        self.assertIn("/no/such", self.osvm("run", "--trace=/no/such/file", guest("hello"), status=125).stderr)


@unittest.skipIf(kvm_problem(), kvm_problem())
class Policy(Files):
    def test_what_is_learned_is_enough(self):
        for how in ([], ["--allow-all"]):
            with self.subTest(how):
                done = self.osvm("run", "--learn", self.path("p.yaml"), *how, guest("probe"), "read", self.file, status=0)
                self.assertEqual("--allow-all: this run may read and write all files" in done.stderr, bool(how))
                self.assertIn(self.file, pathlib.Path(self.path("p.yaml")).read_text())
                done = self.osvm("run", "--stats", "--policy", self.path("p.yaml"), guest("probe"), "read", self.file,
                                 status=0)
                self.assertEqual(done.stdout, "content text\n")

    def test_allow_all_is_for_learning(self):
        self.assertIn("--learn", self.osvm("run", "--allow-all", guest("hello"), status=125).stderr)

    def test_errors_have_their_place(self):
        pathlib.Path(self.path("p.yaml")).write_text("mounts:\n  - {host: /x, access: rx}\n")
        self.assertIn("p.yaml:2:", self.osvm("run", "--policy", self.path("p.yaml"), guest("hello"), status=125).stderr)

    def test_relative_paths_start_from_the_file_and_options_add(self):
        pathlib.Path(self.path("p.yaml")).write_text("mounts: [{host: data, guest: /d}]\n")
        done = self.osvm("run", "--policy", self.path("p.yaml"), guest("probe"), "read", "/d/file", status=0)
        self.assertEqual(done.stdout, "content text\n")
        done = self.osvm("run", "--policy", self.path("p.yaml"), "--ro", self.path("data") + ":/e", guest("probe"), "read",
                         "/e/file", status=0)
        self.assertEqual(done.stdout, "content text\n")


class Mounts(Files):
    def test_add_list_remove(self):
        self.osvm("mount", "add", "data", self.path("data") + ":/data", "--rw", "--quota", "1MiB", status=0)
        self.assertEqual(self.json("mount", "list", "--json")["mounts"],
                         [{"name": "data", "host": self.path("data"), "guest": "/data", "access": "rw", "quota_bytes": 1 << 20}])
        self.osvm("mount", "add", "data", self.path("data") + ":/data", status=1)
        self.osvm("mount", "add", "data", self.path("data") + ":/other", "--replace", status=0)
        self.assertEqual(self.json("mount", "list", "--json")["mounts"][0]["guest"], "/other")
        self.osvm("mount", "remove", "data", status=0)
        self.osvm("mount", "remove", "data", status=1)
        self.assertEqual(self.json("mount", "list", "--json")["mounts"], [])

    def test_wrong_ones_are_refused(self):
        self.osvm("mount", "add", "a", "/no/such:/x", status=1)
        for words in (["a/b", "/tmp:/x"], ["a", self.file + ":/x", "--rw", "--quota", "1MiB"],
                      ["a", "/tmp:/x", "--quota", "1MiB"], ["a", "/tmp:x"]):
            with self.subTest(words):
                self.osvm("mount", "add", *words, status=2)

    @unittest.skipIf(kvm_problem(), kvm_problem())
    def test_run_uses_them_and_keeps_the_quota(self):
        self.osvm("mount", "add", "data", self.path("data") + ":/data", "--rw", "--quota", "10KiB", status=0)
        done = self.osvm("run", "--mount", "data", guest("probe"), "read", "/data/file", status=0)
        self.assertEqual(done.stdout, "content text\n")
        done = self.osvm("run", "--mount", "data", guest("probe"), "write", "/data/new", "x" * 3000)
        self.assertIn("-28", done.stdout)  # ENOSPC: two names and 3004 bytes are more than 10 KiB
        self.osvm("run", "--mount", "nothing", guest("hello"), status=125)


class Images(Files):
    def build(self, *more, entry="/bin/probe"):
        root = self.dir / "root"
        (root / "bin").mkdir(parents=True, exist_ok=True)
        (root / "tmp").mkdir(exist_ok=True)
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/motd").write_text("from the image")
        subprocess.run(["cp", guest("probe"), root / "bin/probe"], check=True)
        return self.osvm("image", "build", str(root), "-o", self.path("app.osvm"), "--entry", entry, *more, status=0)

    def keys(self):
        for name in ("key", "other"):
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.path(name)], check=True)
            subprocess.run(["openssl", "pkey", "-in", self.path(name), "-pubout", "-out", self.path(name + ".pub")], check=True)

    def test_build_inspect_verify_list(self):
        name = self.build().stdout.strip()
        self.assertRegex(name, "^[0-9a-f]{64}$")
        shown = self.json("image", "inspect", self.path("app.osvm"), "--files", "--json")
        self.assertEqual((shown["id"], shown["entry"], shown["signature"]), (name, "/bin/probe", None))
        self.assertIn("etc/motd", [f["path"] for f in shown["files"]])
        self.assertEqual(self.osvm("image", "verify", self.path("app.osvm"), status=0).stdout.strip(), name)
        self.assertEqual(self.json("image", "list", "--dir", str(self.dir), "--json")["images"][0]["id"], name)

    def test_signatures(self):
        self.build()
        self.keys()
        app = self.path("app.osvm")
        self.assertIn("not signed", self.osvm("image", "verify", app, "--key", self.path("key.pub"), status=1).stderr)
        self.osvm("image", "sign", app, "--key", self.path("key"), status=0)
        self.osvm("image", "verify", app, "--key", self.path("key.pub"), status=0)
        self.assertIn("another key", self.osvm("image", "verify", app, "--key", self.path("other.pub"), status=1).stderr)
        done = self.osvm("run", "--key", self.path("other.pub"), app, "identity", status=125)
        self.assertIn("another key", done.stderr)

    def test_a_changed_image_does_not_start(self):
        self.build()
        app = pathlib.Path(self.path("app.osvm"))
        data = bytearray(app.read_bytes())
        data[5000] ^= 1
        app.write_bytes(data)
        for words in (["image", "verify", str(app)], ["run", str(app), "identity"]):
            self.assertIn("SHA-256", self.osvm(*words, status=125 if words[0] == "run" else 1).stderr)
        app.write_bytes(data[:6000])
        self.osvm("run", str(app), "identity", status=125)

    @unittest.skipIf(kvm_problem(), kvm_problem())
    def test_run(self):
        self.build("--arg", "read")
        app = self.path("app.osvm")
        self.assertEqual(self.osvm("run", app, "/etc/motd", status=0).stdout, "content from the image\n")
        self.assertEqual(self.osvm("run", app, self.file, status=0).stdout, "open -2\n")
        self.build("--arg", "write")
        self.assertEqual(self.osvm("run", app, "/etc/motd", "x", status=0).stdout, "write 1\n")
        self.assertEqual(self.osvm("run", app, "/tmp/new", "x", status=0).stdout, "write 1\n")
        self.build("--arg", "read")
        self.assertEqual(self.osvm("run", app, "/tmp/new", status=0).stdout, "open -2\n", "writes are gone with the run")
        self.assertEqual(self.osvm("run", app, "/etc/motd", status=0).stdout, "content from the image\n")

    @unittest.skipIf(kvm_problem(), kvm_problem())
    def test_a_manifest_says_which_folders_may_change(self):
        pathlib.Path(self.path("osvm.yaml")).write_text("entry: /bin/probe\nargs: [write]\nwritable: [/tmp]\n")
        self.build()
        self.osvm("image", "build", self.path("root"), "-o", self.path("app.osvm"), "--manifest", self.path("osvm.yaml"), status=0)
        app = self.path("app.osvm")
        self.assertIn("-30", self.osvm("run", app, "/etc/motd", "x").stdout)  # EROFS
        self.assertEqual(self.osvm("run", app, "/tmp/new", "x", status=0).stdout, "write 1\n")

    @unittest.skipIf(kvm_problem(), kvm_problem())
    def test_verified_when_it_is_opened(self):
        self.build("--arg", "read")
        app = pathlib.Path(self.path("app.osvm"))
        data = app.read_bytes()
        app.write_bytes(data.replace(b"from the image", b"from elsewhere"))
        self.assertIn("SHA-256", self.osvm("run", str(app), "/etc/motd", status=125).stderr)
        done = self.osvm("run", "--verify-on-open", str(app), "/none", status=0)
        self.assertEqual(done.stdout, "open -2\n")
        done = self.osvm("run", "--verify-on-open", str(app), "/etc/motd", status=125)
        self.assertIn("etc/motd", done.stderr)
        self.assertNotIn("elsewhere", done.stdout)

    @unittest.skipIf(kvm_problem(), kvm_problem())
    def test_an_image_grants_itself_no_mount(self):
        pathlib.Path(self.path("osvm.yaml")).write_text("entry: /bin/probe\nmounts: [data]\n")
        self.build()
        self.osvm("image", "build", self.path("root"), "-o", self.path("app.osvm"), "--manifest", self.path("osvm.yaml"), status=0)
        self.osvm("mount", "add", "data", self.path("data") + ":/data", status=0)
        app = self.path("app.osvm")
        self.assertIn("--mount data", self.osvm("run", app, "read", "/data/file", status=125).stderr)
        done = self.osvm("run", "--mount", "data", app, "read", "/data/file", status=0)
        self.assertEqual(done.stdout, "content text\n")


if __name__ == "__main__":
    osvm_process.main()
