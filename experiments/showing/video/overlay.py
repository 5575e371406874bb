"""Text over a picture, and pictures side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (255, 255, 255)
GREEN, RED = (120, 230, 150), (255, 150, 130)
SHADE = (16, 20, 28, 175)
GAP = 4  # pixels between panels
BACKGROUND = 24

Line = tuple[str, tuple[int, int, int]]


def annotate(
    picture: np.ndarray,
    top: Sequence[Line] = (),
    left: Sequence[Line] = (),
    right: Sequence[Line] = (),
) -> np.ndarray:
    """Return a picture, uint8 `(height, width, 3)`, with lines of text over it.

    `top` stands in the upper left corner, `left` and `right` in the lower ones; each line is a
    text and its colour. What is too wide for the picture ends in dots.
    """
    image = Image.fromarray(picture).convert("RGBA")
    width, height = image.size
    font = _font(max(11, round(width / 32)))
    shade = Image.new("RGBA", image.size, (0, 0, 0, 0))
    for lines, at_right, at_bottom in (
        (top, False, False),
        (left, False, True),
        (right, True, True),
    ):
        if lines:
            room = width - 8 if not at_bottom else width // 2 - 8
            _block(ImageDraw.Draw(shade), lines, font, (width, height), at_right, at_bottom, room)
    return np.asarray(Image.alpha_composite(image, shade).convert("RGB"))


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture scaled to fit `size` (width, height), with bars where it leaves room."""
    if picture.shape[1::-1] == size:
        return picture
    image = Image.fromarray(picture)
    scale = min(size[0] / image.width, size[1] / image.height)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    whole = Image.new("RGB", size, (BACKGROUND,) * 3)
    whole.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return np.asarray(whole)


def tiled(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Return pictures of one size in rows of `columns`; the whole has an even width and height."""
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    whole = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP)
    # Video codecs halve the resolution of colour.
    tile = np.full((whole[0] + whole[0] % 2, whole[1] + whole[1] % 2, 3), BACKGROUND, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (height + GAP), (i % columns) * (width + GAP)
        tile[y : y + height, x : x + width] = picture
    return tile


def _block(
    draw: ImageDraw.ImageDraw,
    lines: Sequence[Line],
    font: Any,
    size: tuple[int, int],
    at_right: bool,
    at_bottom: bool,
    room: int,
) -> None:
    """Draw lines on a shade of their own in a corner."""
    lines = [(_shortened(text, font, room - 12), color) for text, color in lines]
    ascent, descent = font.getmetrics()
    step = ascent + descent + 2
    width = max(font.getlength(text) for text, _ in lines) + 12
    height = step * len(lines) + 6
    x = size[0] - width if at_right else 0
    y = size[1] - height if at_bottom else 0
    draw.rectangle((x, y, x + width, y + height), fill=SHADE)
    for i, (text, color) in enumerate(lines):
        draw.text((x + 6, y + 3 + i * step), text, font=font, fill=(*color, 255))


def _shortened(text: str, font: Any, room: float) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[:-1]
    return text + "..."


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
