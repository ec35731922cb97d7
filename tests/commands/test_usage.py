"""--help tells what the yaml files hold: every key of a command, its default and its comment."""

import re
from pathlib import Path

import pytest
import yaml

from darkroom.commands.usage import USAGES, help_text

CONF = Path(__file__).resolve().parents[2] / "conf"


def rows(command: str) -> dict[str, str]:
    """The left column of the keys that the help shows, and the right one."""
    table = help_text(command, CONF).partition("\nkeys:\n")[2].partition("\n\n")[0]
    found = (re.fullmatch(r"  (.+?)(?:  +(.+))?", line) for line in table.splitlines())
    return dict(match.groups("") for match in found)


def keys(node: dict, above: str = "") -> dict:
    """Of nested mappings: dotted keys and their values."""
    found = {}
    for key, value in node.items():
        found |= keys(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


@pytest.mark.parametrize("command", USAGES)
def test_the_help_has_every_key_with_its_default(command):
    held = yaml.safe_load((CONF / f"{command}.yaml").read_text())
    del held["defaults"]
    told = (row.partition("=") for row in rows(command))
    assert {name: yaml.safe_load(value) for name, sign, value in told if sign} == keys(held)


def test_the_comment_of_a_mapping_stands_beside_its_name():
    told = rows("evaluate")
    assert told["sweep"].startswith("of a latent diffusion run: ")
    assert told["sweep.n=256"].startswith("samples for each; ")
    assert told["conditioner.pretrained=null"].startswith("where the file of a run's frozen text tower lies")
    assert not {"probing", "conditioner", "defaults"} & set(told)  # which have no comment


@pytest.mark.parametrize("command", USAGES)
def test_a_usage_names_keys_and_groups_that_there_are(command):
    told = help_text(command, CONF).partition("\nkeys:\n")[2]
    there = {re.split("[= ]", line.strip())[0] for line in told.splitlines()}
    assert set(re.findall(r"([\w.]+)=", USAGES[command])) - {"key", "extractor.weights"} <= there
