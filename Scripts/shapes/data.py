"""The U-net's lessons: scenes, what the noise decides in them, and the latents of their pictures, in shards.

Three kinds: `train` and `held-out` show scenes as their captions tell them. In `partial` some of the four blocks read
the empty prompt: the picture then has the defaults for what they own, no object where nobody tells a place, and
the empty prompt's background where nobody tells colours.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
import os
import sys

from diffusers import AutoencoderKL
import numpy as np
import torch

import blocks
import common
import vae
import world

SHARD, BATCH = 2000, 16
SHARDS = {"held-out": 1, "partial": 2, "train": 20}
HELD_OUT = 512
GROUNDS = "data/grounds.pt"
ABSENT_SHAPE = "circle"  # what is drawn when no block tells a shape


def path(kind, number):
    """The file of one shard."""
    return common.WORK / "data" / f"{kind}-{number:03d}.pt"


def without(scene, absent):
    """What is painted when the blocks `absent` read the empty prompt and the others read the scene's caption."""
    if "down.2.1" in absent or scene.blank:
        objects = ()
    else:
        unsaid = {f: None for b in absent for f in blocks.OWNED[b] if f not in ("shape", "background")}
        shape = {"shape": ABSENT_SHAPE} if "up.0.0" in absent else {}
        objects = tuple(replace(o, **unsaid, **shape) for o in scene.objects)
    if "up.0.1" in absent:
        return world.Scene(objects, blank=True)
    return replace(scene, objects=objects)


def draw_absent(rng):
    """A random non-empty set of blocks."""
    while True:
        absent = tuple(b for b in blocks.OWNED if rng.random() < 0.4)
        if absent:
            return absent


@torch.no_grad()
def encode(autoencoder, scenes, shift):
    """Scaled latents [n, 4, 32, 32] (half) and the objects' share of each latent [n, 32, 32] (bytes)."""
    pictures, masks = world.render_many(scenes, shift)
    pictures = pictures.to(common.DEVICE, memory_format=torch.channels_last)
    latents = autoencoder.encode(pictures).latent_dist.mean * autoencoder.config.scaling_factor
    share = torch.nn.functional.avg_pool2d(masks.sum(1, keepdim=True), 8).squeeze(1)
    return latents.half().cpu().contiguous(), (share * 255).round().byte()


def load_encoder():
    """The trained autoencoder."""
    autoencoder = AutoencoderKL.from_pretrained(common.WORK / vae.FOLDER).eval()
    return autoencoder.to(common.DEVICE, memory_format=torch.channels_last)


def make(kind, number, count):
    """Writes one shard unless it exists."""
    if path(kind, number).exists():
        return
    common.set_up()
    autoencoder = load_encoder()
    rng = np.random.default_rng([7, number, ("train", "held-out", "partial").index(kind)])
    scenes = [world.sample(rng, held_out=kind == "held-out") for _ in range(count)]
    absent = [draw_absent(rng) if kind == "partial" else () for _ in scenes]
    targets = [without(s, a) for s, a in zip(scenes, absent)]
    drawn, shift = world.draw_projections(rng, count)
    parts = [encode(autoencoder, targets[i:i + BATCH], shift[i:i + BATCH]) for i in range(0, count, BATCH)]
    latents, share = (torch.cat(p) for p in zip(*parts))
    content = {"scenes": scenes, "targets": targets, "absent": absent,
               "drawn": torch.from_numpy(drawn), "latents": latents, "share": share}
    common.save_whole(lambda p: torch.save(content, p), path(kind, number))
    print(f"{path(kind, number).name}: latents' mean {latents.float().mean((0, 2, 3)).tolist()}, "
          f"spread {latents.float().std((0, 2, 3)).tolist()}", flush=True)


def make_grounds():
    """Writes the latents of the backgrounds without objects, the empty prompt's last."""
    if not (common.WORK / GROUNDS).exists():
        scenes = [world.Scene(background=g) for g in world.BACKGROUNDS] + [world.Scene(blank=True)]
        latents, _ = encode(load_encoder(), scenes, np.zeros((len(scenes), len(world.PLACES), 2)))
        common.save_whole(lambda p: torch.save(latents, p), common.WORK / GROUNDS)


def grounds():
    """Latents [7, 4, 32, 32] of the backgrounds, `text.GROUNDS`."""
    return torch.load(common.WORK / GROUNDS)


def present(kind):
    """Numbers of the shards of a kind that are written."""
    first = 1 if kind == "held-out" else 0
    return [n for n in range(first, first + SHARDS[kind]) if path(kind, n).exists()]


def load(kind, numbers):
    """Shards, joined: scenes, targets, absent blocks, projections, latents, object share."""
    found = [torch.load(path(kind, n), weights_only=False) for n in numbers]
    joined = {k: torch.cat([f[k] for f in found]) for k in ("drawn", "latents", "share")}
    for f in found:
        f.setdefault("targets", f["scenes"])
        f.setdefault("absent", [()] * len(f["scenes"]))
    return {**{k: [v for f in found for v in f[k]] for k in ("scenes", "targets", "absent")}, **joined}


def train(shards=None):
    """Writes the grounds and all shards, as many at a time as `SHAPES_PROCESSES` says."""
    common.set_up()
    make_grounds()
    shards = range(SHARDS["train"]) if shards is None else shards
    jobs = [("held-out", 1, HELD_OUT)] + [("partial", n, SHARD) for n in range(SHARDS["partial"])]
    jobs += [("train", n, SHARD) for n in shards]
    with ProcessPoolExecutor(int(os.environ.get("SHAPES_PROCESSES", "1"))) as pool:
        for job in [pool.submit(make, *j) for j in jobs]:
            job.result()
    if len(present("train")) == SHARDS["train"]:
        (common.WORK / "data" / "complete").touch()


if __name__ == "__main__":
    train(range(*map(int, sys.argv[1:3])) if len(sys.argv) > 2 else None)
