"""Take pictures of pages in chromium: `python -m docs.draw_picture RUN`, or a monitor.html.

Of a run it is the README's picture of report.html.
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM

IMAGES = Path(__file__).with_name("images")
WIDTH, HEIGHT = 1180, 1000


def main() -> None:
    """Write the picture: the head of the page, and its first pictures or inputs below."""
    asked = Path(sys.argv[1]).resolve()
    is_of_run = asked.is_dir()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto((asked / "report.html" if is_of_run else asked).as_uri())
        below_from = page.locator("figure") if is_of_run else page.locator("h3", has_text="Inputs")
        end = 660 if is_of_run else page.locator(".model").first.bounding_box()["y"]
        head = _part(page, 0, end)
        top = below_from.first.bounding_box()["y"]
        below = _part(page, top - 10, 610 if is_of_run else 420)
        browser.close()
    picture = Image.new("RGB", (WIDTH, head.height + below.height), "white")
    picture.paste(head, (0, 0))
    picture.paste(below, (0, head.height))
    name = "report.png" if is_of_run else "monitor.png"
    # With fewer colours the green of a small badge is lost.
    picture.quantize(256).save(IMAGES / name, optimize=True)


def _part(page: Page, top: float, height: float) -> Image.Image:
    clip = {"x": 0, "y": top, "width": WIDTH, "height": height}
    return Image.open(BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")


if __name__ == "__main__":
    main()
