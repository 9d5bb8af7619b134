"""The benchmarks' data: ``python -m benchmarks.data fetch [NAME...]``, ``list``.

Fetches Debian packages by apt-get and files of Git repositories by git, as both are configured here; checks
each by SHA-256; writes manifests (recording, transcript, translations) and parallel text. What is there is
not fetched again. The folder is ANTIPHON_DATA, by default ``sets`` in the cache.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.data import asterisk, fillets, manuals
from benchmarks.data.fetching import GIT, fetch_git_files, fetch_packages, packages_of
from benchmarks.data.pins import SETS, DataSet
from components.errors import AntiphonError
from components.files.digests import data_folder

BUILDERS: dict[str, Callable[[Sequence[Path], Path], None]] = {
    "asterisk": asterisk.build,
    "fillets": fillets.build,
    "manuals": manuals.build,
}


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    commands = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__)
    verbs = commands.add_subparsers(dest="verb", required=True)
    fetch = verbs.add_parser("fetch", help="fetch, check, make manifests")
    fetch.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SETS)}; all by default")
    fetch.add_argument("--git", default=GIT, help="where Git repositories are cloned from")
    verbs.add_parser("list", help="the sets, what they are, their licences")
    return commands


def fetch_set(data: DataSet, folder: Path, git: str = GIT) -> None:
    """Fetch one set into ``folder/NAME`` and make its manifests; whole or not at all."""
    target, work = folder / data.name, folder / ".fetched"
    packages = packages_of(data)
    if not packages:
        fetch_git_files(data, target, work, git)
        return
    files = fetch_packages(packages, work)
    if target.exists():
        return
    partial = folder / f".{data.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    BUILDERS[data.name](files, partial)
    partial.rename(target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = parser().parse_args(arguments)
    failed = False
    for name in (options.names if options.verb == "fetch" else ()) or SETS:
        if name not in SETS:
            print(f"data: expected one of {', '.join(SETS)}, found {name!r}", file=sys.stderr)
            return 2
        data, folder = SETS[name], data_folder()
        if options.verb == "fetch":
            try:
                fetch_set(data, folder, options.git)
            except AntiphonError as error:
                failed = True
                print(f"data: {error}", file=sys.stderr)
                continue
        print(f"{data.name:10} {data.about}; licence: {data.licence}; {folder / data.name}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
