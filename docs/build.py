"""Write the reference of all modules from their docstrings (HTML, by pdoc).

`make docs`, or `python docs/build.py [FOLDER]`; the folder is docs/reference if none is named.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pdoc.extract
import pdoc.render

ROOT = Path(__file__).parents[1]
PACKAGES = ("antiphon", "flows", "tasks", "reports", "components")


def modules() -> set[str]:
    """Every module of the project by its dotted name."""
    files = (path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}


def reference_specs() -> list[str]:
    """What pdoc is to document: the packages, and modules that it leaves out of those with ``__all__``."""
    specs, walked = list(PACKAGES), set(pdoc.extract.walk_specs(PACKAGES))
    for module in sorted(modules()):  # a package before what is in it
        if module not in walked:
            specs.append(module)
            walked |= set(pdoc.extract.walk_specs([module]))
    return specs


def write_reference(folder: Path, specs: Sequence[str]) -> None:
    """Write the pages of modules and of all that is in them."""
    pdoc.render.configure(docformat="google", search=False)
    pdoc.pdoc(*specs, output_directory=folder)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    write_reference(
        Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference", reference_specs()
    )
