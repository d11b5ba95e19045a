"""Code that a guide shows from an example stands there word for word: <!-- FILE --> before a fenced block."""

import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
shown = 0
for guide in sorted((root / "docs" / "guides").glob("*.md")):
    text = guide.read_text()
    for name, block in re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", text, re.S):
        shown += 1
        if block not in (root / name).read_text():
            sys.exit(f"{guide}: this is not in {name}:\n{block}")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        shown += 1
        compile(block, str(guide), "exec")
    for target in re.findall(r"\]\((\.\./[^)#]+)", text):
        if not (guide.parent / target).exists():
            sys.exit(f"{guide}: {target} does not exist")
print(f"{shown} blocks")
sys.exit(0 if shown else 1)
