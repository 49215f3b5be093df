"""The U-net: one step from noise to the latents of the picture a prompt and that noise determine.

At t = 999 the sample holds nothing of the picture, so learning is plain regression. A share of the samples
is at the later steps of runs of 2 and 4 steps. What is predicted is v (see diffusers' `v_prediction`).
"""

from dataclasses import dataclass, fields
import os
import sys

from diffusers import EulerAncestralDiscreteScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
import numpy as np
import torch

import blocks
import common
import data
from muon import split_optimisers
from teacher import Teacher
import text
import world

CONFIG = dict(
    sample_size=world.LATENT, in_channels=4, out_channels=4, layers_per_block=2, norm_num_groups=8,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    block_out_channels=[32, 64, 128], transformer_layers_per_block=[1, 1, 1], attention_head_dim=[1, 2, 4],
    cross_attention_dim=text.WIDTH, use_linear_projection=True, addition_embed_type="text_time",
    addition_time_embed_dim=32, projection_class_embeddings_input_dim=text.SECOND["projection_dim"] + 6 * 32,
)
SCHEDULER = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                 prediction_type="v_prediction", timestep_spacing="trailing", steps_offset=1)
LATER_STEPS = (749, 499, 249)
LATER_SHARE = 0.1    # of the samples of a batch
MIXED_SHARE = 0.5    # of the samples whose blocks are given different prompts
OBJECT_WEIGHT = 4.0  # extra weight of latents that lie in an object
TEACHING = 0.1       # weight of the teacher's loss
PARTIAL = 4          # samples of a batch with blocks that read the empty prompt
REMOVED = ("down.2.1", "up.0.0")  # one sample each without this block's update: then no object is to be drawn
STEPS = int(os.environ.get("SHAPES_STEPS", "3300"))
BATCH = int(os.environ.get("SHAPES_BATCH", "32"))
EDGES = ("unet.conv_in", "unet.conv_out", "unet.time_embedding", "teacher")
MUON_RATE, ADAM_RATE, WARM_UP, DECAY = 1.5e-3, 1e-3, 60, 0.3


def noise_levels():
    """Sigma of all 1000 time steps."""
    kept = EulerAncestralDiscreteScheduler(**SCHEDULER).alphas_cumprod
    return ((1 - kept) / kept).sqrt().to(common.DEVICE)


def time_ids(count):
    """SDXL's six size numbers, for an uncropped picture."""
    size = world.PICTURE
    return torch.tensor([[size, size, 0, 0, size, size]], dtype=torch.float32, device=common.DEVICE).expand(count, -1)


def new_unet():
    """The U-net before training: a blank picture, the prompt closed out of all but four blocks."""
    unet = UNet2DConditionModel(**CONFIG)
    torch.nn.init.zeros_(unet.conv_out.weight)
    blocks.close(unet)
    unet.set_attn_processor(AttnProcessor())
    blocks.listen(unet)
    return unet.to(common.DEVICE)


class Contexts:
    """Prompt states for the four blocks, from the frozen encoders."""

    def __init__(self):
        self.encoders, self.prompts = text.load(), text.Prompts()

    @torch.no_grad()
    def states(self, captions):
        """States [n, 77, 160] and pooled embeddings [n, 64]."""
        return text.encode(*self.encoders, self.prompts(captions))

    def same(self, captions):
        """Every block reads the whole caption: [n, 4 * 77, 160]."""
        states, pooled = self.states(captions)
        return states.repeat(1, len(blocks.OWNED), 1), pooled

    def mixed(self, scenes, rng):
        """Two captions per scene, each true in what its readers own; which block reads which is random."""
        owners = list(blocks.OWNED)
        choice = rng.random((len(scenes), len(owners))) < 0.5
        captions = []
        for side in (False, True):
            for scene, picked in zip(scenes, choice):
                owned = [f for b, p in zip(owners, picked) if p == side for f in blocks.OWNED[b]]
                captions.append(world.caption(world.resample(scene, owned, rng)))
        states, pooled = self.states(captions)
        pair = states.view(2, len(scenes), *states.shape[1:])
        index = torch.from_numpy(choice.astype(np.int64)).to(states.device)
        rows = torch.arange(len(scenes), device=states.device)
        return torch.cat([pair[index[:, b], rows] for b in range(len(owners))], 1), pooled[:len(scenes)]

    def partial(self, scenes, absent):
        """Some blocks read the empty prompt."""
        states, pooled = self.states([world.caption(s) for s in scenes] + [""])
        gone = torch.tensor([[b in a for b in blocks.OWNED] for a in absent], device=states.device)
        read = torch.where(gone.view(*gone.shape, 1, 1), states[-1], states[:-1].unsqueeze(1))
        return read.flatten(1, 2), pooled[:-1]

    def full(self, scenes, rng, mixed_share):
        """Contexts that tell everything, the first part of them mixed."""
        count = round(mixed_share * len(scenes))
        parts = [self.mixed(scenes[:count], rng)] if count else []
        if count < len(scenes):
            parts.append(self.same([world.caption(s) for s in scenes[count:]]))
        return [torch.cat(p) for p in zip(*parts)]


def noisy(latents, noise, steps, sigmas):
    """Samples at the time steps: pure noise at 999; later what Euler's ancestral sampler would have there."""
    sigma = sigmas[steps].view(-1, 1, 1, 1)
    start = sigmas[999]
    old = sigma * sigma / start  # the share of the first noise that is left (two-step run), the rest is fresh
    fresh = (sigma * sigma - old * old).sqrt()
    later = latents + old * noise + fresh * torch.randn_like(noise)
    return torch.where(steps.view(-1, 1, 1, 1) == 999, start * noise, later), sigma


def to_latents(v, sample, sigma):
    """The latents that a prediction stands for."""
    scale = sigma * sigma + 1
    return sample / scale - v * sigma / scale.sqrt()


def predict(unet, sample, sigma, steps, context, pooled):
    """Predicted latents at the given time steps."""
    added = {"text_embeds": pooled, "time_ids": time_ids(len(sample))}
    v = unet(sample / (sigma * sigma + 1).sqrt(), steps, context, added_cond_kwargs=added).sample
    return to_latents(v, sample, sigma)


@dataclass
class Batch:
    """What a step learns from; `removed` names the block whose update each sample goes without, or `None`."""

    targets: list
    drawn: torch.Tensor
    latents: torch.Tensor
    share: torch.Tensor
    context: torch.Tensor
    pooled: torch.Tensor
    removed: list

    @property
    def weight(self):
        """Weights of the latents [n, 1, 32, 32]."""
        return 1 + OBJECT_WEIGHT * self.share

    @property
    def shift(self):
        """Shifts in pixels [n, place, 2]."""
        drawn = self.drawn.clamp(-world.SHIFT_CLIP, world.SHIFT_CLIP) * world.SHIFT_PIXELS
        return drawn.view(len(drawn), -1, 2).cpu().numpy()


class Lessons:
    """Batches from the shards, with fresh noise that tells the shifts."""

    def __init__(self, kind):
        self.kind, self.contexts, self.sigmas, self.found = kind, Contexts(), noise_levels(), 0
        self.grounds = data.grounds()
        self.partial = data.load("partial", data.present("partial"))
        self.refresh()

    def refresh(self):
        """Takes in shards that have been written since."""
        present = data.present(self.kind)
        if len(present) > self.found:
            self.content, self.found = data.load(self.kind, present), len(present)

    def take(self, content, numbers):
        """Targets, projections, latents and share of some scenes."""
        drawn, latents, share = (content[k][numbers].to(common.DEVICE).float() for k in ("drawn", "latents", "share"))
        return [content["targets"][i] for i in numbers], drawn, latents, share.unsqueeze(1) / 255

    def whole(self, numbers, rng, mixed_share):
        """A batch of scenes of which everything is told."""
        targets, *rest = self.take(self.content, numbers)
        return Batch(targets, *rest, *self.contexts.full(targets, rng, mixed_share), [None] * len(numbers))

    def partly(self, numbers):
        """A batch of scenes of which only a part is told."""
        context = self.contexts.partial(*([self.partial[k][i] for i in numbers] for k in ("scenes", "absent")))
        return Batch(*self.take(self.partial, numbers), *context, [None] * len(numbers))

    def draw(self, rng):
        """The next batch of the training."""
        count = BATCH - PARTIAL
        whole = self.whole(rng.integers(len(self.content["scenes"]), size=count), rng, MIXED_SHARE)
        for i, short in enumerate(REMOVED, start=count - len(REMOVED)):
            whole.removed[i] = short
            scene = whole.targets[i]
            whole.latents[i] = self.grounds[text.GROUNDS.index("blank" if scene.blank else scene.ground)]
        part = self.partly(rng.integers(len(self.partial["scenes"]), size=PARTIAL))
        pairs = [(getattr(whole, f.name), getattr(part, f.name)) for f in fields(Batch)]
        return Batch(*(a + b if isinstance(a, list) else torch.cat([a, b]) for a, b in pairs))

    def loss(self, unet, batch, later_share=LATER_SHARE):
        """Weighted squared error of the latents, and the plain one of the one-step samples in objects and outside."""
        later = torch.rand(len(batch.latents), device=common.DEVICE) < later_share
        later &= torch.tensor([r is None for r in batch.removed], device=common.DEVICE)
        choice = torch.randint(len(LATER_STEPS), later.shape, device=common.DEVICE)
        steps = torch.where(later, torch.tensor(LATER_STEPS, device=common.DEVICE)[choice], 999)
        sample, sigma = noisy(batch.latents, world.noise_with(batch.drawn), steps, self.sigmas)
        error = (predict(unet, sample, sigma, steps, batch.context, batch.pooled) - batch.latents).square()
        share, single = batch.share, ~later
        inside = (error * share)[single].sum() / (4 * share[single].sum()).clamp(min=1)
        outside = (error * (1 - share))[single].sum() / (4 * (1 - share)[single].sum()).clamp(min=1)
        return (error * batch.weight).mean(), inside.detach(), outside.detach()


@torch.no_grad()
def validate(unet, lessons, count=128):
    """Errors in objects and outside over held-out scenes with fixed noise, every block given the same caption."""
    state = torch.get_rng_state()
    torch.manual_seed(11)
    batches = (lessons.whole(np.arange(i, i + 32), None, 0.0) for i in range(0, count, 32))
    parts = [lessons.loss(unet, b, 0.0)[1:] for b in batches]
    torch.set_rng_state(state)
    return [sum(p[i].item() for p in parts) / len(parts) for i in range(2)]


def rate(step, last):
    """Factor on the learning rates: warm-up, constant, at last a straight line to zero."""
    return min(1, (step + 1) / WARM_UP, (last - step) / (DECAY * last))


def train(name="train-unet"):
    """Trains the U-net; writes its running average."""
    common.set_up()
    torch.manual_seed(9)
    unet = new_unet()
    average, teacher = common.Average(unet, 0.998), Teacher(unet).to(common.DEVICE)
    both = torch.nn.ModuleDict({"unet": unet, "teacher": teacher})
    muon, adam = split_optimisers(both, EDGES, weight_decay=0.01)
    run = common.Run(name, {"both": both, "average": average, "muon": muon, "adam": adam}, seed=9)
    lessons, check, removal = Lessons("train"), Lessons("held-out"), blocks.Removal(unet, REMOVED)
    for step in run.steps(STEPS):
        batch = lessons.draw(run.rng)
        removal.choose(batch.removed, common.DEVICE)
        loss, inside, outside = lessons.loss(unet, batch)
        taught, right = teacher(batch)
        both.zero_grad(set_to_none=True)
        (loss + TEACHING * taught).backward()
        norm = torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        for optimiser, full in ((muon, MUON_RATE), (adam, ADAM_RATE)):
            for group in optimiser.param_groups:
                group["lr"] = full * rate(step, STEPS)
            optimiser.step()
        average.update(step)
        if step % 20 == 0:
            run.log(loss=loss.item(), inside=inside.item(), outside=outside.item(), norm=norm.item(), **right)
        if step % 200 == 199:
            average.exchange()
            removal.choose([], common.DEVICE)
            inside, outside = validate(unet, check)
            average.exchange()
            lessons.refresh()
            run.log(check_inside=inside, check_outside=outside, scenes=len(lessons.content["scenes"]))
    if not run.stopped:
        average.exchange()
        unet.save_pretrained(common.WORK / name / "average")


def write_so_far(target, name="train-unet"):
    """Writes the running average of a training that is still going on."""
    unet = new_unet()
    average = common.Average(unet, 0.0)
    average.load_state_dict(torch.load(common.WORK / name / "checkpoint.pt", weights_only=False)["parts"]["average"])
    average.exchange()
    unet.save_pretrained(target)


if __name__ == "__main__":
    write_so_far(sys.argv[1]) if len(sys.argv) > 1 else train()
