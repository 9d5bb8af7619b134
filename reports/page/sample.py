"""The utterances of a large run that its page shows: the worst first, by whatever scores there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, zip_longest

from components.analysis.measuring.overview import LARGE, SHOWN
from components.metrics.table import label_of
from components.storage.stages.stored_records import find_utterance
from reports.views.run_view import RunView


def sample_view(view: RunView) -> RunView:
    """Return the view of a page: that of a large run with a sample of its utterances, and which these are."""
    total = len(view.utterances)
    if total <= LARGE:
        return view
    rankings = dict(_rank(view))
    mixed = chain.from_iterable(zip_longest(*rankings.values()))
    ids = list(islice(dict.fromkeys(key for key in mixed if key is not None), SHOWN))
    found = [find_utterance(view.utterances, key) for key in ids]
    shown = [utterance for utterance in found if utterance is not None]
    if not shown:
        shown = list(view.utterances[:SHOWN])
    how = f"the worst by {' and by '.join(rankings)}" if rankings else "the first; nothing was scored"
    sample = (
        f"{len(shown):,} of {total:,} utterances: {how}. Scores and tables of scores are of all; "
        "antiphon inspect RUN --utterance ID shows any other."
    )
    return replace(view, utterances=shown, total=total, sample=sample)


def _rank(view: RunView) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield for each score how it is named, and ids of utterances, the worst first."""
    for text in () if view.overview is None else view.overview.texts:
        yield label_of(text.metric), text.worst
    for column in view.columns[:1] if view.overview is None else ():
        named = {key: values[column.name] for key, values in view.values.items() if column.name in values}
        if named:
            yield column.label.partition(",")[0], _sort(named, smallest=column.first == "smallest")


def _sort(values: Mapping[str, float], *, smallest: bool) -> list[str]:
    return sorted(values, key=lambda key: values[key] if smallest else -values[key])[:SHOWN]
