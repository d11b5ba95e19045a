"""tools/dev/unity_names.py: what two files of one batch may both define, and what not."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).parents[2] / "tools/dev/unity_names.py"


def check(*files: str) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        includes = ""
        for number, text in enumerate(files):
            source = root / f"file{number}.cpp"
            source.write_text(text)
            includes += f'#include "{source.name}"\n'
        batch = root / "build/batches/target/rest_0.cpp"
        batch.parent.mkdir(parents=True)
        batch.write_text(includes)
        done = subprocess.run([sys.executable, TOOL, root / "build", root], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout


def hidden(body: str) -> str:
    return f"namespace a {{\nnamespace {{\n\n{body}\n\n}}  // namespace\n}}  // namespace a\n"


class Names(unittest.TestCase):
    def test_overloads_in_two_files_are_told(self):
        status, text = check(hidden("error bad(const char* what) {\n}"), hidden("error bad(std::string what) {\n}"))
        self.assertEqual(status, 1)
        self.assertIn("bad: in one batch", text)

    def test_types_and_constants_are_told(self):
        status, text = check(hidden("struct use {};\nconstexpr int limit = 1;"),
                             hidden("class use {};\nconst int limit{2};"))
        self.assertEqual(status, 1)
        self.assertIn("use: ", text)
        self.assertIn("limit: ", text)

    def test_different_names_pass(self):
        self.assertEqual(check(hidden("int one() {\n}"), hidden("int two() {\n}"))[0], 0)

    def test_overloads_of_one_file_pass(self):
        self.assertEqual(check(hidden("int one(int) {\n}\nint one(long) {\n}"), hidden("int two() {\n}"))[0], 0)

    def test_repeated_aliases_pass(self):
        same = hidden("namespace fs = std::filesystem;\nusing std::string;")
        self.assertEqual(check(same, same)[0], 0)

    def test_a_build_without_batches_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, TOOL, folder], capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
