"""All 256 bytes as 8-bit floats, and what PyTorch makes of them in float32 (`NAME.float`, NaN and infinities too)."""

import torch
from safetensors.torch import save_file

from .common import CORE

FORMATS = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}


def make() -> None:
    tensors = {}
    for name, dtype in FORMATS.items():
        tensors[name] = torch.arange(256, dtype=torch.uint8).view(dtype)
        tensors[f"{name}.float"] = tensors[name].float()
    save_file(tensors, CORE / "eight-bit-floats.safetensors")
    (CORE / "eight-bit-floats.safetensors").chmod(0o644)
