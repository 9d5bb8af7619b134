"""``perturb``: speech or text made worse by a stated amount, to see what systems lose of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from components.errors import ConfigError, DataError
from components.files.files import open_atomically
from components.nodes.facts import Facts, Mode
from components.nodes.kind import Kind
from components.nodes.node_context import Item, NodeContext
from components.perturbation.config import VERSION, PerturbationConfig
from components.records import Hypothesis, NBest, Quarantined, ReferenceSegment, Utterance
from components.storage.stages.whole_stage import StageFiles

AUDIO = "audio"


class Perturb(Kind[PerturbationConfig]):
    """Perturbs speech into speech, or a text into a text; what has neither stays as it is."""

    name = "perturb"
    summary = "speech or text made worse by a stated amount: noise, speed, echo, typos, disfluencies ..."
    settings = PerturbationConfig
    reads = ("text", "speech")
    mode = Mode.AGGREGATE
    version = str(VERSION)

    @override
    def facts(self, settings: PerturbationConfig) -> Facts:
        facts = super().facts(settings)
        if settings.is_of_text:
            return replace(facts, has_tokens=False, features=())
        return replace(facts, output="speech", libraries=("av", "numpy", "soundfile"))

    @override
    def check(self, settings: PerturbationConfig, context: NodeContext) -> None:
        """Check that speech is not made of text, and that the recording of noise is one."""
        if settings.changes_speech and context.types[:1] == ("text",):
            raise ConfigError("expected speech for these settings, found a text; name data or synthesize")
        if settings.noise_file is not None:
            from components import audio  # noqa: PLC0415 - decodes audio

            try:
                audio.describe(Path(settings.noise_file))
            except DataError as error:
                raise ConfigError(f"noise_file: {error}") from error

    @override
    def collect(
        self, settings: PerturbationConfig, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Write the perturbed utterances, with audio in the stage's own folder, or the perturbed texts."""
        perturb = _perturb_texts if settings.is_of_text else _perturb_sounds
        outcomes = list(perturb(settings, context, items, folder))
        files = sorted(item.audio.path for item in outcomes if isinstance(item, Utterance) and item.audio)
        return StageFiles(files, len(outcomes), records=outcomes)


def _perturb_texts(
    settings: PerturbationConfig, context: NodeContext, items: Iterator[Item], folder: Path
) -> Iterator[NBest]:
    from components.perturbation.text import perturb_text  # noqa: PLC0415 - only where texts are perturbed

    for item in items:
        utterance = item.utterance
        language = utterance.source_language
        text = perturb_text(utterance.text or "", settings, language, utterance.id, context.seed)
        hypothesis = Hypothesis(text=text, score=0.0, n_tokens=len(text.split()), system=context.name)
        yield NBest(utterance_id=utterance.id, hypotheses=(hypothesis,), language=language)


def _perturb_sounds(
    settings: PerturbationConfig, context: NodeContext, items: Iterator[Item], folder: Path
) -> Iterator[Utterance | Quarantined]:
    import soundfile  # noqa: PLC0415 - only where speech is perturbed

    from components import audio  # noqa: PLC0415 - decodes audio
    from components.perturbation.speech import perturb_speech  # noqa: PLC0415 - decodes audio

    noise = audio.decode(audio.describe(Path(settings.noise_file))) if settings.noise_file else None
    (folder / AUDIO).mkdir(exist_ok=True)
    for number, item in enumerate(items):
        utterance = item.utterance
        if utterance.audio is None:
            yield utterance
            continue
        try:
            samples = audio.decode(utterance.audio)
        except DataError as error:
            fault = {"stage": context.name, "reason": "unreadable audio", "detail": str(error)}
            yield Quarantined(utterance_id=utterance.id, **fault)
            continue
        changed = perturb_speech(samples, settings, utterance.id, context.seed, noise)
        peak = max(1.0, float(abs(changed).max(initial=0.0)))  # louder than full scale: all of it softer
        target = folder / AUDIO / f"{number:06d}.flac"
        with open_atomically(target) as file:
            soundfile.write(file, changed / peak, audio.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        sound = audio.describe(target).model_copy(update={"path": f"{AUDIO}/{target.name}"})
        segments = tuple(_play(segment, settings.speed) for segment in utterance.reference_segments)
        yield utterance.model_copy(update={"audio": sound, "reference_segments": segments})


def _play(segment: ReferenceSegment, speed: float) -> ReferenceSegment:
    """Return the segment where it is said in audio that is played ``speed`` times as fast."""
    return segment.model_copy(update={"start": segment.start / speed, "end": segment.end / speed})
