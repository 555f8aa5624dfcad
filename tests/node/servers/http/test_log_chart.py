"""The chart of the log: what is drawn lies inside, in order, and says what was put in."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from node.servers.http.log_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw

SIZES = st.lists(st.integers(1, 10**12), min_size=1, max_size=60, unique=True).map(sorted)
TIMES = st.integers(0, 1 << 40)


def test_an_empty_log_has_no_chart() -> None:
    assert draw([], [], 5) is None


def test_growth_goes_up_in_steps_and_on_to_now() -> None:
    chart = draw([(10, 100), (40, 200)], [(40, 210, "here")], 300)
    assert chart
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    middle = (LEFT + right) / 2
    points = [tuple(map(float, point.split(","))) for point in chart.line.split()]
    assert points == [
        (LEFT, bottom),
        (LEFT, bottom - (bottom - TOP) / 4),
        (middle, bottom - (bottom - TOP) / 4),
        (middle, TOP),
        (right, TOP),
    ]
    assert chart.dots[0][1:] == (TOP, "here")
    assert [entries for _, entries in chart.rows] == [0, 10, 20, 30, 40]


@given(SIZES, st.data())
def test_whatever_clocks_said_it_never_leaves_the_frame_or_goes_back(sizes: list[int], data: st.DataObject) -> None:
    growth = [(size, data.draw(TIMES)) for size in sizes]
    anchors = [(data.draw(st.sampled_from(sizes)), data.draw(TIMES), "x")]
    chart = draw(growth, anchors, data.draw(TIMES))
    assert chart
    points = [tuple(map(float, point.split(","))) for point in chart.line.split()]
    for x, y in [*points, *(dot[:2] for dot in chart.dots)]:
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP <= y <= HEIGHT - BOTTOM
    assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in pairwise(points))
    assert len(chart.rows) <= 6
    assert chart.rows[-1][1] >= sizes[-1]
    assert chart.rows[0] == (HEIGHT - BOTTOM, 0)
