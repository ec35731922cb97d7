"""Captions to token ids of CLIP's tokenizer (open_clip's), and the few of its ids that a set of captions holds.

An id sequence is ``start, words, end, 0, 0, ...``: it is filled up with 0, which is also the id of a "!" inside a word,
so only the end token tells where a caption stops. It has the largest id of all, and open_clip pools at the arg max.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

PADDING, START, END = 0, 49406, 49407
NUM_IDS = 49408
MOST = 77  # tokens of a caption in CLIP


@functools.cache
def _tokenizer() -> Any:
    import open_clip  # seconds: only where there is text

    return open_clip.SimpleTokenizer()


@functools.lru_cache(maxsize=2**16)
def _word_ids(word: str) -> tuple[int, ...]:
    return tuple(_tokenizer().encode(word))


def encode(caption: str) -> tuple[int, ...]:
    """The ids of a caption, without start and end, of any length.

    The tokenizer first repairs broken encodings and HTML entities, which takes ten times as long as looking up words
    and changes nothing in printable ASCII without "&". No token spans a space, so such a caption is read word by word.
    """
    if caption.isascii() and caption.isprintable() and "&" not in caption:
        return tuple(i for word in caption.split() for i in _word_ids(word))
    return _word_ids(caption)


@functools.lru_cache(maxsize=2**17)  # captions repeat from epoch to epoch; some 100 MB when full
def _row(caption: str, context_length: int) -> np.ndarray:
    row = np.full(context_length, PADDING)
    ids = (START, *encode(caption)[: context_length - 2], END)
    row[: len(ids)] = ids
    return row


def token_ids(captions: Sequence[str], context_length: int) -> Int64[Tensor, "b n"]:
    """Start, caption, end, padding. A caption that is too long is cut and keeps its end token."""
    return torch.from_numpy(np.stack([_row(caption, context_length) for caption in captions]))


def counts(ids: Int64[Tensor, "b n"]) -> Bool[Tensor, "b n"]:
    """True up to and including the end token, of CLIP's ids or of rows of a vocabulary."""
    return torch.arange(ids.shape[1], device=ids.device) <= ids.argmax(dim=1, keepdim=True)


def truncated(captions: Iterable[str], context_length: int) -> list[str]:
    """The captions that are cut, each once."""
    return [caption for caption in dict.fromkeys(captions) if len(encode(caption)) > context_length - 2]


def ids_in(captions: Iterable[str]) -> list[int]:
    """The ids that captions hold, sorted, with start, end and padding."""
    found = {PADDING, START, END}
    for caption in set(captions):
        found.update(encode(caption))
    return sorted(found)


def longest(captions: Iterable[str]) -> int:
    """Tokens of the longest caption, with start and end, but no more than the 77 that CLIP reads."""
    return min(max(len(encode(caption)) for caption in set(captions)) + 2, MOST)


class Vocabulary:
    """Numbers a few of CLIP's ids 1, 2, ... in their order, so that the end token stays the largest.

    Row 0 stands for every other id. A small tower then embeds a few dozen rows and not 49,408: the gradient, the
    optimizer and the EMA of an embedding run over all of its rows, used or not.
    """

    def __init__(self, ids: Sequence[int]):
        """Raises ValueError where the ids are not CLIP's or lack start, end or padding."""
        known = np.unique(np.array(ids, dtype=np.int64))
        if not {PADDING, START, END} <= set(known.tolist()) or known[0] < 0 or known[-1] >= NUM_IDS:
            raise ValueError(
                f"conditioner.vocabulary must hold {PADDING} (padding), {START} (start), {END} (end) and other ids "
                f"of CLIP's, but lies in {known[:1]}..{known[-1:]}; leave it out to have it read from the captions"
            )
        self.size = len(known) + 1
        self._rows = np.zeros(NUM_IDS, dtype=np.int64)  # numpy's: it stays on the host whatever torch's device is
        self._rows[known] = np.arange(1, self.size)

    def rows(self, ids: Int64[Tensor, "b n"]) -> Int64[Tensor, "b n"]:
        """CLIP's ids to rows of an embedding; on the CPU, as the ids are."""
        return torch.from_numpy(self._rows[ids.numpy()])

    def unknown_words(self, captions: Iterable[str]) -> list[str]:
        """The words with an id that is not in the vocabulary, each once, in the order they come."""
        words = [word for caption in captions for word in _words(caption)]
        return [word for word in dict.fromkeys(words) if not self._knows(word)]

    def _knows(self, word: str) -> bool:
        return bool(self._rows[list(_word_ids(word))].all())


def _words(caption: str) -> list[str]:
    tokenizer = _tokenizer()
    return tokenizer.pat.findall(tokenizer.clean_fn(caption))
