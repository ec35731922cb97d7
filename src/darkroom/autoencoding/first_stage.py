"""The first-stage artifact: an autoencoder as a folder that explains itself, and what a second stage makes of it.

``artifact.py`` lists its files.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file
from torch import Tensor, nn

from darkroom.autoencoding.artifact import FILES, find_artifact, hash_of, read_hash, read_latents
from darkroom.autoencoding.latent_statistics import LatentStatistics
from darkroom.autoencoding.model import Autoencoder
from darkroom.build import build
from darkroom.contracts import LatentSpec, Posterior
from darkroom.files import reading, replacing
from darkroom.networks.state import differences, save_tensors

_VERSION = 1


class ArtifactFirstStage(nn.Module):
    """A trained autoencoder, frozen, whose latents have mean 0 and std 1 in every channel over its training set."""

    def __init__(
        self, autoencoder: Autoencoder, *, mean: Float[Tensor, " c"], std: Float[Tensor, " c"], hash: str
    ) -> None:
        super().__init__()
        self.spec = autoencoder.latent_spec(hash)
        self.autoencoder = autoencoder
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", mean.float().view(-1, 1, 1))
        self.register_buffer("std", std.float().view(-1, 1, 1))
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "ArtifactFirstStage":  # noqa: ARG002  torch's signature
        """Stays in evaluation mode, whatever the module around it does."""
        return super().train(False)

    def encode(self, picture: Float[Tensor, "b 3 H W"]) -> Posterior:
        posterior = self.autoencoder.encode(picture)
        return Posterior(mean=(posterior.mean - self.mean) / self.std, std=posterior.std / self.std)

    def decode(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        return self.autoencoder.decode(latent * self.std + self.mean)


class Identity(nn.Module):
    """Nothing inside: the latent is the picture, and latent diffusion is pixel diffusion."""

    spec = LatentSpec(channels=3, factor=1, hash="identity")

    def encode(self, picture: Float[Tensor, "b 3 H W"]) -> Posterior:
        return Posterior(mean=picture, std=torch.zeros_like(picture))

    def decode(self, latent: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 H W"]:
        return latent


def write_artifact(
    folder: Path,
    *,
    config: Mapping[str, Any],  # the node that builds ``autoencoder``; interpolations are resolved here
    autoencoder: Autoencoder,
    weights: Mapping[str, Tensor],  # its state_dict, or an average of it over training
    statistics: LatentStatistics,  # of the training set, under these weights
    resolution: int,  # of the pictures that the statistics were measured on
    fingerprint: str,  # of the data
    step: int,  # of the training, that the weights are of
) -> str:
    """Writes the folder as a whole or not at all, and answers its hash.

    Raises FileExistsError where ``folder`` exists, ValueError where the weights are not the autoencoder's.
    """
    folder = Path(folder)
    if faults := differences(autoencoder.state_dict(), weights):
        raise ValueError(f"{folder}: the weights to write are not the autoencoder's: {faults}")
    spec = autoencoder.latent_spec()
    latents = {
        "version": _VERSION,
        "step": step,
        "resolution": resolution,
        "shape": spec.shape(resolution),
        "factor": spec.factor,
        "mean": statistics.mean.tolist(),
        "std": statistics.std.tolist(),
        "picture_range": [-1, 1],
        "data_fingerprint": fingerprint,
    }
    node = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))  # a copy would lose its root
    resolved = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)

    def fill(target: Path) -> None:
        (target / "config.yaml").write_text(OmegaConf.to_yaml(resolved), encoding="utf-8")
        save_tensors(_to_float32(weights), target / "weights.safetensors")
        (target / "latents.json").write_text(json.dumps(latents, indent=2) + "\n", encoding="utf-8")
        (target / "HASH").write_text(hash_of(target) + "\n", encoding="utf-8")

    _write_folder(folder, fill)
    return read_hash(folder)


def load_artifact(path: str | Path) -> ArtifactFirstStage:
    """The first stage of a run or of an artifact's folder, verified, on the CPU in float32.

    Raises as :func:`find_artifact`, and ValueError where this version of darkroom does not understand what it finds.
    """
    folder = find_artifact(path)
    latents = read_latents(folder)
    if latents.get("version") != _VERSION:
        raise ValueError(
            f"{folder}/latents.json has version={latents.get('version')}, this darkroom reads {_VERSION}; "
            "use the release that wrote it"
        )
    with torch.random.fork_rng(devices=[]):  # initial weights, soon overwritten, must not shift anybody's random stream
        autoencoder = build(OmegaConf.load(folder / "config.yaml"))
    weights = _read_weights(folder)
    if faults := differences(autoencoder.state_dict(), weights):
        raise ValueError(f"{folder}/weights.safetensors does not fit what its config.yaml builds: {faults}")
    autoencoder.load_state_dict(weights)
    mean, std = (_per_channel(folder, latents, name, autoencoder.latent_channels) for name in ("mean", "std"))
    return ArtifactFirstStage(autoencoder, mean=mean, std=std, hash=read_hash(folder))


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = folder / "weights.safetensors"
    with reading(path, f"copy {folder} again from where it came"):
        return load_file(path)


def _per_channel(folder: Path, latents: Mapping[str, Any], name: str, channels: int) -> Float[Tensor, " c"]:
    """One of the latents' statistics."""
    try:
        values = torch.tensor(latents.get(name), dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        values = torch.empty(0)
    if values.shape != (channels,) or not bool(values.isfinite().all()):
        raise ValueError(f"{folder}/latents.json: has no {name} of {channels} numbers, so no training here wrote it")
    return values


def has_weights(folder: Path, weights: Mapping[str, Tensor]) -> bool:
    """Whether the artifact in ``folder`` holds ``weights`` to the bit."""
    held, asked = _read_weights(folder), _to_float32(weights)
    return held.keys() == asked.keys() and all(torch.equal(held[name], asked[name]) for name in asked)


def copy_artifact(path: str | Path, folder: Path) -> str:
    """Copies an artifact into ``folder``, so that a run stays whole when the autoencoder's moves; answers its hash.

    The same artifact there already, as in a resumed run, is left alone; raises FileExistsError where another is there.
    """
    source = find_artifact(path)
    if (folder / "HASH").is_file() and read_hash(find_artifact(folder)) == read_hash(source):
        return read_hash(source)
    _write_folder(folder, lambda target: [shutil.copy(source / name, target) for name in (*FILES, "HASH")])
    return read_hash(folder)


def _write_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """A reader sees a whole folder or none."""
    if folder.exists():
        raise FileExistsError(f"{folder} exists and an artifact is never overwritten; choose another folder")
    with replacing(folder) as draft:
        draft.mkdir()
        fill(draft)


def _to_float32(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; whole numbers keep their type."""
    return {
        name: value.detach().to("cpu", torch.float32 if value.is_floating_point() else value.dtype).contiguous().clone()
        for name, value in weights.items()
    }
