# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.errors import InputError
from engine.train.lpips import LAYERS, SCALE, SHIFT, Lpips
from engine.train.metrics import Picture, compare

CPU = torch.device("cpu")


def weights():
    """Random weights under the package's names."""
    g = torch.Generator().manual_seed(0)
    found = {}
    for number, (name, shape, *_) in enumerate(LAYERS):
        found[f"{name}.weight"] = torch.randn(shape, generator=g) * (shape[1] * shape[2]) ** -0.5
        found[f"{name}.bias"] = 0.1 * torch.randn(shape[:1], generator=g)
        found[f"lin{number}.model.1.weight"] = torch.rand(1, shape[0], 1, 1, generator=g)
    return found


@pytest.fixture
def pictures():
    return np.random.default_rng(0).random((2, 32, 40, 3)).astype(np.float32)


def test_equal_pictures_have_no_distance_and_others_grow_apart(pictures):
    lpips = Lpips(weights())
    a, b = pictures
    assert lpips.distance(a, a) == 0
    near, far = (lpips.distance(a, a + share * (b - a)) for share in (0.1, 0.6))
    assert 0 < near < far
    assert lpips.distance(a, b) == pytest.approx(lpips.distance(b, a), rel=1e-5)


def first_features(picture, weight, bias):
    """The first convolution by hand: [h, w, 64]."""
    x = np.pad((picture * 2 - 1 - SHIFT) / SCALE, ((2, 2), (2, 2), (0, 0)))
    h, w = ((n - 11) // 4 + 1 for n in x.shape[:2])
    windows = np.array(
        [[x[4 * i : 4 * i + 11, 4 * j : 4 * j + 11] for j in range(w)] for i in range(h)]
    )
    return np.maximum(np.einsum("ijyxc,kcyx->ijk", windows, weight) + bias, 0)


def test_the_first_layer_by_hand(pictures):
    alone = {
        name: value * ("lin" not in name or "lin0" in name) for name, value in weights().items()
    }
    weight, bias, lin = (
        alone[name].numpy()
        for name in ("net.slice1.0.weight", "net.slice1.0.bias", "lin0.model.1.weight")
    )
    units = []
    for picture in pictures:
        features = first_features(picture, weight, bias)
        units.append(features / np.linalg.norm(features, axis=-1, keepdims=True))
    wanted = ((units[0] - units[1]) ** 2 @ lin[0, :, 0, 0]).mean()
    assert Lpips(alone).distance(*pictures) == pytest.approx(wanted, rel=1e-4)


def test_weights_from_a_file_are_a_figure_of_their_own(tmp_path, pictures):
    save_file(weights(), tmp_path / "weights.safetensors")
    lpips = Lpips.read(tmp_path / "weights.safetensors", CPU)
    a, b = (Picture(picture, np.ones((32, 40), np.float32)) for picture in pictures)
    figures = compare(a, b, (0, 0, 20, 20), lpips)
    assert figures["lpips"] == pytest.approx(Lpips(weights()).distance(*pictures))
    assert "lpips_head" not in figures  # too small for AlexNet
    assert "lpips" not in compare(a, b, (0, 0, 20, 20))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    for name in ("no.safetensors", "missing.safetensors"):
        with pytest.raises(InputError, match="cannot be read"):
            Lpips.read(tmp_path / name, CPU)
    incomplete = weights()
    del incomplete["net.slice3.6.bias"]
    with pytest.raises(InputError, match=r"slice3\.6"):
        Lpips(incomplete)
