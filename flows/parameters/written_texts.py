"""Parameters of the commands that write texts: `export`, `transcribe` and `translate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import ConfigDict, Field, field_validator

from components.errors import ConfigError
from components.export.format_names import TextFormat, require_library
from components.export.subtitles.rules import SubtitleRules
from components.text.suggestions import did_you_mean
from flows.parameters.base import FlowParameters, StoreParameters, check_language

if TYPE_CHECKING:
    from components.export.format import ExportSettings

STANDARD_OUTPUT = "-"
RULES = tuple(SubtitleRules.model_fields)
"""The rules of subtitles, each a parameter."""


class WrittenTexts(SubtitleRules):
    """Where texts are written, in which formats, and how."""

    format: str | None = Field(
        None,
        description=f"{', '.join(get_args(TextFormat))}; several with commas. By the ending of --out if "
        "omitted, else txt",
    )
    out: str | None = Field(
        None, description="folder, or one file such as talk.de.srt; - prints it", examples=["talk.de.srt"]
    )
    bilingual: bool = Field(False, description="translations with their source above them")
    confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="mark words whose confidence is below it, such as 0.5 (color; [?] in text)",
    )
    karaoke: bool = Field(False, description="words of subtitles light up when they are said (vtt, ass)")
    overwrite: bool = Field(False, description="overwrite files that hold something else")

    @property
    def settings(self) -> ExportSettings:
        """How texts are written."""
        from components.export.format import ExportSettings

        rules = SubtitleRules(**{name: getattr(self, name) for name in RULES})
        return ExportSettings(rules, self.bilingual, self.confidence, self.karaoke)

    @property
    def formats(self) -> list[TextFormat]:
        """The formats that are named, else that of the file, else plain text.

        Raises:
            ConfigError: there is no such format, or the file's ending says another, or one that there is not;
                or the library of one is missing; or in none of them words light up, as they should.
        """
        formats = _formats_of(self.format, self.out)
        if self.karaoke and not {"vtt", "ass"} & {*formats}:
            raise ConfigError(f"--karaoke: expected vtt or ass, found {', '.join(formats)}")
        for form in formats:
            require_library(form)
        return formats


class ExportParameters(WrittenTexts, StoreParameters):
    """What of a finished run is written."""

    run: str = Field(description="name of a run")
    node: tuple[str, ...] = Field(
        (), description="the texts of this node; repeatable. The run's outputs if omitted"
    )
    for_edit: bool = Field(False, description="one node's texts, to be corrected by hand: tsv, docx or srt")


class TranscribeParameters(WrittenTexts, FlowParameters):
    """Recordings, and the recognizer that hears them."""

    model_config = ConfigDict(title="Transcription of files")

    files: tuple[str, ...] = Field(
        description="recordings, videos, folders of them, patterns ('talks/*.m4a')"
    )
    model: str | None = Field(
        "packaged:whisper-base", description="recognizer, such as whisper:small (docs/use/models.md)"
    )
    beam_size: int | None = Field(
        None, ge=1, le=64, description="hypotheses kept; 1 is fastest (default: the model's, mostly 5)"
    )
    terms: str | None = Field(
        None,
        description="names and words to listen for: a file (docs/use/terms.md), or the words themselves with "
        "commas",
        examples=["Kovalenko, Tesfaye"],
    )
    prompt: str | None = Field(
        None, max_length=2_000, description="text that the speech is taken to follow: topic, names, spelling"
    )
    device: str | None = Field(None, description="auto, cpu, cuda, cuda:N or mps (default: auto)")
    speakers: Literal["auto"] | int | None = Field(
        None, description="say who speaks, and how many there are if you know (docs/use/speakers.md)"
    )
    page: bool = Field(
        False, description="also a page for a browser: text with its sound, to correct (docs/use/export.md)"
    )
    language: str | None = Field(None, description="of the source; of speech it is detected if omitted")

    _language = field_validator("language")(check_language)

    @field_validator("speakers", mode="before")
    @classmethod
    def _is_a_count(cls, value: object) -> object:
        if value in (None, "auto") or (str(value).isdecimal() and 1 <= int(str(value)) <= 32):
            return value
        raise ValueError(f"expected auto, or 1 to 32 speakers, found {value}")


class TranslateParameters(TranscribeParameters):
    """Recordings, texts or subtitles, and the models that translate them."""

    model_config = ConfigDict(title="Translation of files")

    files: tuple[str, ...] = Field(
        description="recordings, videos, folders of them, patterns; or texts (talk.txt, talk.it), a line "
        "each; or subtitles (talk.srt, talk.it.vtt)"
    )
    to: str = Field(description="language to translate into, such as de")
    model: str | None = Field(
        None,
        description="translator: hub:ORG/NAME, packaged:NAME, store:KEY or a path; chosen by direction if "
        "omitted (antiphon models suggest)",
    )
    asr_model: str = Field("packaged:whisper-base", description="recognizer of recordings")
    fast: bool = Field(
        False, description="recordings into English: by Whisper alone, without a transcript: quick and rough"
    )
    anyway: bool = Field(False, description="translate by a model of another domain if there is no other")
    keep_cues: bool = Field(
        False, description="subtitles: a cue for each cue of the source, with its number, times and tags"
    )
    paragraphs: bool = Field(
        False, description="texts: blank lines divide what is translated, not every line"
    )

    _to = field_validator("to")(check_language)


def _formats_of(written: str | None, out: str | None) -> list[TextFormat]:
    known: tuple[TextFormat, ...] = get_args(TextFormat)
    ending = Path(out).suffix.removeprefix(".") if out not in (None, STANDARD_OUTPUT) else ""
    names = [name.strip() for name in (written or "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"--format: expected some of {', '.join(known)}, found {name!r}{did_you_mean(name, known)}"
            )
    if not names:
        is_folder = out is not None and (out.endswith("/") or Path(out).is_dir())
        if ending.isalpha() and ending not in known and not is_folder:
            endings = ", ".join(f".{form}" for form in known)
            raise ConfigError(
                f"--out: expected a folder or a file {endings}, found {out}; a folder has / at its end"
            )
        return [form for form in known if form == ending] or ["txt"]
    if ending in known and names != [ending]:
        raise ConfigError(f"--out: expected a file .{names[0]} or a folder, found {out}; leave --format out")
    return [form for form in known if form in names]
