"""Test sets of text that sacrebleu knows: WMT, IWSLT, MTNT and Multi30k; ``sacrebleu:wmt24:en-de``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from typing_extensions import override

from components.data.named_set import Located, NamedSet, missing
from components.errors import DataError, to_one_line
from components.text.suggestions import did_you_mean


class SacrebleuSets(NamedSet):
    """Every test set of ``sacrebleu --list``; files lie where sacrebleu puts them (``SACREBLEU``)."""

    form = "sacrebleu:wmt24:en-de"
    what = "test sets of text: WMT, IWSLT, MTNT, Multi30k (sacrebleu --list)"
    size = "at most some MB by sacrebleu"
    licence = "for research, as each campaign says"

    @override
    def locate(self, rest: str, source: str | None, target: str | None) -> Located:
        name, pair = _parse(rest, source, target)
        files = _paths(name, pair)
        if not all(file.is_file() for file in files):
            raise missing(f"sacrebleu:{name}:{pair}", self)
        return _located(files, pair)

    @override
    def fetch(self, rest: str, source: str | None, target: str | None) -> Located:
        from sacrebleu.dataset import DATASETS  # noqa: PLC0415 - its table of all test sets

        name, pair = _parse(rest, source, target)
        try:
            DATASETS[name].get_files(pair)  # type: ignore[no-untyped-call]
        except (Exception, SystemExit) as error:  # sacrebleu ends the process where a server does not answer
            where = ", ".join(DATASETS[name].data or ())
            raise DataError(
                f"sacrebleu:{name}:{pair}: expected to fetch it from {where}, found: "
                f"{to_one_line(error) or 'no answer'}"
            ) from None
        return _located(_paths(name, pair), pair)


def _parse(rest: str, source: str | None, target: str | None) -> tuple[str, str]:
    from sacrebleu.dataset import DATASETS  # noqa: PLC0415

    name, _, pair = rest.partition(":")
    pair = pair or f"{source}-{target}"
    if name not in DATASETS:
        hint = did_you_mean(name, DATASETS)
        raise DataError(f"sacrebleu:{rest}: expected a test set of `sacrebleu --list`, found {name!r}{hint}")
    if pair not in DATASETS[name].langpairs:
        known = ", ".join(list(DATASETS[name].langpairs)[:12])
        raise DataError(f"sacrebleu:{rest}: expected a pair of languages, one of {known}, found {pair!r}")
    return name, pair


def _paths(name: str, pair: str) -> list[Path]:
    """Return where sacrebleu puts the source and the first reference."""
    from sacrebleu.dataset import DATASETS  # noqa: PLC0415

    fields = DATASETS[name].fieldnames(pair)
    reference = next(field for field in fields if field.startswith("ref"))
    place: Callable[[str, str], str] = DATASETS[name]._get_txt_file_path
    return [Path(place(pair, field)) for field in ("src", reference)]


def _located(files: list[Path], pair: str) -> Located:
    source, _, target = pair.partition("-")
    return Located(",".join(map(str, files)), source, target)


SACREBLEU = SacrebleuSets()
