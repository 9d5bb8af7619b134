"""Technical English-German text: pages of one structure in both languages, paired paragraph by paragraph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

from benchmarks.data.fetching import unpack
from benchmarks.data.manifests import write_parallel

BLOCKS = frozenset(("p", "h1", "h2", "h3", "h4", "dt", "td", "li"))
WORDS = range(3, 61)
"""Words of the English paragraphs that are kept."""


class _Blocks(HTMLParser):
    """The text of each block, in order; code and scripts are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """A block begins."""
        self._silent += tag in {"script", "style", "pre"}
        if tag in BLOCKS:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        """What follows a block belongs to none."""
        self._silent -= tag in {"script", "style", "pre"}
        if tag in BLOCKS:
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        """Text of the block at hand."""
        if self.texts and not self._silent:
            self.texts[-1] += data


def read_blocks(html: str) -> list[str]:
    """The text of each paragraph, heading, term and cell of a page, empty ones too.

    >>> read_blocks("<p>One <b>bold</b>\\nline</p><pre>x</pre><td>2</td>")
    ['One bold line', '', '2', '']
    """
    parser = _Blocks()
    parser.feed(html)
    return [" ".join(text.split()) for text in parser.texts]


def build(packages: Sequence[Path], folder: Path) -> None:
    """Write ``en-de.en`` and ``en-de.de``."""
    for package in packages:
        unpack(package, lambda path, name=package.name: _place(path, name, folder))  # type: ignore[misc]
    write_parallel(folder, "en-de", _pairs(folder), ("en", "de"))


def _place(path: PurePosixPath, package: str, folder: Path) -> Path | None:
    """``html/LANGUAGE/PACKAGE/PATH`` without the language in PATH, so that two pages have one name."""
    if path.suffix != ".html":
        return None
    language = "de" if "-de_" in package else "en"
    kind = package.partition("-")[0]
    parts = [part for part in path.parts if part not in {"de", "en-US", "developers-reference"}]
    name = path.name.replace(f".{language}.html", ".html")
    return folder / "html" / language / kind / "/".join((*parts[2:-1], name))


def _pairs(folder: Path) -> Iterator[tuple[str, str]]:
    for english in sorted((folder / "html" / "en").rglob("*.html")):
        german = folder / "html" / "de" / english.relative_to(folder / "html" / "en")
        if not german.is_file():
            continue
        columns = [read_blocks(f.read_text(encoding="utf-8", errors="replace")) for f in (english, german)]
        if len(columns[0]) == len(columns[1]):
            for source, target in zip(*columns, strict=True):
                if len(source.split()) in WORDS and target:
                    yield source, target
