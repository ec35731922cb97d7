"""What a run cannot be asked is told from its config.yaml alone: one line each, and torch is not imported."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from darkroom.commands.checking.check import check
from darkroom.commands.checking.compose import Space, composed
from darkroom.commands.checking.trained import Reads
from darkroom.commands.checking.written import sheet_of

CONF = Path(__file__).resolve().parents[3] / "conf"
CLASSES = ["Apple", "Banana", "Red-Beet"]
TEXT = {"_target_": "darkroom.conditioning.text.SmallText", "vocabulary": [0, 49406, 49407]}
LABEL = {"_target_": "darkroom.conditioning.class_label.ClassLabel", "num_classes": 3, "names": CLASSES}
NONE = {"_target_": "darkroom.conditioning.null.NoCondition"}
BOTH = {"_target_": "darkroom.conditioning.merged.Merged", "conditioners": [LABEL, TEXT]}
CONDITIONERS = {"text": TEXT, "label": LABEL, "none": NONE, "both": BOTH}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for each conditioner, one on a chain that keeps some signal, one with nothing trained, an autoencoder's."""
    folder = tmp_path_factory.mktemp("runs")
    config = composed(Space(CONF, "train"), ["experiment=shapes_latent_diffusion"]).config
    chain = composed(Space(CONF, "train"), ["experiment=shapes_latent_diffusion", "process=edm"]).config
    for name, node in CONDITIONERS.items():
        write(folder / name, {"stage": config.stage, "process": config.process, "conditioner": node})
    write(folder / "edm", {"stage": config.stage, "process": chain.process, "conditioner": TEXT})
    write(folder / "unguided", {"stage": config.stage, "process": config.process, "conditioner": TEXT}, guidance=False)
    write(folder / "lost", {"stage": config.stage, "process": config.process, "conditioner": TEXT}, root="nowhere")
    write(folder / "untrained", {"stage": config.stage, "process": config.process, "conditioner": TEXT})
    for path in (folder / "untrained" / "checkpoints").iterdir():
        path.unlink()
    first = composed(Space(CONF, "train"), ["experiment=shapes_autoencoder"]).config
    write(folder / "autoencoder", {"stage": first.stage})
    (folder / "autoencoder" / "first_stage").mkdir()
    (folder / "autoencoder" / "first_stage" / "HASH").touch()
    return folder


def write(folder: Path, nodes: dict, *, guidance: bool = True, root: str = ".") -> None:
    """What the check reads of a run, with one checkpoint that it does not open."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "step-00000001.ckpt").touch()
    plain = {key: OmegaConf.to_container(OmegaConf.create(node)) for key, node in nodes.items()}
    guide = {"_target_": "darkroom.diffusion.guidance.ClassifierFree", "scale": 3.0} if guidance else None
    OmegaConf.save(OmegaConf.create({**plain, "guidance": guide, "data": {"root": root}}), folder / "config.yaml")


REFUSED = [
    ("label", "prompt=a cat", ["prompt=a cat", "reads no text", "3 classes"]),
    ("none", "prompt=a cat", ["reads no text", "no condition"]),
    ("label", "negative_prompt=a cat", ["negative_prompt=a cat", "reads no text"]),
    ("text", "label=Apple", ["label=Apple", "reads no class", "captions"]),
    ("label", "label=Banan", ["label=Banan", "did you mean Banana?", "Apple, Banana, Red-Beet"]),
    ("label", "label=zebra", ["label=zebra", "its 3 are Apple, Banana, Red-Beet"]),
    ("label", "label=3", ["label=3", "its 3 are"]),
    ("label", "label=-1", ["label=-1", "its 3 are"]),
    ("both", "label=Apple", ["prompt: ", "both"]),
    ("both", "prompt=a cat", ["label: ", "both"]),
    ("none", "guidance_scale=3", ["guidance_scale=3", "without a condition"]),
    ("unguided", "guidance_scale=3", ["guidance_scale=3", "guidance=cfg"]),
    ("unguided", "negative_prompt=a", ["negative_prompt", "guidance_scale"]),
    ("untrained", "prompt=a", ["nothing trained yet", "resume="]),
    ("autoencoder", "n=1", ["the stage autoencoder", "draws no pictures"]),
    ("text", "out=full", ["out=full", "new or an empty folder"]),
    ("lost", "n=2", ["data.root=nowhere", "prompt="]),
    ("text", "n=0", ["n=0", "at least 1"]),
    ("text", "steps=0", ["steps=0", "at least 1"]),
]
ACCEPTED = [
    ("label", ["label=Banana"]),
    ("label", ["label=2"]),
    ("label", []),
    ("text", ["prompt=null", "negative_prompt=a"]),
    ("both", ["label=Apple", "prompt=a"]),
    ("none", []),
    ("unguided", ["guidance=cfg", "guidance_scale=3"]),
    ("text", ["prompt=a", "negative_prompt=b", "guidance=cfg", "guidance.scale=1", "guidance_scale=0"]),
    ("lost", ["prompt=a"]),
    ("text", ["out=empty"]),
    ("edm", ["sampler=edm"]),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()


@pytest.mark.parametrize(
    ("run", "override", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_a_run_cannot_be_asked_is_one_line(runs, run, override, words):
    faults = check("sample", [f"run={runs / run}", override], CONF)
    assert len(faults) == 1, faults
    assert "\n" not in faults[0]
    assert all(word in faults[0] for word in words), faults[0]


@pytest.mark.parametrize(("run", "argv"), ACCEPTED)
def test_what_a_run_can_be_asked_has_no_fault(runs, run, argv):
    assert check("sample", [f"run={runs / run}", *argv], CONF) == []


@pytest.mark.parametrize("out", ["old/", "empty/../old", "empty"])
def test_a_sheet_that_is_there_already_is_told_however_its_folder_is_spelled(runs, out):
    sheet = Path(f"{out.rstrip('/')}_grid.png")
    sheet.touch()
    argv = [f"run={runs / 'text'}", f"out=new,{out}"]
    [fault] = check("sample", ["-m", *argv], CONF)  # before the first job begins
    assert fault.startswith(f"out={out}: {sheet}, ") and fault.endswith("give another name, or remove it")
    sheet.unlink()
    assert check("sample", ["-m", *argv], CONF) == []


def test_the_sheet_lies_beside_the_folder_also_of_one_without_a_name(runs, tmp_path, monkeypatch):
    assert sheet_of(Path("a/b/")) == Path("a/b_grid.png")
    monkeypatch.chdir(tmp_path / "empty")
    assert sheet_of(Path()) == sheet_of(Path("../full/../empty/.")).resolve() == tmp_path / "empty_grid.png"
    assert sheet_of(Path("..")) == tmp_path.parent / f"{tmp_path.name}_grid.png"
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != tmp_path)
    [fault] = check("sample", [f"run={runs / 'text'}", "out=."], CONF)
    assert fault.startswith(f"out=.: {tmp_path} cannot be written to; ")


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_a_sampler_that_the_runs_process_forbids_is_refused_by_name(runs, command):
    faults = check(command, [f"run={runs / 'text'}", "sampler=edm"], CONF)
    assert len(faults) == 2  # the sampler and its grid
    assert all(
        fault.startswith("sampler: ") and "Flow" in fault and "conf/sampler/edm.yaml" in fault for fault in faults
    )
    assert "sample_edm" in faults[0]
    assert "karras" in faults[1]


@pytest.mark.parametrize("sampler", ["edm", "euler", "heun", "ddim", "ddpm"])
@pytest.mark.parametrize("process", ["flow", "edm"])
def test_a_training_with_a_forbidden_pair_is_refused_while_composing(sampler, process):
    argv = ["experiment=shapes_latent_diffusion", "first_stage=identity", f"process={process}", f"sampler={sampler}"]
    faults = check("train", argv, CONF)
    assert bool(faults) == (sampler == "edm" and process == "flow")
    assert all(fault.startswith(("sampler: sample_edm", "sampler: karras")) for fault in faults)


def test_a_parameterization_that_its_schedule_forbids_is_refused():
    target = "process.parameterization._target_=darkroom.diffusion.parameterization.Eps"
    [fault] = check("train", ["experiment=shapes_latent_diffusion", "first_stage=identity", target], CONF)
    assert fault.startswith("process.parameterization: Eps")
    assert "Flow" in fault


def test_an_evaluation_says_what_it_misses(runs):
    [gone] = check("evaluate", [f"run={runs / 'lost'}"], CONF)
    assert "data.root=nowhere" in gone
    [name] = check("evaluate", [f"run={runs / 'text'}", "out=empty"], CONF)
    assert "out=empty" in name and ".json" in name
    assert check("evaluate", [f"run={runs / 'text'}", "out=new.json"], CONF) == []
    assert check("evaluate", [f"run={runs / 'autoencoder'}"], CONF) == []


def test_distances_want_an_extractor_of_the_command_line_or_of_the_run(runs):
    run, node = f"run={runs / 'text'}", ["extractor=squeezenet1_1", "extractor.weights=full/file"]
    for key, value in (("metrics", "[fd]"), ("kid_size", "9"), ("memorisation", "true")):
        [fault] = check("evaluate", [run, f"{key}={value}"], CONF)
        assert fault.startswith(f"{key}: {run} has no extractor") and "give extractor=NAME" in fault
    assert check("evaluate", [run, "metrics=[fd]", *node], CONF) == []


def test_what_an_evaluation_would_write_over_is_told_and_the_runs_own_file_alone_is_renewed(runs, tmp_path):
    run = f"run={runs / 'text'}"
    (tmp_path / "old.png").touch()
    [fault] = check("evaluate", [run, "out=old.json"], CONF)
    assert fault == "out=old.json: old.png is there already; give another name, or remove it"
    for name in ("old.json", "old_pictures.npz", "mine.npz"):
        (tmp_path / name).touch()
    [fault] = check("evaluate", [run, "out=old.json"], CONF)
    assert "old.json and old.png and old_pictures.npz are there already" in fault
    sets = ["generated=full", "reference=full", "extractor=squeezenet1_1", "extractor.weights=old.png"]
    folders = check("evaluate", [*sets, "out=old.json", "statistics_out=mine.npz"], CONF)
    assert [fault.split(";")[0] for fault in folders] == [
        "out=old.json: old.json is there already",
        "statistics_out=mine.npz: mine.npz is there already",
    ]
    assert check("evaluate", [*sets, "out=new.json"], CONF) == []
    [fault] = check("evaluate", ["compare=[old.json,old.json]", "out=old.json"], CONF)
    assert fault == "out: compare= shows what two files hold, and writes nothing; leave it out"
    own = runs / "text" / "evaluation.json"
    own.touch()
    assert check("evaluate", [run], CONF) == []
    own.unlink()


@pytest.mark.parametrize(("command", "file"), [("evaluate", "FILE.json"), ("sample", "FOLDER")])
def test_a_run_that_may_not_be_written_to_is_told_and_serves_for_a_file_elsewhere(runs, monkeypatch, command, file):
    run = runs / "text"
    monkeypatch.setattr("os.access", lambda path, _: not Path(path).is_relative_to(runs))
    [fault] = check(command, [f"run={run}"], CONF)
    remedy = f"take the right to (chmod u+w), or give out={file} elsewhere"
    assert fault == f"run={run}: {run} cannot be written to; {remedy}"
    assert check(command, [f"run={run}", "out=new.json"], CONF) == []
    monkeypatch.setattr("os.access", lambda path, _: Path(path).name != "checkpoints")  # where a training alone writes
    assert check(command, [f"run={run}"], CONF) == []
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=9, free=5))
    assert f"run={run}: the disk is full" in check(command, [f"run={run}"], CONF)[-1]


def test_a_new_run_starts_only_from_weights_of_its_own_stage(runs):
    first = ["experiment=shapes_autoencoder"]
    [fault] = check("train", [*first, f"init={runs / 'text'}"], CONF)
    assert "the stage latent_diffusion, and this is autoencoder" in fault
    assert check("train", [*first, f"init={runs / 'autoencoder'}"], CONF) == []
    second = ["experiment=shapes_latent_diffusion", "first_stage=identity"]
    [fault] = check("train", [*second, f"init={runs / 'untrained'}"], CONF)
    assert "no checkpoint yet" in fault


def test_a_name_goes_before_a_number():
    reads = Reads.of({**LABEL, "names": ["1", "0", "zebra"]})
    assert (reads.number("1"), reads.number("2"), reads.number("zebra"), reads.number("3")) == (0, 2, 2, None)


def test_the_check_of_a_run_never_imports_torch(runs):
    code = f"""
import sys
from pathlib import Path
from darkroom.commands.checking.check import check
assert check("sample", ["run={runs / "both"}", "prompt=a", "sampler=edm"], Path({str(CONF)!r}))
assert not {{"torch", "lightning", "numpy", "wandb", "open_clip"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
