"""Spoken data sets on the Hugging Face hub, as Parquet with the sounds in it; a row of a table each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from components.data.named_set import Located, NamedSet, missing
from components.errors import DataError, to_one_line
from components.files.digests import data_folder

PARQUET = "refs/convert/parquet"
"""The hub's branch with every data set as Parquet."""


@dataclass(frozen=True)
class HubSet(NamedSet):
    """A data set whose files are ``CONFIG/SPLIT/*.parquet``; ``NAME:CONFIG:SPLIT``.

    Attributes:
        repository: on the hub.
        splits: that it has.
        translates: whether CONFIG is ``FROM_TO``; else it begins with the language.
        languages: of every configuration, where its name says none.
        revision: branch of the repository.
    """

    repository: str
    form: str
    what: str
    size: str
    licence: str
    splits: tuple[str, ...] = ("train", "validation", "test")
    translates: bool = False
    languages: str | None = None
    revision: str = PARQUET
    consent: str | None = None

    @override
    def locate(self, rest: str, source: str | None, target: str | None) -> Located:
        config, split = self._parse(rest)
        if not self._is_here(config, split):
            raise missing(f"{self.name}:{rest}", self)
        return self._located(config, split)

    @override
    def fetch(self, rest: str, source: str | None, target: str | None) -> Located:
        config, split = self._parse(rest)
        if not self._is_here(config, split):
            self._download(rest, f"{config}/{split}/*.parquet")
        return self._located(config, split)

    def _download(self, rest: str, files: str) -> None:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - 0.3 s

        try:
            snapshot_download(
                self.repository,
                repo_type="dataset",
                revision=self.revision,
                allow_patterns=[files],
                local_dir=self.folder,
            )
        except Exception as error:  # the hub's client raises many
            raise DataError(
                f"{self.name}:{rest}: expected to fetch it from the hub's {self.repository}, found: "
                f"{to_one_line(error)}"
            ) from None
        if not any(self.folder.glob(files)):
            raise DataError(f"{self.name}:{rest}: expected files {files}, found none there")

    @property
    def folder(self) -> Path:
        """Where it is fetched to: ``ANTIPHON_DATA``, else ``sets`` in the cache."""
        return data_folder() / self.name

    def _parse(self, rest: str) -> tuple[str, str]:
        config, _, split = rest.rpartition(":")
        if not config or split not in self.splits or Path(config).name != config:
            raise DataError(
                f"{self.name}:{rest}: expected {self.form}, with a part of {', '.join(self.splits)}, "
                f"found {rest!r}"
            )
        return config, split

    def _is_here(self, config: str, split: str) -> bool:
        return any((self.folder / config / split).glob("*.parquet"))

    def _located(self, config: str, split: str) -> Located:
        source, _, second = config.partition("_")
        languages = (
            (self.languages, None) if self.languages else (source, second if self.translates else None)
        )
        return Located(str(self.folder / config / split / "*.parquet"), *languages)


FLEURS = HubSet(
    repository="google/fleurs",
    form="fleurs:de_de:test",
    what="read sentences in 102 languages, with transcripts (Conneau et al. 2022)",
    size="0.3 to 2 GB a language",
    licence="CC BY 4.0",
)
COVOST = HubSet(
    repository="fixie-ai/covost2",
    revision="main",
    form="covost2:de_en:test",
    what="Common Voice with translations, 21 languages into English and English into 15 (Wang et al. 2020)",
    size="0.5 to 20 GB a pair",
    licence="CC0 recordings, CC BY-NC 4.0 translations",
    translates=True,
    consent="translations are for non-commercial use",
)
LIBRISPEECH = HubSet(
    repository="openslr/librispeech_asr",
    form="librispeech:clean:test",
    what="English audiobooks (Panayotov et al. 2015); configurations clean and other",
    size="0.35 GB a test set",
    licence="CC BY 4.0",
    splits=("test", "validation", "train.100", "train.360", "train.500"),
    languages="en",
)
