"""``distill``: a small student model from a teacher of any kind.

With ``teacher: NODE`` the student learns what that node gives for the training data (sequence level),
whatever stands above it: the graph is copied to these data. ``of: NODE`` is a node that reads them already.
``teachers`` are models whose distributions it imitates word by word.

The ``learner`` says what the student is: a translator of text, a Whisper that is fine-tuned on the
teacher's transcripts, or one model from speech to the translation of a whole cascade, which stands for a
``train_stack`` node.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field
from typing_extensions import override

from components.errors import ConfigError
from components.nodes.node_context import ExtraData, NodeContext
from components.run_record import StageRef
from components.stacking.kinds.train_stack import StackTrainingSettings
from components.stage_settings import DataSource, TableOf, key_values, marked_data_sets
from components.storage.stages.whole_stage import StageFiles
from components.text.suggestions import suggest
from components.training.kinds.model_kind import TrainingKind
from components.training.kinds.targets import TARGETS, TargetsSettings
from components.training.kinds.train import REFINERS
from components.training.students.distillation_config import DistillationConfig

DATA = "data"
"""The data set, as a node that gives speech."""
ENCODER = {"speech_model": "model", "window_seconds": "window_seconds", "pooling": "pooling"}
"""Settings of a student that translates speech -> those of the node that encodes its speech."""
OWN_DATA = ("teacher", "speech", "data", "limit", "dev", "dev_limit")
"""Keys that say where copies of the teacher are, and are used up with them; the first four by any student."""
OF_TRANSLATORS = (
    *(
        "teachers",
        "teacher_weights",
        "temperature",
        "kd_ratio",
        "init_layers_from",
        "tokenizer",
        "vocab_size",
    ),
    *("num_layers", "decoder_layers", "d_model", "ffn_dim", "num_heads"),
)
"""Settings that the student which is a Whisper does not have: its shape and vocabulary are given."""
STACK_NODES = {"method", "transcripts", "targets", "states", "dev_states"}
"""Settings of ``train_stack`` that the student's node sets itself."""


class DistillSettings(DistillationConfig):
    """Shape and training of a student, and its teachers."""

    model_config = ConfigDict(validate_by_name=True)

    kind: Literal["translation", "recognition"] = Field(
        "translation",
        validation_alias=AliasChoices("learner", "kind"),
        description="learner: translation (of text), recognition (fine-tunes the Whisper of init_from on the "
        "teacher's transcripts), or speech_translation (speech to the teacher's translation)",
    )
    targets: Annotated[str | None, TableOf("targets")] = Field(
        None, description="node of kind targets, whose data set takes the place of data; of: NODE makes one"
    )

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings without those of other learners."""
        return key_values(self, set().union(*REFINERS.values()))

    def data_sets(self) -> dict[str, DataSource]:
        """Return the data that are read; targets stand in the plan by their stage."""
        sets = marked_data_sets(self)
        return sets if self.targets is None else {"dev": sets["dev"]}


class Distill(TrainingKind[DistillSettings]):
    """Trains a student on its teachers' translations, or on their distributions."""

    name = "distill"
    summary = "a teacher's texts for training data, or models -> one small student"
    settings = DistillSettings

    @override
    def check(self, settings: DistillSettings, context: NodeContext) -> None:
        """Check what every training checks, and the teachers' names."""
        from components.training import checks  # noqa: PLC0415 - imports torch

        checks.check_distillation(_with_data(settings, settings.dev), context.store)

    def learner(self, settings: DistillSettings) -> Any:
        """Return the learner of recognition, or that with the teachers' loss."""
        if settings.kind == "recognition":
            from components.training.learners.recognition_learner import RecognitionLearner  # noqa: PLC0415 - torch

            return RecognitionLearner
        from components.training.students.distillation import DistillationLearner  # noqa: PLC0415 - imports torch

        return DistillationLearner

    @override
    def make(
        self, settings: DistillSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Train, on the targets where there are any."""
        if settings.targets is not None:
            settings = _with_data(settings, str(Path(context.tables["targets"].path) / TARGETS))
        return super().make(settings, context, read, folder)

    @override
    def extra_data(self, values: Mapping[str, Any]) -> dict[str, ExtraData]:
        """Return the teacher over the training data, and what the student hears there and in dev."""
        learner = values.get("learner", "translation")
        if "teacher" not in values:
            if learner == "speech_translation" or "speech" in values:
                raise ConfigError("teacher: expected a node whose texts the student learns, found none")
            return {}
        if "of" in values:
            raise ConfigError("expected teacher (copied to the data set of data) or of, found both")
        if "speech" in values and learner == "translation":
            raise ConfigError(
                "speech: expected learner recognition or speech_translation for a student that hears, found "
                "translation"
            )
        needs_node = learner == "speech_translation"
        speech_inputs = (str(values.get("speech", DATA)),) if "speech" in values or needs_node else ()
        data, dev = (
            str(values.get(key, DistillationConfig.model_fields[key].default)) for key in ("data", "dev")
        )
        own = {"of": ExtraData(data, values.get("limit"), (str(values["teacher"]), *speech_inputs), "train")}
        if needs_node:
            own["dev_of"] = ExtraData(dev, values.get("dev_limit"), speech_inputs, "dev")
        return own

    @override
    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """With ``of``: return the node that makes the targets, and the training on them."""
        learner = values.get("learner", "translation")
        foreign = [key for key in OF_TRANSLATORS if key in values] if learner == "recognition" else []
        if foreign:
            raise ConfigError(f"{foreign[0]}: expected learner translation, found recognition; leave it out")
        if "of" not in values:
            return None
        values = dict(values)
        own = {key: values.pop(key) for key in TargetsSettings.model_fields if key in values}
        if learner == "recognition":
            own["write"] = "transcript"
        targets = {"kind": "targets", "of": values.pop("of"), "choose": "best", **own}
        if "teacher" in values:
            used = OWN_DATA if learner == "speech_translation" else OWN_DATA[:4]
            values = {key: value for key, value in values.items() if key not in used}
        if learner == "speech_translation":
            return _speech_student(name, values, targets)
        return {f"{name}-targets": targets, name: {**values, "targets": f"{name}-targets"}}


def _with_data(settings: DistillSettings, source: str) -> DistillSettings:
    """Return the settings with another data set in the place of the data, where there are targets."""
    return settings if settings.targets is None else settings.model_copy(update={"data": source})


def _speech_student(name: str, values: dict[str, Any], targets: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the nodes of a student from speech to translation: targets, encoder states, training."""
    (speech,) = targets["of"][1:]
    (dev_speech,) = values.pop("dev_of")
    encoder = {ENCODER[key]: values.pop(key) for key in ENCODER if key in values}
    training = {key: value for key, value in values.items() if key not in ("kind", "learner")}
    known = [
        *ENCODER,
        *(set(StackTrainingSettings.model_fields) - STACK_NODES),
        *TargetsSettings.model_fields,
    ]
    for key in training:
        if key not in known:
            raise ConfigError(
                f"{key}: a student of learner speech_translation has no such setting"
                f"{suggest(key, sorted(known))}"
            )
    states, dev_states = f"{name}-states", f"{name}-dev-states"
    return {
        f"{name}-targets": targets,
        states: {"kind": "encode_speech", "of": speech, **encoder},
        dev_states: {"kind": "encode_speech", "of": dev_speech, **encoder},
        name: {
            **training,
            "kind": "train_stack",
            "method": "direct",
            "of": [speech, dev_speech],
            "targets": f"{name}-targets",
            "states": states,
            "dev_states": dev_states,
        },
    }
