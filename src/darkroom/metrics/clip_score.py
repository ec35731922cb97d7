"""How well pictures fit their captions, as a CLIP sees both (Hessel et al. 2021; evaluation.md 4)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from darkroom.conditioning import tokens
from darkroom.conditioning.clip_file import ClipFile, read_clip
from darkroom.data.reading import in_threads
from darkroom.files import digest
from darkroom.metrics.extractor import ASKED, in_micro_batches
from darkroom.metrics.open_clip_preparation import OpenClipPreparation
from darkroom.metrics.rows import require_finite
from darkroom.metrics.weights_file import take


class ClipScore:
    """100 max(0, cos) between what a CLIP makes of a picture and of its caption, clamped for each picture.

    Hessel's own score is 2.5 max(0, cos) under the prefix "A photo depicts"; this is the plain one that is told today.
    Captions longer than CLIP's 77 tokens are cut, and an empty one has no score.

    Args:
        name: the score is named after it.
        model: as open_clip names it, one with CLIP's own text tower.
        tag: open_clip's of the weights, which knows their activation and how a picture is prepared; None takes the
            model's own activation and CLIP's preparation.
        weights: a file of the whole CLIP. Nothing is fetched.

    Raises FileNotFoundError or ValueError in one line, as :class:`ClipFile` does, and for a file that is not there or
    of another network.
    """

    def __init__(self, *, name: str, model: str, tag: str | None, weights: str) -> None:
        from open_clip import CLIP  # seconds

        clip = ClipFile("clip_score", model, tag)
        if tag is not None and not clip.tag:
            raise ValueError(f"clip_score.tag={tag}: open_clip has no such weights of {model}")
        path = Path(weights)
        if not path.is_file():
            raise FileNotFoundError(f"clip_score.weights={path}: there is no such file; give one of a whole CLIP")
        config = clip.config
        vision = {**config["vision_cfg"], "timm_model_pretrained": False}
        self._clip = CLIP(config["embed_dim"], vision, config["text_cfg"], quick_gelu=clip.quick_gelu)
        self._clip.eval().requires_grad_(False)
        state = {key.removeprefix("text."): value for key, value in read_clip(path, "clip_score.weights").items()}
        take(self._clip, state, f"clip_score.weights={path}")
        self.name, self._model, self._tag, self.hash = f"clip_score_{name}", model, tag, digest(path)
        self._prepare = OpenClipPreparation(self._clip.visual.image_size, clip.tag)
        self._device = torch.device("cpu")

    def __call__(self, batches: Iterable[UInt8[Tensor, "_ 3 _ _"]], captions: Sequence[str]) -> Float[Tensor, " n"]:
        """Of every picture, in float64 on the CPU; NaN where its caption is empty.

        Raises ValueError where pictures and captions differ in number, and for features that are not finite.
        """
        pictures = torch.cat([self._pictures(batch) for batch in batches])
        if len(pictures) != len(captions):
            raise ValueError(f"{self.name}: there are {len(pictures)} pictures and {len(captions)} captions")
        of_text = self._captions(list(captions))
        require_finite(pictures, of_text)
        cosine = (F.normalize(pictures.double(), dim=1) * F.normalize(of_text.double(), dim=1)).sum(dim=1)
        empty = torch.tensor([not caption.strip() for caption in captions])
        return (100 * cosine.clamp(min=0)).masked_fill(empty, torch.nan)

    def truncated(self, captions: Iterable[str]) -> list[str]:
        """The captions that are cut at the context length."""
        return tokens.truncated(captions, self._clip.context_length)

    def to(self, device: torch.device) -> "ClipScore":
        """Itself, computing on ``device``."""
        self._clip.to(device)
        self._device = device
        return self

    @property
    def protocol(self) -> dict[str, Any]:
        """What another would have to share for its scores to be these."""
        network = {"model": self._model, "tag": self._tag, "weights": self.hash}
        captions = {"template": "{}", "tokens": self._clip.context_length}
        return {"name": self.name, **network, **self._prepare.protocol, **captions, **ASKED}

    def _pictures(self, batch: UInt8[Tensor, "b 3 _ _"]) -> Float[Tensor, "b d"]:
        prepared = torch.stack(list(in_threads(self._prepare, list(batch.cpu()))))
        return in_micro_batches(self._clip.encode_image, prepared, self._device)

    def _captions(self, captions: list[str]) -> Float[Tensor, "b d"]:
        """Each caption once, since they may repeat."""
        each = list(dict.fromkeys(captions))
        ids = tokens.token_ids(each, self._clip.context_length)
        rows = in_micro_batches(self._clip.encode_text, ids, self._device)
        place = {caption: row for row, caption in enumerate(each)}
        return rows[[place[caption] for caption in captions]]


def told(scores: Float[Tensor, " n"]) -> Float[Tensor, " m"]:
    """Those of pictures with a caption. Raises ValueError where there is none."""
    held = scores[~scores.isnan()]
    if not len(held):
        raise ValueError("clip_score: no picture has a caption to be held against")
    return held
