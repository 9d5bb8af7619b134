"""Utterances -> transcripts: audio, windows, batches, guards, n-best.

At most ``batch_size`` windows are decoded together and only their utterances' audio is in memory. Shorter
utterances go first, so that the rows of a batch end at about the same time. The same list of utterances
gives the same batches and thus the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from whisper.audio import HOP_LENGTH
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE, Tokenizer

from components import audio
from components.decoding.config import SearchConfig
from components.decoding.isolation import isolate
from components.errors import DataError, ModelError
from components.recognition.assembly import n_best
from components.recognition.config import VERSION, RecognitionConfig
from components.recognition.engine import Engine, Features, Heard
from components.recognition.features import FRAMES_PER_SECOND, WINDOW_FRAMES, is_silent
from components.recognition.guards import is_silence, must_retry, repeats
from components.recognition.segments import split
from components.recognition.tracks import Job, Track, Window
from components.recognition.windows import SAMPLE_RATE, Span, windows_of
from components.records import Checkpoint, NBest, Outcome, Quarantined, Utterance

UNKNOWN = {"auto", "und", "mul"}
STAGE = "asr"
UNHEARD = 2.0
"""Seconds of speech after a window's last timestamp from which on the next window begins there: Whisper ends
its text early now and then, and openai-whisper loses what follows, up to half a minute."""
SHORTEST = 1.0
"""Seconds that a window must have been heard for, so that there are at most 30 windows where one would do."""


class _RefusedError(Exception):
    """An utterance that goes to quarantine, and the class of its fault."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Recognizer:
    """A speech recogniser: one outcome per utterance, in order. ``version`` changes when outputs do."""

    version = VERSION

    def __init__(
        self,
        config: RecognitionConfig,
        engine: Engine,
        checkpoint: Checkpoint,
        task: str = "transcribe",
        seed: int = 0,
        members: Sequence[str] = (),
    ) -> None:
        self.config, self.checkpoint, self.task, self.seed = config, checkpoint, task, seed
        self._engine, self._members = engine, members
        self.system = f"{checkpoint.reference}/{config.backend}"

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Transcribe; an utterance that cannot be read or is in no known language is quarantined."""
        outcomes: dict[int, Outcome] = {}
        order = sorted(range(len(utterances)), key=lambda i: (_seconds(utterances[i]), i))
        waiting = self._tracks(((i, utterances[i]) for i in order), outcomes)
        active: list[Track] = []
        while True:
            while len(active) < self.config.batch_size and (track := next(waiting, None)) is not None:
                if track.job.index not in outcomes:  # quarantined in another of its windows
                    active.append(track)
            if not active:
                break
            active = self._round(active, outcomes)
        return [outcomes[i] for i in range(len(utterances))]

    def _tracks(
        self, utterances: Iterator[tuple[int, Utterance]], outcomes: dict[int, Outcome]
    ) -> Iterator[Track]:
        for index, utterance in utterances:
            try:
                job = self._open(index, utterance)
            except _RefusedError as refused:
                outcomes[index] = Quarantined(
                    utterance_id=utterance.id, stage=STAGE, reason=refused.reason, detail=str(refused)
                )
                continue
            spans = self._spans(job)
            tracks = [spans] if self.config.condition_on_previous_text else [[span] for span in spans]
            job.open_tracks = len([t for t in tracks if t])
            if not job.open_tracks:
                outcomes[index] = self._outcome(job)
            yield from (Track(job, t, first=i == 0) for i, t in enumerate(tracks) if t)

    def _open(self, index: int, utterance: Utterance) -> Job:
        if utterance.audio is None:
            raise _RefusedError("no audio", f"{utterance.id}: expected audio to recognise, found text only")
        language = self._language(utterance)
        try:
            samples = audio.decode(utterance.audio)
        except DataError as error:
            raise _RefusedError("unreadable audio", str(error)) from error
        return Job(index, utterance, samples, language)

    def _language(self, utterance: Utterance) -> str | None:
        """Whisper's code of the declared language; None when it has to be detected."""
        code = utterance.source_language.lower().replace("_", "-").split("-")[0]
        if not self._engine.shape.multilingual:
            if code in {"en", "eng", *UNKNOWN}:
                return "en"
            detail = f"{utterance.id}: {self.checkpoint.reference} knows English only, found {code!r}"
            raise _RefusedError("unknown language", detail)
        if code in UNKNOWN:
            return None
        code = str(TO_LANGUAGE_CODE.get(code, code))
        if code not in LANGUAGES:
            detail = (
                f"{utterance.id}: expected a language that Whisper knows (or 'und' to detect it), found "
                f"{utterance.source_language!r}"
            )
            raise _RefusedError("unknown language", detail)
        return code

    def _spans(self, job: Job) -> list[Span]:
        if len(job.samples) < HOP_LENGTH or is_silent(job.samples):
            return []
        if self.config.vad:
            return windows_of(job.samples)
        return [Span(0.0, len(job.samples) / SAMPLE_RATE)]

    @torch.inference_mode()
    def _round(self, tracks: list[Track], outcomes: dict[int, Outcome]) -> list[Track]:
        """Decode the present window of every track that can go on; return the tracks still open."""
        ready = [t for t in tracks if t.job.language is not None or t.first]
        features = self._engine.encode(torch.stack([t.mel(self._engine.shape.n_mels) for t in ready]))
        unknown = [i for i, t in enumerate(ready) if t.job.language is None]
        if unknown:
            for i, code in zip(unknown, self._engine.languages(features[unknown]), strict=True):
                ready[i].job.language = code
        done: set[int] = set()
        for track, window in zip(ready, self._decode(ready, features), strict=True):
            if isinstance(window, ModelError):
                outcomes[track.job.index] = _not_finite(track.job.utterance, window)
                continue
            track.job.windows.append(window)
            if track.advance(self._follow(track, window)):
                continue
            done.add(id(track))
            track.job.open_tracks -= 1
            if not track.job.open_tracks and track.job.index not in outcomes:
                outcomes[track.job.index] = self._outcome(track.job)
        return [t for t in tracks if id(t) not in done and t.job.index not in outcomes]

    def _decode(self, tracks: list[Track], features: Features) -> list[Window | ModelError]:
        """Windows of ``tracks``, decoded hotter and hotter while they fail a guard.

        A window that gives NaN has its error instead; ModelError when silence does, too.
        """
        tried: list[list[Window]] = [[] for _ in tracks]
        failed: dict[int, ModelError] = {}
        pending = list(range(len(tracks)))
        for temperature in self.config.temperature_fallback:
            heard = self._search([tracks[i] for i in pending], features[pending], temperature)
            for i, one in zip(pending, heard, strict=True):
                if isinstance(one, ModelError):
                    failed[i] = one
                else:
                    tried[i].append(self._judge(tracks[i], one, temperature))
            pending = [i for i in pending if i not in failed and not tried[i][-1].passed]
            if not pending:
                break
        if len(failed) == len(tracks):
            self._hear_silence()
        return [
            failed[i] if i in failed else windows[-1] if windows[-1].passed else max(windows, key=_plausible)
            for i, windows in enumerate(tried)
        ]

    def _hear_silence(self) -> None:
        """Raise the ModelError of a model that gives NaN whatever it hears."""
        shape = self._engine.shape
        features = self._engine.encode(torch.zeros(1, shape.n_mels, WINDOW_FRAMES))
        prompts = torch.tensor([shape.tokenizer("en", "transcribe").sot_sequence])
        self._engine.decode(features, prompts, SearchConfig(max_new_tokens=1), self.config.timestamps, [0])

    def _judge(self, track: Track, heard: Heard, temperature: float) -> Window:
        best = heard.candidates[0]
        mean = best.score / (len(best.tokens) + 1)
        text = self._tokenizer(track.job).decode(list(best.tokens)).strip()
        silent = is_silence(self.config, heard.no_speech, mean, track.spans[0].voiced)
        return Window(
            start=track.start,
            frames=track.frames,
            candidates=heard.candidates,
            no_speech=heard.no_speech,
            temperature=temperature,
            silent=silent,
            loops=repeats(self.config, text, best.tokens),
            passed=silent or not must_retry(self.config, text, best.tokens, mean),
        )

    def _search(
        self, tracks: list[Track], features: Features, temperature: float
    ) -> list[Heard | ModelError]:
        config = SearchConfig(
            beam_size=self.config.beam_size,
            n_best=min(self.config.n_best, self.config.beam_size),
            max_new_tokens=self.config.max_tokens,
            length_penalty=self.config.length_penalty,
            temperature=temperature,
            seed=self.seed,
        )
        prompts = [self._prompt(track) for track in tracks]
        heard: dict[int, Heard | ModelError] = {}

        def decode(rows: list[int]) -> list[Heard]:
            return self._engine.decode(
                features[rows],
                torch.tensor([prompts[i] for i in rows]),
                config,
                self.config.timestamps,
                [tracks[i].key for i in rows],
            )

        by_length = sorted(range(len(tracks)), key=lambda i: len(prompts[i]))
        for _, group in groupby(by_length, key=lambda i: len(prompts[i])):
            rows = list(group)
            heard.update(zip(rows, isolate(decode, rows), strict=True))
        return [heard[i] for i in range(len(tracks))]

    def _tokenizer(self, job: Job) -> Tokenizer:
        return self._engine.shape.tokenizer(job.language, self.task)

    def _prompt(self, track: Track) -> list[int]:
        tokenizer = self._tokenizer(track.job)
        sequence = (
            tokenizer.sot_sequence
            if self.config.timestamps
            else tokenizer.sot_sequence_including_notimestamps
        )
        if not track.previous:
            return list(sequence)
        room = self._engine.shape.context // 2 - 1
        return [tokenizer.sot_prev, *track.previous[-room:], *sequence]

    def _follow(self, track: Track, window: Window) -> int:
        """Frames to the next window; remembers the text where the next one is to be conditioned on it."""
        if window.silent:
            return window.frames
        tokenizer = self._tokenizer(track.job)
        pieces, frames = split(window.candidates[0].tokens, tokenizer, window.frames)
        end = pieces[-1].end if pieces else 0.0
        if end >= SHORTEST and track.unheard(end) > UNHEARD:
            frames = min(frames, round(end * FRAMES_PER_SECOND))
        if self.config.condition_on_previous_text:
            said = [token for piece in pieces for token in piece.tokens]
            track.previous = [] if window.temperature > 0.5 else track.previous + said
        return frames

    def _outcome(self, job: Job) -> NBest:
        tokenizer, n = self._tokenizer(job), self.config.n_best
        hypotheses = n_best(job.windows, tokenizer, self.system, n, self._members)
        return NBest(utterance_id=job.utterance.id, hypotheses=hypotheses, language=job.language)


def _seconds(utterance: Utterance) -> float:
    return utterance.audio.seconds if utterance.audio else 0.0


def _not_finite(utterance: Utterance, error: ModelError) -> Quarantined:
    detail = f"{utterance.id}: {error}; other audio gives finite ones: listen to this recording"
    return Quarantined(utterance_id=utterance.id, stage=STAGE, reason="no finite scores", detail=detail)


def _plausible(window: Window) -> tuple[bool, float]:
    """Of attempts that all failed a guard: rather no loop, then the likeliest."""
    best = window.candidates[0]
    return not window.loops, best.score / (len(best.tokens) + 1)
