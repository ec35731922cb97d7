"""What sample.py leaves behind: pictures by key, their conditions, and what it says about them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from trained import CONF, asked, diffusion_run

from darkroom.commands.draw import draw, save
from darkroom.commands.faults import line
from darkroom.commands.sample import main
from darkroom.data.captions import read_captions
from darkroom.data.plain_folder import PlainFolder
from darkroom.runs.folder import Run

CLASSES = ("Apple", "Banana", "Kiwi")


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return diffusion_run(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def class_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Its pictures are nowhere, and are not needed."""
    return diffusion_run(tmp_path_factory.mktemp("classes"), captions=None, classes=CLASSES)


def pictures(folder: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(path)) for path in sorted(folder.glob("0*.png"))]).astype(int)


def drawn(run: Run, folder: Path, *argv: str) -> np.ndarray:
    draw(asked("sample", f"run={run.path}", f"out={folder}", *argv))
    return pictures(folder)


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_seed_gives_the_same_pictures_for_any_n_and_batch_size(text_run, tmp_path):
    """Of a run that was trained under bf16."""
    prompt = "prompt=a red circle"
    five = drawn(text_run, tmp_path / "a", prompt, "n=5", "batch_size=2", "seed=3")
    assert five.shape == (5, 32, 32, 3)
    fewer = drawn(text_run, tmp_path / "d", prompt, "n=3", "batch_size=2", "seed=3")
    assert (five[:3] == fewer).all()
    three = drawn(text_run, tmp_path / "b", prompt, "n=3", "seed=3")
    assert abs(five[:3] - three).max() <= 1  # products round differently in another batch
    other = drawn(text_run, tmp_path / "c", prompt, "n=3", "seed=4")
    assert abs(three - other).mean() > 10
    assert abs(three[0] - three[1]).mean() > 10


def test_conditions_of_training_are_drawn_printed_and_the_same_for_any_n(text_run, tmp_path, capsys):
    drawn(text_run, tmp_path / "a", "n=4")
    said = capsys.readouterr().out
    texts = [row["text"] for row in rows(tmp_path / "a")]
    assert all(text in said for text in texts)
    assert len(set(texts)) > 1
    drawn(text_run, tmp_path / "b", "n=2")
    assert [row["text"] for row in rows(tmp_path / "b")] == texts[:2]


def test_what_is_written_is_read_back_as_a_captioned_folder(text_run, tmp_path, capsys):
    prompt = 'a red circle, "above" a {blue} ${square} 고양이'
    drawn(text_run, tmp_path / "out, [new]", f"prompt={prompt}", "n=2")
    folder = tmp_path / "out, [new]"
    names = ["00000.png", "00001.png"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "metadata.jsonl"]
    assert PlainFolder(folder).names == names  # what evaluate.py generated= counts
    assert read_captions(folder, names, ["metadata.jsonl", *names]) == [prompt, prompt]
    said = capsys.readouterr().out
    assert f"drawing: {prompt}" in said
    assert f"together: {tmp_path / 'out, [new]_grid.png'}\n" in said  # a long path is not wrapped


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full, whose every writing fails")
def test_a_full_disk_is_told_with_the_picture_that_finds_no_room(tmp_path):
    (tmp_path / "00003.png").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        save(tmp_path, 3, torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    assert line(caught.value).startswith(f"{tmp_path / '00003.png'}: the disk is full")


def test_a_negative_prompt_is_refused_by_a_run_of_classes_on_data_with_captions(class_run, tmp_path, capsys):
    argv = [f"run={class_run.path}", "negative_prompt=a dog", f"out={tmp_path / 'out'}"]
    assert main(argv, CONF) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("negative_prompt=a dog: the run reads no text")
    with pytest.raises(ValueError, match="negative_prompt=a dog: the run has no text condition"):
        draw(asked("sample", *argv))  # as a program calls it, without the check of the command line


def test_words_that_training_never_saw_and_text_that_is_cut_are_warned_of(text_run, tmp_path, capsys):
    prompt = "a red zebra " + "circle " * 30
    drawn(text_run, tmp_path / "a", f"prompt={prompt}", "negative_prompt=a blue dog", "n=1")
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert len(warnings) == 3
    assert "prompt: " in warnings[0] and "zebra" in warnings[0] and "circle" not in warnings[0]
    assert "10 tokens" in warnings[1]  # of the training caption
    assert "negative_prompt: " in warnings[2] and "dog" in warnings[2]


@pytest.mark.parametrize("label", ["Banana", "1"])
def test_a_class_is_asked_for_by_name_or_number_from_the_run_folder_alone(class_run, tmp_path, capsys, label):
    drawn(class_run, tmp_path / "a", f"label={label}", "n=2")
    assert [row["text"] for row in rows(tmp_path / "a")] == ["Banana", "Banana"]
    assert "drawing: Banana" in capsys.readouterr().out


def test_the_class_steers_the_picture(class_run, tmp_path):
    banana, kiwi = (drawn(class_run, tmp_path / label, f"label={label}", "n=2") for label in ("Banana", "Kiwi"))
    assert abs(banana - kiwi).mean() > 1


def test_without_a_label_each_class_comes_in_turn(class_run, tmp_path):
    drawn(class_run, tmp_path / "a", "n=6")
    texts = [row["text"] for row in rows(tmp_path / "a")]
    assert sorted(texts[:3]) == sorted(texts[3:]) == sorted(CLASSES)


def test_an_unconditional_run_draws_without_captions(tmp_path, capsys):
    run = diffusion_run(tmp_path / "run", captions=None)
    assert len(drawn(run, tmp_path / "a", "n=2")) == 2
    assert not (tmp_path / "a" / "metadata.jsonl").exists()
    assert "without a condition" in capsys.readouterr().out


def test_guidance_and_steps_of_the_command_line_count(text_run, tmp_path, capsys):
    weak = drawn(text_run, tmp_path / "a", "prompt=a red circle", "n=1", "guidance_scale=1", "steps=3")
    assert "1 picture, 3 steps of sample_euler, seed 0" in capsys.readouterr().out
    strong = drawn(text_run, tmp_path / "b", "prompt=a red circle", "n=1", "guidance_scale=9", "sampler=heun")
    assert "20 steps of sample_heun, guidance 9" in capsys.readouterr().out
    assert abs(weak - strong).max() > 2


def test_samples_lie_in_the_run_where_no_out_is_given(class_run):
    draw(asked("sample", f"run={class_run.path}", "label=Kiwi", "n=1"))
    folder, sheet = sorted(class_run.samples.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == ["00000.png", "metadata.jsonl"]
    assert sheet.name == f"{folder.name}_grid.png" and sheet.is_file()
