"""What the tests of the documentation share: code blocks, and a folder in which the pages' commands make sense."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from darkroom.autoencoding.artifact import FILES, hash_of
from darkroom.commands.checking.compose import Space, composed

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """Code between two fences, and the paragraph above it."""

    language: str
    text: str
    above: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(match[1], match[2], text[: match.start()].strip().rpartition("\n\n")[2])
        for match in _FENCE.finditer(text)
    ]


def commands(page: Path) -> list[list[str]]:
    """The words of every line of the page's bash blocks, without comments."""
    lines = [line for block in blocks(page) if block.language == "bash" for line in block.text.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def python_commands(page: Path) -> list[tuple[str, list[str]]]:
    """``python NAME.py ARGUMENTS`` of the page as (NAME, ARGUMENTS)."""
    found = [words for words in commands(page) if words[0] == "python" and words[1].endswith(".py")]
    return [(words[1].removesuffix(".py"), words[2:]) for words in found]


def furnish(folder: Path) -> None:
    """Runs ``AUTOENCODER`` and ``RUN`` that the check of a command line takes for real ones, and folders of pictures.

    And weights, where ``TORCH_HOME=folder`` has them.
    """
    (folder / "hub/checkpoints").mkdir(parents=True)
    (folder / "hub/checkpoints/squeezenet1_1-b8a52dc0.pth").touch()
    for name in ("my_pictures", "drawn", "others", "data"):
        (folder / name).mkdir()
        for picture in ("1.png", "2.png"):  # the check opens none
            (folder / name / picture).touch()
    artifact = folder / "AUTOENCODER/first_stage"
    artifact.mkdir(parents=True)
    for name in FILES:
        (artifact / name).write_text('{"factor": 8}')
    (artifact / "HASH").write_text(hash_of(artifact))
    for stage, name in {"autoencoder": "AUTOENCODER", "latent_diffusion": "RUN"}.items():
        overrides = [f"experiment=shapes_{stage}", "run_id=RUN"]
        if stage == "latent_diffusion":
            overrides += [f"first_stage.path={artifact}", "conditioner=text", "conditioner.vocabulary=[320]"]
            overrides += ["conditioner.context_length=20"]
        config = composed(Space(CONF, "train"), overrides).config
        run = folder / name
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "step-00000001.ckpt").touch()
        (run / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
