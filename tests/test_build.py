"""Nodes become objects in one place, from packages that are allowed, with errors of one line."""

import functools
import importlib
import re
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from darkroom.build import Faults, add_packages, build, literal, resolved
from darkroom.commands import front
from darkroom.contracts import LatentSpec

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}
PLAN = {"_target_": "darkroom.diffusion.plan.SamplingPlan", "_partial_": True}


def test_a_node_becomes_an_object_with_what_the_program_adds():
    layer = build(OmegaConf.create(LINEAR), bias=False)
    assert layer.weight.shape == (3, 2)
    assert layer.bias is None


def test_interpolations_are_resolved_against_the_whole_config():
    config = OmegaConf.create({"width": 5, "layer": {**LINEAR, "out_features": "${width}"}})
    assert build(config.layer).out_features == 5


def test_a_partial_waits_for_the_rest():
    optimizer = build({"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.5})
    weight = torch.zeros(1, requires_grad=True)
    assert optimizer([weight]).param_groups[0]["lr"] == 0.5
    bound = build({"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.5}, eps=0.1)
    assert isinstance(bound, functools.partial)
    assert bound([weight]).param_groups[0]["eps"] == 0.1


def test_what_the_program_adds_arrives_as_itself():
    spec, layer = LatentSpec(channels=4, factor=8, hash="x"), torch.nn.Linear(1, 1)
    made = build(PLAN, sampler=spec, grid=layer)
    assert made.keywords["sampler"] is spec
    assert made.keywords["grid"] is layer


def test_lists_become_plain_lists():
    made = build(OmegaConf.create({"_target_": "torch.nn.ModuleList", "modules": [LINEAR]}))
    assert isinstance(made[0], torch.nn.Linear)
    assert type(build(OmegaConf.create({**PLAN, "grid": [1, 2]})).keywords["grid"]) is list


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "antigravity.anything"},
        {"_target_": "os.system", "command": "true"},
        {"_target_": "torch.nn.ModuleList", "modules": [{"_target_": "builtins.eval"}]},
        {"_target_": "torch.nn.ModuleDict", "modules": {"a": {"_target_": "subprocess.run"}}},
        {"_target_": "torchx.anything"},
    ],
)
def test_targets_outside_the_list_are_refused_at_any_depth(node):
    with pytest.raises(ValueError, match=r"^_target_: \S+ lies outside the packages") as caught:
        build(node)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({**LINEAR, "in_features": -1}, "torch.nn.Linear"),
        ({**LINEAR, "in_feetures": 1}, "in_feetures"),
        ({"_target_": "torch.nn.Liner"}, "torch.nn.Liner"),
        ({"_target_": "torch.nn.ModuleList", "modules": [{**LINEAR, "out_features": "x"}]}, "torch.nn.ModuleList"),
    ],
)
@pytest.mark.parametrize("extra", [{}, {"bias": True}])
def test_a_constructor_that_refuses_is_one_line_that_names_the_node(node, words, extra):
    with pytest.raises(ValueError, match=words) as caught:
        build(node, **extra)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("extra", [{}, {"max_shapes": 2}])
def test_several_faults_are_a_line_each(extra):
    node = {"_target_": "darkroom.data.shapes.source.Shapes", "train_size": 0, "validation_size": 0}
    with pytest.raises(Faults) as caught:
        build(node, **extra)
    assert [fault.split("=")[0] for fault in caught.value.faults] == [
        f"{node['_target_']}: data.{key}" for key in ("train_size", "validation_size")
    ]


def test_allowed_names_for_keyword_arguments_do_not_reach_the_constructor():
    assert build({**LINEAR, "_keys_": ["bias"]}).out_features == 3


@pytest.mark.parametrize("text", ["${seed}", r"\${seed}", r"\\${", "a ${b, [c]", "${oc.env:HOME}", "$"])
def test_a_text_that_looks_like_an_interpolation_arrives_as_itself(text):
    node = {"_target_": "darkroom.callbacks.checkpoints.Checkpoints", "monitor": text}
    assert build(node).monitor == text
    assert build(OmegaConf.create(literal({"node": node})).node).monitor == text
    assert build({**PLAN, "grid": {**node, "_partial_": True}}).keywords["grid"]().monitor == text
    assert build({**node, "_partial_": True}, keep=2)().monitor == text


def test_a_package_outside_is_not_even_imported(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    with pytest.raises(ValueError, match=r"lies outside .*; packages=\[NAME\] on the command line adds one"):
        resolved("antigravity.anything")


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",  # os.system
        "torch.load",
        "torch.hub.load",
        "torch.serialization.load",
        "torch.utils.cpp_extension.load_inline",
        "torch.jit.load",
        "torch.nn.Linear.forward",
        "torch.nn.init.zeros_",
        "torch.nn",
        "torch",
        "torch.Tensor",
        "lightning.__main__.main",
        "lightning.pytorch.cli.LightningCLI",
        "timm.create_model",
        "darkroom.commands.demo.main",
        "darkroom.files.write_text",
        "darkroom.autoencoding.first_stage.write_artifact",
        "darkroom.commands.faults.report",
        "darkroom.build.build",
        "darkroom.commands.multirun.Tidy",  # Hydra's to build, of conf/hydra
        "darkroom.commands.fit.Artifact.__init__",
        "darkroom.contracts.Batch",
        "darkroom.data.datamodule.Any",
        "darkroom.data.image_folder.Path",  # pathlib's
        "darkroom.files.Path",
        "darkroom.generation.generator.Generator",
        "darkroom.keys.Keys",
        "darkroom.runs.checkpoint_io.AtomicCheckpointIO",
        "darkroom.runs.failure.Failure",
        "darkroom.runs.folder.Run",
    ],
)
def test_what_could_do_anything_is_refused_wherever_it_is_to_be_found(target):
    with pytest.raises(ValueError, match=rf"^_target_: (there is no )?{re.escape(target)}\b"):
        resolved(target)


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.Linear",
        "torch.optim.SGD",
        "torch.optim.lr_scheduler.StepLR",
        "torchvision.models.ResNet",
        "torchmetrics.image.StructuralSimilarityIndexMeasure",
        "timm.models.vision_transformer.VisionTransformer",
        "lightning.Trainer",
        "lightning.pytorch.callbacks.EarlyStopping",
        "lightning.pytorch.loggers.CSVLogger",
        "lightning.pytorch.strategies.DDPStrategy",
        "darkroom.runs.metrics_file.MetricsFile",  # a logger
        "darkroom.runs.wandb_run.WandbRun",
        "darkroom.generation.denoising.Denoising",  # a module
        "darkroom.networks.dit.DiT",
        "darkroom.metrics.lpips.LPIPS",
    ],
)
def test_parts_of_ours_and_of_the_ecosystem_may_be_built(target):
    assert resolved(target).__name__ == target.rpartition(".")[2]


def test_a_module_of_the_commands_may_not_be_built(monkeypatch):
    monkeypatch.setattr(front, "Net", type("Net", (torch.nn.Linear,), {"__module__": front.__name__}), raising=False)
    with pytest.raises(ValueError, match=r"darkroom\.commands\.front\.Net is nothing that a config may build"):
        resolved("darkroom.commands.front.Net")


def test_whatever_conf_names_may_be_built():
    conf = Path(__file__).resolve().parents[1] / "conf"
    files = [path for path in conf.rglob("*.yaml") if path.parent.name != "hydra"]  # of which Hydra builds by itself
    named = {target for path in files for target in re.findall(r"_target_: ([\w.]+)", path.read_text())}
    assert len(named) > 40
    assert all(callable(resolved(target)) for target in named)


def test_all_that_a_package_of_the_users_own_defines_may_be_built_once_it_is_told(tmp_path, monkeypatch):
    (tmp_path / "mylab.py").write_text("import os\n\ndef net(width): return width\n\nclass Net: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("darkroom.build._added", set())
    with pytest.raises(ValueError, match=r"mylab\.net lies outside"):
        build({"_target_": "mylab.net", "width": 3})
    add_packages(["mylab"])
    assert build({"_target_": "mylab.net", "width": 3}) == 3
    assert type(build({"_target_": "mylab.Net"})).__name__ == "Net"
    with pytest.raises(ValueError, match=r"mylab\.os\.system is nothing that a config may build"):
        resolved("mylab.os.system")


@pytest.mark.parametrize("path", ["/tmp/weights.pt", "weights.PTH", "~/x", "https://host/x", r"c:\x"])
def test_a_foreign_constructor_gets_no_file_to_load(path):
    node = {"_target_": "torch.nn.ModuleDict", "modules": {"a": {**LINEAR, "device": path}}}
    with pytest.raises(ValueError, match=r"torch\.nn\.Linear: device=.* names a file, an address"):
        build(node)
    with pytest.raises(ValueError, match="names a file"):
        build({**LINEAR, "dtype": [{"deep": path}]})


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("open_clip.hf_model.HFTextEncoder", {"model_name_or_path": "gpt2"}),
        ("torchmetrics.text.bert.BERTScore", {"model_name_or_path": "roberta-large"}),
        ("open_clip.model.CustomTextCLIP", {"text_cfg": {"hf_model_name": "gpt2"}}),
        ("open_clip.model.CustomTextCLIP", {"text_cfg": {"hf_tokenizer_name": "gpt2"}}),
        ("torch.nn.Linear", {"device": "local-dir:weights"}),
    ],
)
def test_a_foreign_constructor_gets_no_name_of_a_model_to_fetch(target, arguments):
    with pytest.raises(
        ValueError, match=rf"^{re.escape(target)}: \w+=\S+ names a file, an address or a model to fetch"
    ):
        build({"_target_": target, **arguments})


@pytest.mark.parametrize("target", ["darkroom.networks.dit.nn.Linear", "darkroom.metrics.means.Metric"])
def test_a_foreign_constructor_is_known_by_where_it_is_defined(target):
    with pytest.raises(ValueError, match=rf"^{re.escape(target)}: device=x\.pt names a file"):
        build({"_target_": target, "device": "x.pt"})


@pytest.mark.parametrize("target", ["torch.nn.Linear", "darkroom.runs.wandb_run.WandbRun"])
def test_arguments_have_names_by_which_they_are_checked(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"^{re.escape(target)}: _args_: .*; give each argument by its own"):
        build({"_target_": target, "_args_": ["sprung"]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["https://host/x", "hf-hub:someone/model", "local-dir:/somewhere"])
def test_an_address_is_nothing_for_a_part_of_ours_either(address):
    with pytest.raises(ValueError, match=r"PretrainedText: model=.* is an address; fetch it"):
        build({"_target_": "darkroom.conditioning.pretrained_text.PretrainedText", "model": address})


def test_the_words_of_our_own_code_are_told_and_not_those_that_they_explain(tmp_path):
    (tmp_path / "metadata.jsonl").write_text("{")
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    node = {"_target_": "darkroom.data.image_folder.ImageFolder", "root": str(tmp_path), "resolution": 8}
    with pytest.raises(ValueError, match=r"metadata\.jsonl, line 1: not JSON .*; each line is one object"):
        build(node)


def test_where_a_foreign_part_writes_may_be_said(tmp_path):
    assert build({"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": str(tmp_path / "logs")}).save_dir
