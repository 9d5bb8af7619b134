"""Write pages of results again from what was measured, without a model.

``python -m benchmarks.pages`` writes all of them, ``python -m benchmarks.pages PAGE ...`` some.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.paths import RESULTS
from benchmarks.pages.index import write_index
from benchmarks.pages.page import PAGES, is_measured, write_page


def parser() -> argparse.ArgumentParser:
    """The options of this command."""
    command = argparse.ArgumentParser("python -m benchmarks.pages", description=__doc__)
    command.add_argument("pages", nargs="*", metavar="PAGE", help="default: all, and docs/evidence.md")
    command.add_argument("--out", type=Path, default=RESULTS, help="folder of the pages and of outputs/")
    return command


def main() -> None:
    """Write the pages that are named, or all."""
    command = parser()
    options = command.parse_args()
    if unknown := set(options.pages) - PAGES.keys():
        command.error(f"no page {', '.join(sorted(unknown))}; expected one of {', '.join(PAGES)}")
    if missing := [name for name in options.pages if not is_measured(name, options.out)]:
        command.error(f"no outputs are stored for {', '.join(missing)}: run the benchmark first")
    for name in options.pages or PAGES:
        if is_measured(name, options.out):
            write_page(name, options.out)
    if not options.pages:
        write_index(options.out)
    if not options.pages:
        from benchmarks.claims.page import write_pages

        write_pages(options.out.parent, options.out / "outputs")


if __name__ == "__main__":
    main()
