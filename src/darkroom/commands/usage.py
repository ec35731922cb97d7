"""What a command says when it is told nothing, and after ``--help``: all of it read from the yaml files."""

import re
from collections.abc import Iterable
from pathlib import Path

from darkroom.commands.checking.paths import is_utf8

USAGES = {
    "train": """
usage: python train.py experiment=NAME [key=value ...]
       python train.py resume=RUN [max_steps=N]

RUN is the folder of a run, logs/STAGE/RUN_ID.""",
    "sample": """
usage: python sample.py run=RUN [prompt="..."] [label=NAME] [n=16] [seed=0] [steps=N] [guidance_scale=W]
                        [negative_prompt="..."] [sampler=NAME] [batch_size=64] [out=DIR]

RUN is the folder of a run, logs/latent_diffusion/RUN_ID. Without prompt and label, conditions are drawn from the
training data and printed.""",
    "evaluate": """
usage: python evaluate.py run=RUN [n=500] [seed=0] [steps=N] [guidance_scale=W] [sampler=NAME] [memorisation=true]
                          [batch_size=64] [out=FILE.json]
       python evaluate.py run=RUN sweep.guidance_scale=[1,2,3] [sweep.steps=[5,10,20]] [sweep.n=256] [out=FILE.json]
       python evaluate.py generated=DIR reference=DIR|FILE.npz extractor=NAME [extractor.weights=FILE]
                          [metrics=[fd,kid]] [statistics_out=FILE.npz] [out=FILE.json]
       python evaluate.py reference=DIR statistics_out=FILE.npz extractor=NAME [extractor.weights=FILE]
       python evaluate.py generated=DIR training=DIR held_out=DIR extractor=NAME [extractor.weights=FILE]
                          [out=FILE.json]
       python evaluate.py compare=[A.json,B.json]
       python evaluate.py probe=[RUN,RUN] [extractor=NAME] [probing.steps=2000] [n=500] [out=FILE.json]

RUN is the folder of a run, logs/STAGE/RUN_ID; metrics go to the terminal and to evaluation.json in it.""",
}
_KEY = re.compile(r"( +)?(\w+):(?: ([^#]+?))?(?:  # (.*))?")


def usage(command: str, conf: Path) -> str:
    """How the command is called; of train.py also the experiments that there are, a line each."""
    return USAGES[command].lstrip() + ("\n\n" + _table(experiments(conf).items()) if command == "train" else "")


def help_text(command: str, conf: Path) -> str:
    """:func:`usage`, every key of the command's own with its default and meaning, and every group with its options."""
    keys = _table(_keys(conf / f"{command}.yaml"))
    parts = [usage(command, conf), f"keys:\n{keys}", f"groups, as in group=OPTION:\n{_table(_groups(command, conf))}"]
    return "\n\n".join([*parts, "Hydra's own flags are shown by --hydra-help; --cfg job shows the composed config."])


def experiments(conf: Path) -> dict[str, str]:
    """Name of each experiment under ``conf/experiment`` and its sentence, by name."""
    folder = conf / "experiment"
    return {
        path.relative_to(folder).with_suffix("").as_posix(): sentence(path) for path in sorted(folder.rglob("*.yaml"))
    }


def sentence(path: Path) -> str:
    """The comment below ``# @package _global_``, its lines joined; empty where there is none.

    Of a file that is no UTF-8 it says so: to list the others needs them not be mended first.
    """
    if not is_utf8(path):
        return "(not UTF-8; save it as UTF-8)"
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            words.append(line.lstrip("# ").strip())
    return " ".join(words)


def _keys(path: Path) -> Iterable[tuple[str, str]]:
    """``key=default`` (``???`` where one must be given) or ``mapping.key=default``, and comments.

    A mapping's own comment comes before its keys, beside its name.
    """
    mapping = ""
    for match in filter(None, map(_KEY.fullmatch, path.read_text(encoding="utf-8").splitlines())):
        indent, key, value, words = match.groups("")
        if not indent:
            mapping = key
        name = f"{mapping}.{key}" if indent else key
        if value or words:
            yield (f"{name}={value}" if value else name), words


def _groups(command: str, conf: Path) -> Iterable[tuple[str, str]]:
    """The groups that the command's defaults name, and their options."""
    names = re.findall(r"^  - (\w+): ", (conf / f"{command}.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    options = {name: sorted(path.stem for path in (conf / name).glob("*.yaml")) for name in names if name != "hydra"}
    return [(name, ", ".join(each)) for name, each in options.items()]


def _table(rows: Iterable[tuple[str, str]]) -> str:
    pairs = list(rows)
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"  {name:<{width}}  {words}".rstrip() for name, words in pairs)
