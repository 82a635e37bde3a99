"""Take the README's picture of a report, in chromium: `python -m docs.draw_picture RUN`."""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM

PICTURE = Path(__file__).with_name("images") / "report.png"
WIDTH, HEIGHT = 1180, 1000


def main() -> None:
    """Write the picture: the head of the page, and its first pictures below."""
    report = (Path(sys.argv[1]) / "report.html").resolve()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.as_uri())
        head = _part(page, 0, 660)
        top = page.locator("figure").first.bounding_box()["y"]
        figures = _part(page, top - 10, 610)
        browser.close()
    picture = Image.new("RGB", (WIDTH, head.height + figures.height), "white")
    picture.paste(head, (0, 0))
    picture.paste(figures, (0, head.height))
    picture.quantize(64).save(PICTURE, optimize=True)


def _part(page: Page, top: float, height: float) -> Image.Image:
    clip = {"x": 0, "y": top, "width": WIDTH, "height": height}
    return Image.open(BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")


if __name__ == "__main__":
    main()
