"""The page in headless Chromium, whose microphone is a file."""

from __future__ import annotations

import time
import wave
from pathlib import Path

import numpy as np
import pytest

from components.nodes.node_context import Item
from components.records import NBest
from tests.components.serving.graphs import PLAIN_CASCADE, each, make_graph, text
from tests.components.simultaneous.live.servers import hear, live_server, tones, translate
from tests.reports.page.opened import ARGUMENTS, CHROMIUM, MARKS, playwright

pytestmark = MARKS
HEIGHTS = (300, 400, 500, 600)


def markup(item: Item) -> NBest:
    """What would run if it were HTML."""
    return text(item, f"<img src=x onerror=alert(1)> {translate(item).best.text}")


@pytest.mark.parametrize("speakers", ["1", "2"])
def test_what_is_spoken_into_the_microphone_is_shown(speakers: str, tmp_path: Path) -> None:
    left, right = np.repeat(tones(*HEIGHTS), 3), np.repeat(tones(*HEIGHTS[::-1]), 3)
    microphone = tmp_path / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setparams((2, 2, 48_000, 0, "NONE", ""))
        sound = np.stack([left, right if speakers == "2" else left], axis=1)
        file.writeframes(sound.astype("<i2").tobytes())
    fake = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    graph = make_graph({"asr": each(hear), "mt": each(markup)}, PLAIN_CASCADE)
    with live_server(graph, policy="fixed") as (where, _), playwright.sync_playwright() as session:
        browser = session.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *fake])
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.extend([request.url] * (where not in request.url)))
        page.goto(f"http://{where}/simultaneous")
        page.select_option("#channels", speakers)
        page.click("#button")
        time.sleep(4)
        page.click("#button")
        playwright.expect(page.locator("#state")).to_have_text("Done.", timeout=20_000)
        texts = page.locator("[data-output=transcript]").all_text_contents()
        translations = page.locator("[data-output=translation]").all_text_contents()
        browser.close()
    assert not complaints
    assert len(texts) == int(speakers)
    for written, translated in zip(texts, translations, strict=True):
        assert len({str(height) for height in HEIGHTS} & set(written.split())) >= 2
        assert translated.startswith("<img src=x onerror=alert(1)> ")
