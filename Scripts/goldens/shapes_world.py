"""The world of the embedded model: captions and what they mean, masks, shifts, random numbers.

`shapes-world.json`: the first numbers of `default_rng` for some seeds; the first captions of the sampler, and a
checksum of the 20,000 of `prompts.txt` and of the 1000 of `held-out.txt`; scenes with their captions (every form of the
grammar, and 300 from the sampler). `shapes-world.safetensors`: `seed.SEED` the shifts [2, 5] (x, y of each place) in the
noise of a seed; `shifts` [n, 2, 5] and `shares` [n, 2, 8, 8] of the sampled scenes: each object's visible share of each cell.
`shapes-masks.png`: the masks of the first 24 of them with objects, 6 in a row, rounded to bytes: red the first object, green
the second.
"""

import hashlib
import itertools
import sys

import numpy as np
import torch
from PIL import Image

from .common import ROOT, STUDY, Goldens, save_json

sys.path.insert(0, str(ROOT / "Scripts" / "shapes"))
import world  # noqa: E402

SEEDS = [0, 1, 42, 100, 2**32 - 1, 2**32 + 5, 2**63 + 11]
SAMPLED, DRAWN, COLUMNS = 300, 24, 6


def make() -> None:
    generator = np.random.default_rng(100)
    scenes = [world.sample(generator, held_out=i % 2 == 1) for i in range(SAMPLED)]
    _, shifts = world.draw_projections(generator, SAMPLED)
    masks = torch.stack([world.render(s, d)[1] for s, d in zip(scenes, shifts)])

    arrays = Goldens(STUDY / "shapes-world.safetensors")
    for seed in (0, 42, 12345):
        noise = torch.randn(1, 4, 32, 32, generator=torch.Generator("cpu").manual_seed(seed))
        arrays.put(f"seed.{seed}", torch.from_numpy(world.shifts(noise)[0].T.copy()))
    arrays.put("shifts", torch.from_numpy(shifts.transpose(0, 2, 1).copy()))
    arrays.put("shares", torch.nn.functional.avg_pool2d(masks, 32))
    arrays.save()
    save_picture([m for s, m in zip(scenes, masks) if s.objects][:DRAWN])

    prompts, held_out = captions(20_000, False, 100), captions(1000, True, 101)
    save_json(
        STUDY / "shapes-world.json",
        {
            "random": [numbers(seed) for seed in SEEDS],
            "prompts": prompts[:40],
            "prompts_sha256": digest(prompts),
            "held_out": held_out[:40],
            "held_out_sha256": digest(held_out),
            "scenes": [described(s) for s in scenes],
            "forms": [described(s) for s in forms()],
        },
        compact=True,
    )


def numbers(seed: int) -> dict:
    """Some of everything that is drawn from a generator, in turn."""
    it = np.random.default_rng(seed)
    return {
        "seed": str(seed),
        "uniform": [it.random() for _ in range(3)],
        "below": [[n, int(it.integers(n))] for n in (1, 2, 6, 8, 10, 1000, 3_000_000_000, 4_000_000_000)],
        "permutation": it.permutation(11).tolist(),
        "again": it.random(),
        "array": it.integers(0, 7, size=(3, 5)).ravel().tolist(),
    }


def captions(count: int, held_out: bool, seed: int) -> list[str]:
    """As `export.captions`, which writes the model's lists."""
    generator, found = np.random.default_rng(seed), {}
    while len(found) < count:
        text = world.caption(world.sample(generator, held_out))
        if text:
            found[text if held_out else len(found)] = text
    return list(found.values())


def digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def forms():
    """Every way to leave words out, with one object and with two; all backgrounds; the blank scene."""
    full = world.Object("star", "orange", "small", "striped", "left")
    words = ("colour", "size", "texture", "place")
    objects = [
        world.replace(full, **dict.fromkeys(left_out))
        for n in range(5)
        for left_out in itertools.combinations(words, n)
    ]
    other = world.Object("circle", None, "large", "checkered", "centre")
    scenes = [world.Scene(blank=True)] + [world.Scene((), b) for b in world.BACKGROUNDS]
    for background in (None, *world.BACKGROUNDS):
        scenes += [world.Scene((o,), background) for o in objects]
    for background in (None, "cream"):
        scenes += [world.Scene((o, other), background) for o in objects]
        scenes += [world.Scene((other, o), background) for o in objects]
    scenes += [world.Scene((world.Object(s, c, place=p),)) for s, c, p in zip(world.SHAPES, world.COLOURS, world.PLACES)]
    return scenes


def described(scene) -> dict:
    return {
        "caption": world.caption(scene),
        "held_out": world.is_held_out(world.caption(scene)),
        "objects": [{f: getattr(o, f) for f in world.FACTORS} for o in scene.objects],
        "values": [{f: o.value(f) for f in world.FACTORS} for o in scene.objects],
        "background": scene.background or (world.DEFAULT_BACKGROUND if not scene.objects and not scene.blank else None),
        "ground": None if scene.blank else scene.ground,
    }


def save_picture(masks) -> None:
    size, rows = world.PICTURE, -(-len(masks) // COLUMNS)
    sheet = np.zeros((rows * size, COLUMNS * size, 3), np.uint8)
    for index, mask in enumerate(masks):
        row, column = index // COLUMNS * size, index % COLUMNS * size
        sheet[row : row + size, column : column + size, :2] = (mask * 255).round().byte().permute(1, 2, 0).numpy()
    path = STUDY / "shapes-masks.png"
    Image.fromarray(sheet).save(path, optimize=True)
    print(f"  {path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
