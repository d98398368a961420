"""A chart of a training run's losses in SVG, with a description for screen readers."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ui.texts import Language, say

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 30, 46  # margins
TICKS = 5
MOST_POINTS = 400  # per line; more cannot be distinguished
LEAST_SPAN = 0.02  # of the loss axis, so that noise does not look like a change

Point = tuple[float, float]


@dataclass(frozen=True)
class _Scale:
    """Converts values to coordinates of the picture."""

    low: Point
    high: Point

    def x(self, value: float) -> float:
        return LEFT + (value - self.low[0]) / (self.high[0] - self.low[0]) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low[1]) / (self.high[1] - self.low[1])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def loss_chart(language: Language, raw: Sequence[Point], evaluations: Sequence[Point]) -> str:
    """Render evaluations ``(step, loss)`` as a line with dots, in front of a faint line of the step losses.

    The step losses vary far more, so they have a scale of their own. Returns "" before the first evaluation.
    """
    if not evaluations:
        return ""
    last = max(1.0, *(step for step, _ in (*raw, *evaluations)))
    scale = _scale([loss for _, loss in evaluations], last)
    title = html.escape(say(language, "train_chart_title"))
    about = html.escape(_in_words(language, evaluations))
    noise = _points(_scale([loss for _, loss in raw], last, margin=0.0), raw) if raw else ""
    dots = "".join(
        f'<circle class="chart-dot" cx="{scale.x(step):.1f}" cy="{scale.y(loss):.1f}" r="3">'
        f"<title>{html.escape(say(language, 'train_chart_point', step=step, loss=loss))}</title></circle>"
        for step, loss in evaluations
    )
    return (
        f'<figure class="train-chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-labelledby="train-chart-title train-chart-about">'
        f'<title id="train-chart-title">{title}</title><desc id="train-chart-about">{about}</desc>'
        f'{_axes(language, scale)}<polyline class="chart-raw" points="{noise}"/>'
        f'<polyline class="chart-line" points="{_points(scale, evaluations)}"/>{dots}</svg>'
        f"<figcaption>{_legend(language)}</figcaption></figure>"
    )


def _scale(losses: Sequence[float], last: float, margin: float = 1.0) -> _Scale:
    """Make a scale from step 0 to ``last`` and over the losses; ``margin`` is a fraction of their span."""
    low, high = min(losses), max(losses)
    span = max(high - low, LEAST_SPAN * high) or 1.0
    return _Scale((0.0, max(0.0, low - margin * span)), (last, low + (1 + margin) * span))


def _axes(language: Language, scale: _Scale) -> str:
    right, bottom, parts = WIDTH - RIGHT, HEIGHT - BOTTOM, []
    for loss in _ticks(scale.low[1], scale.high[1]):
        y = f"{scale.y(loss):.1f}"
        parts.append(f'<line class="chart-grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y}" dy="4" text-anchor="end">{loss:g}</text>')
    for step in _ticks(scale.low[0], scale.high[0]):
        parts.append(f'<text x="{scale.x(step):.1f}" y="{bottom + 18}" text-anchor="middle">{step:g}</text>')
    parts.append(f'<line class="chart-axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    steps, losses = (html.escape(say(language, f"train_chart_{axis}")) for axis in ("steps", "loss"))
    parts.append(f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">{steps}</text>')
    parts.append(f'<text x="0" y="16">{losses}</text>')
    return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """Choose a few round numbers from ``low`` to ``high``."""
    rough = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(number * step, 10) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _points(scale: _Scale, values: Sequence[Point]) -> str:
    """Render the values as at most :data:`MOST_POINTS` points, each the mean of its neighbours."""
    size = math.ceil(len(values) / MOST_POINTS) or 1
    groups = [values[start : start + size] for start in range(0, len(values), size)]
    means = [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups
    ]
    return " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in means)


def _in_words(language: Language, evaluations: Sequence[Point]) -> str:
    (_, first), (step, last) = evaluations[0], evaluations[-1]
    best_step, best = min(evaluations, key=lambda point: point[1])
    return say(
        language, "train_chart_about", first=first, step=step, last=last, best=best, best_step=best_step
    )


def _legend(language: Language) -> str:
    return "".join(
        f'<span><i class="{style}"></i>{html.escape(say(language, key))}</span>'
        for style, key in (
            ("chart-key-line", "train_chart_evaluation"),
            ("chart-key-raw", "train_chart_raw"),
        )
    )
