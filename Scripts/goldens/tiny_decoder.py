"""A small random `AutoencoderTiny`, and what its decoder makes of latents.

`AutoencoderTiny.decode`: 3 tanh(x / 3), a convolution, stages of blocks with nearest upsampling between them, the result
times 2 minus 1. It divides by no scaling factor: the pipeline does, by the 1.0 of its configuration. Between two stages
stands a convolution without bias; in a block the last ReLU comes after the sum.
"""

import shutil

import torch

from .common import DIFFUSION, Goldens, randn

CONFIG = dict(
    encoder_block_out_channels=(16, 16, 16, 16),
    decoder_block_out_channels=(16, 16, 16, 16),
    num_encoder_blocks=(1, 0, 0, 1),
    num_decoder_blocks=(2, 1, 0, 1),
)
# name, batch, latent height, latent width
CASES = [("single", 1, 6, 5), ("pair", 2, 3, 7), ("least", 1, 1, 1)]


def make() -> None:
    from diffusers import AutoencoderTiny

    torch.manual_seed(11)
    decoder = AutoencoderTiny(**CONFIG).eval()
    folder = DIFFUSION / "tiny-decoder"
    shutil.rmtree(folder, ignore_errors=True)
    decoder.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    arrays = Goldens(DIFFUSION / "tiny-decoder.safetensors")
    for name, batch, height, width in CASES:
        latents = arrays.put(f"{name}.latents", randn(f"tiny decoder {name}", batch, 4, height, width, scale=4))
        arrays.put(f"{name}.image", decoder.decode(latents).sample)
    arrays.save()
