"""The law of imports: an arrow points only down the list of rooms, never up or sideways."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "darkroom"
ROWS = """
    contracts keys build files
    networks diffusion
    conditioning autoencoding
    runs data
    metrics
    generation
    stages callbacks
    commands
    """
RANK = {room: rank for rank, row in enumerate(ROWS.strip().splitlines()) for room in row.split()}
BESIDE = {("contracts", "keys")}  # on one line, and allowed: contracts speak of keys
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that is imported, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "darkroom")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import; spell it from darkroom on"
            parts = (node.module or "").split(".")
            if parts[0] == "darkroom" and SOURCE.joinpath(*parts[1:]).is_dir():  # modules out of a package
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif parts[0] == "darkroom":
                yield ".".join(parts)


def wrong(own: str, modules: Iterator[str]) -> list[str]:
    """The modules that a file of the room ``own`` must not import."""
    rooms = [(module, module.split(".")[1] if "." in module else "darkroom") for module in modules]
    return [m for m, room in rooms if room != own and (own, room) not in BESIDE and RANK.get(room, 99) >= RANK[own]]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path: Path):
    found = wrong(path.with_suffix("").parts[0], imported(ast.parse((SOURCE / path).read_text(encoding="utf-8"))))
    assert not found, f"{path} imports {found}; move what it needs to a lower room, or pass it in"


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=str)
def test_packages_say_nothing_themselves(path: Path):
    assert not (SOURCE / path).read_text().strip()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_modules_are_imported_and_not_packages(path: Path):
    modules = imported(ast.parse((SOURCE / path).read_text(encoding="utf-8")))
    others = [
        module for module in modules if not (SOURCE.parent / Path(*module.split("."))).with_suffix(".py").is_file()
    ]
    assert not others, f"{path} imports {others}; import the module that has the name"


@pytest.mark.parametrize(
    ("own", "text"),
    [
        ("networks", "import darkroom.diffusion.schedule"),
        ("networks", "from darkroom.diffusion.schedule import Flow"),
        ("diffusion", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from darkroom.networks.dit import DiT"),
        ("data", "def f():\n    from darkroom.stages import base"),
        ("keys", "from darkroom import contracts"),
        ("stages", "from darkroom.nowhere import x"),
    ],
)
def test_the_law_sees_every_way_to_import(own: str, text: str):
    assert wrong(own, imported(ast.parse(text)))


def test_every_room_has_its_place():
    assert {path.parts[0].removesuffix(".py") for path in FILES} <= RANK.keys()


def test_pictures_are_drawn_without_lightning():
    """Nor with torchmetrics or torchvision: they load for longer than torch, and for nothing there."""
    met, ours = {"darkroom"}, ["darkroom.commands.draw", "darkroom.commands.drawing"]
    while ours:
        path = SOURCE.parent / Path(*ours.pop().split(".")).with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_once = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        theirs = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in at_once.body}
        heavy = {name for name in theirs if name.split(".")[0] in ("lightning", "torchmetrics", "torchvision")}
        assert not heavy, f"{path} imports {heavy}"
        ours += set(imported(at_once)) - met
        met |= set(ours)
    assert "darkroom.runs.checkpoint" in met
