"""One figure style for report and demo: plotly figures from the numbers of a run.

Colours are Okabe and Ito's (2008), told apart by people with any colour vision; no figure says
something by colour alone.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from recloop.evaluation.reinforcement import moving_average

Row = dict[str, Any]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#777777")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")
BASELINE_COLOUR = "#777777"
_INK = "#7d8590"  # legible on white and on black


def styled(figure: go.Figure, *, height: int, x_title: str = "", y_title: str = "") -> go.Figure:
    """`figure` in the house style: transparent, so that it sits on a light and on a dark page."""
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 20, "t": 30, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": _INK},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        hoverlabel={"font": {"family": "system-ui, sans-serif"}},
    )
    axis = {"gridcolor": "rgba(125,133,144,0.25)", "zeroline": False, "automargin": True}
    title = {"font": {"size": 13}, "standoff": 12}
    figure.update_xaxes(title={"text": x_title, **title}, **axis)
    figure.update_yaxes(title={"text": y_title, **title}, **axis)
    return figure


def leaderboard(rows: Sequence[Row], metric: str) -> go.Figure:
    """One line per model, best on top: the mean of `metric` with its interval."""
    known = [row for row in rows if row["metrics"].get(metric, {}).get("mean") is not None]
    ordered = sorted(known, key=lambda row: row["metrics"][metric]["mean"])
    figure = go.Figure()
    for is_baseline, name, colour, symbol in (
        (False, "learns", COLOURS[0], "circle"),
        (True, "baseline", BASELINE_COLOUR, "diamond"),
    ):
        group = [row for row in ordered if row["is_baseline"] == is_baseline]
        values = [row["metrics"][metric] for row in group]
        figure.add_scatter(
            x=[value["mean"] for value in values],
            y=[row["name"] for row in group],
            error_x={
                "array": [_above(value) for value in values],
                "arrayminus": [_below(value) for value in values],
                "thickness": 1.5,
            },
            mode="markers",
            name=name,
            marker={"size": 10, "color": colour, "symbol": symbol},
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    _in_rows(figure, [row["name"] for row in reversed(ordered)])
    return styled(figure, height=100 + 28 * len(ordered), x_title=f"{metric}, mean over users")


def _in_rows(figure: go.Figure, names: Sequence[str]) -> None:
    """Names from top to bottom, with half a row of room at both ends."""
    figure.update_yaxes(
        categoryorder="array", categoryarray=list(names)[::-1], range=[-0.6, len(names) - 0.4]
    )


def _above(value: Row) -> float:
    high = value["mean"] if value["ci_high"] is None else value["ci_high"]
    return max(0.0, high - value["mean"])


def _below(value: Row) -> float:
    low = value["mean"] if value["ci_low"] is None else value["ci_low"]
    return max(0.0, value["mean"] - low)


def accuracy_against(rows: Sequence[Row], metric: str, other: str) -> go.Figure:
    """Every model as a point: `other` (coverage, diversity, novelty) across, `metric` upward."""
    known = [
        (index, row, row["metrics"][other]["mean"], row["metrics"][metric]["mean"])
        for index, row in enumerate(rows)
        if all((row["metrics"].get(name) or {}).get("mean") is not None for name in (metric, other))
    ]
    names = _shared_labels([(across, up, row["name"]) for _, row, across, up in known])
    labels = [(across, up, name) for (*_, across, up), name in zip(known, names, strict=True)]
    places = _label_places(labels)
    figure = go.Figure()
    for (index, row, across, upward), name, place in zip(known, names, places, strict=True):
        figure.add_scatter(
            x=[across],
            y=[upward],
            mode="markers+text",
            text=[name],
            textposition=place,
            cliponaxis=False,
            name=row["name"],
            showlegend=False,
            marker={
                "size": 11,
                "color": BASELINE_COLOUR if row["is_baseline"] else COLOURS[index % len(COLOURS)],
                "symbol": SYMBOLS[index % len(SYMBOLS)],
            },
            hovertemplate=(
                f"{row['name']}<br>{other} %{{x:.3f}}<br>{metric} %{{y:.4f}}<extra></extra>"
            ),
        )
    figure.update_xaxes(range=_roomy([across for _, _, across, _ in known], 0.18))
    figure.update_yaxes(range=_roomy([upward for *_, upward in known], 0.1))
    return styled(figure, height=420, x_title=other, y_title=metric)


def _roomy(values: Sequence[float], share: float) -> list[float] | None:
    """The range of `values`, wider by `share` on each side, so that labels have room."""
    if not values:
        return None
    room = share * ((max(values) - min(values)) or 1.0)
    return [min(values) - room, max(values) + room]


def _shared_labels(points: Sequence[tuple[float, float, str]]) -> list[str]:
    """The label of each point (x, y, name); of those in one place the first has all names."""
    labels: list[list[str]] = []
    at = _in_pixels(points)
    for place, (x, y) in enumerate(at):
        near = (
            i for i in range(place) if labels[i] and max(abs(x - at[i][0]), abs(y - at[i][1])) < 4
        )
        first = next(near, None)
        labels.append([] if first is not None else [points[place][2]])
        if first is not None:
            labels[first].append(points[place][2])
    return [", ".join(names) for names in labels]


def _in_pixels(points: Sequence[tuple[float, float, str]]) -> list[tuple[float, float]]:
    """Where points lie on a narrow page: about 260 x 300 pixels of plot."""
    if not points:
        return []
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    width, height = (max(xs) - min(xs)) or 1.0, (max(ys) - min(ys)) or 1.0
    return [(190 * (x - min(xs)) / width, 250 * (y - min(ys)) / height) for x, y, _ in points]


def _label_places(points: Sequence[tuple[float, float, str]]) -> list[str]:
    """Where each label stands beside its point (x, y, name) to cover no earlier label or point.

    Measured on a narrow page, where it is hardest.
    """
    at = _in_pixels(points)
    taken = [(x - 6, x + 6, y - 6, y + 6) for x, y in at]
    places = []
    for (x, y), (_, _, name) in zip(at, points, strict=True):
        wide = 7 * len(name)
        boxes = {
            "top center": (x - wide / 2, x + wide / 2, y + 7, y + 22),
            "bottom center": (x - wide / 2, x + wide / 2, y - 22, y - 7),
            "middle right": (x + 8, x + 8 + wide, y - 7, y + 7),
            "middle left": (x - 8 - wide, x - 8, y - 7, y + 7),
        }
        covered = {name: sum(_overlap(box, one) for one in taken) for name, box in boxes.items()}
        off_page = {name: 2 * (box[0] < -40 or box[1] > 260) for name, box in boxes.items()}
        place = min(boxes, key=lambda name: covered[name] + off_page[name])
        taken.append(boxes[place])
        places.append(place)
    return places


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def learning_curves(log: Sequence[Row], value: str, rounds: str) -> go.Figure:
    """`value` over training: the mean of the seeds, with a band from the lowest to the highest.

    Of more than 200 rounds each point is the mean of the last 50th part of them, and the axis says
    of how many: single episodes are noise.
    """
    figure = go.Figure()
    window = 1
    names = list(dict.fromkeys(line["model"] for line in log if line.get(value) is not None))
    for index, name in enumerate(names):
        lines = [line for line in log if line["model"] == name and line.get(value) is not None]
        at = sorted({line["round"] for line in lines})
        seen = [[line[value] for line in lines if line["round"] == number] for number in at]
        window = max(window, len(at) // 50 if len(at) > 200 else 1)
        colour = COLOURS[index % len(COLOURS)]
        if max(len(values) for values in seen) > 1:
            figure.add_scatter(
                x=at + at[::-1],
                y=[
                    *moving_average([max(values) for values in seen], window),
                    *moving_average([min(values) for values in seen], window)[::-1],
                ],
                fill="toself",
                fillcolor=colour,
                opacity=0.2,
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
            )
        figure.add_scatter(
            x=at,
            y=moving_average([sum(values) / len(values) for values in seen], window),
            mode="lines+markers" if len(at) < 30 else "lines",
            name=name,
            line={"color": colour, "dash": ("solid", "dash", "dot", "dashdot")[index % 4]},
            marker={"symbol": SYMBOLS[index % len(SYMBOLS)]},
        )
    said = value.replace("_", " ") + (f", mean of {window}" if window > 1 else "")
    return styled(figure, height=360, x_title=rounds, y_title=said)


def estimates(
    rows: Sequence[Row], title: str, *, line: tuple[str, float] | None = None
) -> go.Figure:
    """A forest plot: `value` from `low` to `high` of each row, by its name, the first on top.

    Rows without a value stand there without a point, as "no number". line: a name and a number that
    they are to be seen beside.
    """
    known = [row for row in rows if row["value"] is not None]
    figure = go.Figure()
    figure.add_scatter(
        x=[row["value"] for row in known],
        y=[row["name"] for row in known],
        error_x={
            "array": [row["high"] - row["value"] for row in known],
            "arrayminus": [row["value"] - row["low"] for row in known],
            "thickness": 1.5,
        },
        mode="markers",
        marker={"size": 9, "color": COLOURS[0]},
        hovertemplate="%{y}: %{x:.5g}<extra></extra>",
        showlegend=False,
    )
    _in_rows(figure, [row["name"] for row in rows])
    for row in rows:
        if row["value"] is None:
            figure.add_annotation(
                x=0.04, xref="x domain", xanchor="left", y=row["name"], text="no number",
                showarrow=False,
            )  # fmt: skip
    if line is not None:
        figure.add_vline(x=line[1], line={"color": _INK, "dash": "dot"})
        figure.add_annotation(
            x=line[1], y=1, yref="y domain", text=line[0], showarrow=False, yanchor="bottom",
            font={"size": 11, "color": _INK},
        )  # fmt: skip
    return styled(figure, height=100 + 28 * len(rows), x_title=title)


def differences(comparisons: Sequence[Row]) -> go.Figure:
    """Every paired comparison: the mean difference and its interval, beside the line of no gain."""
    labels = [f"{row['model']} − {row['control']}" for row in comparisons]
    rows = list(comparisons)
    figure = go.Figure()
    figure.add_scatter(
        x=[row["difference"] for row in rows],
        y=labels,
        error_x={
            "array": [row["ci_high"] - row["difference"] for row in rows],
            "arrayminus": [row["difference"] - row["ci_low"] for row in rows],
            "thickness": 1.5,
        },
        mode="markers",
        marker={"size": 9, "color": COLOURS[0]},
        text=[row["verdict"] for row in rows],
        hovertemplate="%{y}: %{x:+.4f}<br>%{text}<extra></extra>",
        showlegend=False,
    )
    figure.add_vline(x=0, line={"color": _INK, "dash": "dot"})
    _in_rows(figure, labels)
    metric = comparisons[0]["metric"] if comparisons else ""
    return styled(figure, height=100 + 28 * len(rows), x_title=f"difference in {metric}")


def weight_histogram(
    edges: Sequence[float], rows: Sequence[float], weight: Sequence[float]
) -> go.Figure:
    """Shares of the rows and of all weight, by size of the weight, on a logarithmic axis."""
    figure = go.Figure()
    logs = [math.log10(edge) for edge in edges]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(logs)]
    for name, values, colour, pattern in (
        ("share of decisions", rows, COLOURS[0], ""),
        ("share of all weight", weight, COLOURS[1], "/"),
    ):
        figure.add_bar(
            x=middles,
            y=list(values),
            name=name,
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate="%{y:.2%}<extra></extra>",
        )
    ticks = _log_ticks(logs[0], logs[-1])
    figure.update_layout(barmode="group", bargap=0.1)
    figure.update_xaxes(
        tickvals=[math.log10(one) for one in ticks], ticktext=[f"{one:g}" for one in ticks]
    )
    figure.update_yaxes(tickformat=".0%")
    return styled(figure, height=300, x_title="weight", y_title="share")


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two logarithms, with 2 and 5 of each where they are few."""
    digits = (1, 2, 5) if high - low < 2.5 else (1,)
    every = 1 if high - low < 7 else 2
    found = [
        digit * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1, every)
        for digit in digits
    ]
    near = [one for one in found if low - 0.02 <= math.log10(one) <= high + 0.02]
    return near or [10 ** ((low + high) / 2)]


def calibration(rows: Sequence[Row]) -> go.Figure:
    """What was shown against what propensities say, and the diagonal where both are the same."""
    figure = go.Figure()
    ends = [value for row in rows for value in (row["low"], row["high"], row["observed"])]
    low, high = min(ends) / 1.4, max(ends) * 1.4
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": _INK, "dash": "dot"},
        name="right propensities",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[row["predicted"] for row in rows],
        y=[row["observed"] for row in rows],
        error_x={
            "array": [row["high"] - row["predicted"] for row in rows],
            "arrayminus": [row["predicted"] - row["low"] for row in rows],
            "thickness": 1.5,
        },
        mode="markers",
        marker={"size": 9, "color": COLOURS[0]},
        name="items of the log",
        text=[f"{row['n_items']:,} items, shown {row['n_shown']:,} times" for row in rows],
        hovertemplate="%{text}<br>said %{x:.4g}, shown %{y:.4g}<extra></extra>",
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        if high > 5 * low:
            ticks = [one for one in _log_ticks(math.log10(low), math.log10(high)) if one > low]
            texts = [f"{one:g}" for one in ticks]
            ends_of_axis = [math.log10(low), math.log10(high)]
            update(type="log", range=ends_of_axis, tickvals=ticks, ticktext=texts, tickangle=0)
        else:
            update(range=[low, high], nticks=6)
    return styled(
        figure, height=380, x_title="share that the propensities say", y_title="share shown"
    )


def with_lines(figure: go.Figure, lines: Mapping[str, float]) -> go.Figure:
    """`figure` with a level line for each of `lines`, named at its right end."""
    dashes = ("dot", "dash", "dashdot", "longdash", "solid")
    for index, (name, value) in enumerate(lines.items()):
        figure.add_hline(
            y=value,
            line={"color": BASELINE_COLOUR, "width": 1.2, "dash": dashes[index % len(dashes)]},
            annotation={
                "text": name.replace("_", " "),
                "font": {"size": 11, "color": _INK},
                "xanchor": "right",
            },
        )
    return figure
