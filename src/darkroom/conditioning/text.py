"""A small text tower that is trained together with the denoiser, from scratch."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from darkroom.conditioning import tokens
from darkroom.conditioning.facts import Facts
from darkroom.contracts import Condition, ConditionSpec, Prompts

_NEIGHBOURS = 5  # tokens: a noun with its article, size and colour


def captions_of(prompts: Prompts) -> tuple[str, ...]:
    """The captions; raises ValueError where there are none."""
    if prompts.caption is None:
        raise ValueError("a text conditioner wants a caption for each picture, but none was given; set prompt=")
    return prompts.caption


def require_captions(name: str, facts: Facts) -> Sequence[str]:
    """The captions of the data; raises ValueError, for the option ``name``, where there are none."""
    if facts.captions is None or not facts.has_captions:
        raise ValueError(
            f"conditioner={name} wants captions, but the data has none; write a metadata.jsonl or a .txt beside each "
            "picture, or use conditioner=auto or conditioner=none"
        )
    return facts.captions


class Words(nn.Embedding):
    """A row for each word, plus a convolution over the words around it; row 0 is zero."""

    def __init__(self, size: int, width: int):
        super().__init__(size, width, padding_idx=0)  # never learns
        self.neighbours = nn.Conv1d(width, width, _NEIGHBOURS, padding="same")

    def forward(self, rows: Int64[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        words = super().forward(rows)
        return words + self.neighbours(words.mT).mT


class SmallText(nn.Module):
    """open_clip's text tower, small, over the token ids that the training captions hold, each told its neighbours.

    ``Condition.tokens`` [b, context_length, width] are the last hidden states after the final norm, ``mask`` counts
    start, words and end, and ``vector`` [b, width] is the projected state of the end token. A dropped row is the empty
    caption. A word that no training caption held is read as a row of zeros: it says nothing but what its neighbours do.

    Two things let captions be read after a thousand steps, and not only their bag of words. Embeddings begin at the
    scale of what the blocks add to them (open_clip's 0.02 drowns in the first block's averages, and long training
    digs it out); and a convolution binds adjectives to their noun, which attention alone had not learnt by then.
    """

    def __init__(
        self,
        vocabulary: Sequence[int],  # CLIP's token ids in use (tokens.ids_in); read from the captions by `completed`
        width: int,
        layers: int,
        heads: int,
        context_length: int,  # tokens with start and end, computed for every caption; `completed` reads the longest
    ):
        super().__init__()
        from open_clip.transformer import TextTransformer  # seconds: only where there is text

        if heads < 1 or width % heads:
            raise ValueError(f"conditioner.heads={heads} does not divide conditioner.width={width}")
        if context_length < 3:
            raise ValueError(f"conditioner.context_length={context_length} has no room for start, a word and end")
        self.context_length = context_length
        self.vocabulary = tokens.Vocabulary(vocabulary)
        self._ids = sorted(set(vocabulary))
        self.tower = TextTransformer(
            context_length=context_length,
            vocab_size=self.vocabulary.size,
            width=width,
            heads=heads,
            layers=layers,
            output_dim=width,
            output_tokens=True,
        )
        self.tower.token_embedding = Words(self.vocabulary.size, width)
        nn.init.normal_(self.tower.positional_embedding)
        self.spec = ConditionSpec(tokens=width, vector=width)

    @property
    def row_meanings(self) -> dict[str, Sequence[int | None]]:
        """What each row of a weight stands for, so that another run can take the rows that mean the same there."""
        return {"tower.token_embedding.weight": [None, *self._ids]}

    @staticmethod
    def completed(arguments: dict[str, Any], facts: Facts) -> dict[str, Any]:
        """The constructor's arguments with the vocabulary and the greatest length of the captions, where not given.

        Raises ValueError where the data has no captions.
        """
        captions = require_captions("text", facts)
        filled = {"vocabulary": tokens.ids_in, "context_length": tokens.longest}
        return arguments | {name: read(captions) for name, read in filled.items() if name not in arguments}

    def truncated(self, captions: Iterable[str]) -> list[str]:
        """The captions that are cut at the context length."""
        return tokens.truncated(captions, self.context_length)

    def unknown_words(self, captions: Iterable[str]) -> list[str]:
        """The words that training never saw, and that therefore say nothing."""
        return self.vocabulary.unknown_words(captions)

    def forward(self, prompts: Prompts, drop: Bool[Tensor, " b"] | None = None) -> Condition:
        """Raises ValueError where the prompts have no captions."""
        device = self.tower.token_embedding.weight.device
        rows = self._rows(captions_of(prompts), device)
        if drop is not None:
            rows = torch.where(drop.to(device)[:, None], self._rows(("",), device), rows)
        with _quick_attention(device):
            pooled, states = self.tower(rows)
        return Condition(tokens=states, mask=tokens.counts(rows), vector=pooled)

    def _rows(self, captions: Sequence[str], device: torch.device) -> Tensor:
        rows = self.vocabulary.rows(tokens.token_ids(captions, self.context_length))
        return rows.to(device, non_blocking=True)


def _quick_attention(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """On a CPU the bf16 fused attention's backward pass took half of the tower's training step; two products do not."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else contextlib.nullcontext()
