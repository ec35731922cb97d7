"""Autoencoders ranked by what the same small denoiser draws on the latents of each."""

import json
import shutil

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from trained import CONF, asked, autoencoder_run, diffusion_run

from darkroom.autoencoding.artifact import find_artifact, read_hash
from darkroom.autoencoding.first_stage import Identity
from darkroom.commands import probe as module
from darkroom.commands import probe_training, train
from darkroom.commands.checking.check import check
from darkroom.commands.checking.compose import Space, composed, opened
from darkroom.commands.load import load_source
from darkroom.commands.probe_training import recipe, token_side
from darkroom.metrics.latent_features import LatentFeatures
from darkroom.metrics.latent_space import Collapsed
from darkroom.metrics.protocol import differences
from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run
from darkroom.runs.summary import update_summary

TINY = [
    *("network.width=32", "network.depth=1", "network.heads=2"),
    *("conditioner.text.width=16", "conditioner.text.heads=2", "conditioner.text.layers=1"),
    *("batch_size=4", "trainer=cpu", "callback.progress=null", "callback.throughput=null", "sampler.num_steps=2"),
]
F4 = ["autoencoder=kl_f4_small", "autoencoder.encoder.width=16", "autoencoder.decoder.width=16"]


@pytest.fixture(scope="module")
def autoencoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoders")
    return [autoencoder_run(folder / "f8"), autoencoder_run(folder / "f4", *F4)]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Trains in this process, and remembers how often it was asked to."""
    folder, calls = tmp_path_factory.mktemp("probe"), []

    def run_python(command):
        calls.append(command)
        return train.main(command[1:], CONF)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe_training, "run_python", run_python)
        yield folder, calls


def command(runs, folder, *argv):
    settings = " ".join([*TINY, f"stage.latents={folder / 'latents'}"])
    given = ["n=6", "n_reference=8", "batch_size=4", f"cache={folder / 'features'}", *argv]
    budget = ["probing.steps=3", f"probing.settings={settings}", f"probing.folder={folder}"]
    return asked("evaluate", f"probe=[{','.join(str(run.path) for run in runs)}]", *budget, *given)


@pytest.fixture(scope="module")
def probed(autoencoders, here):
    return module.probe(command(autoencoders, here[0]))


def test_runs_are_ranked_by_the_judge_where_no_network_is_given(autoencoders, here, probed):
    runs = probed["runs"]
    assert probed["by"] == "prompt_accuracy"
    assert {each["run"] for each in runs} == {str(run.path) for run in autoencoders}
    assert runs[0]["score"]["value"] >= runs[1]["score"]["value"]
    for each in runs:
        assert each["score"]["value"] == each["metrics"]["prompt_accuracy"]["value"] < each["score"]["high"]
        assert each["metrics"]["val_psnr"]["value"] > 0
        assert 1 <= each["latent_space"]["effective_rank"] <= len(each["latent_space"]["eigenvalues"])
        assert (each["training"]["step"], each["training"]["val/loss"] > 0) == (3, True)
    assert json.loads((here[0] / "probe.json").read_text()) == probed


def test_the_denoisers_differ_in_nothing_but_what_their_latents_ask_for(probed):
    first, second = (OmegaConf.load(f"{each['denoiser']}/config.yaml") for each in probed["runs"])
    parts = {each.partition(":")[0] for each in differences(*map(OmegaConf.to_container, (first, second)))}
    assert parts == {
        *("first_stage.path", "stage.first_stage.path", "network.patch", "stage.network.patch"),
        *("resume", "run_id"),  # their own folders
    }
    assert {first.network.patch, second.network.patch} == {1, 2}  # of 8 x 8 and 4 x 4 latents
    assert (probed["made"]["tokens"], probed["made"]["budget"]["max_steps"]) == (16, 3)


@pytest.mark.usefixtures("probed")
def test_a_network_ranks_by_its_distance_and_nothing_is_trained_twice(autoencoders, here, monkeypatch):
    folder, calls = here
    before = len(calls)
    extractor = LatentFeatures(first_stage=Identity(), resolution=32)  # blocks of pixels, the same for all runs
    monkeypatch.setattr(module, "extractor_of", lambda *_: extractor)
    config = command(
        autoencoders, folder, "extractor=squeezenet1_1", "extractor.weights=x", f"out={folder / 'fd.json'}"
    )
    found = module.probe(config)
    assert len(calls) == before == 2
    assert found["by"] == "fd_pixels"
    values = [each["metrics"]["fd_pixels"]["value"] for each in found["runs"]]
    assert values == sorted(values)
    assert {"fd_pixels", "rfd_pixels"} <= found["runs"][0]["metrics"].keys()
    protocols = [each["metrics"]["fd_pixels"]["protocol_id"] for each in found["runs"]]
    assert protocols[0] == protocols[1]


@pytest.mark.usefixtures("probed")
def test_one_that_cannot_be_measured_ends_not_the_ranking_of_others(autoencoders, here, tmp_path, monkeypatch, capsys):
    collapsed, latent_space = {autoencoders[1].path}, module.latent_space

    def looked_at(first_stage, *given):
        if first_stage.spec.hash in {read_hash(find_artifact(path)) for path in collapsed}:
            raise Collapsed("the latents do not vary")
        return latent_space(first_stage, *given)

    monkeypatch.setattr(module, "latent_space", looked_at)
    config = command(autoencoders, here[0], f"out={tmp_path / 'one.json'}")
    found = module.probe(config)
    assert [each["run"] for each in found["runs"]] == [str(autoencoders[0].path)]
    [lost] = found["unranked"]
    assert (lost["run"], lost["error"]) == (str(autoencoders[1].path), "the latents do not vary")
    assert f"warning: {autoencoders[1].id} is not ranked" in capsys.readouterr().out
    collapsed.add(autoencoders[0].path)
    with pytest.raises(ValueError, match=r"^probe: none of the runs can be ranked: the latents do not vary"):
        module.probe(config)


@pytest.mark.parametrize(("step", "trainings"), [(2, 1), (3, 0)])
def test_only_a_checkpoint_of_the_last_step_is_a_training_that_is_done(
    autoencoders, tmp_path, monkeypatch, step, trainings
):
    run, calls = autoencoders[0], []
    config = command([run], tmp_path)
    training = recipe(run, load_source(run.config), config, 1)
    denoiser = Run(tmp_path / f"{run.id}-{probe_training._digest(run, training)}")
    denoiser.checkpoints.mkdir(parents=True)
    torch.save({}, checkpoint_path(denoiser.checkpoints, step))
    update_summary(denoiser, {"finished": True})
    monkeypatch.setattr(probe_training, "run_python", calls.append)
    assert probe_training.trained(run, training, config).path == denoiser.path
    assert len(calls) == trainings


def test_another_budget_or_seed_is_another_training_and_another_place_is_not(autoencoders, here, tmp_path):
    run = autoencoders[0]
    source = load_source(run.config)

    def digest(of, *argv):
        return probe_training._digest(of, recipe(of, source, command([of], here[0], *argv), 1))

    moved = shutil.copytree(run.path, tmp_path / "elsewhere")
    assert digest(type(run)(moved)) == digest(run)
    assert len({digest(run), digest(run, "probing.steps=4"), digest(run, "seed=1")}) == 3


def test_a_training_is_composed_while_a_command_runs():
    with opened(Space(CONF, "evaluate")) as running:
        assert composed(Space(CONF, "train"), ["experiment=probe", "run_id=x"]).config.stage.name == "latent_diffusion"
        assert GlobalHydra.instance().config_loader() is running


@pytest.mark.parametrize(
    ("resolution", "factors", "tokens", "side"),
    [(64, [8], 64, 8), (64, [4, 8], 64, 8), (64, [4], 16, 16), (256, [8, 16], 256, 16), (96, [8, 12], 10, 48)],
)
def test_every_denoiser_has_as_many_tokens(resolution, factors, tokens, side):
    assert token_side(resolution, factors, tokens) == side


def test_a_score_knows_how_sure_it_is():
    assert module.score("fd_x", {"fd_x": {"value": 5.0, "sd": 1.0}}) == pytest.approx((5.0, 3.04, 6.96))
    assert module.score("share", {"share": {"value": 0.5, "interval": [0.4, 0.6]}}) == (0.5, 0.4, 0.6)
    with pytest.raises(ValueError, match="read no text"):
        module.score("prompt_accuracy", {"val_psnr": {"value": 20.0}})


def test_scores_are_told_apart_only_where_their_intervals_are():
    assert not module.tied(module.Score(1, 0, 2), module.Score(4, 3, 5))
    assert module.tied(module.Score(1, 0, 3.5), module.Score(4, 3, 5))


def test_pictures_that_nobody_can_judge_want_a_network(autoencoders, here, monkeypatch):
    monkeypatch.setattr(module, "Judged", type("Judged", (), {}))
    with pytest.raises(ValueError, match="nothing ranks these runs; give extractor=NAME"):
        module.probe(command(autoencoders, here[0]))


MISTAKES = [
    ("probe=[{f8}]", [], "are not two or more; give probe=[RUN,RUN]"),
    ("probe=[{f8},{f8}]", [], "are not two or more"),
    ("probe={f8}", [], "wants Sequence[str]"),
    ("probe=[{f8},nowhere]", [], "probe=nowhere: there is no such folder"),
    ("probe=[{f8},{diffusion}]", [], "it trained the stage latent_diffusion; give runs of autoencoders"),
    ("probe=[{f8},{unfinished}]", [], "holds no finished autoencoder"),
    ("probe=[{f8},{other}]", [], "were trained on different pictures (x and y)"),
    ("probe=[{f8},{f4}]", ["extractor=first_stage"], "each autoencoder would judge itself"),
    ("probe=[{f8},{f4}]", ["guidance_scale=2"], "guidance_scale: is given beside probe="),
    ("probe=[{f8},{f4}]", ["run={f8}"], "run, probe: do not go together"),
    ("probe=[{f8},{f4}]", ["kid_size=9"], "kid_size: is given beside probe="),
    ("probe=[{f8},{f4}]", ["probing.folder={f8}/config.yaml/x"], "config.yaml is a file; give a folder"),
    ("probe=[{f8},{f4}]", ["n=1"], "n=1: a distance wants at least 2 samples"),
    ("probe=[{f8},{f4}]", ["checkpoint=best"], "checkpoint=best: a probe draws"),
    ("probe=[{f8},{f4}]", ["probing.steps=0"], "probing.steps=0: is not a whole number of at least 1"),
    ("probe=[{f8},{f4}]", ["probing.stepps=9"], "did you mean steps?"),
    ("probe=[{f8},{f4}]", ["probing.settings=network.width"], "network.width: not an override"),
    ("probe=[{f8},{f4}]", ["probing.settings=network.widht=96"], "probing.settings=network.widht=96: "),
    (
        "probe=[{f8},{f4}]",
        ["probing.settings='network.width=96 seed=1'"],
        "probing.settings: network.width='96 seed=1'",
    ),
    ("probe=[{f8},{f4}]", ["out=file.txt"], "out=file.txt: is not the name of a .json file"),
]


@pytest.fixture(scope="module")
def paths(autoencoders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    unfinished, other = autoencoder_run(folder / "unfinished"), autoencoder_run(folder / "other")
    shutil.rmtree(unfinished.first_stage)
    relabelled(other.first_stage)
    f8, f4 = (str(run.path) for run in autoencoders)
    diffusion = str(diffusion_run(folder / "diffusion").path)
    return {"f8": f8, "f4": f4, "diffusion": diffusion, "unfinished": str(unfinished.path), "other": str(other.path)}


def relabelled(artifact):
    """An artifact of other pictures, with a true hash."""
    from darkroom.autoencoding.artifact import hash_of

    latents = json.loads((artifact / "latents.json").read_text())
    (artifact / "latents.json").write_text(json.dumps(latents | {"data_fingerprint": "y"}))
    (artifact / "HASH").write_text(hash_of(artifact) + "\n")


@pytest.mark.parametrize(("probe", "argv", "words"), MISTAKES)
def test_a_mistake_is_one_line_before_anything_is_loaded(paths, probe, argv, words):
    found = check("evaluate", [each.format(**paths) for each in (probe, *argv)], CONF)
    assert len(found) == 1, found
    assert words in found[0]
    assert "\n" not in found[0]


def test_a_probe_that_can_start_has_no_fault(paths):
    argv = ["probe=[{f8},{f4}]".format(**paths), "steps=4", "probing.settings=batch_size=4 seed=1"]
    assert check("evaluate", argv, CONF) == []
