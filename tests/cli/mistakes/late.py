"""What data, weights or Lightning tell, when torch is there."""

from cli.mistakes.beginnings import FILES_ONLY, SMALL, TINY, A, D, G, Row

ROWS: list[Row] = [
    ("train", [*SMALL, "trainer.strategy=dpp"], ["strategy='dpp'", "ddp"]),
    ("train", [*SMALL, "resolution=60"], ["resolution=60", "factor 8"]),
    ("train", [*SMALL, "data.resolution=60"], ["resolution=60", "factor 8"]),
    ("train", [*D, *TINY, "conditioner=text", "data.resolution=32"], ["data.resolution=32", "resolution=64"]),
    ("train", [*SMALL, "optimizer.lr=-1"], ["optimizer", "learning rate: -1"]),
    ("train", [*SMALL, "optimizer.betas=[0.9]"], ["optimizer", "settings"]),
    ("train", [*SMALL, "data.max_shapes=7"], ["data.max_shapes=7", "1..3"]),
    ("train", [*SMALL, "callback.ema.sigma_rel=0.5"], ["callback.ema.sigma_rel=0.5", "0.28"]),
    ("train", [*SMALL, "callback.snapshots.count=-1"], ["callback.snapshots.count=-1", "at least 0"]),
    ("train", [*SMALL, "autoencoder.encoder.width=15"], ["width=15", "norm_groups=8"]),
    ("train", [*SMALL, "trainer.gradient_clip_val=1.0"], ["trainer.gradient_clip_val=1.0", "max_norm"]),
    ("train", [*SMALL, "callback.checkpoints.monitor=val/psrn"], ["monitor=val/psrn", "val/psnr?"]),
    ("train", [*SMALL, "callback.checkpoints.monitor=train/kl"], ["monitor=train/kl", "mode=max or min"]),
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
