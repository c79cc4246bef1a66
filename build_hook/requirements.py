"""What a build without isolation needs, a line each: ``python build_hook/requirements.py | xargs pip install``."""

import shutil
import tomllib
from pathlib import Path

from compiler import ZIG, found_compiler

if __name__ == "__main__":
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))
    tools = [name for name in ("cmake", "ninja") if not shutil.which(name)]
    print(*project["build-system"]["requires"], *tools, *([] if found_compiler() else [ZIG]), sep="\n")
