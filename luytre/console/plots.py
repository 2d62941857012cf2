"""Plots as SVG made on the server: shapes with classes, no style and no script.

Each plot is shown beside a table of the same numbers: the picture is for a glance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, BOTTOM = 1160, 78, 34, 16


def stacked(
    title: str,
    buckets: Sequence[str],
    series: Sequence[tuple[str, str]],
    values: Mapping[tuple[str, str], int],
    links: Mapping[str, str] | None = None,
    every: int = 4,
) -> Markup:
    """Return bars, one for each bucket, each a stack of the series.

    ``series`` are (key, class) from the bottom up; ``values`` is by (bucket, key); ``links`` lead
    from a bucket to where its numbers are listed. Every ``every``-th bucket is named.
    """
    totals = {b: sum(values.get((b, key), 0) for key, _ in series) for b in buckets}
    most = max((*totals.values(), 1))
    step = (WIDTH - LEFT) / max(len(buckets), 1)
    parts = [_axis(most)]
    for index, bucket in enumerate(buckets):
        x = LEFT + index * step
        bars = Markup("").join(_bars(bucket, series, values, (x + 1, step - 2, most)))
        hint = Markup("<title>{}: {}</title>").format(bucket, totals[bucket])
        group = Markup("<g>{}{}</g>").format(hint, bars)
        if links and bucket in links and totals[bucket]:
            group = Markup('<a href="{}">{}</a>').format(links[bucket], group)
        parts.append(group)
        if index % every == 0:
            parts.append(_text(x + step / 2, HEIGHT - 3, bucket, "middle"))
    return _svg(title, parts, role="group" if links else "img")


def strip(title: str, points: Sequence[tuple[float, str, str]], ends: tuple[str, str]) -> Markup:
    """Return points on a line of time: each is (place from 0 to 1, class, what it is)."""
    width, height, middle = 640, 40, 14
    line = Markup('<line class="axis" x1="8" y1="{0}" x2="{1}" y2="{0}"/>').format(
        middle, width - 8
    )
    parts = [line]
    for place, kind, what in points:
        x = round(8 + min(max(place, 0), 1) * (width - 16), 1)
        parts.append(
            Markup(
                '<circle class="bar-{}" cx="{}" cy="{}" r="5"><title>{}</title></circle>'
            ).format(kind, x, middle, what)
        )
    parts += [_text(8, height - 4, ends[0], "start"), _text(width - 8, height - 4, ends[1], "end")]
    return _svg(title, parts, height, width)


def _bars(
    bucket: str,
    series: Sequence[tuple[str, str]],
    values: Mapping[tuple[str, str], int],
    place: tuple[float, float, int],
) -> list[Markup]:
    x, width, most = place
    full = HEIGHT - BOTTOM - 8
    y, found = float(HEIGHT - BOTTOM), []
    for key, kind in series:
        count = values.get((bucket, key), 0)
        if count:
            # One of many must still be seen.
            tall = max(full * count / most, 2.0)
            y -= tall
            found.append(
                Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                    kind, round(x, 1), round(y, 1), round(max(width, 1), 1), round(tall, 1)
                )
            )
    return found


def _axis(most: int) -> Markup:
    base = HEIGHT - BOTTOM
    line = Markup('<line class="axis" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>').format(
        LEFT, base, WIDTH
    )
    return line + _text(LEFT - 4, 16, f"{most}", "end") + _text(LEFT - 4, base, "0", "end")


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        round(x, 1), y, anchor, text
    )


def _svg(
    title: str, parts: Sequence[Markup], height: int = HEIGHT, width: int = WIDTH, role: str = "img"
) -> Markup:
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>'
    ).format(width, height, role, title, Markup("").join(parts))
