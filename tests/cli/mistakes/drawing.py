"""Mistakes of sample.py."""

from cli.mistakes.beginnings import Row

ROWS: list[Row] = [
    # the run
    ("sample", ["run=nowhere"], ["run=nowhere", "no such folder"]),
    ("sample", ["run=empty"], ["run=empty", "config.yaml"]),
    ("sample", ["run=runs/first"], ["run=runs/first", "autoencoder", "no pictures"]),
    ("sample", ["prompt=x"], ["run is not set", "run=VALUE"]),
    ("sample", ["run=runs/other"], ["run=runs/other", "not one that train.py wrote"]),
    # settings
    ("sample", ["run=runs/label", "promt=a cat"], ["promt=a cat", "prompt?"]),
    ("sample", ["run=runs/label", "label=3"], ["label=3", "its 3 are"]),
    ("sample", ["run=runs/label", "label=Banan"], ["label=Banan", "Banana?"]),
    ("sample", ["run=runs/label", "prompt=a cat"], ["prompt=a cat", "reads no text"]),
    ("sample", ["run=runs/label", "guidance_scale=-3"], ["guidance_scale=-3", "0 (it plays no", "1 (off"]),
    ("sample", ["run=runs/label", "steps=0"], ["steps=0", "at least 1"]),
    ("sample", ["run=runs/label", "n=0"], ["n=0", "at least 1"]),
    ("sample", ["run=runs/label", "n=many"], ["n='many'", "int"]),
    ("sample", ["run=runs/label", "out=full"], ["out=full", "new or an empty folder"]),
    ("sample", ["run=runs/label", "out=file"], ["out=file", "is a file"]),
    ("sample", ["run=runs/label", "sampler=eular"], ["sampler=eular", "euler?"]),
    ("sample", ["run=runs/label", "negative_prompt=a cat"], ["negative_prompt=a cat", "reads no text"]),
    ("sample", ["run=runs/label", "checkpoint=best"], ["checkpoint=best", "callback.checkpoints.monitor"]),
    ("sample", ["run=runs/label", "checkpoint=bets"], ["checkpoint='bets'", "best?"]),
    # a frozen text tower of a run, where its file lies now
    ("sample", ["run=runs/label", "conditioner.pretrained=x.pt"], ["conditioner.pretrained=x.pt", "no text tower"]),
    ("sample", ["run=runs/label", "conditioner.pretraned=x.pt"], ["conditioner.pretraned=x.pt", "pretrained?"]),
    # jobs that would write over each other
    ("sample", ["-m", "run=runs/label", "seed=0,1", "out=new"], ["out=new: 2 jobs", "out='new-${hydra:job.num}'"]),
]  # fmt: skip
