"""The shapes world: what can be in a picture, and how it is drawn.

A picture is 128x128 RGB with one to three flat coloured objects on a plain or
two-tone background. Everything here is deterministic: a scene holds every
number that is needed to draw it, so the same scene gives the same pixels.

The world is kept regular on purpose, so that a very small model can learn it:
three sizes, no rotation, and centres on a grid of 8 pixels, which is the
stride of the image tokenizer. The same object then looks the same to the
tokenizer wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

PICTURE_SIZE = 128
GRID = 8            # object centres are multiples of this many pixels
SUPERSAMPLE = 8     # masks are drawn this much larger and averaged down

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "ring", "cross")

# Object colours. Nearest-colour segmentation is meant to work: the closest two
# entries of OBJECT_COLOURS and BACKGROUND_COLOURS together are 89 apart in RGB.
OBJECT_COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 40),
    "green": (30, 160, 60),
    "blue": (35, 70, 220),
    "yellow": (245, 220, 40),
    "orange": (245, 130, 20),
    "purple": (140, 40, 180),
    "white": (250, 250, 250),
    "black": (15, 15, 15),
}

BACKGROUND_COLOURS: dict[str, tuple[int, int, int]] = {
    "gray": (140, 140, 140),
    "pink": (240, 160, 185),
    "brown": (120, 85, 60),
    "cyan": (130, 205, 215),
}

COLOUR_JITTER = 3   # each channel of an object moves by at most this much

# Half the side of the square that an object fills, in pixels.
SIZES: dict[str, int] = {"small": 16, "medium": 22, "large": 28}


@dataclass(frozen=True)
class SceneObject:
    """One object. `x` and `y` are the centre of its bounding square."""

    shape: str
    colour: str
    size: str
    x: int
    y: int
    rgb: tuple[int, int, int]

    @property
    def radius(self) -> int:
        return SIZES[self.size]

    def truth(self) -> dict:
        return {
            "shape": self.shape, "colour": self.colour, "size": self.size,
            "x": self.x, "y": self.y, "radius": self.radius,
        }


@dataclass(frozen=True)
class Background:
    """One colour, or two: `split` says how the second one shares the picture."""

    colours: tuple[str, ...]
    split: str = "plain"   # "plain", "columns" (left | right), "rows" (top / bottom)

    def truth(self) -> dict:
        return {"colours": list(self.colours), "split": self.split}


@dataclass(frozen=True)
class Scene:
    objects: tuple[SceneObject, ...]
    background: Background
    category: str = "single"
    relation: str | None = None
    extra: dict = field(default_factory=dict)


def _outline(shape: str) -> list[tuple[float, float]]:
    """Corners of the straight-edged shapes in a square from -1 to 1, y down."""
    if shape == "square":
        a = 0.88
        return [(-a, -a), (a, -a), (a, a), (-a, a)]
    if shape == "triangle":
        return [(0.0, -0.95), (1.0, 0.85), (-1.0, 0.85)]
    if shape == "cross":
        a = 0.34
        return [(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a),
                (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a)]
    if shape == "star":
        points = []
        for k in range(10):
            length = 1.05 if k % 2 == 0 else 0.45
            angle = -np.pi / 2 + k * np.pi / 5
            points.append((length * np.cos(angle), length * np.sin(angle) + 0.08))
        return points
    raise ValueError(f"no outline for shape {shape!r}")


@lru_cache(maxsize=None)
def shape_mask(shape: str, radius: int) -> np.ndarray:
    """Antialiased coverage in [0, 1] of a shape.  # [2r + 4, 2r + 4]"""
    half = radius + 2                       # two pixels of room for soft edges
    side = 2 * half * SUPERSAMPLE
    canvas = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(canvas)

    def disc(r: float, value: int) -> None:
        c, s = side / 2, r * SUPERSAMPLE
        draw.ellipse((c - s, c - s, c + s - 1, c + s - 1), fill=value)

    if shape == "circle":
        disc(radius, 255)
    elif shape == "ring":
        disc(radius, 255)
        disc(0.52 * radius, 0)
    else:
        scale = radius * SUPERSAMPLE
        draw.polygon([(side / 2 + x * scale, side / 2 + y * scale)
                      for x, y in _outline(shape)], fill=255)
    array = np.asarray(canvas, dtype=np.float32) / 255.0
    array = array.reshape(2 * half, SUPERSAMPLE, 2 * half, SUPERSAMPLE)
    return array.mean(axis=(1, 3))


def render(scene: Scene) -> np.ndarray:
    """Draw a scene.  # [128, 128, 3] uint8, RGB"""
    picture = np.empty((PICTURE_SIZE, PICTURE_SIZE, 3), dtype=np.float32)
    colours = [BACKGROUND_COLOURS[name] for name in scene.background.colours]
    picture[:] = colours[0]
    half = PICTURE_SIZE // 2
    if scene.background.split == "columns":
        picture[:, half:] = colours[1]
    elif scene.background.split == "rows":
        picture[half:] = colours[1]
    for item in scene.objects:
        mask = shape_mask(item.shape, item.radius)[:, :, None]
        reach = item.radius + 2
        top, left = item.y - reach, item.x - reach
        # Clip the mask's soft border where the object touches the edge.
        y0, x0 = max(top, 0), max(left, 0)
        y1 = min(item.y + reach, PICTURE_SIZE)
        x1 = min(item.x + reach, PICTURE_SIZE)
        part = mask[y0 - top:y1 - top, x0 - left:x1 - left]
        window = picture[y0:y1, x0:x1]
        window += part * (np.asarray(item.rgb, dtype=np.float32) - window)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def smallest_palette_distance() -> float:
    """Euclidean RGB distance of the closest two palette entries."""
    palette = np.array(list(OBJECT_COLOURS.values()) + list(BACKGROUND_COLOURS.values()), float)
    gaps = np.linalg.norm(palette[:, None] - palette[None], axis=-1)
    return float(gaps[~np.eye(len(palette), dtype=bool)].min())
