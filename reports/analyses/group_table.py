"""The scores of a run on each language, domain, speaker and length, as a section of its report."""

from __future__ import annotations

from collections.abc import Mapping

from components.analysis.formatting import format_estimate
from components.analysis.group_scores import GROUP_METRICS, GroupScores, score_groups
from components.analysis.measuring.overview import GROUP_RESAMPLES, MAX_GROUPS, Overview
from components.analysis.table import Cell, Table, filter_by, link_to_filter
from components.metrics.languages import Language
from components.metrics.metric import Output
from components.metrics.statistics.bootstrap import MIN_UTTERANCES, Estimate
from components.metrics.table import label_of
from components.records import NBest, Utterance
from components.run_record import Score
from components.text.escaping import to_printable
from components.text.languages import UNDETERMINED
from reports.views.run_view import RunView


def build_group_section(view: RunView) -> Table | None:
    """Return a row per group; None where nothing divides the data set, or nothing was scored."""
    if view.overview is not None:
        return _table_of_overview(view.overview)
    outputs: dict[Output, Mapping[str, str]] = {
        scored.role: {
            key: outcome.best.text
            for key, outcome in view.outcomes[scored.node].items()
            if isinstance(outcome, NBest)
        }
        for scored in view.list_scored_nodes()
    }
    utterances = list(view.utterances)
    languages: dict[Output, Language] = {
        "transcript": {utterance.id: utterance.source_language for utterance in utterances},
        "translation": {
            utterance.id: view.target_language_of(utterance) or UNDETERMINED for utterance in utterances
        },
    }
    groups = score_groups(utterances, outputs, languages, normalizer=view.normalizer)
    if not groups:
        return None
    by_id = {utterance.id: utterance for utterance in utterances}
    names = [name for name in GROUP_METRICS if any(_is_shown(name, group.scores) for group in groups)]
    note = (
        f"Corpus scores with their 95% intervals; groups of fewer than {MIN_UTTERANCES} utterances have none."
    )
    firsts = (by_id[group.ids[0]] for group in groups)
    rows = tuple(
        _row(group, names, group_filter(group.by, first, view.target_language_of(first)))
        for group, first in zip(groups, firsts, strict=True)
    )
    return Table("Scores by group", note, rows)


def _table_of_overview(overview: Overview) -> Table | None:
    """Return the table of the groups of a large run; None where nothing divides it."""
    groups = [group for group in overview.groups if group.scores]
    if not groups:
        return None
    names = [name for name in GROUP_METRICS if any(_is_shown(name, group.scores) for group in groups)]
    rows = tuple(
        {
            "group": group.by,
            "is": to_printable(group.label),
            "utterances": f"{group.n:,}",
            **_describe_scores(group.scores, names),
        }
        for group in groups
    )
    fewer = [f"{MAX_GROUPS} of {n:,} by {by}" for by, n in overview.n_groups.items() if n > MAX_GROUPS]
    note = f"Corpus scores with their 95% intervals, of {GROUP_RESAMPLES:,} resamples"
    return Table("Scores by group", f"{note}; the largest {', '.join(fewer)}." if fewer else f"{note}.", rows)


def _describe_scores(scores: Mapping[str, Estimate | Score], names: list[str]) -> dict[str, Cell]:
    return {
        label_of(name): format_estimate(scores[name], sign=False, digits=1) if name in scores else ""
        for name in names
    }


def _is_shown(name: str, scores: Mapping[str, object]) -> bool:
    """Return whether a group has a score that needs a column: CER only where no words are counted."""
    return name in scores and (name != "cer" or "wer" not in scores)


def _row(group: GroupScores, names: list[str], expression: str) -> dict[str, Cell]:
    count = f"{len(group.ids):,}"
    return {
        "group": group.by,
        "is": to_printable(group.label),
        "utterances": link_to_filter(count, expression) if expression else count,
        **_describe_scores(group.scores, names),
    }


def group_filter(by: str, utterance: Utterance, target: str | None) -> str:
    """Return the filter expression of the group that an utterance is in; "" of a group that no filter names.

    Args:
        by: the property that the group shares.
        utterance: any of the group.
        target: its target language.
    """
    if by == "language":
        languages = {"lang": utterance.source_language, "to": target or ""}
        return " ".join(filter_by(key, code, operator="=") for key, code in languages.items())
    if by in ("domain", "speaker"):
        return filter_by(by, getattr(utterance, by) or "")
    return ""
