"""Folders and files that train.py is told to read or to write to."""

from cli.mistakes.beginnings import LONG, A, D, F, L, Row

ROWS: list[Row] = [
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
    ("train", [*L, "first_stage.path=undivided"], ["undivided/latents.json", "factor=0"]),
    # where runs come to lie
    ("train", [*A, "logs=file/logs"], ["logs=file/logs", "is a file"]),
    ("train", [*A, f"logs={LONG}"], ["logs=aaa", "too long"]),
    # weights
    ("train", [*D, "clip_score=vit_b_32", "clip_score.weights=none"], ["clip_score.weights=none", "no such file"]),
    (
        "train",
        [*D, "clip_score=vit_b_32"],
        ["vit_base_patch32_clip_224.openai", "no such file; put it there", "https://huggingface.co/timm/vit_base_patch32"],
    ),
    # experiments that are no UTF-8
    ("train", ["experiment=latin"], ["conf/experiment/latin.yaml", "UTF-8"]),
    ("train", ["-m", "experiment=latin,lean"], ["conf/experiment/latin.yaml", "UTF-8"]),
    ("train", ["--cfg", "job", "experiment=latin"], ["conf/experiment/latin.yaml", "UTF-8"]),
    ("train", ["--info", "defaults", "experiment=latin"], ["conf/experiment/latin.yaml", "UTF-8"]),
]  # fmt: skip
