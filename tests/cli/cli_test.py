#!/usr/bin/python3
"""The command line without KVM: usage, help, configuration, completion, errors."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import osvm_process
from osvm_process import OSVM, Case

HELP = pathlib.Path(__file__).parent / "help"
COMMANDS = ["", "run", "demo", "version", "completion", "doctor", "doctor kvm", "bench", "bench boot", "bench vsock",
            "bench swap", "bench load", "bench eject", "bench kill", "bench syscalls", "bench fork",
            "bench headline", "bench programs", "bench surface", "decode", "ledger",
            "ledger info", "ledger bounds", "ledger slots", "ledger block", "ledger tx", "ledger address", "ledger verify",
            "ledger snapshot", "ledger new", "ledger import", "ledger export", "ledger compare", "ledger index",
            "idl", "idl add", "idl fetch", "idl list", "idl remove", "account", "balance", "token", "token holders",
            "bench decode", "bench ledger",
            "bench rpc",
            "proxy", "proxy serve", "proxy status", "proxy shift", "proxy rollback", "proxy drain", "proxy weight",
            "proxy metrics", "proxy tell",
            "rpc", "rpc local", "mount", "mount add", "mount remove", "mount list", "image", "image build",
            "image inspect", "image verify", "image sign", "image list"]
GROUPS = ("doctor", "bench", "idl", "ledger", "rpc", "mount", "image", "token", "proxy")


class Usage(Case):
    def test_help_is_pinned(self):
        """OSVM_UPDATE_HELP=1 rewrites the files; review the difference."""
        for command in COMMANDS:
            with self.subTest(command):
                shown = self.osvm(*command.split(), "--help", status=0).stdout
                path = HELP / (command.replace(" ", "-") + ".txt" if command else "osvm.txt")
                if os.environ.get("OSVM_UPDATE_HELP"):
                    path.write_text(shown)
                self.assertEqual(shown, path.read_text())

    def test_every_command_has_examples(self):
        for command in COMMANDS:
            if command and command not in GROUPS:
                self.assertIn("Examples:\n  ", (HELP / (command.replace(" ", "-") + ".txt")).read_text(), command)

    def test_wrong_usage_is_2(self):
        for words in (["nonsense"], ["bench"], ["bench", "nonsense"], ["doctor"], [], ["version", "--nonsense"],
                      ["completion"], ["completion", "fish"], ["doctor", "kvm", "extra"]):
            with self.subTest(words):
                done = self.osvm(*words, status=2)
                self.assertEqual(done.stdout, "")
                self.assertNotEqual(done.stderr, "")
                self.assertEqual(self.json("--json", *words, status=2)["error"]["category"], "usage")

    def test_a_wrong_value_is_2_and_names_its_option(self):
        for words in (["demo", "--shifts", "0"], ["demo", "--rate", "0"], ["bench", "kill", "--count", "0"],
                      ["bench", "vsock", "--stream", "0"], ["bench", "boot", "--alive", "many"]):
            with self.subTest(words):
                self.assertIn(words[-2], self.osvm(*words, status=2).stderr)

    def test_help_is_a_word_too(self):
        self.assertEqual(self.osvm("help", "bench", "kill", status=0).stdout,
                         self.osvm("bench", "kill", "--help", status=0).stdout)

    def test_a_usage_error_of_run_is_125(self):
        """run's other statuses belong to the guest."""
        for words in ([], ["--nonsense", "./x"], ["--memory"], ["--memory", "1QiB", "./x"], ["--publish", "80", "./x"],
                      ["--allow", "everything", "./x"], ["--env", "", "./x"], ["--timeout", "10", "./x"],
                      ["--isolation", "magic", "./x"], ["--connect", "nowhere", "./x"], ["--publish-unix", "/x", "./x"], ["--threads", "0", "./x"], ["--ro", "a:b", "./x"]):
            with self.subTest(words):
                done = self.osvm("run", *words, status=125)
                self.assertEqual(done.stdout, "")
                self.assertTrue(done.stderr.startswith("osvm: "), done.stderr)

    def test_run_says_why_a_file_is_no_program(self):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as text:
            text.write("not a program")
            text.flush()
            self.assertIn("ELF", self.osvm("run", text.name, status=125).stderr)
        self.assertIn("/no/such/file", self.osvm("run", "/no/such/file", status=125).stderr)

    def test_version(self):
        self.assertRegex(self.osvm("version", status=0).stdout, r"^osvm \d+\.\d+\.\d+\n$")
        self.assertRegex(self.json("version", "--json")["version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(self.json("--json", "version"), self.json("version", "--json"))


class Configuration(Case):
    def config(self, text):
        path = pathlib.Path(self.home, "config.yaml")
        path.write_text(text)
        return str(path)

    def test_gives_defaults_to_options(self):
        bad = self.config("run:\n  memory: 1QiB\n")
        self.assertIn("1QiB", self.osvm("-C", bad, "run", "/no/such/file", status=125).stderr)
        # The command line wins.
        done = self.osvm("-C", bad, "run", "--memory", "64MiB", "/no/such/file", status=125)
        self.assertIn("/no/such/file", done.stderr)

    def test_is_found_in_the_home_folder(self):
        path = pathlib.Path(self.home, ".config/osvm/config.yaml")
        path.parent.mkdir(parents=True)
        path.write_text("json: true\n")
        self.assertEqual(self.osvm("version", status=0).stdout[0], "{")

    def test_errors_name_the_place(self):
        for text in ("run: [\n", "run:\n  memory: {a: 1}\n", "nonsense: 1\n", "run:\n  nonsense: 1\n", "- 1\n"):
            with self.subTest(text):
                self.assertNotEqual(self.osvm("-C", self.config(text), "version").returncode, 0)
        self.assertNotEqual(self.osvm("-C", "/no/such/config", "version").returncode, 0)


class Output(Case):
    def test_errors_are_json_too(self):
        error = self.json("--json", "run", "/no/such/file", status=125)["error"]
        self.assertEqual(error["code"], 2)

    def test_what_cannot_be_printed_is_no_success(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([OSVM, "version", "--json"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=self.env, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)

    def test_a_name_that_is_not_utf_8_gives_valid_json(self):
        done = subprocess.run([OSVM, "--json", "run", b"/no/such/\xff"], capture_output=True, env=self.env, timeout=60)
        self.assertIn("/no/such/", json.loads(done.stdout.decode())["error"]["context"])

    def test_no_colour_where_there_is_no_terminal(self):
        self.assertNotIn("\x1b", self.osvm("--help").stdout)

    def test_a_closed_pipe_does_not_kill(self):
        done = subprocess.run(["/bin/sh", "-c", f'"{OSVM}" completion bash | head -c 1 >/dev/null'], env=self.env,
                              timeout=60, capture_output=True)
        self.assertEqual(done.stderr, b"")


class Completion(Case):
    def complete(self, *words):
        script = 'source <("$0" completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _osvm_bash; ' \
                 'printf "%s\\n" "${COMPREPLY[@]}"'
        return subprocess.run(["/bin/bash", "-c", script, OSVM, *words], capture_output=True, text=True, timeout=60,
                              env=self.env, check=True).stdout.split()

    def test_bash_knows_commands_and_options(self):
        self.assertIn("run", self.complete("osvm", ""))
        self.assertEqual(self.complete("osvm", "ben"), ["bench"])
        self.assertEqual(self.complete("osvm", "bench", "hea"), ["headline"])
        self.assertEqual(self.complete("osvm", "run", "--publish-v"), ["--publish-vsock"])
        self.assertEqual(self.complete("osvm", "completion", "z"), ["zsh"])
        self.assertIn("--json", self.complete("osvm", "doctor", "kvm", "--j"))

    def test_zsh_script_says_what_it_completes(self):
        self.assertTrue(self.osvm("completion", "zsh", status=0).stdout.startswith("#compdef osvm\n"))


class Manual(unittest.TestCase):
    def test_man_page_names_every_command(self):
        page = (pathlib.Path(__file__).parents[2] / "docs/man/osvm.1").read_text()
        for command in COMMANDS:
            if command and command not in GROUPS:
                self.assertIn("osvm " + command, page)


if __name__ == "__main__":
    osvm_process.main()
