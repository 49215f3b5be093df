#!/usr/bin/env python3
"""Writes the weights of LPIPS for sdlens: `alex.safetensors` and `vgg.safetensors` in a folder for `--lpips`.

    pip install -r Scripts/requirements.txt torchvision
    export_lpips.py FOLDER                 both networks
    export_lpips.py FOLDER --net alex      only this one

The `lpips` package carries the weights of its linear heads; torchvision downloads those of the networks.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file


def tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights of an `lpips.LPIPS`: its convolutions in their order, and one number a channel for each head."""
    result = {}
    convolutions = [layer for layer in model.net.modules() if isinstance(layer, torch.nn.Conv2d)]
    for number, layer in enumerate(convolutions):
        result[f"convolutions.{number}.weight"] = layer.weight
        result[f"convolutions.{number}.bias"] = layer.bias
    for number, head in enumerate(model.lins):
        result[f"heads.{number}.weight"] = head.model[-1].weight.flatten()
    return {name: tensor.detach().float().contiguous() for name, tensor in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--net", action="append", choices=["alex", "vgg"])
    options = parser.parse_args()
    import lpips

    options.folder.mkdir(parents=True, exist_ok=True)
    for net in options.net or ["alex", "vgg"]:
        path = options.folder / f"{net}.safetensors"
        save_file(tensors(lpips.LPIPS(net=net, verbose=False)), path, metadata={"lpips": "0.1", "net": net})
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
