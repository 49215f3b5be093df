"""Measures a model folder with diffusers and the judge: right pictures, sharpness, what the blocks carry, CLIP."""

from dataclasses import replace
import json
from pathlib import Path
import sys

from diffusers import StableDiffusionXLPipeline
import numpy as np
from PIL import Image
import torch
from transformers import CLIPModel, CLIPTokenizer

import blocks
import classifier
import clip
import common
import vae
import world

SEED = 1000  # picture i of a list is painted from seed 1000 + i
BATCH = 16


def pipeline(folder):
    """The folder as diffusers loads it, in single precision."""
    pipe = StableDiffusionXLPipeline.from_pretrained(folder, torch_dtype=torch.float32).to(common.DEVICE)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def noises(count, first=SEED):
    """Initial noise of seeds `first`, `first` + 1 and so on."""
    size = (1, 4, world.LATENT, world.LATENT)
    return torch.cat([torch.randn(size, generator=torch.Generator().manual_seed(first + i)) for i in range(count)])


@torch.no_grad()
def paint(pipe, captions, noise, steps=1):
    """Pictures [n, 3, 256, 256] from -1 to 1 by diffusers' own pipeline."""
    parts = []
    for i in range(0, len(captions), BATCH):
        chosen = captions[i:i + BATCH]
        generator = [torch.Generator().manual_seed(SEED + i + j) for j in range(len(chosen))]
        out = pipe(prompt=chosen, latents=noise[i:i + BATCH].to(common.DEVICE), num_inference_steps=steps,
                   guidance_scale=0.0, generator=generator, height=world.PICTURE, width=world.PICTURE, output_type="pt")
        parts.append(out.images.cpu() * 2 - 1)
    return torch.cat(parts)


class Hooked:
    """Keeps or replaces the updates (output less input) of blocks while it is open."""

    def __init__(self, pipe, edits=(), keep=None):
        self.unet, self.edits, self.keep, self.handles = pipe.unet, dict(edits), keep, []

    def _hook(self, name):
        def hook(_, inputs, outputs):
            update = outputs[0] - inputs[0]
            if self.keep is not None:
                self.keep.setdefault(name, []).append(update)
            return (inputs[0] + self.edits[name](update),) if name in self.edits else None
        return hook

    def __enter__(self):
        for name in blocks.BLOCKS if self.keep is not None else self.edits:
            self.handles.append(self.unet.get_submodule(blocks.BLOCKS[name]).register_forward_hook(self._hook(name)))

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def difference(a, b):
    """Mean absolute difference of pixels, on the scale 0 to 1."""
    return (a.clamp(-1, 1) - b.clamp(-1, 1)).abs().mean().item() / 2


def held_out(count, objects, seed=50):
    """Scenes with held-out captions and `objects` objects."""
    rng = np.random.default_rng([seed, objects])
    return [world.sample(rng, True, objects) for _ in range(count)]


def truth(scenes, noise):
    """The right pictures and masks for scenes and noises."""
    return world.render_many(scenes, world.shifts(noise))


def correctness(pipe, judge, scenes, steps=1):
    """Shares of right factors, PSNR on object pixels, sharpness of edges; and the pictures."""
    noise = noises(len(scenes))
    pictures = paint(pipe, [world.caption(s) for s in scenes], noise, steps)
    right, masks = truth(scenes, noise)
    said = classifier.judge(judge, classifier.shrink(pictures).to(common.DEVICE), scenes)
    inside = masks.sum(1, keepdim=True) > 0.5
    error = ((pictures - right).square() * inside).sum() / (3 * inside.sum())
    slopes = [sum(g.abs().mean() for g in vae.gradients(p)).item() for p in (pictures, right)]
    figures = {**classifier.rates([said]), "psnr_objects": -10 * np.log10(error.item() / 4),
               "psnr": vae.psnr(pictures, right).mean().item(), "edges": slopes[0] / slopes[1]}
    return figures, pictures, right


def removal(pipe, scenes):
    """For every block: change of the picture when its update is removed, relative to prompt against empty prompt."""
    captions, noise = [world.caption(s) for s in scenes], noises(len(scenes))
    base, empty = paint(pipe, captions, noise), paint(pipe, [""] * len(captions), noise)
    whole = difference(base, empty)
    table = {}
    for name in blocks.BLOCKS:
        with Hooked(pipe, {name: torch.zeros_like}):
            table[name] = difference(paint(pipe, captions, noise), base) / whole
    return {"prompt_against_empty": whole, **table}


def transplant(pipe, judge, scenes, donors, names):
    """For some blocks: shares of the receiver's and the donor's factors after the donor's update is put in."""
    captions, others = [[world.caption(s) for s in group] for group in (scenes, donors)]
    noise, keep, table = noises(len(scenes)), {}, {}
    with Hooked(pipe, keep=keep):
        paint(pipe, others, noise)
    for name in names:
        updates = iter(keep[name])
        with Hooked(pipe, {name: lambda update: next(updates)}):
            pictures = classifier.shrink(paint(pipe, captions, noise)).to(common.DEVICE)
        table[name] = {"receiver": classifier.rates([classifier.judge(judge, pictures, scenes)]),
                       "donor": classifier.rates([classifier.judge(judge, pictures, donors)])}
    return table


def donors_of(scenes, seed=60):
    """For each scene another with the same places and all else different by chance."""
    rng = np.random.default_rng(seed)
    return [world.resample(s, ("place",), rng) for s in scenes]


def moved_of(scenes, seed=61):
    """For each scene of one object another with the object at another place and all else the same."""
    rng = np.random.default_rng(seed)
    places = [[p for p in world.PLACES if p != s.objects[0].value("place")] for s in scenes]
    return [replace(s, objects=(replace(s.objects[0], place=str(rng.choice(p))),)) for s, p in zip(scenes, places)]


def transplants(pipe, judge, count):
    """`transplant` for the block of the places, with objects that move, and for the others, with places that stay."""
    first, *others = blocks.OWNED
    movers = held_out(count // 2, 1, seed=53)
    receivers = held_out(count // 2, 1, seed=52) + held_out(count - count // 2, 2, seed=52)
    return {**transplant(pipe, judge, movers, moved_of(movers), [first]),
            **transplant(pipe, judge, receivers, donors_of(receivers), others)}


def sheet(pictures, path, columns):
    """Writes pictures as one contact sheet."""
    tiles = ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    rows = [np.concatenate(tiles[i:i + columns], 1) for i in range(0, len(tiles), columns)]
    Image.fromarray(np.concatenate(rows, 0)).save(path)


def zero_shot(folder):
    """CLIP's zero-shot figures from the exported folder."""
    model = CLIPModel.from_pretrained(folder / "clip", torch_dtype=torch.float32).eval().to(common.DEVICE)
    return clip.zero_shot(model, CLIPTokenizer.from_pretrained(folder / "clip"))


def contact_sheet(pipe, folder, path):
    """The first 36 captions of the held-out list that ships with the model, seeds 0 to 35."""
    captions = (folder / "held-out.txt").read_text().splitlines()[:36]
    sheet(paint(pipe, captions, noises(36, first=0)), path, 6)


def measure(folder, objects=400, several=100, removed=200, moved=100):
    """All figures of the model card; the counts say how many pictures each is taken over."""
    pipe, judge = pipeline(folder), classifier.load()
    figures = {"judge_on_renders": classifier.check(judge)}
    for number in (1, 2):
        scenes = held_out(objects, number)
        figures[f"objects_{number}"], pictures, right = correctness(pipe, judge, scenes)
        pairs = torch.stack([right[:16], pictures[:16]], 1).flatten(0, 1)
        sheet(pairs, folder.parent / f"pairs-{number}.png", 8)
        for steps in (2, 4):
            figures[f"objects_{number}_steps_{steps}"] = correctness(pipe, judge, scenes[:several], steps)[0]
    mixed = held_out(removed // 2, 1, seed=51) + held_out(removed - removed // 2, 2, seed=51)
    figures["removal"] = removal(pipe, mixed)
    figures["transplant"] = transplants(pipe, judge, moved)
    if (folder / "clip" / "model.safetensors").exists():
        figures["clip_zero_shot"] = zero_shot(folder)
    contact_sheet(pipe, folder, folder.parent / "contact-sheet.png")
    return figures


def rounded(value):
    """Figures with three digits, for reading."""
    if isinstance(value, dict):
        return {str(k): rounded(v) for k, v in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def main(folder, *counts):
    """Measures a folder, prints the figures and writes them beside it."""
    common.set_up()
    figures = rounded(measure(Path(folder), *map(int, counts)))
    Path(folder).with_name("results.json").write_text(json.dumps(figures, indent=1) + "\n")
    for key, value in figures.items():
        print(key, json.dumps(value))


def train():
    """Measures what the export stage has written."""
    main(common.WORK / "model")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 1 else train()
