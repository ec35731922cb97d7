"""The files of a first-stage artifact and their hash; standard library only, so that the command line can ask early.

config.yaml          the autoencoder's resolved node
weights.safetensors  float32, averaged over training where the run kept an average
latents.json         step of the training, latent shape, factor, mean and std per channel, picture range, data
                     fingerprint, version
HASH                 sha256 of the three; in a shell: sha256sum config.yaml weights.safetensors latents.json | sha256sum
"""

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = "first_stage"  # in a run
FILES = ("config.yaml", "weights.safetensors", "latents.json")


def find_artifact(path: str | Path) -> Path:
    """The artifact's folder, where ``path`` is one, or a run that holds one: its newest, where it was trained on.

    Raises FileNotFoundError with what is missing, ValueError where the files are not those the hash was taken of.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(
            f"first_stage.path={path}: there is no such folder; give an autoencoder's run, logs/autoencoder/<run id>"
        )
    held = sorted(path.glob(f"{FOLDER}-[0-9]*"))[-1:] or [path / FOLDER]  # the step in eight digits
    folder = held[0] if held[0].is_dir() else path
    if missing := [name for name in (*FILES, "HASH") if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"first_stage.path={path}: holds no finished autoencoder, it lacks {', '.join(missing)}; let its training "
            f"end, or go on with resume={path}"
        )
    if (found := hash_of(folder)) != read_hash(folder):
        raise ValueError(
            f"first_stage.path={path}: was changed after it was written, its HASH is {read_hash(folder)[:12]}... and "
            f"its files have {found[:12]}...; copy it again from where it came, or train it again"
        )
    return folder


def read_hash(folder: Path) -> str:
    """What the artifact's HASH says, unverified."""
    return (folder / "HASH").read_text(encoding="utf-8").strip()


def read_latents(folder: Path) -> dict[str, Any]:
    """What the artifact's latents.json says; raises ValueError where its factor is nothing to divide by."""
    path = folder / "latents.json"
    try:
        latents = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error}), so no training here has written it") from error
    factor = latents.get("factor") if isinstance(latents, dict) else None
    if not isinstance(factor, int) or factor < 1:
        raise ValueError(f"{path}: has factor={factor}, so no training here has written it; give another first stage")
    return latents


def hash_of(folder: Path) -> str:
    """What its HASH should say."""
    lines = []
    for name in FILES:
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()
