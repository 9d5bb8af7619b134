"""Write the pages of docs/ and the reference of all modules as HTML with one search, by pdoc.

`make docs`, or `python docs/build.py [FOLDER]`; the folder is docs/reference if none is named. A page is to
pdoc a module without members, whose docstring it is. The search holds the pages and what modules say of
themselves, not every member: its index is built in the browser. Styles lie in one file, and sources are left
out: with both in every page it was 148 MB.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pdoc.doc
import pdoc.extract
import pdoc.render
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).parents[1]
STYLE = ROOT / "docs" / "style.css"
UNSEARCHED = ("docs.results.", "docs.decisions", "docs.log")
"""Pages that the search leaves out."""
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


def add_pages() -> list[str]:
    """Register every page of docs/ as a module, a folder's README.md as its package; their names."""
    files = {
        _name_of(file): file
        for file in sorted((ROOT / "docs").rglob("*.md"))
        if "reference" not in file.parts
    }
    names = {".".join(name.split(".")[: depth + 1]) for name in files for depth in range(name.count(".") + 1)}
    for name in sorted(names):
        page = ModuleType(name, _read_page(files[name], files) if name in files else "")
        page.__spec__ = ModuleSpec(name, None, is_package=True)
        page.__path__, page.__docformat__ = [], "markdown"  # type: ignore[attr-defined]
        sys.modules[name] = page
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, page)
    return sorted(names)


def _name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "README" else parts)


def _read_page(file: Path, files: Mapping[str, Path]) -> str:
    """Return a page whose links to other pages lead to where pdoc writes these."""
    folder = Path(*_name_of(file).split(".")).parent

    def link(match: re.Match[str]) -> str:
        target = (file.parent / match[1]).resolve()
        if not target.is_relative_to(ROOT) or target not in files.values():
            return match[0]
        html = Path(*_name_of(target).split(".")).with_suffix(".html")
        return f"]({os.path.relpath(html, folder)}{match[2] or ''})"

    return re.sub(r"\]\(([^)#\s]+\.md)(#[^)]*)?\)", link, file.read_text(encoding="utf-8"))


def write_reference(folder: Path, specs: Sequence[str], pages: Sequence[str] = ()) -> None:
    """Write the pages of modules and of all that is in them, and the search."""
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc(*specs, *pages, output_directory=folder)
    _share_style(folder)
    names = pdoc.extract.walk_specs(specs)
    summaries = {name: pdoc.doc.Module(_without_members(sys.modules[name])) for name in names}
    read = [name for name in pages if not name.startswith(UNSEARCHED)]
    found = {**summaries, **{name: pdoc.doc.Module(_without_members(sys.modules[name])) for name in read}}
    (folder / "search.js").write_text(pdoc.render.search_index(found), encoding="utf-8")


def _share_style(folder: Path) -> None:
    """Move the styles, which pdoc writes into every page, to one file, with ours behind them."""
    styles: list[str] = []
    for file in folder.rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        styles = styles or re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
        link = f'<link rel="stylesheet" href="{os.path.relpath(folder / "style.css", file.parent)}">'
        page = re.sub(r"<style>.*</style>", link, page, flags=re.DOTALL)
        page = page.replace('class="headerlink"', 'class="headerlink" aria-label="link to this"')
        page = re.sub(r"<pre>|<table>", lambda tag: f'{tag[0][:-1]} tabindex="0">', page)  # may scroll
        file.write_text(page, encoding="utf-8")
    light, dark = (HtmlFormatter(style=name).get_style_defs(".pdoc-code") for name in ("xcode", "lightbulb"))
    code = f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}"
    ours = STYLE.read_text(encoding="utf-8")
    (folder / "style.css").write_text("\n".join([*styles, code, ours]), encoding="utf-8")


def _without_members(module: ModuleType) -> ModuleType:
    """Return a module that says what another says, and has nothing in it."""
    alone = ModuleType(module.__name__, module.__doc__)
    alone.__docformat__ = getattr(module, "__docformat__", "google")  # type: ignore[attr-defined]
    return alone


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    write_reference(
        Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference",
        reference_specs(),
        add_pages(),
    )
