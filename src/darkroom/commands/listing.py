"""What a command says when it is told nothing: the experiments, read from their yaml files."""

from pathlib import Path


def experiments(conf: Path) -> dict[str, str]:
    """Name of each experiment under ``conf/experiment`` and its sentence, by name."""
    folder = conf / "experiment"
    return {
        path.relative_to(folder).with_suffix("").as_posix(): sentence(path) for path in sorted(folder.rglob("*.yaml"))
    }


def sentence(path: Path) -> str:
    """The comment below ``# @package _global_``, its lines joined; empty where there is none."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            words.append(line.lstrip("# ").strip())
    return " ".join(words)


def listing(conf: Path) -> str:
    """The experiments, a line each, below how to start one."""
    found = experiments(conf)
    width = max((len(name) for name in found), default=0)
    lines = [f"  {name:<{width}}  {sentence}" for name, sentence in found.items()]
    return "\n".join(["usage: python train.py experiment=NAME [key=value ...]", "", *lines])
