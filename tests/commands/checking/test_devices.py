"""What a machine has, against what is asked of it."""

import pytest
from omegaconf import OmegaConf

from darkroom.commands.checking import devices
from darkroom.commands.checking.compose import Composition, Space
from darkroom.commands.checking.devices import crowding, device_faults, drawing_faults


def faults(tmp_path, monkeypatch, there, accelerator, wanted, overrides=()):
    """What is told on a machine with ``there`` GPUs."""
    monkeypatch.setattr(devices, "gpus", lambda: there)
    config = OmegaConf.create({"trainer": {"accelerator": accelerator, "devices": wanted}})
    return list(device_faults(Composition(Space(tmp_path, "train"), overrides, config)))


@pytest.mark.parametrize("wanted", [1, -1, "auto", "2", [0, 1]])
@pytest.mark.parametrize("accelerator", ["auto", "gpu", "cuda"])
def test_what_two_gpus_can_do_is_no_fault(tmp_path, monkeypatch, accelerator, wanted):
    assert faults(tmp_path, monkeypatch, 2, accelerator, wanted) == []


@pytest.mark.parametrize("wanted", [3, "3", [0, 2]])
def test_a_third_gpu_is_missed_by_its_number(tmp_path, monkeypatch, wanted):
    [fault] = faults(tmp_path, monkeypatch, 2, "gpu", wanted)
    assert "there are 2 GPUs here; give trainer.devices=2" in fault


def test_without_a_gpu_auto_takes_the_cpu_and_gpu_is_refused(tmp_path, monkeypatch):
    assert faults(tmp_path, monkeypatch, 0, "auto", 4) == []
    assert "trainer.accelerator=cpu" in faults(tmp_path, monkeypatch, 0, "gpu", "auto")[0]


@pytest.mark.parametrize(("wanted", "shown"), [("abc", "abc"), (["a"], "[a]"), ([0, -1], "[0, -1]"), ([], "[]")])
def test_what_names_no_devices_is_told_as_it_was_typed(tmp_path, monkeypatch, wanted, shown):
    [fault] = faults(tmp_path, monkeypatch, 2, "gpu", wanted, ("trainer.devices=typed",))
    assert fault.startswith(f"trainer.devices={shown}: give a number")


@pytest.mark.parametrize("accelerator", ["mps", "tpu"])
def test_accelerators_without_the_types_of_the_keys_are_refused(tmp_path, monkeypatch, accelerator):
    [fault] = faults(tmp_path, monkeypatch, 0, accelerator, 1)
    assert f"trainer.accelerator={accelerator}: " in fault and "give cuda or cpu" in fault


def test_the_machine_that_a_launcher_finds_is_not_judged_here(tmp_path, monkeypatch):
    assert faults(tmp_path, monkeypatch, 0, "gpu", 8, ("hydra/launcher=submitit_slurm",)) == []


def test_more_processes_than_cores_are_a_warning(monkeypatch):
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(devices, "gpus", lambda: 0)

    def warning(accelerator, wanted):
        return crowding(OmegaConf.create({"trainer": {"accelerator": accelerator, "devices": wanted}}))

    assert warning("cpu", 2) is None and warning("auto", 1) is None and warning("gpu", 8) is None
    assert "trainer.devices=3: there are 2 cores here" in warning("cpu", 3)
    assert "trainer.devices=3" in warning("auto", 3)


@pytest.mark.parametrize(
    ("there", "wanted", "told"),
    [(2, 2, None), (2, 3, "are 2 GPUs here; give devices=2"), (0, 1, None), (0, 10_000, "here; give devices=")],
)
def test_samples_are_drawn_on_no_more_devices_than_there_are(tmp_path, monkeypatch, there, wanted, told):
    monkeypatch.setattr(devices, "gpus", lambda: there)
    config = OmegaConf.create({"run": "run", "devices": wanted})
    found = list(drawing_faults(Composition(Space(tmp_path, "evaluate"), (), config)))
    assert [told in fault for fault in found] == ([] if told is None else [True])


def test_devices_are_for_what_is_drawn_or_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: 8)
    (tmp_path / "config.yaml").write_text("stage: {_target_: darkroom.stages.autoencoder.AutoencoderStage}")

    def found(**given):
        config = OmegaConf.create({"devices": 2, **given})
        return list(drawing_faults(Composition(Space(tmp_path, "evaluate"), (), config)))

    assert found(generated="a", reference="b") == found(probe=["a", "b"]) == found(run="nowhere") == []
    [compared], [reconstructed] = found(compare=["a", "b"]), found(run=str(tmp_path))
    assert "compare= reads two files and computes nothing; leave devices out" in compared
    assert "trained the stage autoencoder, which draws no samples; leave devices out" in reconstructed
