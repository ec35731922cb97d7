"""Real folders of pictures train through both stages by the recipes of the shapes and are sampled without a prompt."""

import json
import os
import shutil
from pathlib import Path

import pytest
from recipes import call, run_in, tiny

pytestmark = pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
REAL = Path(os.environ.get("DARKROOM_REAL_DATA", "."))


def every_tenth(folder: Path, place: Path) -> Path:
    """A tenth of a folder's pictures, where they lie, with what it says of them."""
    place.mkdir()
    pictures = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))[::10]
    for path in pictures:
        link = place / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    if (folder / "classes.json").exists():
        shutil.copy(folder / "classes.json", place)
    if (folder / "metadata.jsonl").exists():
        chosen = {path.name for path in pictures}
        rows = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (place / "metadata.jsonl").write_text("".join(row for row in rows if json.loads(row)["file_name"] in chosen))
    return place


@pytest.mark.parametrize(("folder", "conditioner"), [("noto_emoji", "SmallText"), ("grocery", "ClassLabel")])
def test_a_real_folder_trains_through_both_stages(folder, conditioner, tmp_path, capsys):
    data = ["data=image_folder", f"data.root={every_tenth(REAL / folder, tmp_path / folder)}", "resolution=32"]
    assert call("train", *tiny("shapes_autoencoder", tmp_path, 2), *data) == 0
    needs = f"first_stage.path={run_in(tmp_path, 'autoencoder')}"
    assert call("train", *tiny("shapes_latent_diffusion", tmp_path, 2), *data, needs) == 0
    run = run_in(tmp_path, "latent_diffusion")
    assert f".{conditioner}" in (run / "config.yaml").read_text()
    capsys.readouterr()
    assert call("sample", f"run={run}", "n=2", f"out={tmp_path / 'out'}") == 0
    lines = capsys.readouterr().out.splitlines()
    shown = json.loads((tmp_path / "out" / "metadata.jsonl").read_text().splitlines()[0])["text"]
    assert any(line.strip() == shown for line in lines)
    assert len(list((tmp_path / "out").glob("0*.png"))) == 2
