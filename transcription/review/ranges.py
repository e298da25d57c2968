"""Compare ranges of original words. A range is the `first` and `last` of a Change.

Each list of ranges must be sorted and without overlaps.
"""

from bisect import bisect_right

from transcription.review.current import Change, text_of


def overlaps(one: Change, other: Change) -> bool:
    return one[:2] == other[:2] or (one.first < other.last and other.first < one.last)


def overlapping(many: list[Change], changes: list[Change]) -> list[Change]:
    """Return the ranges in `many` that overlap a range in `changes`."""
    result: list[Change] = []
    at = 0
    for each in many:
        while at < len(changes) and changes[at].last <= each.first:
            if overlaps(changes[at], each):
                break
            at += 1
        if at < len(changes) and overlaps(changes[at], each):
            result.append(each)
    return result


def is_covered(change: Change, ranges: list[Change]) -> bool:
    """Return whether one of the ranges contains all words of the change."""
    at = bisect_right(ranges, change.first, key=lambda each: each.first) - 1
    return at >= 0 and change.last <= ranges[at].last


def original_text(pieces: list[str], change: Change) -> str:
    return text_of(pieces[change.first : change.last], [])


def current_text(pieces: list[str], now: list[Change], change: Change) -> str:
    """Return the current text of the words in the range of `change`.

    now: the live corrections. A correction that overlaps the range must be inside it.
    """
    inside = [
        each._replace(first=each.first - change.first, last=each.last - change.first)
        for each in overlapping(now, [change])
    ]
    return text_of(pieces[change.first : change.last], inside)
