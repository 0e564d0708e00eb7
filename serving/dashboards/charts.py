"""Small charts as inline SVG, rendered on the server: no script has to load for a merchandiser to see the trend."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

WIDTH, HEIGHT, LABELS = 720, 160, 18
# What a chart looks like where no sheet of ours styles it, as in a notebook; a sheet's rules outweigh these.
FILLS = {"past": "#9ccad3", "now": "#0b5c6b"}
TEXT = 'fill="#5d6f7a" font-size="11" font-family="sans-serif"'


def bars(values: Sequence[float], labels: Sequence[str], titles: Sequence[str]) -> Markup:
    """A bar chart; ``titles`` are shown when the pointer rests on a bar. The last bar is marked as the current one."""
    if not values:
        return Markup("")
    step = WIDTH / len(values)
    top = max(*values, 0.0) if len(values) > 1 else max(values[0], 0.0)
    scale = (HEIGHT - LABELS - 8) / top if top else 0.0
    every = max(1, len(values) // 7)
    parts = [f'<svg class="bars" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Bars by day">']
    for place, (value, label, title) in enumerate(zip(values, labels, titles, strict=True)):
        height = max(value * scale, 1.0)
        left, upper = place * step, HEIGHT - LABELS - height
        kind = "now" if place == len(values) - 1 else "past"
        parts.append(
            f'<rect class="{kind}" fill="{FILLS[kind]}" x="{left + step * 0.1:.1f}" y="{upper:.1f}" width="{step * 0.8:.1f}" '
            f'height="{height:.1f}" rx="2"><title>{escape(title)}</title></rect>'
        )
        if place % every == 0:
            # the outermost labels would be cut off if they stood in the middle of a narrow bar
            at, anchor = left + step / 2, "middle"
            if place == 0:
                at, anchor = left + step * 0.1, "start"
            elif place == len(values) - 1:
                at, anchor = left + step * 0.9, "end"
            parts.append(f'<text x="{at:.1f}" y="{HEIGHT - 4}" text-anchor="{anchor}" {TEXT}>{escape(label)}</text>')
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text in it was escaped above
