"""Where the ecosystem keeps weights that were fetched once, as interpolations of a config. Standard library, quick.

``weights: ${torch_hub:alexnet-owt-7be5be79.pth}`` is a path, whether the file is there or not: where it is not, the
check of a command line says so, and with the path where to put it.
"""

import importlib.util
import os
from pathlib import Path

from omegaconf import OmegaConf


def torch_hub(name: str) -> str:
    """Where torch.hub, and with it torchvision and torch-fidelity, keep the file ``name``."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return str((home / "hub" / "checkpoints" / name).expanduser())


def hf_hub(repository: str, name: str) -> str:
    """Where Hugging Face's cache, and with it timm and open_clip, has the file ``name`` of ``repository``.

    The newest that was fetched; where none was, a place in which the cache would find one.
    """
    from huggingface_hub import try_to_load_from_cache  # half a second, where such weights are chosen
    from huggingface_hub.constants import HF_HUB_CACHE

    if isinstance(found := try_to_load_from_cache(repository, name), str):
        return found
    folder = f"models--{repository.replace('/', '--')}"
    return str(Path(HF_HUB_CACHE, folder, "snapshots", "main", name))


def in_package(package: str, name: str) -> str:
    """The file ``name`` that came with an installed package, which is not imported."""
    spec = importlib.util.find_spec(package.partition(".")[0])  # of a.b it would import a
    places = spec.submodule_search_locations if spec else None
    return str(Path(next(iter(places or [package])), name))


def register() -> None:
    """Make the three known to OmegaConf."""
    for resolver in (torch_hub, hf_hub, in_package):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
