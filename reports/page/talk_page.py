"""``html``: the page of one recording: its text with times and sound, to read, hear, correct and save.

Corrections are saved by the browser as subtitles, which ``antiphon edit RUN NODE --from FILE`` reads back.
The page needs no network and runs no script but its own. The sound is in it while it is small; of a longer
recording the reader chooses the file, which stays on their machine.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from components.export.format import ExportSettings, Format
from components.export.recording_text import RecordingText, TimedSegment
from components.export.subtitles.cue import Cue
from components.text.escaping import to_printable_script_json
from reports.page.audio import EMBED_LIMIT, data_uri, select_embeddable
from reports.page.template_environment import content_hash, join_scripts, read_template, template_environment

_SCRIPTS = ("elements.js", "theme.js", "talk.js")


def encode_page(text: RecordingText, *, bilingual: bool = False) -> bytes:
    """Return the page of a recording's texts.

    Args:
        text: of one node.
        bilingual: with the source of a translation below each stretch.
    """
    audios = [part.utterance.audio for part in text.parts if part.utterance.audio is not None]
    files = list(select_embeddable(audios[:1], EMBED_LIMIT).values())
    style = read_template("report.css") + read_template("talk.css")
    script = join_scripts(_SCRIPTS)
    page = template_environment().get_template("talk.html")
    data = {
        "name": text.name,
        "segments": [
            _segment(segment, source if bilingual and text.is_translation else "")
            for part in text.parts
            for segment, source in zip(part.segments, part.segment_sources, strict=True)
        ],
        "timed": text.timed,
    }
    return page.render(
        name=text.name,
        command=shlex.join(["antiphon", "edit", text.run, text.node, "--from", f"{text.name}.srt"]),
        language=text.language,
        has_audio=bool(audios),
        sound=data_uri(files[0]) if files else "",
        data=to_printable_script_json(data),
        style=style,
        style_hash=content_hash(style),
        script=script,
        script_hash=content_hash(script),
        quarantined=[part.quarantined.detail for part in text.parts if part.quarantined is not None],
        lines=[] if text.timed else [part.text for part in text.parts],
    ).encode()


def _segment(segment: TimedSegment, source: str) -> dict[str, Any]:
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "speaker": segment.speaker or "",
        "source": source,
        "doubtful": segment.confidence is not None and segment.confidence < 0.5,
    }


def _encode(texts: Sequence[RecordingText], _: Sequence[Cue], settings: ExportSettings) -> bytes:
    return encode_page(texts[0], bilingual=settings.bilingual)


PAGE = Format("a page with text and sound, to correct in a browser", _encode)
