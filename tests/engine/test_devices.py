# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from engine import devices
from engine.devices import resolve_device
from engine.errors import DeviceError


def test_auto_is_the_best_there_is():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["tpu", "", "cuda:x", "cpu:", "GPU"])
def test_a_name_that_means_nothing_is_a_sentence(name):
    with pytest.raises(DeviceError, match="no device"):
        resolve_device(name)


def test_a_device_that_the_engine_does_not_run_on_is_a_sentence():
    with pytest.raises(DeviceError, match="does not run on") as caught:
        resolve_device("meta")
    assert "cuda" in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="NOT TESTED: there is a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_a_gpu_that_is_not_there_is_a_sentence(name):
    with pytest.raises(DeviceError, match="no CUDA device") as caught:
        resolve_device(name)
    assert "--device cpu" in caught.value.hint


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: there is no GPU")
def test_a_gpu_number_that_is_not_there_is_a_sentence():
    assert resolve_device("cuda:0").type == "cuda"
    with pytest.raises(DeviceError, match="no GPU number 99"):
        resolve_device("cuda:99")


@pytest.mark.parametrize("fast", [True, False])
def test_products_are_in_bfloat16_where_that_is_quicker_and_exact_elsewhere(monkeypatch, fast):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device_type: fast)
    matrix = torch.eye(3) * (1 + 2**-12)  # rounded to one in bfloat16
    with devices.autocast(torch.device("cpu")):
        product = matrix @ torch.eye(3)
    assert product.dtype == (torch.bfloat16 if fast else torch.float32)
    assert (product.float() == (torch.eye(3) if fast else matrix)).all()


@pytest.mark.parametrize(
    ("capable", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False)],
)
def test_a_cpu_without_instructions_for_bfloat16_computes_in_float32(
    monkeypatch, capable, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capable, raising=False)
    assert devices.multiplies_bfloat16.__wrapped__("cpu") is expected
