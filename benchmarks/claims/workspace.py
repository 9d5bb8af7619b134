"""The folder of an experiment: trainings that go on where they were interrupted, and decodings that are kept.

What is cached is keyed by the digests of the models' weights, the settings and the versions of the code that
decides outputs, so a rerun with another model or after a change decodes again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from components import data as data_sets
from components.claims.systems.workbench import Workbench, digest_of
from components.files.files import write_atomically
from components.records import Utterance
from components.training.config import TrainingConfig
from components.training.learners.learner import MakeLearner
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop.trainer import train

DEV, FLICKR16, FLICKR17, MSCOCO = "val", "test_2016_flickr", "test_2017_flickr", "test_2017_mscoco"
TEST_SPLITS = (FLICKR16, FLICKR17, MSCOCO)
PACKAGED = "packaged:multi30k-en-de"


class UnseenData(Protocol):
    """A data set in the place of the test splits."""

    def utterances(self, split: str, languages: tuple[str, str]) -> list[Utterance]:
        """What stands for a split; different splits share no utterance."""


class Workspace(Workbench):
    """Trains and decodes in ``folder``, whatever is not there yet; one thread per process.

    Attributes:
        folder: of models and decodings.
        report: says what is done.
        unseen: stands in the place of the test splits, in a confirmatory pass.
        models: what was used: model -> settings, digest, minutes.
        tests: the test splits that were read.
    """

    def __init__(
        self, folder: Path, report: Callable[[str], None] = print, unseen: UnseenData | None = None
    ) -> None:
        super().__init__(folder, report)
        self.unseen = unseen
        self.models: dict[str, Any] = {}
        self.tests: set[str] = set()

    def train(
        self,
        name: str,
        *,
        learner: MakeLearner = TranslationLearner,
        config: type[TrainingConfig] = TrainingConfig,
        **settings: Any,
    ) -> Path:
        """The folder of a trained model; trained, or trained on, where it is not finished.

        Settings are those of the config; every evaluation counts (no early stop), on one thread of the CPU.
        """
        folder = self.folder / "models" / name
        values = config.model_validate({"patience": 1000, "threads": 1, "device": "cpu", **settings})
        seconds = _read_seconds(folder)
        if seconds is None:
            state = train(values, folder, lambda row: self._say_step(name, row), learner)
            seconds = state.seconds
            write_atomically(folder / "seconds.json", json.dumps(seconds).encode())
        model = folder / "model"
        changed = values.model_dump(mode="json", exclude_defaults=True)
        self.models[name] = {
            "settings": {key: self._shorten(value) for key, value in changed.items()},
            "sha256": digest_of(model),
            "minutes": round(seconds / 60, 1),
        }
        return model

    def checkpoint(self, name: str, step: int) -> Path:
        """A kept checkpoint of a training, as a model of its own."""
        return self.folder / "models" / name / "kept" / f"step-{step}"

    def utterances(
        self, split: str, languages: tuple[str, str] = ("en", "de"), limit: int | None = None
    ) -> list[Utterance]:
        """A split of Multi30k (or another data reference), with references.

        Raises:
            DataError: a confirmatory pass has no text of these languages.
        """
        if split in TEST_SPLITS:
            self.tests.add(split)
            if self.unseen is not None:
                return self.unseen.utterances(split, languages)[:limit]
        reference = split if ":" in split or "/" in split else f"multi30k:{split}"
        loaded = data_sets.load(reference, source_language=languages[0], target_language=languages[1])
        return list(loaded.utterances)[:limit]

    def _shorten(self, value: Any) -> Any:
        """A setting without the folder of this work in it, which is of no interest elsewhere."""
        if isinstance(value, list):
            return [self._shorten(item) for item in value]
        return value.replace(f"{self.folder}/", "") if isinstance(value, str) else value

    def _say_step(self, name: str, row: dict[str, float]) -> None:
        self.report(f"{name}: {json.dumps({key: round(value, 3) for key, value in row.items()})}")


def _read_seconds(folder: Path) -> float | None:
    """How long a finished training took; None where it is not finished."""
    file = folder / "seconds.json"
    return float(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None
