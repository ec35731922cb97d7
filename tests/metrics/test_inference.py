import torch

from darkroom.metrics.inference import exact_float32


def test_a_training_in_lower_precision_around_it_is_shut_out_and_comes_back():
    before = torch.get_float32_matmul_precision()
    rows = torch.linspace(-1, 1, 64 * 64).view(64, 64)
    exact = rows @ rows
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16), exact_float32(torch.device("cpu")):
            assert torch.equal(rows @ rows, exact)
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
