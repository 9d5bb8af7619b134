"""`antiphon score`: a file of texts against a file of references, without a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import ConfigError, DataError
from flows.cli.help.options import AsJson
from flows.cli.help.verbosity import print_notice

if TYPE_CHECKING:
    from components.run_record import Score

PANEL = "Judge"


def score(
    hypotheses: Annotated[str, typer.Argument(metavar="HYP", help="texts: a file, or a folder of them")],
    references: Annotated[str, typer.Argument(metavar="REF", help="what they should be")],
    language: Annotated[
        str, typer.Option("--language", metavar="CODE", help="of both, for words and normalization")
    ] = "en",
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="wer, cer, bleu, chrf, ter; repeatable; all"),
    ] = None,
    normalizer: Annotated[
        str, typer.Option("--normalizer", metavar="NAME", help="of words for WER and CER")
    ] = "by-language",
    as_json: AsJson = False,
) -> None:
    """Score a file of texts against references, without a run.

    Formats are those of `antiphon runs import-outputs --help`. Texts are joined by ids or recordings, plain
    lines by their numbers. WER and CER count transcripts, BLEU, chrF and TER translations. Examples:

    - `antiphon score hyp.txt ref.txt --language de --metric bleu`

    - `antiphon score whisperx/ talks.stm --metric wer`
    """
    from flows.cli.help.console import console
    from reports.terminal.run_printing import print_scores

    scores = score_files(hypotheses, references, language, normalizer)
    if unknown := [name for name in metric or () if name not in scores]:
        raise ConfigError(f"--metric: expected some of {', '.join(scores)}, found {unknown[0]!r}")
    chosen = [scores[name] for name in metric or scores]
    print_scores(chosen, console())
    if as_json:
        typer.echo(json.dumps({"metrics": {each.name: each.model_dump(mode="json") for each in chosen}}))


def score_files(hypotheses: str, references: str, language: str, normalizer: str) -> dict[str, Score]:
    """Return the scores of texts against references that both files have, by metric.

    Raises:
        ConfigError: a file cannot be read, or the two have no text in common.
    """
    from components.imported_texts.formats import read_outputs
    from components.metrics.error_rates.recognition import recognition_scores
    from components.metrics.normalizers import check_normalizer
    from components.metrics.translation_quality.translation import translation_scores
    from components.text.languages import check_code

    check_code(language)
    try:
        theirs, ours = (read_outputs(file) for file in (hypotheses, references))
    except (DataError, OSError) as error:
        raise ConfigError(str(error)) from None
    if len(theirs.lines) != len(ours.lines):
        raise ConfigError(
            f"expected as many lines in both files, found {len(theirs.lines)} in {hypotheses} and "
            f"{len(ours.lines)} in {references}"
        )
    given, wanted = theirs.texts(), ours.texts()
    if len(given) == len(wanted) == 1:  # one recording in each, whatever its name
        given = dict.fromkeys(wanted, *given.values())
    common = {key: text for key, text in given.items() if key in wanted}
    if not common:
        names = [", ".join(map(repr, list(texts)[:2])) for texts in (given, wanted)]
        raise ConfigError(f"expected texts of the same ids, found {names[0]} in HYP and {names[1]} in REF")
    if missing := len(wanted) - len(common):
        print_notice(f"{missing} of {len(wanted)} references have no text in {hypotheses}")
    total, checked = len(wanted), check_normalizer(normalizer)
    rates = recognition_scores(wanted, common, language=language, n_total=total, normalizer=checked)
    lists = {key: [text] for key, text in wanted.items()}
    return {**rates, **translation_scores(lists, common, language=language, n_total=total)}
