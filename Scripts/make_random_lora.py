#!/usr/bin/env python3
"""Writes a random LoRA for the attention of a model's U-net, in the names of PEFT.

    make_random_lora.py MODEL LORA.safetensors [--change 0.1] [--rank 4] [--seed 1]

MODEL is a folder in diffusers layout. Of every projection of attention W, the product up · down of the LoRA has `change` times
the Frobenius norm of W; two runs write the same bytes. It stands for a model that somebody changed a little, where no such
LoRA can be trained or downloaded: see "What carries over" in Documentation/Results.md.
"""

import argparse
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

PROJECTIONS = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("lora", type=Path)
    parser.add_argument("--change", type=float, default=0.1)
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    unet = load_file(options.model / "unet" / "diffusion_pytorch_model.safetensors")
    lora = {}
    for name in sorted(unet):
        if not name.endswith(PROJECTIONS):
            continue
        weight = unet[name].astype(np.float64)
        random = np.random.default_rng([options.seed, zlib.crc32(name.encode())])
        down = random.standard_normal((options.rank, weight.shape[1]))
        up = random.standard_normal((weight.shape[0], options.rank))
        up *= options.change * np.linalg.norm(weight) / np.linalg.norm(up @ down)
        layer = "unet." + name.removesuffix(".weight")
        lora[f"{layer}.lora_A.weight"] = down.astype(np.float32)
        lora[f"{layer}.lora_B.weight"] = up.astype(np.float32)
    save_file(lora, options.lora)
    print(f"{options.lora}: {len(lora) // 2} layers of rank {options.rank}")


if __name__ == "__main__":
    main()
