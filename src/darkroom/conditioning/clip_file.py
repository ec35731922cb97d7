"""A CLIP of open_clip's list and the file of its weights: from open_clip's usual cache, fetched, or given by a path."""

import functools
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from darkroom.conditioning.script_archive import script_weights
from darkroom.files import digest

_TOWER_KEYS = {"context_length", "vocab_size", "width", "heads", "layers"}  # what CLIP's own towers are described by


@dataclass(frozen=True)
class ClipFile:
    """What open_clip knows of a model, and of the weights that ``pretrained`` names: its tag, or a file.

    Raises ValueError or FileNotFoundError in one line, which names a key of ``group``, for a model without CLIP's own
    text tower, and for weights that are not there.
    """

    group: str  # of the config, whose key model an error names
    model: str
    pretrained: str | None  # None: no weights

    def __post_init__(self) -> None:
        import open_clip  # seconds: only where there is text

        config = open_clip.get_model_config(self.model)
        if config is None or not set(config["text_cfg"]) <= _TOWER_KEYS or "multimodal_cfg" in config:
            raise ValueError(
                f"{self.group}.model={self.model} is not one of open_clip's models with CLIP's own text tower and "
                "tokenizer; ViT-B-32 and ViT-L-14 are"
            )

    @property
    def config(self) -> dict[str, Any]:
        """As open_clip describes the model."""
        import open_clip

        return open_clip.get_model_config(self.model)  # the constructor saw that it is there

    @property
    def tag(self) -> dict[str, Any]:
        """What open_clip knows of the weights; nothing of a file's."""
        import open_clip

        return open_clip.get_pretrained_cfg(self.model, self.pretrained) if self.pretrained else {}

    @property
    def quick_gelu(self) -> bool:
        """Whether the activation is x * sigmoid(1.702 x), which OpenAI trained with."""
        return bool(self.tag.get("quick_gelu", self.config.get("quick_gelu", False)))

    def path(self) -> Path:
        """Where the weights lie; those of a tag are fetched if need be."""
        assert self.pretrained
        if self.tag:
            return self._fetched()
        path = Path(self.pretrained)
        if not path.is_file():
            raise FileNotFoundError(
                f"{self.group}.pretrained={path} is neither a tag that open_clip has for this model nor a file"
            )
        return path

    def sha256(self) -> str:
        """Of that file; it is read once a process, however many towers are built of it."""
        path = self.path()
        facts = path.stat()
        return _digest(path, facts.st_size, facts.st_mtime_ns)

    def _fetched(self) -> Path:
        import open_clip
        from huggingface_hub.constants import HF_HUB_CACHE

        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its warnings say what the error will
        try:
            return Path(open_clip.download_pretrained(self.tag))
        except (OSError, RuntimeError, ValueError) as error:  # no network, no such file, a wrong checksum
            reason = str(error).splitlines()[0].split(". ")[0]
            raise FileNotFoundError(
                f"{self.group}.pretrained={self.pretrained}: the weights of {self.model} are not in {HF_HUB_CACHE} and "
                f"could not be fetched ({reason}); fetch them elsewhere and give the file: "
                f"{self.group}.pretrained=PATH"
            ) from None


@functools.cache
def _digest(path: Path, size: int, written: int) -> str:  # noqa: ARG001  another file of the same name
    return digest(path)


def read_clip(path: Path, key: str) -> dict[str, Tensor]:
    """Tensors by name: safetensors, a pickled state_dict, or OpenAI's TorchScript archive. Runs no code of it.

    Raises ValueError, which names the ``key`` of the config, where it is none of these.
    """
    from open_clip.factory import load_state_dict

    try:
        return script_weights(path) if _is_script(path) else load_state_dict(str(path))
    except Exception as error:  # zipfile's, pickle's and safetensors' readers have errors of their own
        words = " ".join(str(error).split())[:200]
        raise ValueError(f"{key}={path}: cannot be read ({words})") from error


def _is_script(path: Path) -> bool:
    """Whether it is a TorchScript archive: a zip file with a program's constants."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
