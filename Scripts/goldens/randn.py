"""`torch.randn(…, generator=torch.Generator("cpu").manual_seed(seed))`, all draws of one generator in order.

What it does (checked here against a reading of it in plain Python, `reference`):

 * mt19937 seeded with the *lowest 32 bits* of the seed: 2³¹ + 5 stays itself, 2⁵³ − 1 becomes 2³² − 1, and seeds
   that differ by a multiple of 2³² draw the same.
 * 16 or more values: first that many uniforms u = (32 bits & (2²⁴ − 1)) · 2⁻²⁴, one each, in order. Then, in groups
   of 16, with u1 = 1 − u[j] and u2 = u[j + 8] for j < 8: r = √(−2 ln u1), θ = 2π u2, x[j] = r cos θ,
   x[j + 8] = r sin θ, all in float32. If the count is not a multiple of 16, the *last* 16 are drawn afresh (16 more
   uniforms) and overwritten.
 * fewer than 16: one by one in double. A pair of 53-bit uniforms (two 32-bit words: high word first,
   ((high · 2³² + low) & (2⁵³ − 1)) · 2⁻⁵³), u1 then u2, gives r = √(−2 ln(1 − u2)), θ = 2π u1; r cos θ is returned
   and r sin θ *kept for the next single draw*, also across calls, also over a large draw in between.
"""

import math

import numpy as np
import torch

from .common import CORE, Goldens, save_json

SEEDS = [0, 42, 2**31 + 5, 2**32 + 42, 2**53 - 1]
COUNTS = [1, 5, 15, 16, 17, 31, 32, 100, 4 * 64 * 64]
SEQUENCES = [[5, 5, 16, 3, 1, 40, 7], [1, 16, 1, 17, 1], [256, 256, 100, 256], [15, 15], [4 * 8 * 8, 4 * 8 * 8, 3, 20]]
ENDS = 32  # of long draws only this many first and last values are kept


def make() -> None:
    arrays = Goldens(CORE / "randn.safetensors")
    cases = []
    for seed in SEEDS:
        for sizes in [[count] for count in COUNTS] + (SEQUENCES if seed == 42 else []):
            generator = torch.Generator("cpu").manual_seed(seed)
            draws = [torch.randn(size, generator=generator) for size in sizes]
            check(seed, sizes, draws)
            name = f"seed{seed}." + "-".join(map(str, sizes))
            case = {"name": name, "seed": seed, "sizes": sizes, "sums": [], "sums_of_squares": []}
            for index, draw in enumerate(draws):
                if len(draw) <= 256:
                    arrays.put(f"{name}.{index}", draw)
                else:
                    arrays.put(f"{name}.{index}.first", draw[:ENDS])
                    arrays.put(f"{name}.{index}.last", draw[-ENDS:])
                case["sums"].append(draw.double().sum().item())
                case["sums_of_squares"].append(draw.double().square().sum().item())
            cases.append(case)
    arrays.save()
    save_json(CORE / "randn.json", cases)


def check(seed: int, sizes: list[int], draws: list[torch.Tensor]) -> None:
    for mine, theirs in zip(reference(seed, sizes), draws):
        error = np.abs(np.array(mine) - theirs.double().numpy()).max()
        assert error < 3e-6, (seed, sizes, error)


def reference(seed: int, sizes: list[int]) -> list[list[float]]:
    """The same draws, in double."""
    words = mersenne_twister(seed & 0xFFFFFFFF)
    kept: list[float] = []

    def single() -> float:
        if kept:
            return kept.pop()
        u1, u2 = (((next(words) << 32) | next(words)) % 2**53 / 2**53 for _ in range(2))
        r, theta = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        kept.append(r * math.sin(theta))
        return r * math.cos(theta)

    def many(count: int) -> list[float]:
        u = [(next(words) & 0xFFFFFF) / 2**24 for _ in range(count)]
        x = [0.0] * count
        for start in range(0, count - 15, 16):
            x[start : start + 16] = sixteen(u[start : start + 16])
        if count % 16:
            x[-16:] = sixteen([(next(words) & 0xFFFFFF) / 2**24 for _ in range(16)])
        return x

    def sixteen(u: list[float]) -> list[float]:
        r = [math.sqrt(-2 * math.log(1 - v)) for v in u[:8]]
        theta = [2 * math.pi * v for v in u[8:]]
        return [a * math.cos(b) for a, b in zip(r, theta)] + [a * math.sin(b) for a, b in zip(r, theta)]

    return [many(size) if size >= 16 else [single() for _ in range(size)] for size in sizes]


def mersenne_twister(seed: int):
    """The 32-bit outputs of mt19937."""
    state = [seed]
    for index in range(1, 624):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + index) & 0xFFFFFFFF)
    while True:
        for i in range(624):
            y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7FFFFFFF)
            state[i] = state[(i + 397) % 624] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
        for y in state:
            y ^= y >> 11
            y ^= (y << 7) & 0x9D2C5680
            y ^= (y << 15) & 0xEFC60000
            yield y ^ (y >> 18)
