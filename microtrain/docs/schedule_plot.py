"""A small picture of a schedule, as SVG in the colours of the page it stands in."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 420, 170, 62, 34, 10, 12


def schedule_svg(rates: Sequence[float], name: str) -> str:
    """A dot for the learning rate at each of the steps 0, 1, 2 ..."""
    high = max(rates) or 1.0
    last = max(len(rates) - 1, 1)

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / last, 1)

    def y(rate: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * rate / high, 1)

    points = " ".join(f"{x(step)},{y(rate)}" for step, rate in enumerate(rates))
    every = 10 if last >= 20 else 3
    ticks = [f'<text x="{x(s)}" y="{HEIGHT - 18}" text-anchor="middle">{s}</text>' for s in range(0, last + 1, every)]
    for rate in (0.0, high / 2, high):
        ticks.append(f'<text x="{LEFT - 6}" y="{y(rate) + 4}" text-anchor="end">{rate:.3g}</text>')
        ticks.append(f'<path d="M{LEFT} {y(rate)}H{WIDTH - RIGHT}" stroke="currentColor" opacity="0.15"/>')
    dots = "".join(f'<circle cx="{x(step)}" cy="{y(rate)}" r="1.8"/>' for step, rate in enumerate(rates))
    middle = (HEIGHT - BOTTOM + TOP) / 2
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
        f'aria-label="{name}: the learning rate from {rates[0]:.3g} at step 0 to {rates[-1]:.3g} at step {last}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="currentColor">{"".join(ticks)}'
        f'<path d="M{LEFT} {TOP}V{y(0)}H{WIDTH - RIGHT}" fill="none" stroke="currentColor" opacity="0.6"/>'
        f'<g fill="var(--curve, #1f5fa8)"><polyline points="{points}" fill="none" stroke="var(--curve, #1f5fa8)" '
        f'stroke-width="1.4"/>{dots}</g>'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 3}" text-anchor="middle">step</text>'
        f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">learning rate</text></svg>'
    )
