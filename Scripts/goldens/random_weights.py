"""Random weights under which a network still behaves: no trivial norm, no dead bias, activations of order one.

A tensor's numbers depend on the seed and its name alone, so they can be made in any order, one at a time.
"""

import math
import zlib

import torch

# Standard deviation of a layer's output when its input has unit variance; the first ending that fits counts.
GAINS = [
    # What is added to a residual stream is kept small, so that the stream grows slowly with depth.
    (".to_out.0.weight", 0.6),
    (".ff.net.2.weight", 0.6),
    (".proj_out.weight", 0.5),
    (".conv2.weight", 0.7),
    (".out_proj.weight", 0.6),
    (".mlp.fc2.weight", 0.6),
    # Scores of standard deviation 1.7: an attention that clearly prefers some places.
    (".to_q.weight", 1.3),
    (".to_k.weight", 1.3),
    (".q_proj.weight", 1.3),
    (".k_proj.weight", 1.3),
    (".time_emb_proj.weight", 0.7),
    ("token_embedding.weight", None),
    ("position_embedding.weight", None),
]


def is_norm(name: str) -> bool:
    """Whether `name` is a weight or bias of a group or layer norm."""
    layer = name.rsplit(".", 2)[-2]
    return "norm" in layer


def random_weight(name: str, shape: tuple[int, ...], seed: int, gains: dict[str, float] = {}) -> torch.Tensor:
    """The float32 tensor `name`; `gains` overrides the gain of single names."""
    generator = torch.Generator("cpu").manual_seed(zlib.crc32(f"{seed} {name}".encode()))
    value = torch.randn(shape, generator=generator)
    if name.endswith(".bias"):
        return value.mul_(0.2)
    if is_norm(name):
        return value.mul_(0.3).add_(1)
    gain = gains.get(name)
    if gain is None:
        gain = next((gain for ending, gain in GAINS if name.endswith(ending)), 1.0)
    if gain is None:  # an embedding: rows of order one
        return value.mul_(0.7)
    fan_in = math.prod(shape[1:])
    return value.mul_(gain / math.sqrt(fan_in))
