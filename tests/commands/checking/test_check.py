"""Every mistake is one line that names the key, the nearest right one and the file; all at once."""

from pathlib import Path

import pytest

from darkroom.commands.checking.check import check

FIRST = ["experiment=small"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def one(conf: Path, *argv: str) -> str:
    """The only fault of ``argv``."""
    faults = check("train", [*FIRST, *argv], conf)
    assert len(faults) == 1, faults
    assert "\n" not in faults[0]
    return faults[0]


def test_a_right_command_has_no_fault(conf):
    assert check("train", [*FIRST, "seed=3", "trainer=cpu", "optimizer.lr=0.1", "+optimizer.amsgrad=true"], conf) == []


def told(faults: list[str], words: list[str]) -> None:
    """Exactly one fault holds all of ``words``, on one line."""
    found = [fault for fault in faults if all(word in fault for word in words)]
    assert len(found) == 1, "\n".join(faults)
    assert "\n" not in found[0]


MISSPELT = [
    ("batch_sise=3", ["batch_sise=3", "batch_size?", "conf/train.yaml"]),
    ("optimzer.lr=1", ["optimzer", "optimizer?", "conf/train.yaml"]),
    ("optimizer.lrr=1", ["optimizer.lrr=1", "did you mean lr?", "conf/optimizer/adamw.yaml"]),
    ("trainer.max_stps=1", ["trainer.max_stps", "max_steps?", "conf/trainer/default.yaml"]),
    ("lr=1", ["lr=1: ", "optimizer.lr"]),
    ("optimizer.foreach=true", ["torch.optim.AdamW takes it", "+optimizer.foreach=true"]),
    ("seed.more=1", ["seed.more=1", "single value"]),
    ("first_stage.path=x", ["first_stage.path=x", "add first_stage=NAME", "artifact"]),
    ("~optimizer.bettas", ["~optimizer.bettas", "betas?"]),
    ("+sede=1", ["sede", "seed?", "command line"]),
    ("+optimizer.amsgard=true", ["optimizer.amsgard", "amsgrad?"]),
    ("data=imagefolder", ["data=imagefolder", "conf/data", "image_folder?"]),
    ("lr_schedule=linear", ["lr_schedule=linear", "conf/lr_schedule", "there is constant, cosine, inverse_sqrt"]),
    ("logger=wandb", []),
    ("+logger.notez=x", ["logger.notez", "notes?", "_keys_"]),
]
WRONG = [
    ("batch_size=0", ["batch_size=0", "at least 1"]),
    ("max_steps=0", ["max_steps=0", "at least 1"]),
    ("resolution=4", ["resolution=4", "at least 16"]),
    ("num_workers=-1", ["num_workers=-1", "at least 0"]),
    ("seed=1.5", ["seed=1.5", "int"]),
    ("compile=1", ["compile=1", "bool"]),
    ("optimizer.eps=small", ["optimizer.eps='small'", "float"]),
    ("trainer.max_steps=ten", ["trainer.max_steps='ten'", "int"]),
    ("data=image_folder", ["data.root", "data.root=VALUE", "a folder of pictures", "conf/data/image_folder.yaml"]),
    ("logger._target_=os.system", ["logger._target_=os.system", "torch"]),
    ("lr_schedule._target_=darkroom.stages.lr_schedule.Cosin", ["lr_schedule.Cosin", "Cosine?"]),
    ("optimizer.lr=${learning_rate}", ["optimizer.lr", "learning_rate", "nowhere"]),
    ("init=nix", ["init=nix", "no such folder"]),
    ("logs=file/logs", ["logs=file/logs", "is a file"]),
]


@pytest.fixture(scope="module")
def misspelt(conf: Path) -> list[str]:
    """What the check says to all of MISSPELT together; an option that nothing is near to would hide the rest."""
    typed = [text for text, _ in MISSPELT]
    return [
        *check("train", [*FIRST, *(text for text in typed if text != "lr_schedule=linear")], conf),
        *check("train", [*FIRST, "lr_schedule=linear"], conf),
    ]


@pytest.fixture(scope="module")
def wrong(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the check says to all of WRONG together."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("wrong")
        (folder / "file").touch()
        patch.chdir(folder)
        return check("train", [*FIRST, *(text for text, _ in WRONG)], conf)


@pytest.mark.parametrize("words", [words for _, words in MISSPELT if words], ids=lambda words: words[0])
def test_misspelt_keys_groups_and_options(misspelt, words):
    told(misspelt, words)


@pytest.mark.parametrize("words", [words for _, words in WRONG], ids=lambda words: words[0])
def test_values_out_of_range_of_wrong_type_or_missing(wrong, words):
    told(wrong, words)


def test_no_fault_is_told_twice_and_none_is_made_up(misspelt, wrong):
    assert len(misspelt) == len(MISSPELT)  # of them logger=wandb is right, and data.root is missing besides
    assert len(wrong) == len(WRONG)


def test_a_batch_that_does_not_divide_says_what_would(conf):
    fault = one(conf, "batch_size=10", "trainer.accumulate_grad_batches=4")
    assert all(word in fault for word in ("batch_size=10", "accumulate_grad_batches=4", "batch_size=8"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["data=image_folder", "data.root=no such, place"], ["data.root=no such, place", "no such folder"]),
        (["data=image_folder", "data.root=file"], ["data.root=file", "a file"]),
        (["first_stage=artifact", "first_stage.path=nix"], ["first_stage.path=nix", "no such folder"]),
        (["first_stage=artifact", "first_stage.path=empty"], ["first_stage.path=empty", "latents.json"]),
        (["init=empty"], ["init=empty", "config.yaml"]),
        (["resume=nix"], ["resume=nix", "no such folder"]),
    ],
)
def test_paths_that_lead_to_the_wrong_thing(conf, tmp_path, argv, words):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    fault = one(conf, *argv)
    assert all(word in fault for word in words), fault


@pytest.mark.parametrize("inner", ["", "first_stage"])
def test_an_artifact_or_the_run_that_holds_it_is_a_first_stage(conf, tmp_path, artifact, inner):
    artifact(tmp_path / "run, old [1]" / inner)
    assert check("train", [*FIRST, "first_stage=artifact", "first_stage.path=run, old [1]"], conf) == []


STAGE = "defaults: [{override /stage: autoencoder}]"
THIRD = """
# @package _global_
# Full of mistakes.
max_steps: 1
batch_size: 0
optimzer: {lr: 1.0}
optimizer: {lrr: 1.0, eps: tiny}
defaults: [{override /stage: autoencoder}]
first_stage:
  parts:
    - {_target_: torch.nn.Linear, in_features: 3}
    - {_target_: torch.nn.Linear, _partial_: true, in_featurs: 3}
  act: {_target_: torch.nn.SILU}
"""


def test_mistakes_inside_a_yaml_file(conf, add):
    add({"experiment/third.yaml": THIRD})
    faults = check("train", ["experiment=third"], conf)
    told(faults, ["optimzer", "optimizer?", "conf/experiment/third.yaml"])
    told(faults, ["optimizer.lrr", "AdamW", "conf/experiment/third.yaml"])
    told(faults, ["optimizer.eps='tiny'", "float", "conf/experiment/third.yaml"])
    told(faults, ["batch_size=0", "conf/experiment/third.yaml"])
    told(faults, ["first_stage.parts.0.out_features", "torch.nn.Linear needs it"])
    told(faults, ["first_stage.parts.1.in_featurs", "in_features?"])
    told(faults, ["first_stage.act._target_=torch.nn.SILU", "SiLU?"])
    assert len(faults) == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("defaults: [{override /data: shape}]", ["data/shape", "shapes"]),
        ("optimizer: {lr: [}", ["third.yaml"]),
    ],
)
def test_a_yaml_file_that_does_not_compose_is_one_line(conf, add, text, words):
    add({"experiment/third.yaml": f"# @package _global_\nmax_steps: 1\n{text}\n"})
    faults = check("train", ["experiment=third"], conf)
    assert len(faults) == 1
    told(faults, words)


def test_a_partial_node_may_lack_arguments(conf, add):
    node = "first_stage: {parts: [{_target_: torch.nn.Linear, _partial_: true, in_features: 3}]}"
    add({"experiment/third.yaml": f"# @package _global_\n{STAGE}\nmax_steps: 1\n{node}\n"})
    assert check("train", ["experiment=third"], conf) == []


def test_all_faults_come_at_once(conf):
    argv = ["experiment=smal", "batch_sise=1", "data=imagefolder", "optimizer.lrr=2", "resolution=1", "init=nix"]
    faults = check("train", argv, conf)
    assert len(faults) == 7, faults  # data.root is missing besides
    for word in ("experiment=smal", "batch_sise", "data=imagefolder", "lrr", "resolution=1", "init=nix", "data.root"):
        assert sum(word in fault for fault in faults) == 1, word


def test_every_job_of_a_sweep_is_checked(conf):
    faults = check("train", ["-m", "experiment=small,smol", "batch_size=4,0"], conf)
    assert sorted(fault.split(":")[0] for fault in faults) == ["batch_size=0", "experiment=smol"]


def test_a_sweep_in_the_yaml_is_checked_too(conf, add):
    text = f"# @package _global_\n{STAGE}\nmax_steps: 1\nhydra: {{sweeper: {{params: {{batch_size: '4,0'}}}}}}\n"
    add({"experiment/third.yaml": text})
    assert [fault.split(":")[0] for fault in check("train", ["-m", "experiment=third"], conf)] == ["batch_size=0"]


def test_a_check_writes_nothing(conf, tmp_path):
    before = sorted(conf.parent.rglob("*"))
    check("train", [*FIRST, "batch_size=0"], conf)
    assert sorted(conf.parent.rglob("*")) == before
    assert not list(tmp_path.iterdir())
