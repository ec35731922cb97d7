"""What is typed reaches the program as it was typed."""

import itertools
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from darkroom.build import escaped
from darkroom.commands.checking.argv import LISTS, NULLABLE, TEXTS, quoted, read, readable, rewrite, shown
from darkroom.keys import permutation

CONF = Path(__file__).resolve().parents[3] / "conf"
NASTY = [
    "a cat, sitting", "고양이", "un café à l'eau", 'say "hi"', "it's", "a=b", "[x", "{y}", "f(x)",
    "${seed}", r"\${seed}",     r"\\${seed}", "${", "$", "a}", "\\", "\\\\", "a\\", "a\\'", "'", '"',
    "''", " lead and trail ", "", "???", "null", "None",     "true", "12", "1e-3", "a\tb", "two\nlines",
    "~x", "+y", "a: b", "#1", "@x", "a|b&c;d", "🦊", "http://x/?a=b&c=%20", "*",     "C:\\Users\\me\\",
    "choice(a,b)", "range(1,3)", "a,b", "!", "--x", "\x01", "${oc.env:HOME}", "'a' + \"b\"", "\u202eabc",
]  # fmt: skip


def arrived(override: str) -> object:
    """The value that a program finds in its config."""
    parsed = OverridesParser.create().parse_override(override)
    assert not parsed.is_sweep_override()
    return OmegaConf.create({"value": parsed.value()}).value


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("key", ["prompt", "label", "first_stage.path"])
def test_free_text_arrives_as_typed(text, key):
    if key in NULLABLE and text == "null":
        pytest.skip("of a path or a class, null is None")
    assert arrived(read([f"{key}={text}"]).overrides[0]) == text
    assert arrived(rewrite(f"+{key}={text}")) == text


def test_every_short_string_of_special_characters_arrives():
    alphabet = "'\\${}a \","
    texts = ["".join(letters) for n in range(5) for letters in itertools.product(alphabet, repeat=n)]
    for place in permutation(len(texts), seed=0, purpose="texts")[:500]:
        assert arrived(f"prompt={quoted(texts[place])}") == texts[place]


def test_long_random_strings_arrive():
    pool = "".join(NASTY)
    for step in range(60):
        order = permutation(len(pool), seed=0, purpose="pool", step=step)[:40]
        text = "".join(pool[place] for place in order)
        assert arrived(f"prompt={quoted(text)}") == text


def test_an_escaped_text_survives_a_yaml_file(tmp_path):
    for text in NASTY:
        if text != "???":
            OmegaConf.save(OmegaConf.create({"value": escaped(text)}), tmp_path / "config.yaml")
            assert OmegaConf.load(tmp_path / "config.yaml").value == text


@pytest.mark.parametrize("key", NULLABLE)
def test_null_stays_none_for_paths_and_classes(key):
    assert arrived(rewrite(f"{key}=null")) is None


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize(
    ("typed", "paths"),
    [
        ("[a.json,b.json]", ["a.json", "b.json"]),
        ("[고양이/a.json, my runs (old)/n=2.json]", ["고양이/a.json", "my runs (old)/n=2.json"]),
        ("[a[b].json,it's ${seed}]", ["a[b].json", "it's ${seed}"]),
        ("""['a, b.json' , "c, d.json",1]""", ["a, b.json", "c, d.json", "1"]),
        ("[]", []),
    ],
)
def test_paths_in_a_list_arrive_as_typed(key, typed, paths):
    assert list(arrived(read([f"{key}={typed}"]).overrides[0])) == paths


@pytest.mark.parametrize("key", TEXTS)
def test_null_is_a_word_for_texts(key):
    assert arrived(rewrite(f"{key}=null")) == "null"


@pytest.mark.parametrize(("typed", "value"), [("n=16", 16), ("a.b=[1,2]", [1, 2]), ("lr=1e-3", 1e-3), ("x='1'", "1")])
def test_other_keys_keep_their_meaning(typed, value):
    assert rewrite(typed) == typed
    assert arrived(typed) == value


@pytest.mark.parametrize("value", ["고양이", "a#b", "x;y", "5>4"])
def test_a_value_that_hydra_has_no_meaning_for_is_text_under_any_key(value):
    assert not readable(f"logger.name={value}")
    assert arrived(rewrite(f"logger.name={value}")) == value


def test_a_sweep_over_texts_stays_a_sweep():
    swept = read(["-m", "prompt=cat,dog", "negative_prompt=고양이, 개"])
    assert swept.overrides[0] == "prompt=cat,dog"
    assert arrived(swept.overrides[1]) == "고양이, 개"


def test_flags_may_stand_anywhere():
    arguments = read(["seed=1", "--cfg", "job", "n=2", "--resolve", "out=a b"])
    assert arguments.argv == ["--cfg", "job", "--resolve", "seed=1", "n=2", "out='a b'"]
    assert arguments.shows
    assert not arguments.multirun
    assert read(["seed=1,2", "-m", "n=2"]).multirun


@pytest.mark.parametrize(("argv", "words"), [(["--prompt=x"], "--prompt"), (["seed"], "seed"), (["a=[1,2"], "bracket")])
def test_what_cannot_be_read_is_one_line(argv, words):
    with pytest.raises(ValueError, match=words) as caught:
        read(argv)
    assert "\n" not in str(caught.value)


def test_messages_show_what_was_typed():
    assert shown(rewrite("prompt=it's")) == "prompt=it's"
    assert shown("n=[1,2]") == "n=[1,2]"


def test_free_text_is_of_keys_that_some_command_has():
    files = [yaml.safe_load((CONF / f"{name}.yaml").read_text()) for name in ("train", "sample", "evaluate")]
    groups = {group for file in files for each in file["defaults"] if isinstance(each, dict) for group in each}
    roots = {key.partition(".")[0] for key in (*TEXTS, *NULLABLE, *LISTS)}
    assert roots <= groups.union(*files)
