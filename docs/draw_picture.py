"""Put the plots of a run side by side for the README: `python -m docs.draw_picture RUN`."""

import sys
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).with_name("images") / "run.png"
NAMES = ("roc", "precision_recall", "calibration", "confusion")
HEIGHT = 300


def main() -> None:
    """Write the picture."""
    plots = Path(sys.argv[1]) / "plots"
    images = [Image.open(plots / f"{name}.png").convert("RGB") for name in NAMES]
    images = [image.resize((image.width * HEIGHT // image.height, HEIGHT)) for image in images]
    picture = Image.new("RGB", (sum(image.width for image in images), HEIGHT), "white")
    left = 0
    for image in images:
        picture.paste(image, (left, 0))
        left += image.width
    picture.quantize(64).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
