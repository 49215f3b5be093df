"""The U-net's lessons: scenes, what the noise decides in them, and the latents of their pictures, in shards."""

from concurrent.futures import ProcessPoolExecutor
import os
import sys

from diffusers import AutoencoderKL
import numpy as np
import torch

import common
import vae
import world

SHARD, SHARDS = 2000, 20
BATCH = 16


def path(shard):
    """The file of one shard; negative numbers are held-out scenes."""
    return common.WORK / "data" / (f"train-{shard:03d}.pt" if shard >= 0 else f"held-out-{-shard:03d}.pt")


@torch.no_grad()
def encode(autoencoder, scenes, shift):
    """Scaled latents [n, 4, 32, 32] (half) and the objects' share of each latent [n, 32, 32] (bytes)."""
    pictures, masks = world.render_many(scenes, shift)
    latents = autoencoder.encode(pictures.to(common.DEVICE, memory_format=torch.channels_last)).latent_dist.mean * autoencoder.config.scaling_factor
    share = torch.nn.functional.avg_pool2d(masks.sum(1, keepdim=True), 8).squeeze(1)
    return latents.half().cpu().contiguous(), (share * 255).round().byte()


def make(shard, count=SHARD):
    """Writes one shard unless it exists."""
    if path(shard).exists():
        return
    common.set_up()
    autoencoder = AutoencoderKL.from_pretrained(common.WORK / vae.FOLDER).eval()
    autoencoder.to(common.DEVICE, memory_format=torch.channels_last)
    rng = np.random.default_rng([7, abs(shard), shard < 0])
    scenes = [world.sample(rng, held_out=shard < 0) for _ in range(count)]
    drawn, shift = world.draw_projections(rng, count)
    parts = [encode(autoencoder, scenes[i:i + BATCH], shift[i:i + BATCH]) for i in range(0, count, BATCH)]
    latents, share = (torch.cat(p) for p in zip(*parts))
    content = {"scenes": scenes, "drawn": torch.from_numpy(drawn), "latents": latents, "share": share}
    common.save_whole(lambda p: torch.save(content, p), path(shard))
    print(f"{path(shard).name}: latents' mean {latents.float().mean((0, 2, 3)).tolist()}, "
          f"spread {latents.float().std((0, 2, 3)).tolist()}", flush=True)


def load(shards):
    """The named shards, joined: scenes, projections, latents, object share."""
    found = [torch.load(path(s), weights_only=False) for s in shards]
    joined = {k: torch.cat([f[k] for f in found]) for k in ("drawn", "latents", "share")}
    return {"scenes": [s for f in found for s in f["scenes"]], **joined}


def train(shards=range(SHARDS)):
    """Writes the held-out shard and all others, as many at a time as `SHAPES_PROCESSES` says."""
    with ProcessPoolExecutor(int(os.environ.get("SHAPES_PROCESSES", "1"))) as pool:
        for job in [pool.submit(make, -1, 512)] + [pool.submit(make, s) for s in shards]:
            job.result()
    if all(path(s).exists() for s in range(SHARDS)):
        (common.WORK / "data" / "complete").touch()


if __name__ == "__main__":
    train(range(*map(int, sys.argv[1:3])) if len(sys.argv) > 2 else range(SHARDS))
