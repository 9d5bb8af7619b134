from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.records import Hypothesis, NBest, Quarantined, Route, Utterance
from components.storage.shards.line_ids import id_of_line
from components.storage.shards.shard import encode_outcome

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


@given(TEXTS, TEXTS)
def test_the_id_of_every_record_is_found_without_parsing_it(name: str, text: str) -> None:
    best = Hypothesis.model_construct(text=text, score=-1.0, n_tokens=1, system="s")
    records = [
        Utterance.model_construct(id=name, text=text, source_language="en"),
        NBest.model_construct(utterance_id=name, hypotheses=(best,)),
        Route.model_construct(utterance_id=name, branch="b"),
        Quarantined.model_construct(utterance_id=name, stage=text, reason="id", detail=text),
    ]
    for record in records:
        assert id_of_line(encode_outcome(record).encode()) == name
