"""Every package that the set-up installs is explained in docs/building.md, and nothing else is."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Packages(unittest.TestCase):
    def test_list_and_documentation_agree(self):
        lines = [re.sub(r"#.*", "", line).strip() for line in (ROOT / "tools/dev/packages.txt").read_text().splitlines()]
        installed = {line for line in lines if line and not line.startswith("[")}
        self.assertGreater(len(installed), 10)
        guide = (ROOT / "docs/building.md").read_text()
        rows = re.findall(r"^\| `([^`|]+)` \|", guide.split("## Dependencies")[1], re.M)
        self.assertEqual(len(rows), len(set(rows)), "a package has two rows")
        self.assertEqual(installed, set(rows))


if __name__ == "__main__":
    unittest.main()
