import json
import os
import pickle
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch
from torch import nn

from darkroom.conditioning.pretrained_text import PretrainedText
from darkroom.contracts import ConditionSpec, Prompts

CAPTIONS = ("a red circle above a small blue square", "a photo of a cat, sitting")
TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 3},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random CLIP of a small size under the name ``darkroom-tiny``."""
    folder = tmp_path_factory.mktemp("configs")
    (folder / "darkroom-tiny.json").write_text(json.dumps(TINY))
    (folder / "darkroom-wide.json").write_text(json.dumps(TINY | {"text_cfg": TINY["text_cfg"] | {"width": 64}}))
    open_clip.add_model_config(folder)
    return open_clip.create_model("darkroom-tiny")


@pytest.fixture(scope="module")
def weights(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "clip.pt"
    torch.save(model.state_dict(), path)
    return path


def test_features_of_weights_given_by_path_are_open_clips_own(weights):
    whole = open_clip.create_model("darkroom-tiny", pretrained=str(weights), force_custom_text=True)
    whole.text.output_tokens = True
    conditioner = PretrainedText("darkroom-tiny", str(weights), layer="final")
    condition = conditioner(Prompts(caption=CAPTIONS))
    with torch.no_grad():
        pooled, states = whole.text(open_clip.tokenize(list(CAPTIONS)))
    torch.testing.assert_close(condition.vector, pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(condition.tokens, states, atol=1e-5, rtol=1e-5)
    assert condition.mask.sum(dim=1).tolist() == [10, 9]
    assert conditioner.spec == ConditionSpec(tokens=32, vector=24)


def test_penultimate_states_become_the_final_ones_in_the_last_block(weights):
    penultimate = PretrainedText("darkroom-tiny", str(weights), layer="penultimate")
    tower = penultimate.tower
    prompts = Prompts(caption=CAPTIONS)
    with torch.no_grad():
        last = tower.ln_final(tower.transformer.resblocks[-1](penultimate(prompts).tokens, attn_mask=tower.attn_mask))
    final = PretrainedText("darkroom-tiny", str(weights), layer="final")(prompts).tokens
    torch.testing.assert_close(last, final, atol=1e-5, rtol=1e-5)


def test_a_shorter_context_changes_no_feature_and_a_dropped_row_is_the_empty_caption(weights):
    long = PretrainedText("darkroom-tiny", str(weights))(Prompts(caption=("", CAPTIONS[1])))
    short = PretrainedText("darkroom-tiny", str(weights), context_length=12)(
        Prompts(caption=CAPTIONS), drop=torch.tensor([True, False])
    )
    torch.testing.assert_close(short.vector, long.vector, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(short.tokens, long.tokens[:, :12], atol=1e-5, rtol=1e-5)


def test_the_tower_is_outside_of_checkpoint_and_optimizer_but_moves_along(weights):
    conditioner = PretrainedText("darkroom-tiny", str(weights))
    stage = nn.Sequential(conditioner, nn.Linear(2, 2))
    assert list(stage.state_dict()) == ["1.weight", "1.bias"]
    assert len(list(stage.parameters())) == 2
    assert not any(p.requires_grad for p in conditioner.tower.parameters())
    stage.to("meta")
    assert conditioner.tower.token_embedding.weight.device.type == "meta"
    assert conditioner.tower.attn_mask.device.type == "meta"


def test_it_can_be_pickled(weights):
    conditioner = PretrainedText("darkroom-tiny", str(weights))
    copied = pickle.loads(pickle.dumps(conditioner))
    prompts = Prompts(caption=CAPTIONS)
    assert torch.equal(copied(prompts).vector, conditioner(prompts).vector)


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:.*TorchScript")
@pytest.mark.parametrize("layout", ["open_clip", "safetensors", "archive"])
def test_other_layouts_of_the_file_are_read_as_well(model, weights, tmp_path, layout):
    state = model.state_dict()
    if layout == "open_clip":
        path = tmp_path / "clip.pt"
        custom = open_clip.create_model("darkroom-tiny", pretrained=str(weights), force_custom_text=True)
        torch.save({"state_dict": custom.state_dict()}, path)
    elif layout == "safetensors":
        from safetensors.torch import save_file

        path = tmp_path / "clip.safetensors"
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        path = tmp_path / "clip.pt"
        torch.jit.script(Holder(state)).save(str(path))
    prompts = Prompts(caption=CAPTIONS)
    expected = PretrainedText("darkroom-tiny", str(weights))(prompts)
    assert torch.equal(PretrainedText("darkroom-tiny", str(path))(prompts).tokens, expected.tokens)


class Trap:
    """Makes a folder when it is unpickled by a reader that runs code."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


@pytest.mark.usefixtures("model")
def test_an_archive_whose_tree_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = pickle.dumps(Trap(), protocol=2)
    pickle.loads(tree)
    Path("sprung").rmdir()  # so it works
    with zipfile.ZipFile("clip.pt", "w") as archive:
        archive.writestr("clip/data.pkl", tree)
        archive.writestr("clip/constants.pkl", pickle.dumps(()))
    with pytest.raises(ValueError, match=r"conditioner\.pretrained=clip\.pt: cannot be read \(\w+\.mkdir is no part"):
        PretrainedText("darkroom-tiny", "clip.pt")
    assert not Path("sprung").exists()


class Holder(nn.Module):
    """OpenAI's files are scripted modules whose state_dict has CLIP's names."""

    def __init__(self, state):
        super().__init__()
        for name, value in state.items():
            *path, leaf = name.split(".")
            owner = self
            for part in path:
                if not hasattr(owner, part):
                    owner.add_module(part, nn.Module())
                owner = getattr(owner, part)
            owner.register_buffer(leaf, value)

    def forward(self):
        return 0


@pytest.mark.usefixtures("model")
def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"conditioner\.pretrained=nowhere\.pt"):
        PretrainedText("darkroom-tiny", "nowhere.pt")


def test_weights_that_cannot_be_fetched_say_where_they_were_looked_for(monkeypatch):
    def offline(_):
        raise FileNotFoundError("no network. Last error: long")

    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    with pytest.raises(FileNotFoundError, match=r"ViT-B-32 are not in .*hub .*no network\); .*pretrained=PATH"):
        PretrainedText("ViT-B-32", "openai")


def test_weights_of_another_model_are_named(weights, tmp_path):
    with pytest.raises(ValueError, match=r"clip\.pt has another shape of positional_embedding"):
        PretrainedText("darkroom-wide", str(weights))
    torch.save({"w": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt has no positional_embedding"):
        PretrainedText("darkroom-tiny", str(tmp_path / "other.pt"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "ViT-B-16-SigLIP"}, "conditioner.model=ViT-B-16-SigLIP"),
        ({"model": "ViT-B32"}, "conditioner.model=ViT-B32"),
        ({"context_length": 78}, "conditioner.context_length=78 is not in 3..77"),
    ],
)
@pytest.mark.usefixtures("model")
def test_a_wrong_argument_is_named(change, named):
    with pytest.raises(ValueError, match=named):
        PretrainedText(**{"model": "darkroom-tiny", "pretrained": None} | change)


def test_openais_tag_switches_to_its_activation(monkeypatch, tmp_path):
    from open_clip.transformer import QuickGELU

    whole = open_clip.get_model_config("darkroom-tiny") | {"quick_gelu": False}
    monkeypatch.setattr(open_clip, "get_model_config", lambda _: whole)
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda _, tag: {"quick_gelu": tag == "openai", "url": "x"})
    source = PretrainedText("darkroom-tiny", None)
    torch.save(source.tower.state_dict(), tmp_path / "tower.pt")
    monkeypatch.setattr(open_clip, "download_pretrained", lambda _: tmp_path / "tower.pt")
    gelu = {tag: PretrainedText("x", tag).tower.transformer.resblocks[0].mlp.gelu for tag in ("openai", "laion")}
    assert isinstance(gelu["openai"], QuickGELU)
    assert not isinstance(gelu["laion"], QuickGELU)
