"""Features of a CLIP's vision tower, as open_clip builds it and feeds it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from darkroom.metrics.extractor import ASKED, Asked
from darkroom.metrics.open_clip_preparation import OpenClipPreparation
from darkroom.metrics.weights_file import fill

_OF_CMMD = ("ViT-L-14-336", "openai")


class OpenClipExtractor(Asked):
    """A frozen tower: features are those of ``encode_image``, projected to where captions lie, of any length.

    Args:
        name: a distance is named after it, but for CMMD, which is by OpenAI's ViT-L/14 at 336 pixels. That a file holds
            OpenAI's weights is the word of whoever gives ``tag``: one of known sha256 was not at hand.
        model: as open_clip names it.
        weights: a file of the whole CLIP or of its ``visual.`` part, with open_clip's names.
        tag: open_clip's of these weights, which knows their activation and how a picture is prepared; None takes the
            model's own activation and CLIP's preparation. Nothing is fetched by it.

    Raises FileNotFoundError or ValueError in one line for a file that is not there or of another network, and for a
    model or a tag that open_clip does not know.
    """

    def __init__(self, *, name: str, model: str, weights: str, tag: str | None) -> None:
        self.name, self._model, self._tag = name, model, tag
        self.titles: Mapping[str, str] = {"cmmd": "cmmd"} if (model, tag) == _OF_CMMD else {}
        known = _known(model, tag)
        tower = _tower(model, known)
        super().__init__(tower)
        self.hash = fill(nn.ModuleDict({"visual": tower}), Path(weights), key="extractor.weights")
        self._preparation = OpenClipPreparation(tower.image_size, known)

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "3 h w"]:
        """By open_clip's transform for these weights."""
        return self._preparation(picture)

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        network = {"model": self._model, "tag": self._tag, "weights": self.hash, "layer": "projected"}
        return {"name": self.name, **network, **self._preparation.protocol, **ASKED}


def _known(model: str, tag: str | None) -> dict[str, Any]:
    """What open_clip knows of weights that it could fetch."""
    import open_clip

    if tag is None:
        return {}
    if not (known := open_clip.get_pretrained_cfg(model, tag)):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise ValueError(f"extractor.tag={tag}: open_clip has no such weights of {model}; it has {tags}")
    return known


def _tower(model: str, known: Mapping[str, Any]) -> Any:
    """The vision tower alone, untrained: the whole CLIP would fetch the tokenizer of some models."""
    import open_clip
    from open_clip.model import _build_vision_tower

    config = open_clip.get_model_config(model)
    if config is None:
        raise ValueError(f"extractor.model={model}: open_clip has none of that name; ViT-L-14-336 is one")
    quick_gelu = known.get("quick_gelu", config.get("quick_gelu", False))  # OpenAI trained with x * sigmoid(1.702 x)
    vision = {**config["vision_cfg"], "timm_model_pretrained": False, "output_tokens": False}
    return _build_vision_tower(config["embed_dim"], vision, quick_gelu)
