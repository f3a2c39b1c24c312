"""Scenes with captions: seven categories in the manner of GenEval.

`sample(seed, index, split)` is a pure function of its arguments. The training
split never shows the (shape, colour) combinations in HELD_OUT_COMBINATIONS, nor
two shapes of HELD_OUT_SHAPE_PAIRS together, nor a caption that the test split
may use (a hash of the caption decides which of the two it belongs to).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from .world import (BACKGROUND_COLOURS, COLOUR_JITTER, GRID, OBJECT_COLOURS, PICTURE_SIZE,
                    SHAPES, SIZES, Background, Scene, SceneObject)

CATEGORIES: tuple[str, ...] = ("single", "two", "count", "colour", "position",
                               "attribution", "background")
RELATIONS: tuple[str, ...] = ("left of", "right of", "above", "below")
COUNT_WORDS = {2: "two", 3: "three"}

HELD_OUT_COMBINATIONS = frozenset({
    ("circle", "orange"), ("square", "purple"), ("triangle", "yellow"),
    ("star", "blue"), ("ring", "green"), ("cross", "white"),
})
HELD_OUT_SHAPE_PAIRS = frozenset({
    frozenset({"ring", "triangle"}), frozenset({"circle", "cross"}),
})

_PREFIXES = ("", "", "", "a picture of ", "an image of ")
_RELATION_WORDS = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "above"),
    "below": ("below", "under"),
}
_TEST_SHARE = 8     # one caption in this many belongs to the test split


@dataclass(frozen=True)
class Sample:
    scene: Scene
    caption: str
    constraints: dict   # the checkable part, see tools/README.md


def is_test_caption(caption: str) -> bool:
    return zlib.crc32(caption.encode()) % _TEST_SHARE == 0


def is_unseen(scene: Scene) -> bool:
    """Whether a scene holds a combination that training never shows."""
    shapes = {item.shape for item in scene.objects}
    return (any((o.shape, o.colour) in HELD_OUT_COMBINATIONS for o in scene.objects)
            or any(pair <= shapes for pair in HELD_OUT_SHAPE_PAIRS))


def _centre(rng: np.random.Generator, low: int, high: int) -> int:
    """A multiple of GRID in [low, high]."""
    first, last = -(-low // GRID), high // GRID
    return int(rng.integers(first, last + 1)) * GRID


def _pick_looks(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    """`count` (shape, colour) pairs, all shapes and all colours different."""
    shapes = rng.permutation(len(SHAPES))[:count]
    colours = rng.permutation(len(OBJECT_COLOURS))[:count]
    names = list(OBJECT_COLOURS)
    return [(SHAPES[s], names[c]) for s, c in zip(shapes, colours)]


def _place_one(rng: np.random.Generator) -> list[tuple[str, int, int]]:
    size = str(rng.choice(list(SIZES)))
    reach = {"small": 32, "medium": 24, "large": 16}[size]
    middle = PICTURE_SIZE // 2
    return [(size, _centre(rng, middle - reach, middle + reach),
             _centre(rng, middle - reach, middle + reach))]


def _place_pair(rng: np.random.Generator, sizes: list[str], horizontal: bool
                ) -> list[tuple[str, int, int]]:
    """Two objects, the first one left of (or above) the second, clear of each other."""
    first, second = (SIZES[name] for name in sizes)
    while True:
        a = _centre(rng, first, PICTURE_SIZE // 2)
        b = _centre(rng, PICTURE_SIZE // 2, PICTURE_SIZE - second)
        if b - a >= first + second + 4:
            break
    across = [_centre(rng, 48, 80), _centre(rng, 48, 80)]
    places = [(a, across[0]), (b, across[1])]
    if not horizontal:
        places = [(y, x) for x, y in places]
    return [(size, x, y) for size, (x, y) in zip(sizes, places)]


# Where three equal objects stand: rows, columns and triangles.  (x, y)
_THREES = (
    ((24, 64), (64, 64), (104, 64)),
    ((64, 24), (64, 64), (64, 104)),
    ((32, 88), (64, 32), (96, 88)),
    ((32, 40), (96, 40), (64, 96)),
)


def _place_three(rng: np.random.Generator) -> list[tuple[str, int, int]]:
    size = "small" if rng.random() < 0.6 else "medium"
    layout = int(rng.integers(len(_THREES)))
    if size == "medium" and layout < 2:
        size = "small"                      # three in a line need the room
    shift_x, shift_y = (int(v) * GRID for v in rng.integers(-1, 2, size=2))
    if layout == 0:
        shift_x = 0
    if layout == 1:
        shift_y = 0
    return [(size, x + shift_x, y + shift_y) for x, y in _THREES[layout]]


def _pick_background(rng: np.random.Generator, category: str) -> Background:
    names = list(BACKGROUND_COLOURS)
    order = rng.permutation(len(names))
    if rng.random() < (0.3 if category == "background" else 0.12):
        return Background((names[order[0]], names[order[1]]),
                          str(rng.choice(["columns", "rows"])))
    return Background((names[order[0]],))


def plural(words: str) -> str:
    return words + ("es" if words.endswith("s") else "s")


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _phrase(item: SceneObject, with_size: bool, with_colour: bool) -> str:
    words = [item.shape]
    if with_colour:
        words.insert(0, item.colour)
    if with_size and item.size != "medium":
        words.insert(0, item.size)
    return " ".join(words)


def _scene(rng: np.random.Generator, category: str) -> Scene:
    relation = None
    if category == "count":
        look = _pick_looks(rng, 1)[0]
        if rng.random() < 0.5:
            size = str(rng.choice(["small", "medium"]))
            places = _place_pair(rng, [size, size], bool(rng.random() < 0.5))
        else:
            places = _place_three(rng)
        looks = [look] * len(places)
    elif category in ("two", "position", "attribution"):
        looks = _pick_looks(rng, 2)
        sizes = [str(rng.choice(list(SIZES), p=[0.3, 0.45, 0.25])) for _ in range(2)]
        horizontal = bool(rng.random() < 0.5)
        places = _place_pair(rng, sizes, horizontal)
        relation = "left of" if horizontal else "above"
        if rng.random() < 0.5:              # name the right or lower one first
            looks.reverse()
            places.reverse()
            relation = "right of" if horizontal else "below"
    else:
        looks = _pick_looks(rng, 1)
        places = _place_one(rng)
    objects = []
    rgb_of: dict[str, tuple[int, int, int]] = {}
    for (shape, colour), (size, x, y) in zip(looks, places):
        if colour not in rgb_of:            # equal objects share their exact colour
            jitter = rng.integers(-COLOUR_JITTER, COLOUR_JITTER + 1, size=3)
            rgb_of[colour] = tuple(int(v) for v in
                                   np.clip(np.add(OBJECT_COLOURS[colour], jitter), 0, 255))
        objects.append(SceneObject(shape, colour, size, x, y, rgb_of[colour]))
    return Scene(tuple(objects), _pick_background(rng, category), category,
                 relation if category == "position" else None)


@dataclass(frozen=True)
class Stated:
    """What a caption is to name; None: as the category's habit and chance decide."""

    colour: bool | None = None
    size: bool | None = None
    background: bool | None = None


def describe(rng: np.random.Generator, scene: Scene, stated: Stated = Stated()
             ) -> tuple[str, dict]:
    """Caption and the constraints it states."""
    first = scene.objects[0]
    # "single", "two" and "position" name colours half of the time or more;
    # "colour" and "attribution" always do.
    always = scene.category in ("colour", "attribution", "background")
    with_colour = always or bool(rng.random() < {"single": 0.5, "two": 0.5}.get(scene.category, 0.75))
    with_size = bool(rng.random() < 0.35)
    if stated.colour is not None:
        with_colour = stated.colour
    if stated.size is not None:
        with_size = stated.size
    listed = scene.objects[:1] if scene.category == "count" else scene.objects
    entries = [{
        "shape": o.shape,
        "colour": o.colour if with_colour else None,
        "count": len(scene.objects) if scene.category == "count" else 1,
        "size": o.size if with_size and o.size != "medium" else None,
    } for o in listed]
    if scene.category == "count":
        text = f"{COUNT_WORDS[len(scene.objects)]} {plural(_phrase(first, with_size, with_colour))}"
    elif len(scene.objects) == 1:
        text = _article(_phrase(first, with_size, with_colour))
    else:
        joint = "and"
        if scene.relation:
            joint = str(rng.choice(_RELATION_WORDS[scene.relation]))
        text = (f"{_article(_phrase(first, with_size, with_colour))} {joint} "
                f"{_article(_phrase(scene.objects[1], with_size, with_colour))}")
    background = None
    with_background = scene.category == "background" or bool(rng.random() < 0.2)
    if stated.background is not None:
        with_background = stated.background
    if with_background:
        text += f" on a {' and '.join(scene.background.colours)} background"
        background = list(scene.background.colours)
    text = str(rng.choice(_PREFIXES)) + text
    return text, {
        "prompt": text,
        "category": scene.category,
        "objects": entries,
        "relation": scene.relation,
        "background": None if background is None else " and ".join(background),
        "unseen": is_unseen(scene),
    }


_TRAIN_WEIGHTS = {"single": 0.08, "two": 0.14, "count": 0.18, "colour": 0.14,
                  "position": 0.20, "attribution": 0.18, "background": 0.08}


def sample(seed: int, index: int, split: str = "train", category: str | None = None,
           unseen: bool | None = None) -> Sample:
    """Sample number `index`. `category` and `unseen` restrict the draw (test split)."""
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
    rng = np.random.default_rng([seed, index, 0 if split == "train" else 1])
    names = list(_TRAIN_WEIGHTS)
    while True:                             # reject until the split's rules are met
        chosen = category or str(rng.choice(names, p=list(_TRAIN_WEIGHTS.values())))
        scene = _scene(rng, chosen)
        text, constraints = describe(rng, scene)
        fresh = is_unseen(scene)
        if split == "train":
            if not fresh and not is_test_caption(text):
                return Sample(scene, text, constraints)
        elif unseen is None or unseen == fresh:
            if fresh or is_test_caption(text):
                return Sample(scene, text, constraints)
