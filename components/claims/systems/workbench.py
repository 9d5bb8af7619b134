"""Texts and scores of models, decoded once: what is kept is keyed by all that decides it.

Keys have the digests of the models and their tokenizers, the settings, what is read, and the versions of the
code that decides outputs: a rerun with another model, or after a change decodes again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from components.decoding.member_settings import MixingConfig
from components.files.files import write_atomically
from components.models import resolve
from components.recognition import checks as recognition
from components.recognition.backend_choice import backend_of
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.request import Request
from components.records import NBest, Utterance
from components.translation import checks as translation
from components.translation.config import TRANSLATION_VERSION as ENSEMBLE_VERSION
from components.translation.config import VERSION as TRANSLATION_VERSION
from components.translation.config import TranslationConfig

Model = str | Path
CHUNK = 250
"""Recordings that are recognized before the transcripts are kept."""


class Workbench:
    """Decodes into ``folder`` whatever is not there yet.

    Attributes:
        folder: of what is kept.
        report: says what is done.
    """

    def __init__(self, folder: Path, report: Callable[[str], None] = print) -> None:
        self.folder, self.report = folder, report

    def check(self, models: Sequence[str], recognizers: int, languages: tuple[str, str]) -> None:
        """Refuse models that do not do what is asked: the first recognize, the others translate.

        Raises:
            AntiphonError: in one line, why.
        """
        source, target = languages
        for model in models[:recognizers]:
            recognition.check(config := RecognitionConfig(model=model), None)
            recognition.validate_model(config, None, [Request("transcribe", source, source)])
        for model in models[recognizers:]:
            translation.validate_model(TranslationConfig(model=model), None, [(source, target)])

    def make(self, name: str, build: Callable[[Path], object]) -> Path:
        """Return a folder that ``build`` writes, once; a merged model, say."""
        folder = self.folder / "made" / name
        if not folder.exists():
            partial = folder.with_name(f".{name}-{os.getpid()}")
            build(partial)
            partial.rename(folder)
        return folder

    def translate(
        self,
        utterances: Sequence[Utterance],
        models: Sequence[Model],
        *,
        beam_size: int = 5,
        mixing: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """Return translations by id of one model, or of several mixed at every token (linear, equal shares).

        ``mixing`` are settings of the ensemble; ``dropout:MODEL`` is a member with dropout on.
        """
        config = TranslationConfig(
            model=str(models[0]), beam_size=beam_size, n_best=1, batch_size=64, device="cpu"
        )
        mixed = MixingConfig.model_validate(mixing or {})
        alone = len(models) == 1 and not mixing and not str(models[0]).startswith("dropout:")

        def decode() -> dict[str, str]:
            from components.ensembling.token_level.factory import build_translator  # noqa: PLC0415 - torch

            mixture = None if alone else build_translator(config, [str(model) for model in models], mixed)
            outcomes = mixture.translate(utterances) if mixture else _translate(config, utterances)
            return {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}

        what = {
            "translate": TRANSLATION_VERSION if alone else [TRANSLATION_VERSION, ENSEMBLE_VERSION],
            "models": [identify(model) for model in models],
            "dropout": [str(model).startswith("dropout:") for model in models],
            "config": config.model_dump(mode="json", exclude={"model"}),
            "mixing": None if alone else mixed.model_dump(mode="json"),
            "texts": [(u.id, u.source_language, u.target_language, u.text) for u in utterances],
        }
        evidence = [model for model in (mixed.positive, mixed.negative) if model]
        if evidence:
            what["evidence"] = [identify(model) for model in evidence]
        return dict(self.cached(what, decode, f"translating with {' + '.join(map(str, models))}"))

    def list_translations(
        self, utterances: Sequence[Utterance], config: TranslationConfig
    ) -> dict[str, NBest]:
        """Return the n-best translations by id, of the utterances that have a text."""
        written = [u for u in utterances if (u.text or "").strip()]
        key = {
            "translations": TRANSLATION_VERSION,
            "model": identify(config.model),
            "config": config.model_dump(mode="json", exclude={"model"}),
            "texts": [(u.id, u.source_language, u.target_language, u.text) for u in written],
        }
        return self._outcomes(key, lambda: _translate(config, written), f"translating with {config.model}")

    def transcribe(self, spoken: Sequence[Utterance], config: RecognitionConfig) -> dict[str, NBest]:
        """Return transcripts by id, kept after every :data:`CHUNK` recordings."""
        outputs: dict[str, NBest] = {}
        for start in range(0, len(spoken), CHUNK):
            part = spoken[start : start + CHUNK]
            key = {
                "recognize": backend_of(config).version,
                "model": identify(config.model),
                "config": config.model_dump(mode="json", exclude={"model"}),
                "audio": [
                    (u.id, u.source_language, u.audio.sha256, u.audio.offset, u.audio.seconds)
                    for u in part
                    if u.audio
                ],
            }
            what = f"recognizing with {config.model}"
            outputs |= self._outcomes(key, partial(_recognize, config, part), what)
        return outputs

    def _outcomes(self, key: object, decode: Callable[[], Sequence[object]], what: str) -> dict[str, NBest]:
        rows = self.cached(
            key, lambda: [o.model_dump(mode="json") for o in decode() if isinstance(o, NBest)], what
        )
        return {row["utterance_id"]: NBest.model_validate(row) for row in rows}

    def cached(self, key: object, measure: Callable[[], Any], what: str = "measuring") -> Any:
        """Return what ``measure`` gives, as JSON, computed once for a key that says all that decides it."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
        file = self.folder / "cache" / f"{digest}.json"
        if not file.exists():
            self.report(f"{what} ...")
            started = time.process_time()
            value = measure()
            self.report(f"{what}: {time.process_time() - started:.1f} CPU s, kept as {digest}")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
        return json.loads(file.read_text(encoding="utf-8"))


def _translate(config: TranslationConfig, written: Sequence[Utterance]) -> Sequence[object]:
    from components.translation.factory import build  # noqa: PLC0415 - imports torch

    return build(config).translate(written)


def _recognize(config: RecognitionConfig, spoken: Sequence[Utterance]) -> Sequence[object]:
    from components.recognition.factory import build  # noqa: PLC0415 - imports torch

    return build(config).recognize(spoken)


def best_texts(nbests: Mapping[str, NBest], utterances: Sequence[Utterance]) -> dict[str, str]:
    """Return the best text of every utterance; empty where there is none."""
    return {u.id: nbests[u.id].best.text if u.id in nbests else "" for u in utterances}


def confidence_of(nbest: NBest | None) -> float:
    """Return the mean log-probability (nats a token) of the best output; -10 where there is none."""
    if nbest is None or not nbest.best.n_tokens:
        return -10.0
    return nbest.best.score / nbest.best.n_tokens


def identify(model: Model) -> tuple[str, str | None]:
    """Return the digests of a model and of its tokenizer."""
    return resolve(str(model).removeprefix("dropout:")).identity


def digest_of(model: Model) -> str:
    """Return SHA-256 of a model's files of weights, in the order of their names; else that of the model."""
    checkpoint = resolve(str(model).removeprefix("dropout:"))
    folder = Path(checkpoint.path)
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not files:
        return checkpoint.sha256
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
