#!/usr/bin/python3
"""Making, exporting, comparing and indexing ledgers with the real program."""
import json
import os
import pathlib
import pty
import signal
import time
import unittest

import old_faithful
import osvm_process
from osvm_process import Case

FIXTURE = pathlib.Path(__file__).resolve().parents[1] / "ledger/fixture"


class Ledgers(Case):
    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.home, "work")
        self.dir.mkdir()
        self.env["XDG_STATE_HOME"] = str(self.dir / "state")

    def path(self, name):
        return str(self.dir / name)

    def make(self, name):
        self.osvm("ledger", "import", str(FIXTURE / "blocks.jsonl"), self.path(name), "--genesis",
                  str(FIXTURE / "ledger/genesis.bin"), status=0)

    def test_a_round_trip(self):
        self.make("a")
        self.assertIn("all hold", self.osvm("ledger", "verify", self.path("a"), status=0).stdout)
        self.osvm("ledger", "export", self.path("a"), self.path("blocks.jsonl"), status=0)
        wanted = [json.loads(line) for line in (FIXTURE / "blocks.jsonl").read_text().splitlines()]
        got = [json.loads(line) for line in pathlib.Path(self.path("blocks.jsonl")).read_text().splitlines()]
        self.assertEqual(got, wanted)
        self.osvm("ledger", "import", self.path("blocks.jsonl"), self.path("b"), "--for-agave", "1.18", status=0)
        same = self.json("ledger", "compare", self.path("a"), self.path("b"), "--json")
        self.assertEqual((same["slots"], same["equal"], same["differences"]), (76, 76, []))
        self.osvm("ledger", "export", self.path("a"), self.path("pb"), "--format", "protobuf", status=0)
        self.osvm("ledger", "import", self.path("pb"), self.path("c"), status=0)
        other = self.json("ledger", "compare", self.path("a"), self.path("c"), "--json")
        self.assertEqual((other["equal"], other["proofInOneOnly"]), (76, 76))
        self.assertIn("exists already", self.osvm("ledger", "import", self.path("pb"), self.path("c"), status=1).stderr)

    def test_an_archive_of_old_faithful(self):
        self.make("a")
        archive = old_faithful.Archive()
        for line in (FIXTURE / "blocks.jsonl").read_text().splitlines():
            archive.block(json.loads(line))
        file = pathlib.Path(self.path("epoch-0.car"))
        file.write_bytes(archive.finish())
        self.assertGreater(min(archive.old, archive.new, archive.frames - archive.old - archive.new), 20)
        made = self.json("ledger", "import", str(file), self.path("b"), "--json")
        self.assertEqual((made["blocks"], made["transactions"], made["statuses"]), (76, 127, 127))
        self.assertEqual(made["remarks"], [])
        same = self.json("ledger", "compare", self.path("a"), self.path("b"), "--json")
        self.assertEqual((same["slots"], same["equal"], same["differences"]), (76, 76, []))
        self.assertIn("all hold", self.osvm("ledger", "verify", self.path("b"), status=0).stdout)
        file.write_bytes(file.read_bytes()[:-100])
        self.osvm("ledger", "import", str(file), self.path("c"), status=1)

    # As in the archive of mainnet's first slots.
    def test_transactions_without_a_status(self):
        archive = old_faithful.Archive()
        archive.status_of = lambda m: b""
        for line in (FIXTURE / "blocks.jsonl").read_text().splitlines()[:3]:
            archive.block(json.loads(line))
        file = pathlib.Path(self.path("epoch-0.car"))
        file.write_bytes(archive.finish())
        made = self.osvm("ledger", "import", str(file), self.path("a"), status=0)
        self.assertIn("transactions came without a status", made.stderr)
        block = self.osvm("ledger", "block", self.path("a"), "1", "--json", status=0)
        self.assertIn("no status", block.stderr)
        self.assertEqual({t["meta"] for t in json.loads(block.stdout)["transactions"]}, {None})
        self.assertIn("no status", self.osvm("ledger", "verify", self.path("a"), status=1).stdout)

    def test_differences_are_an_answer(self):
        self.make("a")
        self.osvm("ledger", "export", self.path("a"), self.path("some.jsonl"), "--from", "10", "--to", "20", status=0)
        self.osvm("ledger", "import", self.path("some.jsonl"), self.path("b"), status=0)
        done = self.osvm("ledger", "compare", self.path("a"), self.path("b"), status=1)
        self.assertIn("9 slots in both, 9 equal; 67 only in the first", done.stdout)

    def test_an_index_answers_the_same(self):
        self.make("a")
        signature = self.json("ledger", "block", self.path("a"), "20", "--details", "signatures", "--json")["signatures"][1]
        before = self.osvm("ledger", "tx", self.path("a"), signature, status=0).stdout
        built = self.json("ledger", "index", self.path("a"), "--json")
        self.assertEqual((built["slots"], built["transactions"]), (76, 127))
        self.assertTrue(built["index"].startswith(self.env["XDG_STATE_HOME"]))
        self.assertEqual(self.osvm("ledger", "tx", self.path("a"), signature, status=0).stdout, before)
        again = self.json("ledger", "index", self.path("a"), "--json")
        self.assertEqual((again["slots"], again["known"]), (0, 76))

    def test_a_new_ledger(self):
        made = self.json("ledger", "new", self.path("n"), "--ticks-per-slot", "4", "--hashes-per-tick", "8", "--json")
        self.assertEqual(self.json("ledger", "info", self.path("n"), "--json")["genesis"], made["genesis"])
        self.assertIn("1 blocks, 4 entries", self.osvm("ledger", "verify", self.path("n"), status=0).stdout)

    def test_what_cannot_be_imported_says_why(self):
        bad = pathlib.Path(self.path("bad.json"))
        bad.write_text('{"result":{"blockhash":"11111111111111111111111111111111"}}')
        self.assertIn("says its slot", self.osvm("ledger", "import", str(bad), self.path("x"), status=2).stderr)
        bad.write_text("{nonsense")
        self.assertIn("not JSON", self.osvm("ledger", "import", str(bad), self.path("x"), status=1).stderr)
        self.assertEqual([p.name for p in self.dir.iterdir()], ["bad.json"])

    def terminal(self, *args):
        """The program on a terminal of its own: its id and the terminal's other end."""
        pid, fd = pty.fork()
        if pid == 0:
            try:
                os.execve(osvm_process.OSVM, [osvm_process.OSVM, *args], self.env)
            finally:
                os._exit(127)
        self.addCleanup(os.close, fd)
        return pid, fd

    @staticmethod
    def read(fd, until=None):
        """What is shown until `until` is, or the program has ended."""
        seen = b""
        while until is None or until not in seen:
            try:
                some = os.read(fd, 4096)
            except OSError:  # nobody is at the other end any more
                break
            if not some:
                break
            seen += some
        return seen

    def test_verify_on_a_terminal(self):
        self.make("a")
        pid, fd = self.terminal("ledger", "verify", self.path("a"))
        shown = self.read(fd)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, shown)
        before, bar, after = shown.rpartition(b"\r\x1b[K")
        self.assertRegex(before, rb"\r\x1b\[Kverifying \[=* *\] +\d+ % slot \d+")
        self.assertTrue(bar, shown)
        self.assertIn(b"all hold", after)
        self.assertNotIn(b"verifying", after)

    def test_ctrl_c_on_a_terminal_says_where_to_go_on(self):
        name, work = "11111111111111111111111111111112", 3_000_000  # hashes a block
        lines = [json.dumps({"slot": slot, "entries": [[work, name, 0]], "block": {
            "blockhash": name, "previousBlockhash": name, "parentSlot": slot - 1, "transactions": []}})
            for slot in range(1, 201)]
        pathlib.Path(self.path("blocks.jsonl")).write_text("\n".join(lines))
        self.osvm("ledger", "import", self.path("blocks.jsonl"), self.path("a"), status=0)
        pid, fd = self.terminal("ledger", "verify", self.path("a"))
        self.assertIn(b"verifying [", self.read(fd, b"slot "))
        os.write(fd, b"\x03")
        shown = self.read(fd)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 130, shown)
        self.assertRegex(shown, rb"interrupted: --from \d+ goes on from there")

    def test_ctrl_c_leaves_nothing(self):
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        process = self.start("ledger", "import", pipe, self.path("a"), "--format", "json")
        name = "11111111111111111111111111111112"
        with open(pipe, "wb", buffering=0) as out:
            for slot in range(1, 1000000):
                block = {"blockhash": name, "previousBlockhash": name, "parentSlot": slot - 1, "transactions": []}
                try:
                    out.write(json.dumps({"slot": slot, "block": block}).encode() + b"\n")
                except BrokenPipeError:
                    break
                if slot == 3:
                    while not pathlib.Path(self.path(".a.part")).exists():
                        time.sleep(0.001)
                        self.assertIsNone(process.poll())
                    process.send_signal(signal.SIGINT)
                if process.poll() is not None:
                    break
        self.assertEqual(process.wait(timeout=osvm_process.TIMEOUT), 130)
        self.assertEqual([p.name for p in self.dir.iterdir()], ["pipe"])


if __name__ == "__main__":
    osvm_process.main()
