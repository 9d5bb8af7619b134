"""Write what is made from docstrings: the rooms in docs/development/architecture.md, the modules' reference.

`make docs`, or `python docs/build.py [FOLDER]`; the reference (HTML, by pdoc) goes to docs/reference.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("antiphon", "flows", "tasks", "reports", "components")
PAGE = ROOT / "docs" / "development" / "architecture.md"
BEGIN, END = "<!-- rooms: written by `make docs` -->\n", "<!-- end of rooms -->"


def modules() -> set[str]:
    """Every module of the project by its dotted name."""
    files = (path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}


def rooms() -> Iterator[tuple[str, str]]:
    """Packages and the folders in them that have source, with the first sentences of their docstrings."""
    for package in PACKAGES:
        folder = ROOT / package
        for path in (folder / "__init__.py", *sorted(folder.glob("*/__init__.py"))):
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            yield str(path.parent.relative_to(ROOT)), first_sentence(docstring)


def first_sentence(docstring: str) -> str:
    """The first sentence of a docstring on one line, in Markdown."""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    sentence = re.split(r"(?<=[a-z)`][.])\s", paragraph)[0]
    return re.sub(r":\w+:`[~.]*([^`]+)`", r"`\1`", sentence).replace("``", "`").replace("|", "\\|")


def room_list() -> str:
    """The rooms as a table in Markdown."""
    lines = ["| room | what |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{room}/` | {sentence} |" for room, sentence in rooms())]) + "\n"


def with_rooms(page: str) -> str:
    """A page with its list of rooms as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{room_list()}\n{END}{after}"


def reference_specs() -> list[str]:
    """What pdoc is to document: the packages, and modules that it leaves out of those with ``__all__``."""
    import pdoc.extract  # noqa: PLC0415 - the list of rooms needs none

    specs, walked = list(PACKAGES), set(pdoc.extract.walk_specs(PACKAGES))
    for module in sorted(modules()):  # a package before what is in it
        if module not in walked:
            specs.append(module)
            walked |= set(pdoc.extract.walk_specs([module]))
    return specs


def write_reference(folder: Path, specs: Sequence[str]) -> None:
    """Write the pages of modules and of all that is in them."""
    import pdoc.render  # noqa: PLC0415 - the list of rooms needs none

    pdoc.render.configure(docformat="google", search=False)
    pdoc.pdoc(*specs, output_directory=folder)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(with_rooms(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    write_reference(
        Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference", reference_specs()
    )
