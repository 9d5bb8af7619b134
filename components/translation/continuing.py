"""A translator goes on with a translation that is begun, and says what its tokens attended to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from components.errors import ConfigError
from components.nodes.continuing import Attended, Continued
from components.records import Outcome, Quarantined
from components.translation.segments.prepared_text import PreparedText, Sentence
from components.translation.sentence_translation import Candidates, TranslationBackend


@runtime_checkable
class ContinuingBackend(TranslationBackend, Protocol):
    """A model that can go on with translations that are begun."""

    def begin(self, sentence: Sentence, written: str) -> Sentence:
        """Return a sentence whose translation is begun; the sentence itself where it cannot be."""

    def attend(self, sentence: Sentence, text: str) -> list[Attended]:
        """Return where the tokens of a translation look in the sentence, its characters counted.

        Raises:
            ConfigError: the model does not say.
        """


def go_on(
    backend: TranslationBackend,
    prepared: PreparedText | Quarantined,
    written: str,
    *,
    attends: bool,
    translate: Callable[[Sequence[PreparedText]], list[list[Candidates]]],
    join: Callable[[PreparedText, Sequence[Candidates]], Outcome],
) -> Continued:
    """Translate a text whose translation is begun; see :data:`.continuing.GoOn`.

    Nothing is forced where the text has several sentences, or the model cannot.

    Args:
        backend: the model.
        prepared: the text, in sentences.
        written: what its translation begins with.
        attends: whether to say what was attended to.
        translate: translates the sentences of texts.
        join: makes the outcome of a text of the translations of its sentences.

    Raises:
        ConfigError: what was attended to is not known.
    """
    if isinstance(prepared, Quarantined):
        return Continued(prepared)
    if written and len(prepared.sentences) == 1 and isinstance(backend, ContinuingBackend):
        only = prepared.sentences[0]
        begun = replace(only, sentence=backend.begin(only.sentence, written))
        prepared = replace(prepared, sentences=(begun,))
    (candidates,) = translate([prepared])
    outcome = join(prepared, candidates)
    if not attends or isinstance(outcome, Quarantined):
        return Continued(outcome)
    if not isinstance(backend, ContinuingBackend):
        raise ConfigError("expected an encoder-decoder translator, whose attention is known, found another")
    attended, end, position = list[Attended](), 0, 0
    for timed, nbest in zip(prepared.sentences, candidates, strict=True):
        assert isinstance(nbest, list)  # or the outcome were quarantined
        own = backend.attend(timed.sentence, nbest[0].text)
        attended += [Attended(end + each.end, position + each.position) for each in own]
        end += len(nbest[0].text) + bool(nbest[0].text)
        position += len(timed.text) + 1
    return Continued(outcome, tuple(attended))
