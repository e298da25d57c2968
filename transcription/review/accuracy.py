"""Sum the scores for the page "Accuracy": by keyword list, and by month."""

import random
from collections import defaultdict
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, Sum, Value, When, Window
from django.db.models.functions import Coalesce, RowNumber, TruncMonth

from transcription.models import Score

# Compute the confidence interval of a Group from at most this many of its newest
# scores. The sums of a Group use all its scores.
NEWEST = 300
RESAMPLES = 200
GROUPS = 20
# The plot has at most LINES lines. WIDTH and HEIGHT are in SVG units.
LINES = 6
WIDTH, HEIGHT = 640, 220
NO_LIST, DELETED = "No keyword list", "A deleted list"
GROUP = ("transcript__vocabulary__name", "transcript__vocabulary_version")
MODEL = "transcript__model_used"
COUNTS = ("terms", "terms_right", "false_terms", "words", "words_wrong")


class Interval(NamedTuple):
    """A share in percent, with the limits of its 95% confidence interval."""

    share: float
    low: float
    high: float


class Group(NamedTuple):
    """The scores of one version of a keyword list with one model.

    version: None if no keyword list was used.
    transcripts: number of scores.
    counts: the sum of each column in COUNTS.
    terms_right: percentage of the terms, or None if there are no terms.
    words_wrong: percentage of the words, or None if there are no words.
    """

    name: str
    version: int | None
    model: str
    transcripts: int
    counts: dict[str, int]
    terms_right: Interval | None
    words_wrong: Interval | None


class Line(NamedTuple):
    """The plot line of one keyword list: the word errors in percent, by month.

    number: 0 for the first line. The page's CSS has a colour for each number.
    months: (month, word errors in percent, number of scores).
    points: (x, y) in SVG units, one for each month.
    """

    name: str
    number: int
    months: list[tuple[datetime, float, int]]
    points: list[tuple[float, float]]

    @property
    def path(self) -> str:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self.points)


def groups() -> list[Group]:
    """Return the groups with the most scores, at most GROUPS. Makes two queries."""
    sums = (
        Score.objects.values(*GROUP, MODEL)
        .annotate(scores=Count("pk"), **{f"sum_{each}": Sum(each) for each in COUNTS})
        .order_by("-scores")[:GROUPS]
    )
    place = Window(RowNumber(), partition_by=[*GROUP, MODEL], order_by=F("pk").desc())
    rows = Score.objects.annotate(place=place).filter(place__lte=NEWEST).order_by("-pk")
    newest: dict[Any, list[tuple[int, ...]]] = defaultdict(list)
    columns = (*GROUP, MODEL, *COUNTS)
    for *key, terms, terms_right, _, words, words_wrong in rows.values_list(*columns):
        newest[tuple(key)].append((terms, terms_right, words, words_wrong))
    return [_group(row, newest) for row in sums]


def _group(row: dict[str, Any], newest: dict[Any, list[tuple[int, ...]]]) -> Group:
    key = (*(row[each] for each in GROUP), row[MODEL])
    terms, right, words, wrong = zip(*newest[key] or [(0, 0, 0, 0)], strict=True)
    counts = {each: row[f"sum_{each}"] for each in COUNTS}
    return Group(
        row[GROUP[0]] or (DELETED if row[GROUP[1]] else NO_LIST),
        row[GROUP[1]],
        row[MODEL] or "unknown",
        row["scores"],
        counts,
        _interval(counts["terms_right"], counts["terms"], right, terms),
        _interval(counts["words_wrong"], counts["words"], wrong, words),
    )


def _interval(
    part: int, whole: int, parts: tuple[int, ...], wholes: tuple[int, ...]
) -> Interval | None:
    """Return a percentage with its confidence interval, or None if `whole` is 0.

    part, whole: sums over all scores, such as the wrong words and all words. They give
    the percentage.
    parts, wholes: the same numbers for each of the newest scores. They give the
    interval.
    """
    if not whole:
        return None
    shares = []
    # Draw whole transcripts, not words, because the words of a transcript are not
    # independent.
    for sample in _samples(len(wholes)):
        if of := sum(map(wholes.__getitem__, sample)):
            shares.append(100 * sum(map(parts.__getitem__, sample)) / of)
    shares.sort()
    share = 100 * part / whole
    if not shares:
        return Interval(share, share, share)
    cut = len(shares) // 40
    # The interval must contain `share`. But `share` comes from all scores, and `shares`
    # only from the newest.
    return Interval(share, min(share, shares[cut]), max(share, shares[-1 - cut]))


@lru_cache(64)
def _samples(scores: int) -> list[list[int]]:
    """Return RESAMPLES random lists of indexes, for the bootstrap of `_interval`.

    Each list has `scores` indexes from 0 to scores - 1. An index may be repeated. The
    random seed is fixed, so that the page shows the same intervals after a reload.
    """
    chance = random.Random(1)  # noqa: S311
    return [chance.choices(range(scores), k=scores) for _ in range(RESAMPLES)]


def lines() -> list[Line]:
    """Return the lines of the plot. Makes one query."""
    # If there is a version but no name, the keyword list was deleted (SET_NULL).
    nameless = Case(
        When(transcript__vocabulary_version__isnull=True, then=Value(NO_LIST)),
        default=Value(DELETED),
    )
    rows = (
        Score.objects.annotate(
            month=TruncMonth("transcript__created_at"),
            name=Coalesce(GROUP[0], nameless),
        )
        .values("name", "month")
        .annotate(scores=Count("pk"), of=Sum("words"), wrong=Sum("words_wrong"))
        .order_by("month")
    )
    by_list: dict[str, list[tuple[datetime, float, int]]] = defaultdict(list)
    for row in rows:
        if row["of"]:
            share = 100 * row["wrong"] / row["of"]
            by_list[row["name"]].append((row["month"], share, row["scores"]))
    most = sorted(by_list.items(), key=lambda each: -sum(n for *_, n in each[1]))[
        :LINES
    ]
    months = sorted({month for _, points in most for month, *_ in points})
    top = y_axis_limit(share for _, points in most for _, share, _ in points)
    step = WIDTH / max(1, len(months) - 1)
    return [
        Line(
            name,
            number,
            points,
            [
                (months.index(month) * step, HEIGHT * (1 - share / top))
                for month, share, _ in points
            ],
        )
        for number, (name, points) in enumerate(most)
    ]


def y_axis_limit(shares: Any) -> float:
    """Return the percentage at the upper end of the y axis: 10, 20, 50, 100 or more.

    More than 100 % of the words may be wrong, because added words count, too.
    """
    most = max(shares, default=0)
    return next((limit for limit in (10, 20, 50, 100) if most <= limit), most)
