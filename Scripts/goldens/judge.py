"""The judge of `shapes`: what `Scripts/shapes/classifier.py` answers, with weights that the test draws itself.

`judge/config.json` is as `export.py` writes it. `judge.json`: the seed, and names, shapes, offsets and scales of the weights, drawn
one after the other from one generator and rounded to half precision; captions of scenes; for the pictures drawn here which
answers `classifier.judge` calls right. `judge.safetensors`: `pictures` [n, 3, 64, 64] (-1 to 1), which are judged after enlarging each
pixel to 4 x 4; logits [n, 5, values] of each factor and `background` [n, 7]; `area.x` and `area.y`, resized in mode "area".
"""

import math
import sys

import numpy as np
import torch

from .common import ROOT, STUDY, Goldens, randn, save_json

sys.path.insert(0, str(ROOT / "Scripts" / "shapes"))
import classifier  # noqa: E402
import export  # noqa: E402
import world  # noqa: E402

SEED, COUNT = 9, 6


def make() -> None:
    judge, drawn = seeded(SEED)
    folder = STUDY / "judge"
    export.write_judge(judge, folder)
    (folder / "model.safetensors").unlink()

    generator = np.random.default_rng(77)
    scenes = [world.sample(generator, held_out=True, count=1 + i % 2) for i in range(COUNT - 1)] + [world.Scene(blank=True)]
    side = 64  # small renders, enlarged: the judge's pictures have to be of full size, the file has not
    pictures, _ = world.render_many(scenes, np.zeros((COUNT, 5, 2)), side, scale=world.PICTURE / side)
    pictures = (pictures + 0.2 * randn("judge.pictures", *pictures.shape)).clamp(-1, 1)
    arrays = Goldens(STUDY / "judge.safetensors")
    arrays.put("pictures", pictures)
    shown = classifier.shrink(torch.nn.functional.interpolate(pictures, scale_factor=4, mode="nearest"))
    logits, ground = judge(shown)
    for factor, values in {**logits, "background": ground}.items():
        arrays.put(factor, values)
    x = arrays.put("area.x", randn("judge.area", 2, 3, 13, 9))
    arrays.put("area.y", torch.nn.functional.interpolate(x, size=(5, 4), mode="area"))
    arrays.save()
    right = classifier.judge(judge, shown, scenes)
    captions = [world.caption(s) for s in scenes]
    save_json(STUDY / "judge.json", {"seed": SEED, "drawn": drawn, "captions": captions, "right": right}, compact=True)


def seeded(seed: int):
    """The judge with weights of a generator, and the list of them.

    weight = randn · √(2 / inputs of a window), of norms 1 + randn / 5; bias = randn / 5.
    """
    judge = classifier.Classifier().eval()
    generator, drawn = torch.Generator("cpu").manual_seed(seed), []
    for name, parameter in judge.named_parameters():
        if parameter.dim() > 1:
            offset, scale = 0.0, math.sqrt(2 / math.prod(parameter.shape[1:]))
        else:
            offset, scale = float(name.endswith("weight")), 0.2
        parameter.copy_((torch.randn(parameter.shape, generator=generator) * scale + offset).half())
        drawn.append({"name": name, "shape": list(parameter.shape), "offset": offset, "scale": scale})
    return judge, drawn
