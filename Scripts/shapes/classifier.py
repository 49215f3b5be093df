"""The judge: a small convolutional network, trained on renders only, that reads every factor off a picture."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import common
from muon import split_optimisers
import text
import world

SIDE, MAP, WINDOW = 128, 16, 8  # pictures are judged at 128 px; features on a 16 x 16 map; 8 x 8 of them per place
STEPS, BATCH, PEAK = 1500, 48, 3e-3
FILE = "classifier.pt"


def _norm(channels):
    return nn.Sequential(nn.GroupNorm(8, channels), nn.SiLU())


class Classifier(nn.Module):
    """Logits per place for presence, shape, colour, size and texture, and for the background."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 32, 5, 2, 2), _norm(32), nn.Conv2d(32, 48, 3, 2, 1), _norm(48), nn.Conv2d(48, 64, 3, 1, 1),
            _norm(64), nn.Conv2d(64, 64, 3, 2, 1), _norm(64), nn.Conv2d(64, 64, 3, 1, 1), _norm(64))
        self.window = nn.Sequential(nn.Conv2d(64, 64, 3, 2, 1), _norm(64), nn.Flatten(), nn.Linear(1024, 192), nn.SiLU())
        self.answers = nn.ModuleDict({f: nn.Linear(192, n) for f, n in text.ANSWERS.items()})
        self.ground = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(1024, 64), nn.SiLU(), nn.Linear(64, len(text.GROUNDS)))

    def forward(self, pictures):
        """`pictures` [n, 3, 128, 128], -1 to 1; logits per factor [n, 5, values] and of the background [n, 7]."""
        features = self.trunk(pictures)
        windows = []
        for x, y in world.PLACES.values():
            column, row = (min(max(round(v / 16) - 4, 0), MAP - WINDOW) for v in (x, y))
            windows.append(self.window(features[:, :, row:row + WINDOW, column:column + WINDOW]))
        seen = torch.stack(windows, 1)
        return {f: head(seen) for f, head in self.answers.items()}, self.ground(features)


def shrink(pictures):
    """Pictures at the judge's size."""
    return F.interpolate(pictures, size=(SIDE, SIDE), mode="area")


def spoil(pictures, rng):
    """Blurs a third of the pictures and adds noise to another, as a painted picture may have."""
    third = len(pictures) // 3
    blurred = F.avg_pool2d(F.pad(pictures[:third], (1, 1, 1, 1), mode="replicate"), 3, 1)
    grain = rng.uniform(0.02, 0.25) * torch.randn_like(pictures[third:2 * third])
    return torch.cat([blurred, pictures[third:2 * third] + grain, pictures[2 * third:]])


def renders(rng, count, held_out):
    """Random scenes and their pictures at the judge's size."""
    scenes = [world.sample(rng, held_out) for _ in range(count)]
    _, shift = world.draw_projections(rng, count)
    return scenes, world.render_many(scenes, shift, SIDE, scale=world.PICTURE / SIDE)[0].to(common.DEVICE)


def loss_of(model, pictures, scenes):
    """Cross-entropy of all answers."""
    answers, grounds = text.truth(scenes)
    logits, ground = model(pictures)
    loss = F.cross_entropy(ground, grounds)
    return loss + sum(F.cross_entropy(logits[f].flatten(0, 1), a.flatten(), ignore_index=-1) for f, a in answers.items())


@torch.no_grad()
def judge(model, pictures, scenes):
    """Per factor, which objects are right: a list of booleans each; place and background: one per scene."""
    answers, grounds = text.truth(scenes)
    logits, ground = model(pictures)
    said = {f: v.argmax(-1) for f, v in logits.items()}
    right = {f: (said[f] == a)[a >= 0].tolist() for f, a in answers.items() if f != "present"}
    right["place"] = (said["present"] == answers["present"]).all(1).tolist()
    right["background"] = (ground.argmax(-1) == grounds).tolist()
    return right


def rates(parts):
    """Joins the answers of several calls of `judge` to one share per factor."""
    return {f: float(np.mean([r for p in parts for r in p[f]])) for f in parts[0]}


def check(model, count=1200):
    """Shares of right answers on clean held-out renders."""
    rng = np.random.default_rng(31)
    batches = [renders(rng, 40, held_out=True) for _ in range(count // 40)]
    return rates([judge(model, pictures, scenes) for scenes, pictures in batches])


def load():
    """The trained judge."""
    model = Classifier()
    model.load_state_dict(torch.load(common.WORK / FILE, map_location="cpu"))
    return model.eval().to(common.DEVICE)


def train():
    """Trains the judge and checks it on held-out renders."""
    common.set_up()
    torch.manual_seed(21)
    model = Classifier().to(common.DEVICE)
    optimisers = split_optimisers(model, edges=("trunk.0", "answers"), weight_decay=0.02)
    run = common.Run("train-classifier", {"model": model, "muon": optimisers[0], "adam": optimisers[1]}, seed=21)
    for step in run.steps(STEPS):
        scenes, pictures = renders(run.rng, BATCH, held_out=False)
        loss = loss_of(model, spoil(pictures, run.rng), scenes)
        model.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = PEAK * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS)) + 1e-5
            optimiser.step()
        if step % 50 == 0:
            run.log(loss=loss.item())
        if step % 400 == 399:
            run.log(**check(model, 400))
    if not run.stopped:
        common.save_whole(lambda p: torch.save(model.state_dict(), p), common.WORK / FILE)
        run.log(**check(model))


if __name__ == "__main__":
    train()
