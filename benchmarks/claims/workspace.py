"""The folder of an experiment: trainings that go on where they were interrupted, and decodings that are kept.

What is cached is keyed by the digests of the models' weights, the settings and the versions of the code that
decides outputs, so a rerun with another model or after a change decodes again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from components import data as data_sets
from components.decoding.member_settings import MixingConfig
from components.files.files import write_atomically
from components.models import resolve
from components.records import NBest, Utterance
from components.training.config import TrainingConfig
from components.training.learners.learner import MakeLearner
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop.trainer import train
from components.translation.config import VERSION as TRANSLATION_VERSION
from components.translation.config import TranslationConfig
from components.translation.ensemble_config import TRANSLATION_VERSION as ENSEMBLE_VERSION

Model = str | Path
DEV, FLICKR16, FLICKR17, MSCOCO = "val", "test_2016_flickr", "test_2017_flickr", "test_2017_mscoco"
TEST_SPLITS = (FLICKR16, FLICKR17, MSCOCO)
PACKAGED = "packaged:multi30k-en-de"


class UnseenData(Protocol):
    """A data set in the place of the test splits."""

    def utterances(self, split: str, languages: tuple[str, str]) -> list[Utterance]:
        """What stands for a split; different splits share no utterance."""


class Workspace:
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
        self.folder, self.report, self.unseen = folder, report, unseen
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

    def make(self, name: str, build: Callable[[Path], object]) -> Path:
        """A folder that ``build`` writes, once; a merged model, say."""
        folder = self.folder / "made" / name
        if not folder.exists():
            partial = folder.with_name(f".{name}-{os.getpid()}")
            build(partial)
            partial.rename(folder)
        return folder

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

    def translate(
        self,
        utterances: Sequence[Utterance],
        models: Sequence[Model],
        *,
        beam_size: int = 5,
        mixing: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """Translations by id of one model, or of several mixed at every token (linear, equal shares).

        ``mixing`` are settings of the ensemble; ``dropout:MODEL`` is a member with dropout on.
        """
        from components.ensembling.token_level.factory import build_translator as build_ensemble
        from components.translation.factory import build

        config = TranslationConfig(
            model=str(models[0]), beam_size=beam_size, n_best=1, batch_size=64, device="cpu"
        )
        mixed = MixingConfig.model_validate(mixing or {})
        alone = len(models) == 1 and not mixing and not str(models[0]).startswith("dropout:")

        def decode() -> dict[str, str]:
            names = [str(model) for model in models]
            translator = build(config) if alone else build_ensemble(config, names, mixed)
            outcomes = translator.translate(utterances)
            return {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}

        what = {
            "translate": TRANSLATION_VERSION if alone else [TRANSLATION_VERSION, ENSEMBLE_VERSION],
            "models": [digest_of(model) for model in models],
            "dropout": [str(model).startswith("dropout:") for model in models],
            "config": config.model_dump(mode="json", exclude={"model"}),
            "mixing": None if alone else mixed.model_dump(mode="json"),
            "texts": [(u.id, u.source_language, u.target_language, u.text) for u in utterances],
        }
        evidence = [model for model in (mixed.positive, mixed.negative) if model]
        if evidence:
            what["evidence"] = [digest_of(model) for model in evidence]
        return dict(self.cached(what, decode))

    def cached(self, key: object, measure: Callable[[], Any]) -> Any:
        """What ``measure`` gives, as JSON, computed once for a key that says all that decides it."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
        file = self.folder / "cache" / f"{digest}.json"
        if not file.exists():
            started = time.process_time()
            value = measure()
            self.report(f"measured {digest} in {time.process_time() - started:.1f} CPU s")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
        return json.loads(file.read_text(encoding="utf-8"))

    def _shorten(self, value: Any) -> Any:
        """A setting without the folder of this work in it, which is of no interest elsewhere."""
        if isinstance(value, list):
            return [self._shorten(item) for item in value]
        return value.replace(f"{self.folder}/", "") if isinstance(value, str) else value

    def _say_step(self, name: str, row: dict[str, float]) -> None:
        self.report(f"{name}: {json.dumps({key: round(value, 3) for key, value in row.items()})}")


def digest_of(model: Model) -> str:
    """SHA-256 of a model's weights: of the folder's files of weights, in the order of their names."""
    reference = str(model).removeprefix("dropout:")
    folder = Path(resolve(reference).path)
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read_seconds(folder: Path) -> float | None:
    """How long a finished training took; None where it is not finished."""
    file = folder / "seconds.json"
    return float(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None
