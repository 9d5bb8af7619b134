"""The reference of every module, from its docstrings: ``python -m tests.reference FOLDER`` (`make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc
import pdoc.extract
import pdoc.render

ROOT = Path(__file__).parents[1]
ROOMS = ("components", "tasks", "flows", "reports")


def modules() -> set[str]:
    """Every module of the house by its dotted name."""
    files = (path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return {".".join(one.with_suffix("").parts).removesuffix(".__init__") for one in files}


def write(folder: Path) -> None:
    """Write the pages; pdoc itself leaves out the modules of a package that says ``__all__``."""
    pdoc.render.configure(docformat="google", search=False)
    left_out = modules() - set(pdoc.extract.walk_specs(ROOMS))
    pdoc.pdoc(*ROOMS, *sorted(left_out), output_directory=folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
