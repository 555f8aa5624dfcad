"""The log's growth as a chart: numbers in, the coordinates of an SVG drawing out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 220  # the drawing's own units
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 28  # room for the words around it
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws.

    Attributes:
        line: the growth, as the `points` of a polyline: flat until a checkpoint, then up.
        dots: where anchors stand, as (x, y, words).
        rows: grid lines, as (y, entries).
        first, last: unix seconds at the left and right end.
    """

    line: str
    dots: tuple[tuple[float, float, str], ...]
    rows: tuple[tuple[float, int], ...]
    first: int
    last: int


def draw(growth: Sequence[tuple[int, int]], anchors: Sequence[tuple[int, int, str]], now: int) -> Chart | None:
    """A chart of (size, time) of checkpoints and (size, time, words) of anchors, until now; None for an empty log.

    Both in order of size. A clock that was set back does not bend the line backwards: each time counts from the latest
    before it.
    """
    if not growth:
        return None
    points, latest = [], growth[0][1]
    for size, time in growth:
        latest = max(latest, time)
        points.append((size, latest))
    first, last = points[0][1], max(points[-1][1], now, points[0][1] + 1)
    step = _step(points[-1][0])
    top = max(-(-points[-1][0] // step) * step, step)

    def place(size: int, time: int) -> tuple[float, float]:
        across = min(max((time - first) / (last - first), 0), 1)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - min(size / top, 1) * (HEIGHT - TOP - BOTTOM), 1),
        )

    corners, before = [], place(0, first)
    for size, time in points:
        x, y = place(size, time)
        corners += [(x, before[1]), (x, y)]
        before = x, y
    corners.append(place(points[-1][0], last))
    return Chart(
        line=" ".join(f"{x:g},{y:g}" for x, y in corners),
        dots=tuple((*place(size, time), words) for size, time, words in anchors),
        rows=tuple((place(size, first)[1], size) for size in range(0, top + 1, step)),
        first=first,
        last=last,
    )


def _step(size: int) -> int:
    """A round number that goes about four times into `size`."""
    unit = 1
    while True:
        for factor in _STEPS:
            if unit * factor * 4 >= size:
                return unit * factor
        unit *= 10
