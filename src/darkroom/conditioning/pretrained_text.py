"""CLIP's text tower, pretrained and frozen, as open_clip builds it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from darkroom.conditioning import tokens
from darkroom.conditioning.clip_file import ClipFile, read_clip
from darkroom.conditioning.facts import Facts
from darkroom.conditioning.text import captions_of, require_captions
from darkroom.contracts import Condition, ConditionSpec, Prompts

_USUAL = "openai"


class PretrainedText(nn.Module):
    """A frozen tower: ``Condition.tokens`` [b, context_length, width], ``mask``, ``vector`` [b, embedding width].

    The tower stands outside of the module tree: it has no part in state_dict, optimizer, EMA or gradient exchange, and
    only follows ``.to``. A checkpoint therefore needs ``pretrained`` again when it is loaded; a file of another
    ``sha256`` is refused by a ValueError. The tower is causal, so fewer tokens than its 77 change nothing but the
    price. A dropped row is the empty caption.

    The penultimate hidden states go into the last block and have passed no final norm (SD3, recipes.md 9.5); the
    final ones come out of it and have (SD1). The vector is the projected final state of the end token with either.
    """

    def __init__(
        self,
        model: str,  # as open_clip names it; OpenAI's weights given as a file want the name that ends in -quickgelu
        pretrained: str | None = _USUAL,  # open_clip's tag (from the cache, else fetched), a file, or None: random
        context_length: int = 77,  # tokens with start and end; longer captions are cut
        layer: Literal["final", "penultimate"] = "penultimate",  # which hidden states are the tokens
        sha256: str | None = None,  # of the file; None takes any
    ):
        super().__init__()
        tower = _load_tower(ClipFile("conditioner", model, pretrained), sha256)
        if not 3 <= context_length <= tower.context_length:
            raise ValueError(
                f"conditioner.context_length={context_length} is not in 3..{tower.context_length}, what {model} reads"
            )
        self.context_length = context_length
        self.layer = layer
        tower = _cut(tower, context_length).eval().requires_grad_(False)
        self._outside: list[Any] = [tower]  # a list hides it from nn.Module
        self.spec = ConditionSpec(tokens=tower.width, vector=tower.output_dim)

    @staticmethod
    def completed(arguments: dict[str, Any], facts: Facts) -> dict[str, Any]:
        """The constructor's arguments with the weights' hash; raises ValueError where the data has no captions."""
        require_captions("clip", facts)
        pretrained = arguments.get("pretrained", _USUAL)
        if pretrained is None or arguments.get("sha256") is not None:
            return arguments
        return arguments | {"sha256": ClipFile("conditioner", arguments["model"], pretrained).sha256()}

    @property
    def tower(self) -> Any:
        """open_clip's ``TextTransformer``."""
        return self._outside[0]

    def truncated(self, captions: Iterable[str]) -> list[str]:
        """The captions that are cut at the context length."""
        return tokens.truncated(captions, self.context_length)

    def unknown_words(self, captions: Iterable[str]) -> list[str]:  # noqa: ARG002
        """None: the tower has the tokenizer's whole vocabulary."""
        return []

    @torch.no_grad()
    def forward(self, prompts: Prompts, drop: Bool[Tensor, " b"] | None = None) -> Condition:
        """Raises ValueError where the prompts have no captions."""
        ids = self._ids(captions_of(prompts))
        if drop is not None:
            ids = torch.where(drop.to(ids.device)[:, None], self._ids(("",)), ids)
        final = self.layer == "final"
        out = self.tower.forward_intermediates(
            ids, indices=1 if final else 2, normalize_intermediates=final, output_fmt="NLC"
        )
        return Condition(tokens=out["text_intermediates"][0], mask=tokens.counts(ids), vector=out["text_features"])

    def _ids(self, captions: Sequence[str]) -> Tensor:
        device = self.tower.token_embedding.weight.device
        return tokens.token_ids(captions, self.context_length).to(device, non_blocking=True)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PretrainedText":
        self.tower._apply(fn, recurse)  # .to(device) and .bfloat16() reach it although it is no child
        return super()._apply(fn, recurse)


def _load_tower(clip: ClipFile, sha256: str | None) -> Any:
    from open_clip.transformer import QuickGELU, TextTransformer  # seconds: only where there is text

    if clip.pretrained and sha256 is not None and (found := clip.sha256()) != sha256:
        raise ValueError(
            f"conditioner.pretrained={clip.pretrained}: is not the file that the run began with, its sha256 is "
            f"{found[:12]}... and not {sha256[:12]}...; give the path to that one"
        )
    tower = TextTransformer(
        **clip.config["text_cfg"],
        output_dim=clip.config["embed_dim"],
        act_layer=QuickGELU if clip.quick_gelu else nn.GELU,
    )
    if clip.pretrained:
        _fill(tower, clip)
    return tower


def _fill(tower: nn.Module, clip: ClipFile) -> None:
    """Takes the text tower out of a whole CLIP's weights: OpenAI's layout, or open_clip's with its ``text.`` prefix."""
    path = clip.path()
    state = read_clip(path, "conditioner.pretrained")
    prefix = "text." if any(key.startswith("text.") for key in state) else ""
    wanted = tower.state_dict()
    missing = [key for key in wanted if prefix + key not in state]
    if missing:
        raise ValueError(
            f"{path} has no {prefix}{missing[0]}; conditioner.pretrained wants the weights of a whole CLIP"
        )
    wrong = [key for key in wanted if state[prefix + key].shape != wanted[key].shape]
    if wrong:
        shapes = f"{list(state[prefix + wrong[0]].shape)}, not {list(wanted[wrong[0]].shape)}"
        raise ValueError(f"{path} has another shape of {wrong[0]} than conditioner.model: {shapes}")
    tower.load_state_dict({key: state[prefix + key] for key in wanted})


def _cut(tower: Any, context_length: int) -> Any:
    """Keeps the first positions."""
    tower.positional_embedding = nn.Parameter(tower.positional_embedding[:context_length].clone())
    tower.context_length = tower.num_pos = context_length
    tower.attn_mask = tower.build_causal_mask()
    return tower
