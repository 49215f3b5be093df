"""Colour maps of matplotlib, and heat maps drawn with them by NumPy and PIL.

matplotlib turns a number into a colour by `int(256 x)`, and a colour into bytes by cutting `255 c`, not rounding it.
PIL resizes an image of floats ("F") with half-pixel centres, repeating the edge.
"""

import matplotlib
import numpy as np
import torch
from PIL import Image

from . import common

MAPS = {"jet": "jet", "viridis": "viridis", "cividis": "cividis", "blue-red": "RdBu_r"}
# Name → map [h, w], picture [h, w]; "blocks" and "smooth" of each.
SIZES = {"square": ((4, 4), (32, 32)), "wide": ((3, 5), (24, 60)), "uneven": ((5, 3), (33, 25))}


def make() -> None:
    goldens = common.Goldens(common.STUDY / "pictures.safetensors")
    for name, theirs in MAPS.items():
        table = matplotlib.colormaps[theirs](np.arange(256), bytes=True)[:, :3]
        goldens.put(f"map.{name}", torch.from_numpy(table.astype(np.float32)))
    for name, (small, large) in SIZES.items():
        # Most activations are zero, as of a sparse feature.
        activations = common.randn(f"pictures.{name}.activations", *small).clamp(min=0)
        picture = (common.randn(f"pictures.{name}.picture", *large, 3) * 60 + 128).clamp(0, 255).to(torch.uint8)
        put_case(goldens, name, activations, picture)
    every = common.randn("pictures.every.activations", 4, 4).abs() + 0.5
    put_case(goldens, "every", every, picture)
    put_case(goldens, "constant", torch.full((4, 4), 0.7), picture)
    put_case(goldens, "inactive", torch.zeros(4, 4), picture)
    goldens.save()


def put_case(goldens, name: str, activations: torch.Tensor, picture: torch.Tensor) -> None:
    goldens.put(f"{name}.activations", activations)
    goldens.put(f"{name}.picture", picture)
    for colors in ["jet", "viridis"]:
        for way, resample in {"blocks": Image.NEAREST, "smooth": Image.BILINEAR}.items():
            drawn = heat_map(activations.numpy(), picture.numpy(), colors, resample)
            goldens.put(f"{name}.{colors}.{way}", torch.from_numpy(drawn.astype(np.float32)))


def heat_map(activations: np.ndarray, picture: np.ndarray, colors: str, resample) -> np.ndarray:
    height, width = picture.shape[:2]

    def resize(values):
        return np.array(Image.fromarray(values.astype(np.float32)).resize((width, height), resample))

    low, high = activations.min(), activations.max()
    share = (activations - low) / (high - low) if high > low else np.ones_like(activations)
    rgba = (matplotlib.colormaps[colors](resize(share)) * 255).astype(np.uint8)
    rgba[..., 3] = (0.6 * resize(activations != 0) * 255).astype(np.uint8)
    below = Image.fromarray(picture).convert("RGBA")
    return np.array(Image.alpha_composite(below, Image.fromarray(rgba)).convert("RGB"))
