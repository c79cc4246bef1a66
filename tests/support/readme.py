"""The blocks of Python that the README and other pages show: for tests, and where a release is tried."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def snippets(part=None, page="README.md"):
    """The blocks under a heading, or of a whole page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if part is not None:
        text = text.split(f"\n## {part}\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(code, names):
    """Run a block among names, and let it add its own."""
    exec(compile(code, "README.md", "exec"), names)
