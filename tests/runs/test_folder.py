import pytest
import torch
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run, find_run


def test_the_config_is_written_resolved_and_without_hydras_node(tmp_path):
    config = OmegaConf.create(
        {
            "resolution": 64,
            "data": {"resolution": "${resolution}", "prompt": "a cat, sitting = 고양이"},
            "hydra": {"verbose": False},
        }
    )
    Run(tmp_path).write_config(config)
    read = find_run(tmp_path).config
    assert "hydra" not in read
    assert OmegaConf.to_container(read, resolve=False) == {
        "resolution": 64,
        "data": {"resolution": 64, "prompt": "a cat, sitting = 고양이"},
    }


def test_an_incomplete_config_is_not_written(tmp_path):
    with pytest.raises(MissingMandatoryValue):
        Run(tmp_path).write_config(OmegaConf.create({"max_steps": "???"}))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_run_is_refused_with_the_run_that_was_meant(tmp_path):
    run = tmp_path / "autoencoder" / "one"
    Run(run).write_config(OmegaConf.create({"seed": 0}))
    (tmp_path / "note.txt").touch()
    assert find_run(run).id == "one"
    with pytest.raises(FileNotFoundError, match=r"there is no run .*two"):
        find_run(run.parent / "two")
    with pytest.raises(FileNotFoundError, match=r"did you mean .*autoencoder/one"):
        find_run(run.parent)
    with pytest.raises(FileNotFoundError, match="is a file"):
        find_run(tmp_path / "note.txt")


def test_the_stage_is_known_wherever_the_run_lies(tmp_path):
    stage = {"_target_": "darkroom.stages.latent_diffusion.LatentDiffusion"}
    Run(tmp_path).write_config(OmegaConf.create({"stage": stage}))
    assert find_run(tmp_path).stage == "latent_diffusion"


def test_latest_is_the_last_whole_checkpoint_and_best_the_recorded_one(tmp_path, caplog):
    run = Run(tmp_path)
    assert run.latest() is None
    with pytest.raises(FileNotFoundError, match=f"go on with resume={tmp_path}"):
        run.trained()
    run.checkpoints.mkdir()
    for step in (100, 200, 300):
        torch.save({"step": step}, checkpoint_path(run.checkpoints, step))
    torn = checkpoint_path(run.checkpoints, 300)
    torn.write_bytes(torn.read_bytes()[:-40])
    assert run.latest() == run.best() == checkpoint_path(run.checkpoints, 200)
    assert "torn" in caplog.text
    run.write_best(checkpoint_path(run.checkpoints, 100), "val/psnr", 31.5)
    assert run.best() == checkpoint_path(run.checkpoints, 100)
    checkpoint_path(run.checkpoints, 100).unlink()
    assert run.best() == checkpoint_path(run.checkpoints, 200)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_it(tmp_path, caplog):
    run = Run(tmp_path)
    run.checkpoints.mkdir()
    weights = torch.arange(1000.0)
    paths = [checkpoint_path(run.checkpoints, step) for step in (100, 200)]
    for path in paths:
        torch.save({"w": weights}, path)
    run.write_best(paths[1], "val/psnr", 31.5)
    assert run.loadable() == paths[1]
    content = weights.numpy().tobytes()
    paths[1].write_bytes(paths[1].read_bytes().replace(content, bytes(len(content))))
    assert run.loadable() == run.trained() == run.trained("best") == paths[0]
    assert "step-00000200.ckpt is damaged" in caplog.text
    paths[0].write_bytes(paths[0].read_bytes().replace(content, bytes(len(content))))
    with pytest.raises(ValueError, match="what it holds is damaged"):
        run.loadable()


@pytest.mark.parametrize("content", [b"", b'{"step": 100, "val', bytes(40), b"\xff\xfe{}"])
def test_damaged_books_are_told_in_one_line_that_names_the_file_and_the_remedy(tmp_path, content):
    run = Run(tmp_path)
    assert (run.summary, run.best_record) == ({}, None)
    run.checkpoints.mkdir()
    asked = {run.summary_file: lambda: run.summary, run.checkpoints / "best.json": lambda: run.best_record}
    for path, ask in asked.items():
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match="it was damaged since it was written; copy it again, or remove it"
        ) as told:
            ask()
        assert str(told.value).startswith(f"{path}: cannot be read") and "\n" not in str(told.value)
