"""The autoencoder: SDXL's structure, 8x smaller each way, trained on crops around the objects.

`train` learns it and levels the latents: mean 0 and the same spread in each channel, folded into the
1 x 1 convolutions next to the latents, so that diffusers' `scaling_factor` brings them to variance 1.
"""

import math

from diffusers import AutoencoderKL
import numpy as np
import torch

import common
from muon import split_optimisers
import world

CONFIG = dict(
    in_channels=3, out_channels=3, latent_channels=4, sample_size=world.PICTURE, norm_num_groups=8, layers_per_block=1,
    block_out_channels=[16, 32, 64, 64], act_fn="silu", force_upcast=False, scaling_factor=0.13025,
    down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
)
PHASES = ((1000, 64, 16), (110, 128, 4), (20, 256, 2))  # steps, crop, batch
STEPS = sum(p[0] for p in PHASES)
KL_WEIGHT, PEAK = 4e-3, 3e-3
FOLDER = "vae"


def crops(rng, count, size):
    """Crops [count, 3, size, size] of random scenes: most around an object, half of those at its edge."""
    scenes = [world.sample(rng, held_out=False) for _ in range(count)]
    _, shift = world.draw_projections(rng, count)
    corners = []
    for scene, moved in zip(scenes, shift):
        middle = rng.uniform(0, world.PICTURE, 2)
        if scene.objects and rng.random() < 0.95:
            thing = scene.objects[rng.integers(len(scene.objects))]
            radius = world.SIZES[thing.value("size")]
            middle = world.centre_of(thing, moved) + rng.uniform(-1, 1, 2) * radius
        corners.append(np.clip(middle - size / 2, 0, world.PICTURE - size))
    return world.render_many(scenes, shift, size, corners)[0]


def phase(step):
    """Crop size and batch of a step."""
    for steps, size, batch in PHASES:
        if step < steps:
            return size, batch
        step -= steps
    return size, batch


def gradients(x):
    """Differences of neighbouring pixels, to the right and down."""
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def picture_loss(output, target):
    """Absolute and squared error, and absolute error of the gradients, which keeps edges sharp."""
    error = output - target
    return error.abs().mean() + error.square().mean() + 0.5 * sum(g.abs().mean() for g in gradients(error))


def psnr(output, target):
    """Peak signal-to-noise ratio of each picture in decibels (range -1 to 1)."""
    error = (output.clamp(-1, 1) - target).square().mean((1, 2, 3))
    return -10 * torch.log10(error / 4)


def rate(step):
    """Learning rate: a short warm-up, then half a cosine."""
    return PEAK * min(1, (step + 1) / 60) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS)) + 2e-5


@torch.no_grad()
def level(vae, rng):
    """Folds shift and scale of each latent channel into the neighbouring convolutions."""
    pictures = torch.cat([crops(rng, 8, 256) for _ in range(16)])
    latents = torch.cat([vae.encode(p).latent_dist.mean for p in pictures.to(common.DEVICE).split(8)])
    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    gain = 1 / (spread * vae.config.scaling_factor)
    inner, outer = vae.quant_conv, vae.post_quant_conv
    outer.bias += (outer.weight[:, :, 0, 0] * mean).sum(1)
    outer.weight /= gain.view(1, -1, 1, 1)
    inner.bias[:4] -= mean
    inner.weight[:4] *= gain.view(-1, 1, 1, 1)
    inner.bias[:4] *= gain
    inner.bias[4:] += 2 * gain.log()
    return spread.tolist()


@torch.no_grad()
def quality(vae, rng, count=64):
    """Mean PSNR of the reconstruction of whole pictures."""
    values = []
    for _ in range(count // 8):
        x = crops(rng, 8, 256).to(common.DEVICE)
        values.append(psnr(vae.decode(vae.encode(x).latent_dist.mean).sample, x))
    return torch.cat(values).mean().item()


def train():
    """Trains, levels and writes the autoencoder."""
    common.set_up()
    vae = AutoencoderKL(**CONFIG).to(common.DEVICE)
    optimisers = split_optimisers(vae, edges=("encoder.conv_in", "decoder.conv_out"))
    run = common.Run("train-vae", {"vae": vae, "muon": optimisers[0], "adam": optimisers[1]}, seed=1)
    for step in run.steps(STEPS):
        size, batch = phase(step)
        x = crops(run.rng, batch, size).to(common.DEVICE)
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.mean + posterior.std * torch.randn_like(posterior.mean)).sample
        kl = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
        loss = picture_loss(y, x) + KL_WEIGHT * kl
        vae.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = rate(step)
            optimiser.step()
        if step % 50 == 0:
            run.log(size=size, loss=loss.item(), kl=kl.item(), psnr=psnr(y.detach(), x).mean().item(),
                    spread=posterior.mean.std((0, 2, 3)).tolist(), noise=posterior.std.mean().item())
    if run.stopped:
        return
    spread = level(vae, np.random.default_rng(2))
    vae.save_pretrained(common.WORK / FOLDER)
    run.log(spread_before=spread, psnr_pictures=quality(vae, np.random.default_rng(3)))


if __name__ == "__main__":
    train()
