"""Mistakes of evaluate.py."""

from cli.mistakes.beginnings import C, G, Row

P = ["perceptual=lpips_squeeze", "perceptual.weights=file", "perceptual.linear=file"]

ROWS: list[Row] = [
    # runs
    ("evaluate", ["run=nowhere"], ["run=nowhere", "no such folder"]),
    ("evaluate", ["run=runs/label", "n=0"], ["n=0", "at least 1"]),
    ("evaluate", ["run=runs/label", "out=full"], ["out=full", ".json"]),
    ("evaluate", ["run=runs/first", "checkpoint=best"], ["checkpoint=best", "last step"]),
    ("evaluate", ["run=runs/list"], ["run=runs/list", "not one that train.py wrote"]),
    ("evaluate", ["run=runs/first", "+sweep.foo=1"], ["sweep.foo", "guidance_scale"]),
    ("evaluate", ["run=runs/label", "metrics=[fid]"], ["metrics: there is no fid", "precision_recall"]),
    ("evaluate", ["run=runs/label", "n=3", "metrics=[precision_recall]"], ["n=3", "precision_recall; give at least 4"]),
    ("evaluate", ["run=runs/label", "metrics=[fd]", "kid_size=9"], ["kid_size=9: is of kid", "not among metrics"]),
    ("evaluate", ["run=runs/label", "guidance_scale=wide"], ["guidance_scale='wide'", "float"]),
    ("evaluate", ["run=runs/label", *P], ["perceptual: run=runs/label draws pixels", "leave it out"]),
    ("evaluate", ["run=runs/label", "n_reference=50", "kid_size=60"], ["n_reference=50", "for kid_size=60"]),
    ("evaluate", ["run=runs/first", "metrics=[kid]"], ["metrics: run=runs/first", "autoencoder", "leave it out"]),
    ("evaluate", ["run=runs/first", "kid_size=9"], ["kid_size: run=runs/first", "no samples"]),
    ("evaluate", ["run=runs/first", "n_reference=9"], ["n_reference: run=runs/first", "no samples"]),
    ("evaluate", ["run=runs/first", "sampler=heun"], ["sampler: run=runs/first", "no samples"]),
    ("evaluate", ["run=runs/first", "steps=9"], ["steps: run=runs/first", "no samples"]),
    ("evaluate", ["run=runs/first", "guidance=cfg"], ["guidance: run=runs/first", "no samples"]),
    ("evaluate", ["run=runs/first", "guidance_scale=2"], ["guidance_scale: run=runs/first", "no samples"]),
    ("evaluate", ["run=runs/label", "statistics_out=s.npz"], ["statistics_out=s.npz", "reference=DIR"]),
    # two things at once
    ("evaluate", [*G, "run=runs/label"], ["run, generated, reference: do not go together", "probe=[A,B]"]),
    ("evaluate", [*C, "reference=flat"], ["generated, reference, training, held_out: do not go together"]),
    ("evaluate", ["run=runs/label", "compare=[file,file]"], ["run, compare: do not go together"]),
    # folders of pictures
    ("evaluate", [G[0], *G[2:]], ["reference is not set", "reference=DIR"]),
    ("evaluate", [*G, "generated=nowhere"], ["generated=nowhere", "no such folder"]),
    ("evaluate", [*G, "reference=file"], ["reference=file", "is a file"]),
    ("evaluate", [*G, "metrics=[fd,kidd]"], ["kidd", "kid?", "precision_recall"]),
    ("evaluate", [*G, "extractor.weights=nowhere"], ["extractor.weights=nowhere", "no such file", "squeezenet1_1"]),
    ("evaluate", G[:2], ["extractor: none is chosen"]),
    ("evaluate", G[:3], ["extractor.weights=", "no such file", "put it there"]),
    ("evaluate", [*G, "extractor=squeezenet"], ["extractor=squeezenet", "squeezenet1_1?"]),
    ("evaluate", [*G, "kid_size=1"], ["kid_size=1", "at least 2"]),
    ("evaluate", [*G, "metrics=fd"], ["metrics='fd'", "Sequence[str]"]),
    ("evaluate", [*G, "memorisation=true"], ["memorisation=true", "training=DIR"]),
    ("evaluate", [*G, *P], ["perceptual: ", "reconstructions"]),
    ("evaluate", [*G, "metrics=[fd]", "kid_size=9"], ["kid_size=9: is of kid", "add it"]),
    ("evaluate", [*G, "n=9"], ["n: is of samples", "folders are taken as they are"]),
    ("evaluate", [*G, "n_reference=9"], ["n_reference: is of samples", "folders"]),
    ("evaluate", [*G, "seed=1"], ["seed: is of samples", "folders"]),
    ("evaluate", [*G, "sampler=heun"], ["sampler: is of samples", "folders"]),
    ("evaluate", [*G, "steps=9"], ["steps: is of samples", "folders"]),
    ("evaluate", [*G, "guidance=cfg"], ["guidance: is of samples", "folders"]),
    ("evaluate", [*G, "guidance_scale=2"], ["guidance_scale: is of samples", "folders"]),
    ("evaluate", [*G, "ema=0.1"], ["ema: is of samples", "folders"]),
    ("evaluate", [*G, "checkpoint=best"], ["checkpoint: is of samples", "folders"]),
    # what is compared
    ("evaluate", ["compare=[file]"], ["compare", "two files, not 1"]),
    ("evaluate", ["compare=[file,nowhere]"], ["compare", "no file nowhere"]),
    ("evaluate", ["compare=[file,file]", "out=a.json"], ["out: compare=", "writes nothing; leave it out"]),
    ("evaluate", ["compare=[file,file]", "metrics=[fd]"], ["metrics: compare=", "leave it out"]),
    ("evaluate", ["compare=[file,file]", "statistics_out=s.npz"], ["statistics_out=s.npz", "reference=DIR"]),
    ("evaluate", ["generated=null"], ["run is not set", "compare=[A,B]"]),
    # copies
    ("evaluate", [*C[:2], *C[3:]], ["held_out is not set", "held_out=DIR"]),
    ("evaluate", [*C, "training=nowhere"], ["training=nowhere", "no such folder"]),
    ("evaluate", [*C, "generated=file"], ["generated=file", "is a file"]),
    ("evaluate", [*C, "held_out=single/../flat"], ["held_out=single/../flat", "folder of training"]),
    ("evaluate", [*C, "metrics=[fd]"], ["metrics: ", "copies"]),
    ("evaluate", [*C, "seed=1"], ["seed: is of samples", "folders"]),
    ("evaluate", [*C, "out=pairs.png"], ["out=pairs.png", ".json"]),
    # a frozen text tower of a run, where its file lies now
    ("evaluate", [*G, "conditioner.pretrained=x.pt"], ["conditioner.pretrained=x.pt", "run=RUN"]),
    # jobs that would write over each other
    ("evaluate", ["-m", *G, "kid_size=2,3", "out=a.json"], ["out=a.json: 2 jobs", "out='a-${hydra:job.num}.json'"]),
    ("evaluate", ["-m", "run=runs/label", "seed=0,1,2"], ["evaluation.json: 3 jobs", "out='runs/label/evaluation-$"]),
    ("evaluate", ["-m", "run=runs/label", "seed=0,1", "out=null"], ["evaluation.json: 2 jobs"]),
    ("evaluate", ["-m", "run=runs/label", "sweep.steps=[2]", "seed=0,1"], ["runs/label/sweep.json: 2 jobs"]),
    ("evaluate", ["-m", *G, "kid_size=2,3,4", "statistics_out=s.npz"], ["statistics_out=s.npz: 3 jobs", "='s-${hydra"]),
]  # fmt: skip
