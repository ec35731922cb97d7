"""Runs that train.py is told to go on with or to begin from, and the names of new ones."""

from cli.mistakes.beginnings import A, D, Row

ROWS: list[Row] = [
    # names of runs
    ("train", [*A, "run_id="], ["run_id=", "empty"]),
    ("train", [*A, "run_id=a/b"], ["run_id=a/b", "slash"]),
    ("train", [*A, "run_id=.."], ["run_id=..", "the name of one folder"]),
    ("train", [*A, "run_id=a:b"], ["run_id=a:b", "Weights & Biases", "logger=csv"]),
    ("train", [*A, "logger.wandb.project=a/b"], ["logger.wandb.project=a/b", "Weights & Biases"]),
    # no run, or none that goes on so
    ("train", ["resume=nowhere"], ["resume=nowhere", "no such folder"]),
    ("train", ["resume=empty"], ["resume=empty", "config.yaml"]),
    ("train", ["resume=runs"], ["resume=runs", "did you mean runs/"]),
    ("train", ["resume=runs/first", "seed=1"], ["seed=1", "has seed=0", "init=runs/first"]),
    ("train", ["resume=runs/first", "trainer=cpu"], ["trainer=cpu", "trainer.KEY=VALUE"]),
    ("train", ["resume=runs/first", "max_stps=9"], ["max_stps=9", "max_steps"]),
    ("train", ["-m", "resume=runs/first"], ["resume=runs/first", "-m"]),
    ("train", [*A, "init=nowhere"], ["init=nowhere", "no such folder"]),
    ("train", [*D, "init=runs/first"], ["init=runs/first", "autoencoder", "same stage"]),
    ("train", [*A, "logs=taken", "run_id=old"], ["run_id=old", "there already", "resume=taken/autoencoder/old"]),
    # folders that are no run
    ("train", ["resume=runs/foreign"], ["resume=runs/foreign", "hydra:", "train.py has not written it"]),
    ("train", ["resume=runs/list"], ["resume=runs/list", "not one that train.py wrote"]),
    ("train", ["resume=runs/hollow"], ["resume=runs/hollow", "not one that train.py wrote"]),
    ("train", ["resume=runs/binary"], ["resume=runs/binary", "not one that train.py wrote"]),
    ("train", [*A, "init=runs/torn"], ["init=runs/torn", "not one that train.py wrote"]),
    # what is read back of a run
    ("train", ["resume=runs/first", "max_steps=3"], ["max_steps=3", "has done 5 steps", "init=runs/first"]),
    ("train", ["resume=runs/first", "callback.ema=null"], ["callback.ema=null", "keeps it", "init=runs/first"]),
    ("train", ["resume=runs/first", "callback.ema.sigma_rel=0.2"], ["sigma_rel=0.2", "has callback.ema.sigma_rel=0.1"]),
    ("train", ["resume=runs/first", "~callback.ema"], ["~callback.ema", "keeps its config.yaml"]),
]  # fmt: skip
