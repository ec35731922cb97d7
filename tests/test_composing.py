"""What composes quicker for the tests composes the same."""

from pathlib import Path
from typing import Any

import composing
import pytest
from hydra.types import RunMode
from omegaconf import DictConfig

from darkroom.commands.checking.compose import Space, opened

CONF = Path(__file__).resolve().parents[1] / "conf"


def composed(folder: Path, command: str, *overrides: str) -> DictConfig:
    """With Hydra's own node."""
    with opened(Space(folder, command)) as loader:
        return loader.load_configuration(command, list(overrides), RunMode.RUN)


def plain(folder: Path, command: str, *overrides: str) -> DictConfig:
    """By Hydra alone."""
    composing.uninstall()
    try:
        return composed(folder, command, *overrides)
    finally:
        composing.install()


def tree(node: Any, parent: Any = None) -> Any:
    """All that a node holds, and what it knows of itself."""
    assert node._get_parent() is parent
    metadata = {name: value for name, value in vars(node._metadata).items() if name != "resolver_cache"}
    content = node.__dict__.get("_content", node.__dict__.get("_val"))
    if isinstance(content, dict):
        content = [(key, tree(child, node)) for key, child in content.items()]
    elif isinstance(content, list):
        content = [tree(child, node) for child in content]
    return type(node), metadata, content


@pytest.mark.parametrize(
    ("command", "overrides"),
    [
        ("train", ["experiment=shapes_latent_diffusion", "first_stage=identity", "~callback.ema", "+x={a: [1, b]}"]),
        ("evaluate", ["extractor=inception", "perceptual=lpips_vgg"]),
    ],
)
def test_a_config_is_the_one_that_hydra_composes(command, overrides):
    expected = tree(plain(CONF, command, *overrides))
    assert tree(composed(CONF, command, *overrides)) == expected
    again = composed(CONF, command, *overrides)
    assert tree(again) == expected
    again.seed = -1
    assert tree(composed(CONF, command, *overrides)) == expected


def test_a_file_that_is_written_anew_is_read_anew(tmp_path):
    (tmp_path / "train.yaml").write_text("defaults: [kind: a, part: '${kind}', _self_]\nx: 1\n")
    for folder in ("kind", "part"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            (tmp_path / folder / f"{name}.yaml").write_text(f"name: {name}\n")
    assert composed(tmp_path, "train").part.name == "a"
    assert composed(tmp_path, "train", "kind=b").part.name == "b"
    (tmp_path / "part" / "a.yaml").write_text("name: c\n")
    assert composed(tmp_path, "train").part.name == "c"
