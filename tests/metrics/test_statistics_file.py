import json

import numpy as np
import pytest
import torch
from references import REFERENCE

from darkroom.metrics.moments import moments
from darkroom.metrics.reference import kept_file, kept_statistics
from darkroom.metrics.statistics_file import Statistics, read_statistics, write_statistics


def test_statistics_come_back_to_the_bit(tmp_path):
    path, of = tmp_path / "s.npz", moments(REFERENCE)
    spatial = moments(REFERENCE[:, :3])
    write_statistics(path, Statistics(of, {"extractor": {"name": "고양이"}}, REFERENCE, spatial))
    found = read_statistics(path)
    assert torch.equal(found.moments.covariance, of.covariance) and torch.equal(found.moments.mean, of.mean)
    assert found.moments.n == 2000 and torch.equal(found.features, REFERENCE)
    assert torch.equal(found.spatial.covariance, spatial.covariance) and torch.equal(found.spatial.mean, spatial.mean)
    assert found.spatial.n == 2000
    assert found.protocol == {"extractor": {"name": "고양이"}}
    with np.load(path, allow_pickle=False) as file:  # as pytorch-fid reads it, and guided-diffusion
        assert file["mu"].shape == (64,) and file["sigma"].shape == (64, 64)
        assert file["mu_s"].shape == (3,) and file["sigma_s"].shape == (3, 3)
        assert json.loads(file["protocol"].tobytes()) == found.protocol


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_programs_files_are_read(tmp_path, dtype):
    of = moments(REFERENCE)
    arrays = {"mu": of.mean.numpy().astype(dtype), "sigma": of.covariance.numpy(), "mu_s": np.zeros(3)}
    np.savez(tmp_path / "s.npz", **arrays, arr_0=np.zeros((2, 4, 4, 3), np.uint8))
    found = read_statistics(tmp_path / "s.npz")
    assert (found.moments.n, found.protocol, found.features, found.spatial) == (None, None, None, None)
    torch.testing.assert_close(found.moments.mean, of.mean, rtol=1e-6, atol=1e-6)
    np.savez(tmp_path / "s.npz", **arrays, sigma_s=np.eye(3))
    assert torch.equal(read_statistics(tmp_path / "s.npz").spatial.covariance, torch.eye(3, dtype=torch.float64))


def test_clean_fids_features_for_kid_are_read_with_the_moments_that_they_have(tmp_path):
    np.savez_compressed(
        tmp_path / "x_clean_custom_na_kid.npz", feats=REFERENCE.numpy()
    )  # as its make_custom_stats does
    found = read_statistics(tmp_path / "x_clean_custom_na_kid.npz")
    assert torch.equal(found.features, REFERENCE) and found.protocol is None
    assert found.moments.n == 2000
    np.testing.assert_allclose(found.moments.covariance, np.cov(REFERENCE.double().numpy(), rowvar=False), rtol=1e-9)


EYE = np.eye(3)
ALL_BUT_ONE = np.diag([1.0] * 2047 + [-1e-3])
OF_FIVE = {"mu": np.zeros(3), "sigma": EYE, "n": 5}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"arr_0": EYE}, "holds no mu"),
        ({"mu": np.zeros(2), "sigma": EYE}, "do not belong together"),
        ({"mu": np.array([0, 0, np.nan]), "sigma": EYE}, "not finite"),
        ({"mu": np.zeros(3), "sigma": EYE + np.triu(np.ones((3, 3)))}, "not symmetric"),
        ({"mu": np.zeros(3), "sigma": np.diag([1.0, 1.0, -1.0])}, "negative eigenvalues"),
        ({"mu": np.zeros(2048), "sigma": ALL_BUT_ONE}, "negative eigenvalues"),
        ({**OF_FIVE, "features": np.zeros((4, 3))}, r"features of \[4, 3\] do not belong to n=5 and mu of \[3\]"),
        ({**OF_FIVE, "features": np.zeros((5, 2))}, r"features of \[5, 2\] do not"),
        ({**OF_FIVE, "features": np.zeros(3)}, r"features of \[3\] do not"),
        ({**OF_FIVE, "features": np.full((5, 3), np.inf)}, "features are not finite"),
        ({"feats": np.zeros((1, 3))}, r"feats of \[1, 3\] are not two or more rows"),
        ({"feats": np.full((5, 3), np.nan)}, r"feats of \[5, 3\] are not .* finite"),
        ({"feats": np.array([["a", "b"]] * 3)}, r"feats of \[3, 2\] are not .* numbers"),
        ({"mu": np.zeros(3), "sigma": EYE, "mu_s": np.zeros(2), "sigma_s": EYE}, "mu_s of .* and sigma_s of .* do not"),
        ({"mu": np.array([object()] * 3), "sigma": EYE}, "is no .npz of numbers"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, "do not belong together"),
        ({"mu": np.zeros(3), "sigma": EYE + 0j}, "are not real numbers"),
        ({**OF_FIVE, "n": np.array([5, 5])}, "n is not one whole number"),
        ({**OF_FIVE, "n": 5.5}, "n is not one whole number"),
        ({**OF_FIVE, "protocol": np.frombuffer(b"[1]", dtype=np.uint8)}, "protocol is no mapping"),
    ],
)
def test_what_is_no_statistics_is_refused_in_one_line(tmp_path, arrays, words):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(ValueError, match=rf"^reference=.*s\.npz: .*{words}") as caught:
        read_statistics(tmp_path / "s.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "zeros", "protocol"])
def test_a_damaged_file_is_refused_in_one_line_and_a_kept_one_is_made_anew_with_a_warning(tmp_path, caplog, damage):
    path = kept_file(tmp_path, {"reference": "some"})
    compute = [[REFERENCE]]
    whole = kept_statistics(tmp_path, {"reference": "some"}, compute.pop)
    content, protocol = path.read_bytes(), b'{"reference": "some"}'
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "zeros":
        features = REFERENCE.numpy().tobytes()
        path.write_bytes(content.replace(features, bytes(len(features))))
    else:
        np.savez(path, mu=np.zeros(3), sigma=EYE, protocol=np.frombuffer(protocol[:-1], np.uint8))
    with pytest.raises(ValueError, match=rf"^reference={path}: is no \.npz of numbers"):
        read_statistics(path)
    again = kept_statistics(tmp_path, {"reference": "some"}, lambda: [REFERENCE])
    assert f"{path}: was damaged, so the features that it kept are computed again" in caplog.text
    assert torch.equal(again.features, whole.features)
    assert torch.equal(kept_statistics(tmp_path, {"reference": "some"}, compute.pop).features, whole.features)


def test_features_are_computed_again_only_where_moments_alone_were_kept(tmp_path):
    protocol, compute = {"reference": "some"}, [[REFERENCE]] * 2
    sums = kept_statistics(tmp_path, protocol, compute.pop, features=False)
    assert sums.features is None
    whole = kept_statistics(tmp_path, protocol, compute.pop)
    assert torch.equal(whole.features, REFERENCE) and torch.equal(whole.moments.covariance, sums.moments.covariance)
    assert kept_statistics(tmp_path, protocol, compute.pop, features=False).features is None
    assert torch.equal(kept_statistics(tmp_path, protocol, compute.pop).features, REFERENCE)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"is no \.npz of numbers"):
        read_statistics(tmp_path / "s.npz")
