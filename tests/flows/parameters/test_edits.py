"""Every flow over data takes corrections of the texts of its nodes."""

from __future__ import annotations

from typing import Any

import pytest

from flows.registry import flow_named

KEY = "0" * 64
CASES: dict[str, dict[str, Any]] = {
    "cascade": {},
    "ensemble": {"asr": {"members": ["packaged:whisper-base", "packaged:whisper-tiny.en"]}},
    "refine": {},
    "stack": {"stack": {"model": f"store:{KEY}"}},
    "pipeline": {"graph": "nodes: {asr: {kind: recognize}, mt: {kind: translate, of: asr}}"},
}


@pytest.mark.parametrize("flow", CASES)
def test_translations_read_the_corrected_transcripts(flow: str) -> None:
    entry = flow_named(flow)
    values = {"target_language": "de", "edits": [{"node": "asr", "corrections": KEY}], **CASES[flow]}
    graph = entry.pipeline(entry.parameters.model_validate(values))
    assert graph.outputs["transcript"] == "asr-edited"
    assert graph.nodes["mt"].of == ("asr-edited",)
    plain = entry.pipeline(entry.parameters.model_validate({**values, "edits": []}))
    assert graph.nodes.keys() - plain.nodes.keys() == {"asr-corrections", "asr-edited"}
