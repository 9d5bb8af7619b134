"""The texts of a finished run: which nodes give some, and what each made of which recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components.data.files.language_names import name_without_language
from components.data.files.named_sets import PARAGRAPHS, split_file_list
from components.errors import ConfigError
from components.export.recording_text import RecordingText, TextPart, make_part
from components.files.file_names import unique_stems
from components.files.locations.location import file_name_of
from components.records import NBest, Quarantined, Utterance
from components.run_record import NodeRecord, RunRecord, StageRef
from components.storage.stages.reader import read_quarantined, read_utterances
from components.storage.stages.stored_records import StoredOutcomes
from components.text.languages import UNDETERMINED
from components.text.suggestions import did_you_mean

DATA, SOURCE, TARGET = "data", "source", "target"


class RunTexts:
    """The texts of a run. Records are read from the store when they are asked for.

    Attributes:
        run: the finished run.
        set_name: of the data set.
        recordings: the utterances of every recording, in order, by the name of its files.
        quarantined: every record that some stage of the run quarantined, by utterance id.
    """

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self._stages = {ref.stage: ref for ref in run.stages}
        self.set_name = _name_of_data(run)
        data = self._stages.get(DATA)
        self.recordings = _group_by_recording(
            read_utterances(data) if data is not None else iter(()), self.set_name
        )
        names = [DATA, *(node.name for node in run.pipeline.of_data())]
        self.quarantined = {
            bad.utterance_id: bad for ref in self._refs(reversed(names)) for bad in read_quarantined(ref)
        }

    @property
    def outputs(self) -> list[str]:
        """The nodes that are the run's transcript and translation."""
        texts = {node.name for node in self._text_nodes()}
        named = [self.run.pipeline.outputs.get("transcript"), self.run.pipeline.outputs.get("translation")]
        return list(dict.fromkeys(name for name in named if name in texts and name is not None))

    def missing_from(self, names: Sequence[str]) -> list[Quarantined]:
        """Return quarantined records that lack one of these nodes' texts; another branch may have some."""
        outcomes = [StoredOutcomes(self._stages[name]) for name in names] if self.quarantined else []
        return [
            bad
            for key, bad in self.quarantined.items()
            if not all(isinstance(stored.get(key), NBest) for stored in outcomes)
        ]

    def check_node(self, name: str) -> str:
        """Return ``name``, if it is a node that gave texts for the run's data.

        Raises:
            ConfigError: it is none; which there are.
        """
        names = [node.name for node in self._text_nodes()]
        if name not in names:
            known = ", ".join(names) or "none"
            raise ConfigError(
                f"expected a node that gives text, one of {known}, found {name!r}{did_you_mean(name, names)}"
            )
        return name

    def select_nodes(self, names: Sequence[str] = ()) -> list[str]:
        """Return the nodes of these names, or the run's outputs if there are none.

        Raises:
            ConfigError: no such node, or a run that made no texts.
        """
        selected = [self.check_node(name) for name in names] or self.outputs
        if not selected:
            found = f"found one of {self.run.flow} without any"
            if bad := next(iter(self.quarantined.values()), None):
                found += f"; quarantined: {bad.utterance_id}: {bad.reason}: {bad.detail}"
            raise ConfigError(f"run {self.run.name}: expected a run that made texts, {found}")
        return selected

    def texts_of(self, name: str) -> Iterator[RecordingText]:
        """Yield what a node made of each recording; utterances that it never had are left out."""
        node = next(node for node in self._text_nodes() if node.name == name)
        outcomes = StoredOutcomes(self._stages[name])
        source = None if node.transcribes else self._transcript_of(node)
        sources = StoredOutcomes(self._stages[source]) if source else {}
        for recording, utterances in self.recordings.items():
            parts = [
                part
                for utterance in utterances
                if (part := self._part(node, utterance, outcomes, sources)) is not None
            ]
            if parts:
                timed = any(utterance.stretch for utterance in utterances)
                yield RecordingText(recording, name, timed, parts, self.run.name)

    def _part(
        self,
        node: NodeRecord,
        utterance: Utterance,
        outcomes: Mapping[str, NBest | Quarantined],
        sources: Mapping[str, NBest | Quarantined],
    ) -> TextPart | None:
        outcome = outcomes.get(utterance.id) or self.quarantined.get(utterance.id)
        if outcome is None:  # it was sent another way
            return None
        source = sources.get(utterance.id)
        transcript = source if isinstance(source, NBest) else None
        language = _language_of(node, utterance, outcome)
        return make_part(utterance, outcome, language, transcript, translated=not node.transcribes)

    def _text_nodes(self) -> list[NodeRecord]:
        nodes = self.run.pipeline.of_data()
        return [node for node in nodes if node.output == "text" and node.name in self._stages]

    def _transcript_of(self, node: NodeRecord) -> str | None:
        """The transcript that a translation was made from, else the run's; None where nothing was said."""
        nodes = {text.name: text for text in self._text_nodes()}
        above = [name for name in node.inputs if name in nodes]
        while above:
            if nodes[above[0]].transcribes:
                return above[0]
            above = [name for name in nodes[above[0]].inputs if name in nodes]
        transcript = self.run.pipeline.outputs.get("transcript")
        return transcript if transcript in nodes else None

    def _refs(self, names: Iterator[str]) -> Iterator[StageRef]:
        return (self._stages[name] for name in names if name in self._stages)


def _language_of(node: NodeRecord, utterance: Utterance, outcome: NBest | Quarantined) -> str:
    if node.language == SOURCE:
        stated = outcome.language if isinstance(outcome, NBest) else None
        return stated or utterance.source_language
    return (utterance.target_language if node.language == TARGET else node.language) or UNDETERMINED


def _name_of_data(run: RunRecord) -> str:
    """Return the name of what was never recorded: that of the data set's file, else the run's."""
    source = run.parameters.get("data")
    if not isinstance(source, str):
        return run.name
    files = split_file_list(source)
    return name_without_language(files[0] if files else Path(source.removeprefix(PARAGRAPHS)))


def _group_by_recording(utterances: Iterator[Utterance], text_name: str) -> dict[str, Sequence[Utterance]]:
    """The utterances of each audio file by their offsets, and those without audio, by the files' names."""
    groups: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        groups.setdefault(utterance.audio.path if utterance.audio else "", []).append(utterance)
    files = [file_name_of(path) if path else f"{text_name}." for path in groups]  # a name has no ending
    return {
        name: sorted(group, key=lambda utterance: utterance.audio.offset if utterance.audio else 0.0)
        for name, group in zip(unique_stems(files), groups.values(), strict=True)
    }
