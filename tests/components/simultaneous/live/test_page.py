"""The page in headless Chromium, whose microphone is a file."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from components.nodes.node_context import Item
from components.records import NBest
from tests.components.serving.graphs import PLAIN_CASCADE, each, make_graph, text
from tests.components.simultaneous.live.servers import hear, live_server, tones, translate
from tests.reports.page.opened import ARGUMENTS, CHROMIUM, MARKS, playwright

pytestmark = MARKS
HEIGHTS = (300, 400, 500, 600)
HEARD = """([speakers, heights]) => {
  const texts = [...document.querySelectorAll("[data-output=transcript]")].map((each) => each.textContent);
  const heard = texts.map((text) => heights.filter((height) => text.split(" ").includes(`${height}`)).length);
  return heard.length === speakers && heard.every((count) => count >= 2);
}"""


def markup(item: Item) -> NBest:
    """What would run if it were HTML."""
    return text(item, f"<img src=x onerror=alert(1)> {translate(item).best.text}")


def test_what_is_spoken_into_the_microphone_is_shown(tmp_path: Path) -> None:
    left, right = np.repeat(tones(*HEIGHTS), 3), np.repeat(tones(*HEIGHTS[::-1]), 3)
    microphone = tmp_path / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setparams((2, 2, 48_000, 0, "NONE", ""))
        sound = np.stack([left, right], axis=1)
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
        for speakers in (1, 2):
            page.select_option("#channels", str(speakers))
            page.click("#button")
            page.wait_for_function(HEARD, arg=[speakers, HEIGHTS])
            page.click("#button")
            playwright.expect(page.locator("#state")).to_have_text("Done.", timeout=20_000)
            translations = page.locator("[data-output=translation]").all_text_contents()
            assert len(translations) == speakers
            assert all(each.startswith("<img src=x onerror=alert(1)> ") for each in translations)
        browser.close()
    assert not complaints
