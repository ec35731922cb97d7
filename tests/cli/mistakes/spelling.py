"""Names that are misspelt, wherever they stand on the command line or in a file that it names."""

from cli.mistakes.beginnings import A, D, Row

ROWS: list[Row] = [
    # at the root, in groups, deep inside, options, experiments, flags
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
    ("train", [*A, "trainer=gpu"], ["trainer=gpu", "default takes a GPU"]),
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
    ("train", [*A, "clip_score=vit_b_33", "clip_score.weights=file"], ["clip_score=vit_b_33", "vit_b_32?"]),
    ("train", [*A, "callback.ema={sigma_rell: 0.1}"], ["callback.ema", "sigma_rell", "sigma_rel?"]),
    # before the usage
    ("train", ["experment=shapes_autoencoder"], ["experment=shapes_autoencoder", "experiment?"]),
    ("train", [*A, "=3"], ["=3", "key=value"]),
    ("train", [*A, "--config-name=foo"], ["--config-name=foo", "leave it out"]),
    ("train", [*A, "--config-dir", "nowhere"], ["--config-dir=nowhere", "leave it out"]),
    # nothing to leave out
    ("train", ["experiment=nulled"], ["callback.progres=null", "progress?", "conf/experiment/nulled.yaml"]),
    ("train", ["experiment=termless"], ["stage.loss.terms.l11=null", "l1?", "conf/experiment/termless.yaml"]),
    ("train", [*A, "+callback.progres=null"], ["callback.progres=null", "progress?"]),
    # under flags that only show
    ("train", ["--cfg", "job", "experiment=shapes_autoencodr"], ["shapes_autoencodr", "shapes_autoencoder?"]),
    ("train", ["--cfg", "job", *A, "batch_sise=3"], ["batch_sise"]),
]  # fmt: skip
