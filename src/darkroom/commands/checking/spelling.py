"""The nearest right spelling."""

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of ``words`` that ``word`` was meant to be, or None where none is near."""
    lower = {each.lower(): each for each in sorted(set(words))}
    found = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else None


def meant(word: str, words: Iterable[str]) -> str:
    """``; did you mean X?``, or what there is to choose from where that is short and nothing is near."""
    choices = sorted(set(words))
    near = nearest(word, choices)
    if near is not None:
        return f"; did you mean {near}?"
    return f"; there is {', '.join(choices)}" if 0 < len(choices) <= 12 else ""
