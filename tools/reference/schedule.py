"""Scale schedules: the grids of token maps, coarse to fine."""

from __future__ import annotations

# Square pictures. The presets are prefixes of the 1M schedule.
SQUARE_1M: tuple[tuple[int, int], ...] = tuple(
    (side, side) for side in (1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64))
PRESET_SCALES: dict[str, int] = {"0.06M": 7, "0.25M": 10, "0.60M": 12, "1M": 13}

SCHEDULE_7: tuple[tuple[int, int], ...] = SQUARE_1M[:7]
SCHEDULE_5: tuple[tuple[int, int], ...] = SQUARE_1M[:5]   # a 64x64 crop at stride 8


def token_count(schedule: tuple[tuple[int, int], ...]) -> int:
    return sum(h * w for h, w in schedule)
