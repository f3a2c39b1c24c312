"""Training scenes in one usual style, which a very small model can learn.

`captions.sample` leaves everything that a caption does not say to chance, and
most of a picture is not said. Here the silent parts have a usual look: medium
size, a usual place, side by side in the order of the words, a gray background,
a usual colour for each shape, no jitter of colours. Captions, held-out
combinations and held-out wordings are those of `captions.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from .captions import RELATIONS, Sample, Stated, describe, is_test_caption, is_unseen
from .world import (BACKGROUND_COLOURS, OBJECT_COLOURS, SHAPES, SIZES, Background, Scene,
                    SceneObject)

# Share of each category in training.
WEIGHTS = {"single": 0.20, "two": 0.12, "count": 0.12, "colour": 0.13,
           "position": 0.14, "attribution": 0.13, "background": 0.16}
# How many of the backgrounds that a caption names have two colours, more than captions of the test split: their order
# is what a small model learns last.
TWO_COLOURS = 0.4

# The colour of a shape whose caption names none.
USUAL_COLOUR = {"circle": "red", "square": "blue", "triangle": "green",
                "star": "yellow", "ring": "purple", "cross": "black"}

Place = tuple[int, int]                       # centre (x, y) in pixels

# The first of each is the usual one. Bits of a token map are drawn independently of each other: where several looks were
# equally likely, a map would mix them. So each part of a picture that its caption leaves open has one look nearly always.
USUALLY = 0.85
ONE: tuple[Place, ...] = ((64, 64), (48, 64), (80, 64), (64, 48), (64, 80))
ACROSS: tuple[int, ...] = (64, 48, 80)        # where both of a pair stand on the other axis
THREE: tuple[tuple[Place, Place, Place], ...] = (
    ((32, 88), (64, 32), (96, 88)),
    ((32, 40), (96, 40), (64, 96)),
)
T = TypeVar("T")


def _usual(rng: np.random.Generator, looks: Sequence[T]) -> T:
    """Nearly always the first; else any."""
    return looks[0] if rng.random() < USUALLY else looks[rng.integers(len(looks))]


def _pair(rng: np.random.Generator, horizontal: bool) -> list[Place]:
    """The left or upper place first."""
    across = _usual(rng, ACROSS)
    return [(32, across), (96, across)] if horizontal else [(across, 32), (across, 96)]


def _looks(rng: np.random.Generator, count: int, with_colour: bool) -> list[tuple[str, str]]:
    """`count` (shape, colour) pairs, all shapes and all colours different."""
    shapes = [SHAPES[i] for i in rng.permutation(len(SHAPES))[:count]]
    names = list(OBJECT_COLOURS)
    colours = [names[i] for i in rng.permutation(len(names))[:count]]
    return [(s, c if with_colour else USUAL_COLOUR[s]) for s, c in zip(shapes, colours)]


def _background(rng: np.random.Generator, stated: bool) -> Background:
    names = [list(BACKGROUND_COLOURS)[i] for i in rng.permutation(len(BACKGROUND_COLOURS))]
    if not stated:
        return Background((_usual(rng, ["gray", *BACKGROUND_COLOURS]),))
    if rng.random() < TWO_COLOURS:
        return Background((names[0], names[1]), _usual(rng, ["columns", "rows"]))
    return Background((names[0],))


def _scene(rng: np.random.Generator, category: str, stated: Stated) -> Scene:
    relation = None
    if category in ("two", "position", "attribution"):
        looks = _looks(rng, 2, bool(stated.colour))
        relation = str(rng.choice(RELATIONS)) if category == "position" else _usual(rng, RELATIONS)
        places = _pair(rng, relation in ("left of", "right of"))
        if relation in ("right of", "below"):
            places.reverse()
    else:
        look = _looks(rng, 1, bool(stated.colour))[0]
        if category != "count":
            places = [_usual(rng, ONE)]
        elif rng.random() < 0.5:
            places = _pair(rng, _usual(rng, (True, False)))
        else:
            places = list(_usual(rng, THREE))
        looks = [look] * len(places)
    possible = list(SIZES)[:2] if len(places) == 3 else list(SIZES)      # three large do not fit
    sizes = [str(rng.choice(possible)) if stated.size else "medium" for _ in places]
    if category == "count":
        sizes = sizes[:1] * len(places)
    objects = tuple(SceneObject(shape, colour, size, x, y, OBJECT_COLOURS[colour])
                    for (shape, colour), size, (x, y) in zip(looks, sizes, places))
    return Scene(objects, _background(rng, bool(stated.background)), category,
                 relation if category == "position" else None)


def sample_usual(seed: int, index: int, split: str = "train") -> Sample:
    """Sample number `index`: a pure function of its arguments, like `captions.sample`.

    The "test" split has the wordings and combinations that "train" never shows.
    """
    rng = np.random.default_rng([seed, index, 2 if split == "train" else 3])
    names = list(WEIGHTS)
    while True:                             # reject until the split's rules are met
        category = str(rng.choice(names, p=list(WEIGHTS.values())))
        always = category in ("colour", "attribution", "background")
        stated = Stated(
            colour=always or bool(rng.random() < (0.75 if category in ("count", "position") else 0.5)),
            size=bool(rng.random() < (0.6 if category == "single" else 0.35)),   # small shapes are learnt late
            background=category == "background" or bool(rng.random() < 0.2))
        scene = _scene(rng, category, stated)
        text, constraints = describe(rng, scene, stated)
        held_out = is_unseen(scene) or is_test_caption(text)
        if held_out == (split == "test"):
            return Sample(scene, text, constraints)
