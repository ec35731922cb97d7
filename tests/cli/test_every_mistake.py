"""One row a mistake, through the commands themselves: one line that holds the words, exit code 2, nothing written."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from furnished import first_stages, pictures, runs
from omegaconf import DictConfig, OmegaConf

from darkroom.commands import evaluate, sample, train
from darkroom.commands.checking.check import check
from darkroom.commands.front import enter

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
MAIN = {"train": train.main, "sample": sample.main, "evaluate": evaluate.main}

A = ["experiment=shapes_autoencoder"]
D = ["experiment=shapes_latent_diffusion", "first_stage=identity"]
F = [*D, "data=image_folder"]
L = ["experiment=shapes_latent_diffusion"]  # with a first stage
G = ["generated=flat", "reference=flat", "extractor=squeezenet1_1", "extractor.weights=file"]
C = ["generated=flat", "training=flat", "held_out=kind", "extractor=squeezenet1_1", "extractor.weights=file"]
LONG = "a" * 300

# What only names, types and files tell.
EARLY: list[tuple[str, list[str], list[str]]] = [
    # misspelt: at the root, in groups, deep inside, options, experiments, flags
    ("train", [*A, "batch_sise=3"], ["batch_sise=3", "batch_size?", "conf/train.yaml"]),
    ("train", ["experiment=shapes_autoencodr"], ["experiment=shapes_autoencodr", "shapes_autoencoder?"]),
    ("train", [*A, "optimzer.lr=1"], ["optimzer.lr=1", "optimizer?"]),
    ("train", [*A, "optimzer=adam"], ["optimzer=adam", "optimizer?"]),
    ("train", [*A, "optimizer=adamv"], ["optimizer=adamv", "adam?"]),
    ("train", [*A, "optimizer.lrr=1"], ["optimizer.lrr=1", "lr?", "conf/optimizer/adamw.yaml"]),
    ("train", [*A, "trainer.max_stps=1"], ["trainer.max_stps=1", "max_steps?"]),
    ("train", [*A, "stage.loss.terms.kl.weigth=1"], ["stage.loss.terms.kl.weigth=1", "weight?"]),
    ("train", [*A, "callback.emma.sigma_rel=0.1"], ["callback.emma.sigma_rel=0.1", "ema?"]),
    ("train", [*A, "+callback.emma.sigma_rel=0.1"], ["callback.emma", "_target_", "ema?"]),
    ("train", [*A, "+callback.ema.sigma_real=0.1"], ["callback.ema.sigma_real", "sigma_rel?"]),
    ("train", [*A, "+sede=1"], ["sede", "seed?"]),
    ("train", [*A, "lr=1"], ["lr=1", "optimizer.lr"]),
    ("train", [*A, "data=shape"], ["data=shape", "shapes?"]),
    ("train", [*D, "process.parameterization._target_=darkroom.diffusion.parameterization.Velocty"], ["Velocity?"]),
    ("train", [*A, "--multirn"], ["--multirn", "without dashes"]),
    ("train", [*A, "seed"], ["seed: ", "key=value"]),
    ("train", [*A, "optimizer.betas=[0.9,0.99"], ["optimizer.betas=[0.9,0.99", "bracket"]),
    ("train", [*A, "~optimizer.bettas"], ["~optimizer.bettas", "betas?"]),
    ("train", ["experiment=twisted"], ["optimizer.lrr", "lr?", "conf/experiment/twisted.yaml"]),
    ("train", ["experiment=rooted"], ["batch_sise", "batch_size?", "conf/experiment/rooted.yaml"]),
    ("train", ["experiment=emma"], ["callback.emma", "ema?", "conf/experiment/emma.yaml"]),
    ("train", ["experiment=targeted"], ["stage.loss.terms.l2._targt_", "_target_?", "conf/experiment/targeted.yaml"]),
    # nothing where something is needed
    ("train", [*A, "optimizer=null"], ["optimizer=null", "adam, adamw"]),
    ("train", ["experiment=null"], ["experiment=null", "shapes_autoencoder"]),
    ("train", [*D, "~process"], ["process", "nowhere"]),
    ("train", [*A, "~trainer"], ["trainer", "trainer=NAME", "cpu"]),
    ("train", [*A, "logs="], ["logs=", "empty"]),
    ("train", [*A, "run_id="], ["run_id=", "empty"]),
    ("train", [*A, "run_id=a/b"], ["run_id=a/b", "slash"]),
    # wrong types
    ("train", [*A, "seed=1.5"], ["seed=1.5", "int"]),
    ("train", [*A, "max_steps=1e5"], ["max_steps=100000.0", "int"]),
    ("train", [*A, "compile=yess"], ["compile='yess'", "bool"]),
    ("train", [*A, "optimizer.eps=tiny"], ["optimizer.eps='tiny'", "float"]),
    ("train", [*A, "trainer.precision=bf17"], ["trainer.precision='bf17'", "bf16?"]),
    ("train", [*A, "trainer.accelerator=gpuu"], ["trainer.accelerator=gpuu", "gpu?"]),
    ("train", [*D, "process.time_law=linear"], ["process.time_law='linear'", "TimeLaw"]),
    ("train", [*A, "stage.loss.terms.kl=1"], ["stage.loss.terms.kl", "_target_"]),
    ("train", [*A, "seed=1,2"], ["seed=1,2", "--multirun"]),
    # out of range
    ("train", [*A, "batch_size=0"], ["batch_size=0", "at least 1"]),
    ("train", [*A, "batch_size=10", "trainer.accumulate_grad_batches=4"], ["batch_size=10", "batch_size=8"]),
    ("train", [*A, "batch_size=9", "trainer=cpu", "trainer.devices=2"], ["batch_size=9", "trainer.devices=2", "8"]),
    ("train", [*A, "max_steps=0"], ["max_steps=0", "at least 1"]),
    ("train", [*A, "resolution=10"], ["resolution=10", "at least 16"]),
    ("train", [*A, "num_workers=-1"], ["num_workers=-1", "at least 0"]),
    ("train", [*A, "trainer.devices=0"], ["trainer.devices=0", "at least 1"]),
    ("train", [*A, "trainer.log_every_n_steps=0"], ["trainer.log_every_n_steps=0", "at least 1"]),
    ("train", [*A, "data.train_size=0"], ["data.train_size=0", "at least 1"]),
    ("train", [*D, "process.parameterization._target_=darkroom.diffusion.parameterization.Eps"], ["Eps", "Flow"]),
    # folders of pictures
    ("train", F, ["data.root is not set", "data.root=VALUE"]),
    ("train", [*F, "data.root=nowhere, really"], ["data.root=nowhere, really", "no such folder"]),
    ("train", [*F, "data.root=file"], ["data.root=file", "is a file"]),
    ("train", [*F, f"data.root={LONG}"], [f"data.root={LONG}", "no such folder"]),
    ("train", [*F, "data.root=empty"], ["data.root=empty", "no pictures", ".jpg"]),
    ("train", [*F, "data.root=single"], ["data.root=single", "1 picture,", "two are the least"]),
    ("train", [*F, "data.root=kind", "conditioner=class_label"], ["data.root=kind", "one class", "conditioner=auto"]),
    ("train", [*F, "data.root=flat", "conditioner=class_label"], ["data.root=flat", "no sub-folders"]),
    ("train", [*F, "data.root=flat", "conditioner=text"], ["data.root=flat", "caption", "metadata.jsonl"]),
    ("train", [*F, "data.root=torn", "conditioner=text"], ["torn/metadata.jsonl, line 1", "not JSON"]),
    ("train", [*F, "data.root=strange"], ["data.root=strange", "no class", "dog"]),
    # first stages
    ("train", L, ["first_stage.path is not set", "first_stage.path=VALUE"]),
    ("train", [*L, "first_stage.path=nowhere"], ["first_stage.path=nowhere", "no such folder"]),
    ("train", [*L, "first_stage.path=empty"], ["first_stage.path=empty", "weights.safetensors", "resume=empty"]),
    ("train", [*L, "first_stage.path=changed"], ["first_stage.path=changed", "HASH", "copy it again"]),
    ("train", [*L, "first_stage.path=first", "resolution=60"], ["resolution=60", "no multiple of 8", "56"]),
    # runs
    ("train", ["resume=nowhere"], ["resume=nowhere", "no such folder"]),
    ("train", ["resume=empty"], ["resume=empty", "config.yaml"]),
    ("train", ["resume=runs"], ["resume=runs", "did you mean runs/"]),
    ("train", ["resume=runs/first", "seed=1"], ["seed=1", "has seed=0", "init=runs/first"]),
    ("train", ["resume=runs/first", "trainer=cpu"], ["trainer=cpu", "trainer.KEY=VALUE"]),
    ("train", ["resume=runs/first", "max_stps=9"], ["max_stps=9", "max_steps"]),
    ("train", ["-m", "resume=runs/first"], ["resume=runs/first", "-m"]),
    ("train", [*A, "init=nowhere"], ["init=nowhere", "no such folder"]),
    ("train", [*D, "init=runs/first"], ["init=runs/first", "autoencoder", "same stage"]),
    ("train", [*A, "logs=file/logs"], ["logs=file/logs", "is a file"]),
    ("train", [*A, f"logs={LONG}"], ["logs=aaa", "too long"]),
    # the other commands
    ("sample", ["run=nowhere"], ["run=nowhere", "no such folder"]),
    ("sample", ["run=empty"], ["run=empty", "config.yaml"]),
    ("sample", ["run=runs/first"], ["run=runs/first", "autoencoder", "no pictures"]),
    ("sample", ["run=runs/label", "promt=a cat"], ["promt=a cat", "prompt?"]),
    ("sample", ["run=runs/label", "label=3"], ["label=3", "its 3 are"]),
    ("sample", ["run=runs/label", "label=Banan"], ["label=Banan", "Banana?"]),
    ("sample", ["run=runs/label", "prompt=a cat"], ["prompt=a cat", "reads no text"]),
    ("sample", ["run=runs/label", "steps=0"], ["steps=0", "at least 1"]),
    ("sample", ["run=runs/label", "n=0"], ["n=0", "at least 1"]),
    ("sample", ["run=runs/label", "n=many"], ["n='many'", "int"]),
    ("sample", ["run=runs/label", "out=full"], ["out=full", "new or an empty folder"]),
    ("sample", ["run=runs/label", "out=file"], ["out=file", "is a file"]),
    ("sample", ["run=runs/label", "sampler=eular"], ["sampler=eular", "euler?"]),
    ("sample", ["run=runs/label", "negative_prompt=a cat"], ["negative_prompt=a cat", "reads no text"]),
    ("evaluate", ["run=nowhere"], ["run=nowhere", "no such folder"]),
    ("evaluate", ["run=runs/label", "n=0"], ["n=0", "at least 1"]),
    ("evaluate", ["run=runs/label", "out=full"], ["out=full", ".json"]),
    ("sample", ["run=runs/label", "checkpoint=best"], ["checkpoint=best", "callback.checkpoints.monitor"]),
    ("sample", ["run=runs/label", "checkpoint=bets"], ["checkpoint='bets'", "best?"]),
    ("evaluate", ["run=runs/first", "checkpoint=best"], ["checkpoint=best", "last step"]),
    ("evaluate", [G[0], *G[2:]], ["reference is not set", "reference=DIR"]),
    ("evaluate", [*G, "generated=nowhere"], ["generated=nowhere", "no such folder"]),
    ("evaluate", [*G, "reference=file"], ["reference=file", "is a file"]),
    ("evaluate", [*G, "run=runs/label"], ["generated=flat", "by itself"]),
    ("evaluate", [*G, "metrics=[fd,kidd]"], ["kidd", "kid?", "precision_recall"]),
    ("evaluate", [*G, "extractor.weights=nowhere"], ["extractor.weights=nowhere", "no such file", "squeezenet1_1"]),
    ("evaluate", G[:2], ["extractor: none is chosen"]),
    ("evaluate", G[:3], ["extractor.weights=", "no such file", "put it there"]),
    ("evaluate", [*G, "extractor=squeezenet"], ["extractor=squeezenet", "squeezenet1_1?"]),
    ("evaluate", ["compare=[file]"], ["compare", "two files, not 1"]),
    ("evaluate", ["compare=[file,nowhere]"], ["compare", "no file nowhere"]),
    ("evaluate", ["generated=null"], ["run is not set", "compare=[A,B]"]),
    ("evaluate", [*G, "kid_size=1"], ["kid_size=1", "at least 2"]),
    ("train", [*A, "logs=taken", "run_id=old"], ["run_id=old", "there already", "resume=taken/autoencoder/old"]),
    ("train", ["resume=runs/foreign"], ["resume=runs/foreign", "hydra:", "train.py has not written it"]),
    ("train", [*A, "optimizer._target_=mylab.Adam"], ["optimizer._target_=mylab.Adam", "packages=[NAME]"]),
    ("train", [*A, "packages=mylab"], ["packages='mylab'", "Sequence[str]"]),
    # what Lightning can do and a training here cannot
    ("train", [*A, "trainer.precision=16-mixed"], ["trainer.precision=16-mixed", "32-true", "bf16-mixed"]),
    ("train", [*A, "trainer=debug", "max_steps=50"], ["max_steps=50", "200", "trainer.max_steps=50"]),
    ("train", [*A, "trainer.precision=bf16-true"], ["trainer.precision=bf16-true", "bf16-mixed"]),
    ("train", [*A, "trainer.precision=64"], ["trainer.precision=64", "32-true"]),
    ("train", [*A, "trainer.num_nodes=2"], ["trainer.num_nodes=2", "one machine"]),
    ("train", [*A, "trainer.val_check_interval=0.5"], ["trainer.val_check_interval=0.5", "steps", "whole number"]),
    ("train", [*A, "trainer.val_check_interval=null"], ["trainer.val_check_interval=None", "whole number"]),
    ("train", [*A, "trainer.accelerator=mps"], ["trainer.accelerator=mps", "cuda or cpu"]),
    ("evaluate", [*C[:2], *C[3:]], ["held_out is not set", "held_out=DIR"]),
    ("evaluate", [*C, "training=nowhere"], ["training=nowhere", "no such folder"]),
    ("evaluate", [*C, "generated=file"], ["generated=file", "is a file"]),
    ("evaluate", [*C, "held_out=single/../flat"], ["held_out=single/../flat", "folder of training"]),
    ("evaluate", [*C, "reference=flat"], ["reference=flat", "leave reference, or training and held_out, out"]),
    ("evaluate", [*C, "out=pairs.png"], ["out=pairs.png", ".json"]),
    # before the usage, and of what only leads to others
    ("train", ["experment=shapes_autoencoder"], ["experment=shapes_autoencoder", "experiment?"]),
    ("train", [*A, "=3"], ["=3", "key=value"]),
    ("train", [*A, "--config-name=foo"], ["--config-name=foo", "leave it out"]),
    ("train", [*A, "--config-dir", "nowhere"], ["--config-dir=nowhere", "leave it out"]),
    ("sample", ["prompt=x"], ["run is not set", "run=VALUE"]),
    ("train", [*A, "~data"], ["data: none is chosen", "data=NAME", "image_folder"]),
    ("train", [*A, "~stage"], ["stage: none is chosen", "stage=NAME"]),
    ("train", [*D, "~sampler"], ["sampler: none is chosen", "sampler=NAME", "euler"]),
    ("train", [*A, "stage=latent_diffusion"], ["stage=latent_diffusion", "trains the stage autoencoder"]),
    ("train", [*D, "stage=autoencoder"], ["stage=autoencoder", "trains the stage latent_diffusion"]),
    ("evaluate", [*G, "metrics=fd"], ["metrics='fd'", "Sequence[str]"]),
    # folders that are no run
    ("train", ["resume=runs/list"], ["resume=runs/list", "not one that train.py wrote"]),
    ("train", ["resume=runs/hollow"], ["resume=runs/hollow", "not one that train.py wrote"]),
    ("train", ["resume=runs/binary"], ["resume=runs/binary", "not one that train.py wrote"]),
    ("train", [*A, "init=runs/torn"], ["init=runs/torn", "not one that train.py wrote"]),
    ("sample", ["run=runs/other"], ["run=runs/other", "not one that train.py wrote"]),
    ("evaluate", ["run=runs/list"], ["run=runs/list", "not one that train.py wrote"]),
    ("train", [*A, "run_id=.."], ["run_id=..", "the name of one folder"]),
    # values that no setting can be
    ("train", [*D, "guidance.scale=nan"], ["guidance.scale=nan", "finite"]),
    ("train", [*A, "optimizer.lr=nan"], ["optimizer.lr=nan", "finite"]),
    ("train", [*A, "callback.gradient_norm.max_norm=inf"], ["callback.gradient_norm.max_norm=inf", "finite"]),
    ("train", [*A, "lr_schedule.warmup_steps=-5"], ["lr_schedule.warmup_steps=-5", "at least 0"]),
    ("train", [*A, "callback.first_batch.n=0"], ["callback.first_batch.n=0", "at least 1"]),
    ("train", [*A, "callback.reconstructions.n=0"], ["callback.reconstructions.n=0", "at least 1"]),
    ("train", [*F, "data.root=flat", "data.max_unreadable=-1"], ["data.max_unreadable=-1", "at least 0"]),
    ("train", [*A, "stage.name=foo"], ["stage.name='foo'", "autoencoder"]),
    ("train", [*A, "packages=[nonexistent]"], ["packages=[nonexistent]", "no package"]),
    ("train", [*A, "trainer.devices=abc"], ["trainer.devices=abc", "number"]),
    ("train", [*D, "clip_score=vit_b_32", "clip_score.weights=none"], ["clip_score.weights=none", "no such file"]),
    ("train", [*A, "clip_score=vit_b_33"], ["clip_score=vit_b_33", "vit_b_32?"]),
    ("evaluate", [*G, "memorisation=true"], ["memorisation=true", "training=DIR"]),
    ("evaluate", [*G, "ema=wide"], ["ema='wide'", "float"]),
    ("train", [*A, "callback.ema={sigma_rell: 0.1}"], ["callback.ema", "sigma_rell", "sigma_rel?"]),
    # what is read back of a run or an artifact
    ("train", [*L, "first_stage.path=undivided"], ["undivided/latents.json", "factor=0"]),
    ("train", ["resume=runs/first", "max_steps=3"], ["max_steps=3", "has done 5 steps", "init=runs/first"]),
    ("train", ["resume=runs/first", "callback.ema=null"], ["callback.ema=null", "keeps it", "init=runs/first"]),
    ("train", ["resume=runs/first", "callback.ema.sigma_rel=0.2"], ["sigma_rel=0.2", "has callback.ema.sigma_rel=0.1"]),
    ("train", ["resume=runs/first", "~callback.ema"], ["~callback.ema", "keeps its config.yaml"]),
    ("train", [*A, "+optimizer._args_=[1]"], ["optimizer._args_", "by its name"]),
    # nothing to leave out
    ("train", ["experiment=nulled"], ["callback.progres=null", "progress?", "conf/experiment/nulled.yaml"]),
    ("train", ["experiment=termless"], ["stage.loss.terms.l11=null", "l1?", "conf/experiment/termless.yaml"]),
    ("train", [*A, "+callback.progres=null"], ["callback.progres=null", "progress?"]),
    ("evaluate", ["run=runs/first", "+sweep.foo=1"], ["sweep.foo", "guidance_scale"]),
    # what would be told in mid-training, or never
    ("train", [*A, "callback.distribution.every_n_validations=0"], ["every_n_validations=0", "at least 1"]),
    ("train", [*A, "callback.distribution.batch_size=0"], ["callback.distribution.batch_size=0", "at least 1"]),
    ("train", [*A, "callback.distribution.n=0"], ["callback.distribution.n=0", "at least 2"]),
    ("train", [*A, "callback.checkpoints.keep=0"], ["callback.checkpoints.keep=0", "at least 1"]),
    ("train", [*D, "sampler=ddim", "process=ddpm", "sampler.sampler.eta=2"], ["sampler.sampler.eta=2", "0 and 1"]),
    ("train", [*A, "trainer.devices=[a]"], ["trainer.devices=[a]", "[0,1]"]),
    ("train", [*A, "packages=[__main__]"], ["packages=[__main__]", "no package"]),
    ("train", [*A, "run_id=a:b"], ["run_id=a:b", "Weights & Biases", "logger=csv"]),
    ("train", [*A, "logger.wandb.project=a/b"], ["logger.wandb.project=a/b", "Weights & Biases"]),
    ("train", ["experiment=latin"], ["conf/experiment/latin.yaml", "UTF-8"]),
    ("train", ["-m", "experiment=latin,lean"], ["conf/experiment/latin.yaml", "UTF-8"]),
    # a frozen text tower of a run, where its file lies now
    ("sample", ["run=runs/label", "conditioner.pretrained=x.pt"], ["conditioner.pretrained=x.pt", "no text tower"]),
    ("evaluate", [*G, "conditioner.pretrained=x.pt"], ["conditioner.pretrained=x.pt", "run=RUN"]),
    ("sample", ["run=runs/label", "conditioner.pretraned=x.pt"], ["conditioner.pretraned=x.pt", "pretrained?"]),
    # jobs that would write over each other
    ("evaluate", ["-m", *G, "seed=0,1", "out=a.json"], ["out=a.json: 2 jobs", "out='a-${hydra:job.num}.json'"]),
    ("evaluate", ["-m", *G, "kid_size=2,3,4", "statistics_out=s.npz"], ["statistics_out=s.npz: 3 jobs", "='s-${hydra"]),
    ("sample", ["-m", "run=runs/label", "seed=0,1", "out=new"], ["out=new: 2 jobs", "out='new-${hydra:job.num}'"]),
    # flags that only show
    ("train", ["--cfg", "job", "experiment=latin"], ["conf/experiment/latin.yaml", "UTF-8"]),
    ("train", ["--info", "defaults", "experiment=latin"], ["conf/experiment/latin.yaml", "UTF-8"]),
    ("train", ["--cfg", "job", "experiment=shapes_autoencodr"], ["shapes_autoencodr", "shapes_autoencoder?"]),
    ("train", ["--cfg", "job", *A, "batch_sise=3"], ["batch_sise"]),
    ("train", ["--cfg", "job", *A, "optimizer=null"], ["optimizer=null", "adam, adamw"]),
]  # fmt: skip

# What data, weights or Lightning tell, when torch is there; every run is tiny, in case it should begin after all.
TINY = ["data.train_size=8", "data.validation_size=4", "trainer=cpu", "logger=csv", "max_steps=1"]
SMALL = [*A, *TINY, "autoencoder=kl_f8_small", "autoencoder.encoder.width=16", "autoencoder.decoder.width=16"]
FILES_ONLY = [*A, *TINY[2:], "data=image_folder"]
LATE: list[tuple[str, list[str], list[str]]] = [
    ("train", [*SMALL, "trainer.strategy=dpp"], ["strategy='dpp'", "ddp"]),
    ("train", [*SMALL, "resolution=60"], ["resolution=60", "factor 8"]),
    ("train", [*SMALL, "optimizer.lr=-1"], ["optimizer", "learning rate: -1"]),
    ("train", [*SMALL, "optimizer.betas=[0.9]"], ["optimizer", "settings"]),
    ("train", [*SMALL, "data.max_shapes=7"], ["data.max_shapes=7", "1..3"]),
    ("train", [*SMALL, "callback.ema.sigma_rel=0.5"], ["callback.ema.sigma_rel=0.5", "0.28"]),
    ("train", [*SMALL, "callback.snapshots.count=-1"], ["callback.snapshots.count=-1", "at least 0"]),
    ("train", [*SMALL, "autoencoder.encoder.width=15"], ["width=15", "norm_groups=8"]),
    ("train", [*SMALL, "trainer.gradient_clip_val=1.0"], ["trainer.gradient_clip_val=1.0", "max_norm"]),
    ("train", [*SMALL, "callback.checkpoints.monitor=val/psrn"], ["monitor=val/psrn", "val/psnr?"]),
    ("train", [*D, *TINY, "conditioner=class_label"], ["conditioner=class_label", "conditioner=auto"]),
    ("train", [*FILES_ONLY, "data.root=unreadable"], ["2 pictures cannot be read", "data.max_unreadable", "a.png"]),
    ("train", [*FILES_ONLY, "data.root=flat", "data.background=white"], ["data.background='white'", "Sequence[int]"]),
    ("train", [*FILES_ONLY, "data.root=flat", "data.background=[1,2,x]"], ["background=[1, 2, 'x']", "Sequence[int]"]),
    ("train", [*A, *TINY[2:], "data=mnist", "data.root=empty", "data.download=null"], ["data.root=empty", "t10k"]),
    ("train", [*FILES_ONLY, "data.root=torn"], ["torn/metadata.jsonl, line 1", "not JSON"]),
    ("train", [*FILES_ONLY, "data.root=latin"], ["latin/a.txt", "not UTF-8"]),
    ("evaluate", [*G, "metrics=[fd]"], ["extractor.weights=file", "cannot be read"]),
    ("train", [*SMALL, "stage.loss.terms=null"], ["stage.loss.terms", "empty"]),
    ("train", [*SMALL, "stage.augmentation.share=2"], ["stage.augmentation.share=2", "between 0 and 1"]),
    ("train", [*D, *TINY, "conditioner=text", "sampler.grid.shift=0"], ["sampler.grid.shift=0", "positive"]),
    ("train", [*D, *TINY, "conditioner=text", "network.inner.patch=3"], ["patch=3", "network.inner", "64 x 64"]),
]  # fmt: skip

# What depends on the machine, which is put in another state.
GPUS = "darkroom.commands.checking.devices.gpus"
NO_DISK, FULL = SimpleNamespace(total=0, free=0), SimpleNamespace(total=9, free=5)  # the first is what /proc is


def unlogged(path: str | Path, _: int) -> bool:
    """As os.access answers where somebody else's log lies in the folder."""
    return Path(path).name != "train.log"


PATCHED: list[tuple[list[str], list[str], str, Callable]] = [
    ([*A, "logs=locked"], ["logs=locked", "cannot be written to"], "os.access", lambda *_: False),
    ([*F, "data.root=flat"], ["data.root=flat", "may not be read"], "os.access", lambda path, _: path != "flat"),
    (A, ["logs=logs", "full", "0 MiB"], "shutil.disk_usage", lambda _: SimpleNamespace(total=99, free=5)),
    ([*A, "logs=proc/x"], ["logs=proc/x", "cannot be written to"], "shutil.disk_usage", lambda _: NO_DISK),
    ([*A, "trainer.accelerator=gpu"], ["trainer.accelerator=gpu", "no GPU"], GPUS, lambda: 0),
    (["resume=runs/first"], ["resume=", "runs/first/train.log cannot be written to", "chmod"], "os.access", unlogged),
    (["resume=runs/first"], ["resume=", "runs/first: the disk is full"], "shutil.disk_usage", lambda _: FULL),
    ([*A, "trainer=ddp", "trainer.devices=4"], ["trainer.devices=4", "is 1 GPU", "trainer.devices=1"], GPUS, lambda: 1),
    ([*A, "trainer.devices=4"], ["trainer.devices=4", "are 2 GPUs"], GPUS, lambda: 2),
]  # fmt: skip
REAL = [0, 19, 54, 64, 84, 91]  # rows of EARLY that a real process is asked too

EXPERIMENT = """# @package _global_
# A mistake.
defaults: [{override /stage: autoencoder}, {override /autoencoder: kl_f8_small}]
max_steps: 1
"""
TWISTED = {
    "twisted": "optimizer: {lrr: 1.0}",
    "rooted": "batch_sise: 3",
    "emma": "callback: {emma: {sigma_rel: 0.1}}",
    "nulled": "callback: {progres: null}",
    "termless": "stage: {loss: {terms: {l11: null}}}",
    "strays": "callback: {foo: 1, bar: 2}",
    "lean": "callback: {progress: null}\nstage: {loss: {terms: {l1: null, l2: null}}}",
    "targeted": "stage: {loss: {terms: {l2: {_targt_: darkroom.autoencoding.loss.reconstruction.L2, weight: 1.0}}}}",
}

NO_RUNS = {"list": b"[1, 2]", "hollow": b"", "binary": b"\xff\xfe\x00", "torn": b"a: [", "other": b"stage: 1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the rows speak of, and a conf/ of its own with faulty experiments."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("empty", "full"):
        (folder / name).mkdir()
    for name in ("file", "full/other"):
        (folder / name).touch()
    shutil.copytree(CONF, folder / "conf")
    for name, text in TWISTED.items():
        (folder / "conf" / "experiment" / f"{name}.yaml").write_text(EXPERIMENT + text + "\n")
    (folder / "conf" / "experiment" / "latin.yaml").write_bytes(EXPERIMENT.encode() + b"# caf\xe9\n")
    pictures(folder)
    first_stages(folder)
    runs(folder / "runs", NO_RUNS)
    return folder


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)


def answer(capsys: pytest.CaptureFixture, command: str, argv: list[str]) -> str:
    """What the command says on stderr; it ends with code 2, says nothing else and leaves every file as it was."""
    before = everything()
    assert MAIN[command](argv, Path("conf")) == 2
    said = capsys.readouterr()
    assert not said.out
    assert everything() == before
    return said.err


def everything() -> list[tuple[Path, int]]:
    """Names, and of files when they were written; of folders too much changes it."""
    return sorted((path, path.stat().st_mtime_ns if path.is_file() else 0) for path in Path().rglob("*"))


def one_line(said: str, words: list[str]) -> None:
    [line] = said.splitlines()
    assert "Traceback" not in line
    assert all(word in line for word in words), line


def name_of(row: tuple) -> str:
    return " ".join(row[1][-1:])[:60]


@pytest.mark.parametrize(("command", "argv", "words"), EARLY + LATE, ids=map(name_of, EARLY + LATE))
def test_a_mistake_is_answered_in_one_line_and_leaves_nothing(capsys, command, argv, words):
    one_line(answer(capsys, command, argv), words)


@pytest.mark.parametrize(("argv", "words", "target", "answers"), PATCHED, ids=[row[1][0] for row in PATCHED])
def test_what_the_machine_cannot_do_is_one_line_too(capsys, monkeypatch, argv, words, target, answers):
    monkeypatch.setattr(target, answers)
    one_line(answer(capsys, "train", argv), words)


def test_many_trainings_in_place_of_one_are_told_to_whoever_started_them(capsys, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "8")
    one_line(answer(capsys, "train", A), ["SLURM_STEP_NUM_TASKS=8", "srun", "-n 1"])


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (
            [*FILES_ONLY, "data.root=flat", "data.background=[1,2]", "data.validation_fraction=2"],
            ["data.validation_fraction=2", "data.background=[1, 2]"],
        ),
        ([*SMALL, "data.resolution=16", "data.max_shapes=7"], ["data.resolution=16", "data.max_shapes=7"]),
    ],
)
def test_several_faults_that_a_part_finds_are_a_line_each(capsys, argv, found):
    said = answer(capsys, "train", argv).splitlines()
    assert len(said) == 2 and all(word in line for word, line in zip(found, said, strict=True))


SEVERAL = ["batch_sise=3", "optimizer.lrr=1", "resolution=4", "logs=file/logs"]


@pytest.mark.parametrize(
    ("command", "argv", "mistakes"),
    [
        ("train", [*A, *SEVERAL], SEVERAL),
        ("train", ["experiment=strays"], ["callback.foo", "callback.bar"]),
        ("evaluate", ["probe=[nowhere,empty]"], ["probe=nowhere", "probe=empty"]),
    ],
)
def test_several_mistakes_are_a_line_each(capsys, command, argv, mistakes):
    lines = answer(capsys, command, argv).splitlines()
    assert [line.split(":")[0] for line in lines] == mistakes


def test_what_is_there_may_be_left_out_by_null_and_stays_out_of_the_resumed_run(tmp_path):
    assert check("train", ["experiment=lean"], Path("conf")) == []
    assert check("train", [*A, "callback.progress=null", "stage.loss.terms.l1=null"], Path("conf")) == []
    config = OmegaConf.load("runs/first/config.yaml")
    config.callback.progress = None
    OmegaConf.save(config, tmp_path / "config.yaml")
    assert check("train", [f"resume={tmp_path}"], Path("conf")) == []


def test_jobs_that_write_each_a_file_of_its_own_start():
    started, before = [], everything()

    def task(config: DictConfig) -> None:
        started.append((config.seed, config.out))

    def sweep(*given: str) -> int:
        return enter("evaluate", ["-m", *G, *given], Path("conf"), task, wants=["generated"])

    assert sweep("seed=5,6", "out=some/of-${hydra:job.num}.json") == 0
    assert sweep("seed=7,8", "out=seed ${seed}.json") == 0
    assert started == [(5, "some/of-0.json"), (6, "some/of-1.json"), (7, "seed 7.json"), (8, "seed 8.json")]
    assert everything() == before


def test_an_experiment_that_is_no_text_hides_not_the_others(capsys):
    assert train.main([], Path("conf")) == 2
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    listed = dict(line for line in lines if len(line) == 2)
    assert "UTF-8" in listed["latin"]
    assert listed["shapes_autoencoder"].startswith("A small KL autoencoder")


def test_a_batch_that_does_not_divide_among_devices_is_told_before_anything_is_written(capsys, monkeypatch):
    monkeypatch.setattr("darkroom.commands.fit.write_down", lambda *_: pytest.fail("was written"))
    monkeypatch.setattr("darkroom.commands.train.crowding", lambda _: None)  # said where there is one core
    said = answer(capsys, "train", [*SMALL, "batch_size=9", "trainer.devices='2'"])  # quoted: Lightning counts it
    one_line(said, ["batch_size=9", "2 processes", "8 or 10"])


@pytest.mark.parametrize(
    ("command", "argv", "words"), [EARLY[row] for row in REAL], ids=map(name_of, [EARLY[r] for r in REAL])
)
def test_a_real_process_says_the_same_and_soon(place, capsys, tmp_path, command, argv, words):
    (tmp_path / "conf").symlink_to(place / "conf")
    shutil.copy(ROOT / f"{command}.py", tmp_path)
    before, start = everything(), time.perf_counter()
    done = subprocess.run([sys.executable, str(tmp_path / f"{command}.py"), *argv], capture_output=True, text=True)
    assert time.perf_counter() - start < 10
    assert (done.returncode, done.stdout) == (2, "")
    assert everything() == before
    assert done.stderr == answer(capsys, command, argv)
    one_line(done.stderr, words)


def test_the_table_is_long():
    assert len(EARLY) + len(LATE) + len(PATCHED) >= 60
