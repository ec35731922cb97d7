"""Settings of a sampler, tried in every combination on a run's samples."""

import json
import shutil

import pytest
from helper_here import HelperHere
from omegaconf import OmegaConf
from PIL import Image
from stages import tiny
from trained import CONF, asked, autoencoder_run, diffusion_run

from darkroom.commands import plots
from darkroom.commands import sweep as module
from darkroom.commands.checking.check import check
from darkroom.files import digest
from darkroom.generation.generator import Generator, NotFinite


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    run = diffusion_run(folder / "run", "guidance.interval=[0.0,1.0]")
    chosen = ["sweep.guidance_scale=[1,3]", "sweep.steps=[2,4]", "sweep.n=4", "n=6", "n_reference=5"]
    config = asked("evaluate", f"run={run.path}", *chosen, "extractor=first_stage", f"cache={folder}", "batch_size=3")
    return run, module.sweep(config)


def test_every_combination_is_measured_and_its_network_counted(swept):
    _, result = swept
    rows = result["search"]["rows"]
    assert [(row["guidance_scale"], row["steps"]) for row in rows] == [(1, 2), (1, 4), (3, 2), (3, 4)]
    assert all({"prompt_accuracy", "fd_pixels"} <= row.keys() for row in rows)
    assert [row["network_evaluations"] for row in rows] == [2, 4, 4, 8]  # guided ones see the null condition too


def test_the_best_is_measured_again_on_other_samples(swept):
    run, result = swept
    rows, winner = result["search"]["rows"], result["winner"]
    assert (result["search"]["seed"], winner["seed"], winner["n"]) == (0, 1, 6)
    assert winner["by"] == "fd_pixels"
    best = min(rows, key=lambda row: row["fd_pixels"])
    assert (winner["guidance_scale"], winner["steps"]) == (best["guidance_scale"], best["steps"])
    assert winner["fd_pixels"] != best["fd_pixels"]
    number = winner["numbers"]["fd_pixels"]
    assert (number["value"], number["protocol"]["m"]) == (winner["fd_pixels"], 6)
    share = winner["numbers"]["prompt_accuracy"]
    assert share["interval"][0] <= share["value"] == winner["prompt_accuracy"] <= share["interval"][1]
    drawn = winner["drawn"]
    assert (drawn["n"], drawn["seed"], drawn["guidance_interval"], drawn["batch_size"]) == (6, 1, [0.0, 1.0], 3)
    assert (result["made"]["step"], result["made"]["checkpoint"]) == (1, digest(run.trained("latest")))
    assert json.loads((run.path / "sweep.json").read_text()) == result
    assert Image.open(run.path / "sweep.png").size[0] > 400


def test_two_devices_find_what_one_does(swept, tmp_path, monkeypatch):
    run, result = swept
    monkeypatch.setattr("darkroom.commands.helpers.Helper", HelperHere)
    monkeypatch.setattr(HelperHere, "answered", 0)
    chosen = ["sweep.guidance_scale=[1,3]", "sweep.steps=[2]", "sweep.n=4", "n=4", "n_reference=5", "devices=2"]
    config = asked("evaluate", f"run={run.path}", *chosen, "extractor=first_stage", f"cache={tmp_path}", "batch_size=3")
    rows = module.sweep(config)["search"]["rows"]
    for row, one in zip(rows, result["search"]["rows"][::2], strict=True):
        assert row == pytest.approx(one, rel=1e-6)
    assert HelperHere.answered == 2 * 2 + 2  # the second batch of each two drawings, and those of the best


@pytest.fixture
def running_away(monkeypatch):
    """A set of guidance scales at which nothing can be drawn."""
    scales, pictures = set(), Generator.pictures

    def drawn(self, *arguments):
        if self.guidance.scale in scales:
            raise NotFinite("all samples are gone")
        return pictures(self, *arguments)

    monkeypatch.setattr(Generator, "pictures", drawn)
    return scales


def test_a_setting_whose_samples_run_away_is_left_out_and_said_to_be(swept, tmp_path, running_away, capsys):
    run, one = swept
    running_away.add(3)
    chosen = ["sweep.guidance_scale=[3,1]", "sweep.steps=[2]", "sweep.n=4", "n=4", "n_reference=5", "batch_size=3"]
    config = asked("evaluate", f"run={run.path}", *chosen, "extractor=first_stage", f"cache={tmp_path}")
    result = module.sweep(config)
    assert result["search"]["rows"] == [pytest.approx(one["search"]["rows"][0])]
    gone = {"guidance_scale": 3, "steps": 2, "seed": 0, "error": "all samples are gone"}
    assert result["ran_away"] == [gone]
    assert "guidance_scale=3, steps=2: is left out, all samples are gone" in " ".join(capsys.readouterr().out.split())
    running_away.add(1)
    with pytest.raises(ValueError, match=r"^sweep: the samples of every setting run away; guide less"):
        module.sweep(config)


def test_the_second_best_is_reported_where_the_best_runs_away_on_other_samples(swept, tmp_path, monkeypatch):
    run, one = swept
    measured = module.measured

    def once(generator, source, extractor, clip_score, config):
        if config.guidance_scale == best and config.seed == 1:
            raise NotFinite("gone")
        return measured(generator, source, extractor, clip_score, config)

    monkeypatch.setattr(module, "measured", once)
    best, second = sorted(one["search"]["rows"][::2], key=lambda row: row["fd_pixels"])
    best = best["guidance_scale"]
    chosen = ["sweep.guidance_scale=[1,3]", "sweep.steps=[2]", "sweep.n=4", "n=4", "n_reference=5", "batch_size=3"]
    config = asked("evaluate", f"run={run.path}", *chosen, "extractor=first_stage", f"cache={tmp_path}")
    result = module.sweep(config)
    assert (result["winner"]["guidance_scale"], result["winner"]["seed"]) == (second["guidance_scale"], 1)
    assert [(each["guidance_scale"], each["seed"]) for each in result["ran_away"]] == [(best, 1)]


def test_what_ranks_is_the_extractor_of_the_command_line_else_the_first_and_others_decide_where_that_is_the_same():
    def one(scale, accuracy, distance):
        row = {"network_evaluations": 1.0, "prompt_accuracy": accuracy, "fd_pixels": distance}
        return module.Measured({"guidance_scale": scale}, row, {})

    found = [one(1, 0.9, 3.0), one(2, 1.0, 2.0), one(3, 1.0, 1.5), one(4, 0.5, 1.0)]
    for by, metric, order in ((None, "prompt_accuracy", [3, 2, 1, 4]), ("fd_pixels", "fd_pixels", [4, 3, 2, 1])):
        name, ranking = module.ranked(found, by)
        assert (name, [each.setting["guidance_scale"] for each in ranking]) == (metric, order)
    assert module.ranked([]) == ("", [])
    assert module.ranked(found[1:3])[0] == "fd_pixels"  # the accuracy is the same for both
    assert module.ranked(found[:1])[0] == "prompt_accuracy"


def test_widths_of_the_average_are_tried_where_snapshots_were_kept(tmp_path):
    run = tiny.train(tmp_path / "run", tiny.DIFFUSION, "callback.snapshots.count=4", "max_steps=8")
    chosen = ["sweep.ema=[0.05,0.2]", "sweep.n=4", "n=4", "n_reference=5", "extractor=first_stage", f"cache={tmp_path}"]
    result = module.sweep(asked("evaluate", f"run={run.path}", *chosen))
    narrow, wide = result["search"]["rows"]
    assert (narrow["ema"], wide["ema"]) == (0.05, 0.2)
    assert narrow["fd_pixels"] != wide["fd_pixels"]
    assert result["winner"]["ema"] in {0.05, 0.2}


def test_curves_join_what_is_alike_from_left_to_right():
    rows = [
        {"steps": s, "guidance_scale": g, "network_evaluations": 2 * s, "fd": s * g} for g in (3, 1) for s in (4, 2)
    ]
    assert plots.curves(rows, "guidance_scale", "fd") == {"steps 4": [(1, 4), (3, 12)], "steps 2": [(1, 2), (3, 6)]}
    assert plots.curves(rows, "network_evaluations", "fd") == {
        "guidance_scale 3": [(4, 6), (8, 12)],
        "guidance_scale 1": [(4, 2), (8, 4)],
    }


def test_samplers_are_tried_by_name_with_all_that_their_files_are_made_of(swept, tmp_path, monkeypatch):
    run, _ = swept
    grids = []

    def measured(generator, *_):
        grids.append((generator.plan.sampler.func.__name__, generator.plan.grid.keywords["shift"]))
        return {"network_evaluations": 4.0, "fd_pixels": float(len(grids))}, {}

    monkeypatch.setattr(module, "measured", measured)
    chosen = ["sweep.sampler=[euler_shifted,heun,euler]", "sweep.n=4", "n=4", "extractor=first_stage"]
    result = module.sweep(asked("evaluate", f"run={run.path}", *chosen, f"out={tmp_path / 'x.json'}"))
    first = ("sample_euler", 2.0)
    assert grids == [first, ("sample_heun", 1.0), ("sample_euler", 1.0), first]
    assert result["winner"]["sampler"] == "euler_shifted"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["sweep.steps=[2]"], "sweep.steps: is over the samples of a run"),
        (["run={run}", "sweep.steps=2"], "is not a list; give sweep.steps=[2]"),
        (["run={run}", "sweep.steps=[0]"], "0 is not a whole number of at least 1"),
        (["run={run}", "sweep.ema=[wide]"], "wide is not a number of at least 0"),
        (["run={run}", "sweep.guidance_scale=[nan]"], "nan is not a number of at least 0"),
        (["run={run}", "sweep.steps=[2]", "steps=3"], "sweep.steps: steps is given as well"),
        (["run={run}", "sweep.steps=0"], "is not a list; give sweep.steps=[0]"),
        (
            ["run={run}", "sweep.sampler=[heun,eulr]"],
            "eulr: there is no such sampler; did you mean euler?",
        ),
        (["run={run}", "sweep.sampler=[heun,edm]"], "sweep.sampler=edm: sample_edm needs a finite sigma/alpha"),
        (
            ["run={unguided}", "sweep.guidance_scale=[1,3]"],
            "sweep.guidance_scale=[1, 3]: the run was trained without",
        ),
        (["run={run}", "sweep.guidence_scale=[2]"], "did you mean guidance_scale?"),
        (["run={run}", "sweep.steps=[2]", "sweep.n=1"], "sweep.n=1: is a number of samples, at least 2"),
        (["run={run}", "sweep.steps=[2]", "metrics=[kid]"], "metrics: a sweep ranks samples by"),
        (["run={run}", "sweep.steps=[2]", "kid_size=9"], "kid_size: a sweep ranks samples by"),
        (["run={run}", "sweep.steps=[2]", "perceptual=lpips_squeeze"], "perceptual: a sweep ranks samples by"),
        (["run={autoencoder}", "sweep.steps=[2]"], "trained the stage autoencoder, which draws no pictures"),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(swept, tmp_path, argv, words):
    run, _ = swept
    paths = {"run": run.path, "autoencoder": "", "unguided": tmp_path / "unguided"}
    if any("{unguided}" in each for each in argv):
        shutil.copytree(run.path, paths["unguided"])
        config = run.config
        config.guidance = None
        OmegaConf.save(config, paths["unguided"] / "config.yaml")
    if any("{autoencoder}" in each for each in argv):
        paths["autoencoder"] = autoencoder_run(tmp_path / "autoencoder").path
    found = check("evaluate", [each.format(**paths) for each in argv], CONF)
    assert any(words in fault for fault in found), found
