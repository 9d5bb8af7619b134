"""NeMo's manifests; in tarred ones ``audio_filepath`` names a member of the tar that ``shard_id`` numbers.

As ``convert_to_tarred_audio_dataset.py`` of https://github.com/NVIDIA/NeMo writes them: ``audio_7.tar`` next
to the manifest, or above its folder ``sharded_manifests``. Further stretches of a recording that is in the
tar once are called ``NAME-sub1.wav``, ``NAME-sub2.wav`` ...
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from components.data.files.drafts import Draft
from components.data.files.field_readers import read_references, read_required, read_seconds, read_string
from components.data.files.format import Format, SourceFile
from components.data.files.parsing import Fields, RecordError, Row, read_json_rows
from components.files.locations.location import absolute_location, folder_of, is_remote, join_location
from components.files.locations.opening import is_file

_REPEATED = re.compile(r"-sub[0-9]+(\.[A-Za-z0-9]{1,8})$")


class NemoTars:
    """Where the recordings of a tarred manifest lie.

    Args:
        folder: location of the manifest's folder.
        tars: of the data set, by ``shard_id``; empty: they are looked for beside the manifest.
        number: of the manifest among those of the data set: its tar, where rows have no ``shard_id``.
    """

    def __init__(self, folder: str, tars: Sequence[str] = (), number: int = 0) -> None:
        """See the class."""
        self._folder, self._tars, self._number = folder, tars, number
        self._known: dict[int, str] = {}

    def place(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield rows whose ``audio_filepath`` is where the recording lies; others stay as they are."""
        for row in rows:
            if isinstance(row.content, RecordError) or not (self._tars or "shard_id" in row.content):
                yield row
            else:
                yield Row(row.line, self._place(row.content))

    def _place(self, fields: Fields) -> Fields | RecordError:
        shard, member = fields.get("shard_id", self._number), fields.get("audio_filepath")
        if not isinstance(member, str) or not member:
            return fields  # whose reader says what is wrong
        if isinstance(shard, bool) or not isinstance(shard, int) or not 0 <= shard < 10**9:
            return RecordError(
                "bad field", f"expected a number in 'shard_id', found {ascii(shard)[:40]}; correct it"
            )
        tar = self._known.get(shard) or self._find(shard)
        if tar is None:
            found = f"{len(self._tars)} tars" if self._tars else f"no audio_{shard}.tar beside the manifest"
            return RecordError(
                "missing audio", f"expected a tar for shard_id {shard}, found {found}; name them"
            )
        self._known[shard] = tar = absolute_location(tar)
        stored = _REPEATED.sub(r"\1", member)
        return fields | {"audio_filepath": f"{tar}#{stored}"}

    def _find(self, shard: int) -> str | None:
        if self._tars:
            return self._tars[shard] if shard < len(self._tars) else None
        folders = [self._folder]
        if self._folder.endswith("sharded_manifests"):
            folders.append(self._folder.rpartition("/")[0] or ".")
        tars = [join_location(folder, f"audio_{shard}.tar") for folder in folders]
        if is_remote(tars[-1]):
            return tars[-1]
        return next((tar for tar in tars if is_file(tar)), None)


def _convert_nemo(fields: Fields) -> Draft:
    return Draft(
        id=read_string(fields, "id"),
        audio=read_required(fields, "audio_filepath"),
        offset=read_seconds(fields, "offset") or 0.0,
        duration=read_seconds(fields, "duration"),
        transcript=read_string(fields, "text"),
        source_language=read_string(fields, "source_lang") or read_string(fields, "lang"),
        target_language=read_string(fields, "target_lang"),
        references=read_references(fields, "answer"),
        speaker=read_string(fields, "speaker"),
    )


def _read_rows(file: SourceFile) -> Iterator[Row]:
    tars = NemoTars(folder_of(file.location), file.archives, file.number)
    return tars.place(read_json_rows(file.location))


NEMO = Format(
    summary="JSONL as NeMo writes it: audio_filepath, duration, offset, text, lang",
    identifying_fields=("audio_filepath",),
    known_fields=(
        *("id", "audio_filepath", "duration", "offset", "text", "lang", "source_lang", "target_lang"),
        *("answer", "pnc", "taskname", "speaker", "shard_id"),
    ),
    read=_read_rows,
    convert=_convert_nemo,
    is_jsonl=True,
    archives=r".*\.tar",
)
