"""One confirmatory pass over texts that nobody has seen: ``python -m benchmarks.confirm --data FOLDER``.

FOLDER holds one or more parallel texts, STEM.en with STEM.de (and STEM.fr, STEM.cs for the experiments of
several languages), a sentence a line. Every experiment behind docs/evidence.md that reads a test set runs
again with these texts in its place: the models of --work are used, or trained again by the settings of the
experiment, and everything is chosen on Multi30k's val as before. OUT/evidence.md is the same table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.__main__ import run
from benchmarks.claims.experiment import EXPERIMENTS
from benchmarks.claims.outputs import outputs_file
from benchmarks.claims.page import write_pages
from benchmarks.claims.workspace import TEST_SPLITS, Workspace
from components import data as data_sets
from components.errors import DataError
from components.records import Utterance


class UnseenTexts:
    """Parallel texts of a folder, shared out to the test splits: no sentence stands for two of them.

    With fewer texts than splits a text is dealt to several, sentence by sentence.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stems = sorted(path.stem for path in folder.glob("*.en"))
        if not self.stems:
            raise DataError(f"{folder}: expected STEM.en beside STEM.de, found no .en file")

    def utterances(self, split: str, languages: tuple[str, str]) -> list[Utterance]:
        """What stands for a split of the test sets.

        Raises:
            DataError: there is no text in one of the languages.
        """
        number = TEST_SPLITS.index(split)
        stem = self.stems[number % len(self.stems)]
        sharers = [n for n in range(len(TEST_SPLITS)) if self.stems[n % len(self.stems)] == stem]
        files = [self.folder / f"{stem}.{language}" for language in languages]
        if missing := [file.name for file in files if not file.exists()]:
            raise DataError(f"{self.folder}: expected {' and '.join(missing)} beside {stem}.en, found none")
        loaded = data_sets.load(
            ",".join(map(str, files)), source_language=languages[0], target_language=languages[1]
        )
        return list(loaded.utterances)[sharers.index(number) :: len(sharers)]


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    command = argparse.ArgumentParser(prog="python -m benchmarks.confirm", description=__doc__)
    command.add_argument("--data", type=Path, required=True, help="folder with STEM.en and STEM.de")
    command.add_argument("--work", type=Path, default=Path("claims-work"), help="models and decodings")
    command.add_argument("--out", type=Path, default=Path("confirmed"), help="outputs and the table")
    command.add_argument("--only", nargs="+", choices=EXPERIMENTS, metavar="NAME", help="these alone")
    return command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    command_parser = parser()
    options = command_parser.parse_args(arguments)
    try:
        unseen = UnseenTexts(options.data)
    except DataError as error:
        command_parser.error(str(error))
    outputs_folder = options.out / "outputs"
    note = (
        f"Confirmatory: texts of {options.data.name} ({', '.join(unseen.stems)}) stand in for the test sets."
    )
    for name in options.only or EXPERIMENTS:
        workspace = Workspace(options.work, lambda text: print(text, flush=True), unseen)
        command = f"python -m benchmarks.confirm --data {options.data.name} --only {name}"
        try:
            run(name, workspace, command, outputs_folder, [note])
        except DataError as error:
            print(f"{name}: not confirmed: {error}", flush=True)
            continue
        if not workspace.tests:
            outputs_file(name, outputs_folder).unlink()
            print(f"{name}: not confirmed: it reads no test set of text", flush=True)
    write_pages(options.out, outputs_folder)
    print(options.out / "evidence.md")


if __name__ == "__main__":
    main()
