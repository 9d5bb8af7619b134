"""A picture of a report for the README: ``python -m benchmarks.tools.screenshot RUN [--store STORE]``.

Needs the run's report, Chromium and the package playwright; writes docs/report.png (8-bit, small).
"""

from __future__ import annotations

import argparse
import io
import shutil

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.common.paths import ROOT
from components.storage.store import Store

PICTURE = ROOT / "docs" / "report.png"


def main() -> None:
    """Open the report, sort it by blame where it can be, and take the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tools.screenshot")
    parser.add_argument("run")
    parser.add_argument("--store")
    options = parser.parse_args()
    page_file = Store(options.store).run_folder(options.run) / "report.html"
    with sync_playwright() as session:
        browser = session.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 1250})
        page.goto(page_file.as_uri())
        page.wait_for_selector(".utterance")
        if page.locator("#sort option[value='gap-asr']").count():
            page.select_option("#sort", "gap-asr")
            page.wait_for_timeout(500)
        content = page.screenshot()
        browser.close()
    image = Image.open(io.BytesIO(content)).convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
    image.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
