"""Rounding to 16 and 8 bits, as PyTorch does it: to nearest even.

`x` and `x.e4m3` (the bytes of `float8_e4m3fn`): all 8-bit floats of both signs, what lies half-way between two neighbours,
the floats beside that, and random ones. (Beyond 448 PyTorch makes NaN; none are here.) `x` and `x.bf16`: the same in
bfloat16; `far` and `far.bf16`: of any exponent. `rows` [rows, width] with `rows.scale`, the smallest power of two that takes
the largest number of a row to 448 or below, `rows.e4m3` of the rows divided by it, and `rows.read`, what is read back.
"""

import numpy as np
import torch
from safetensors.torch import save_file

from .common import CORE


def make() -> None:
    numbers = torch.arange(127, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    between = (numbers[1:] + numbers[:-1]) / 2
    beside = [torch.nextafter(between, torch.full_like(between, far)) for far in (0.0, 1000.0)]
    generator = torch.Generator().manual_seed(8)
    some = torch.randn(300, generator=generator) * torch.exp2(torch.randint(-12, 6, (300,), generator=generator))
    x = torch.cat([numbers, between, *beside, some.clamp(-448, 448)])
    x = torch.cat([x, -x])
    bits = torch.randint(0, 1 << 31, (1000,), generator=generator, dtype=torch.int64).to(torch.int32)
    # Some half-way between two, of even and odd neighbours.
    bits[:300] = bits[:300] & ~0xFFFF | 0x8000
    far = bits.view(torch.float32)
    far = far[far.bfloat16().isfinite()]
    far = torch.cat([far, -far])

    rows = torch.randn(64, 40, generator=generator) * torch.exp2(torch.linspace(-145, 120, 64))[:, None]
    rows[5] = 0
    rows[6, 3], rows[7, 3] = 448 * 2.0**-100, torch.nextafter(torch.tensor(448.0), torch.tensor(1e9)) * 2.0**-90
    largest, exponent = np.frexp(rows.abs().amax(1).numpy())  # from 0.5 to 1
    exponent = np.maximum(exponent - 1 - np.where(largest <= 0.875, 8, 7), -126)
    scale = torch.from_numpy(np.where(largest > 0, np.exp2(exponent.astype(np.float32)), 1).astype(np.float32))
    eight = (rows.double() / scale[:, None]).float().to(torch.float8_e4m3fn)

    save_file(
        {
            "x": x, "x.e4m3": x.to(torch.float8_e4m3fn).view(torch.uint8), "x.bf16": bytes_of(x), "far": far,
            "far.bf16": bytes_of(far), "rows": rows, "rows.scale": scale, "rows.e4m3": eight.view(torch.uint8),
            "rows.read": eight.float() * scale[:, None],
        },
        CORE / "narrow-floats.safetensors",
    )  # fmt: skip
    (CORE / "narrow-floats.safetensors").chmod(0o644)


def bytes_of(x: torch.Tensor) -> torch.Tensor:
    """Two bytes of each number in bfloat16, the lower first."""
    return x.bfloat16().view(torch.uint8)
