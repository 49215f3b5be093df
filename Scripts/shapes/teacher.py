"""Lessons for single blocks: linear heads must read a block's own factors off its output, cell by cell.

The picture's loss alone reaches the blocks of the 8 x 8 map late and faintly. With the heads, each of the four
blocks learns within a hundred steps what it owns (see `blocks.OWNED`), and puts it where a line can find it; the
first also tells each cell where its object's centre is, and the last block of the map, up.0.2, already sketches
the latents. The heads are thrown away.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import blocks
import common
import text
import world

CELLS = 8
WIDEST = max(world.SIZES.values())
OUTSIDE_WEIGHT = 0.15  # of a cell without an object: most cells are
CELL = world.PICTURE // CELLS
SKETCH, SKETCH_WEIGHT = "up.0.2", 3.0
LABELS = {
    "down.2.1": {"zone": 1 + len(world.PLACES)},
    "mid.0": {"size": 1 + len(world.SIZES)},
    "up.0.0": {"shape": 1 + len(world.SHAPES), "texture": 1 + len(world.TEXTURES)},
    "up.0.1": {"colour": 1 + len(world.COLOURS), "ground": len(text.GROUNDS)},
}


def cells_of(scene, shift):
    """Labels of the 64 cells of one scene: 0 where no object is, else 1 + the value's number; ways by zone.

    A way is the shift in units of its standard deviation and the way from the cell to the centre in cells.

    A zone is the widest an object can be; the other labels reach as far as the object does.
    """
    middles = (np.arange(CELLS) + 0.5) * CELL
    labels = {name: np.zeros((CELLS, CELLS), np.int64) for heads in LABELS.values() for name in heads}
    labels["ground"] += text.GROUNDS.index("blank" if scene.blank else scene.ground)
    ways = np.zeros((CELLS, CELLS, 4), np.float32)
    for thing in reversed(scene.objects):
        place = list(world.PLACES).index(thing.value("place"))
        x, y = world.centre_of(thing, shift)
        distance = np.hypot(middles[None, :] - x, middles[:, None] - y)
        zone, extent = distance < WIDEST, distance < world.SIZES[thing.value("size")]
        labels["zone"][zone], ways[zone, :2] = 1 + place, shift[place] / world.SHIFT_PIXELS
        ways[..., 2][zone] = ((x - middles[None, :]) / CELL + 0 * middles[:, None])[zone]
        ways[..., 3][zone] = ((y - middles[:, None]) / CELL + 0 * middles[None, :])[zone]
        for factor in ("size", "shape", "texture", "colour"):
            labels[factor][extent] = 1 + world.FACTORS[factor].index(thing.value(factor))
    return {**labels, "ways": ways}


def cells(scenes, shift):
    """Labels of several scenes, [n, 8, 8] each, and ways [n, 8, 8, 4]."""
    each = [cells_of(s, d) for s, d in zip(scenes, shift)]
    return {k: torch.from_numpy(np.stack([e[k] for e in each])).to(common.DEVICE) for k in each[0]}


class Teacher(nn.Module):
    """The heads, listening to the blocks' outputs of the last run of the U-net."""

    def __init__(self, unet):
        super().__init__()
        width = unet.config.block_out_channels[-1]
        self.heads = nn.ModuleDict({n: nn.Linear(width, c) for heads in LABELS.values() for n, c in heads.items()})
        self.ways, self.sketch = nn.Linear(width, 4), nn.Linear(width, 64)
        self.heard = {}
        for short in (*blocks.OWNED, SKETCH):
            unet.get_submodule(blocks.BLOCKS[short]).register_forward_hook(self._listener(short))

    def _listener(self, short):
        def listen(_, inputs, outputs):
            self.heard[short] = F.layer_norm(outputs[0].permute(0, 2, 3, 1), outputs[0].shape[1:2])
        return listen

    def _factors(self, truth, whole):
        """Loss of the factors' heads, and the share of right labels in objects per head."""
        loss, right = 0.0, {}
        for short, heads in LABELS.items():
            for name in heads:
                logits, labels = self.heads[name](self.heard[short][whole]).flatten(0, 2), truth[name].flatten()
                weight = torch.where((labels > 0) | (name == "ground"), 1.0, OUTSIDE_WEIGHT)
                loss = loss + (weight * F.cross_entropy(logits, labels, reduction="none")).sum() / weight.sum()
                right[name] = (logits.argmax(1) == labels)[labels > 0].float().mean().item()
        return loss, right

    def forward(self, batch):
        """Loss of all heads over the samples from which no update was removed, and figures."""
        whole = [i for i, r in enumerate(batch.removed) if r is None]
        truth = cells([batch.targets[i] for i in whole], batch.shift[whole])
        loss, right = self._factors(truth, whole)
        zone = (truth["zone"] > 0).unsqueeze(-1)
        error = (self.ways(self.heard["down.2.1"][whole]) - truth["ways"]).square() * zone
        error = error.sum((0, 1, 2)) / zone.sum().clamp(min=1)
        sketch = F.pixel_shuffle(self.sketch(self.heard[SKETCH]).permute(0, 3, 1, 2), 4)
        sketched = ((sketch - batch.latents).square() * batch.weight).mean()
        right.update(shift=error[:2].mean().item(), way=error[2:].mean().item(), sketch=sketched.item())
        return loss + error.sum() + SKETCH_WEIGHT * sketched, right
