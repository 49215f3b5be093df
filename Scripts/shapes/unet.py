"""The U-net: one step from noise to the latents of the picture a prompt and that noise determine.

At t = 999 the sample holds nothing of the picture, so learning is plain regression. A share of the samples
is at the later steps of runs of 2 and 4 steps. What is predicted is v (see diffusers' `v_prediction`).
"""

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
STEPS = int(os.environ.get("SHAPES_STEPS", "9000"))
BATCH = int(os.environ.get("SHAPES_BATCH", "32"))
EDGES = ("unet.conv_in", "unet.conv_out", "unet.time_embedding", "teacher")
MUON_RATE, ADAM_RATE, WARM_UP, DECAY = 3e-3, 2e-3, 60, 0.3


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

    def __call__(self, scenes, rng, mixed_share):
        """Contexts of a batch, the first part of it mixed."""
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


class Lessons:
    """Batches from the shards, in an order fixed by the step, with fresh noise that tells the shifts."""

    def __init__(self, shards):
        self.contexts, self.sigmas, self.wanted, self.found = Contexts(), noise_levels(), list(shards), 0
        self.refresh()

    def refresh(self):
        """Takes in shards that have been written since."""
        present = [s for s in self.wanted if data.path(s).exists()]
        if len(present) > self.found:
            self.content, self.found = data.load(present), len(present)
            self.count = len(self.content["scenes"])

    def pick(self, rng, batch):
        """Random scenes' numbers."""
        return rng.integers(self.count, size=batch)

    def shifts(self, numbers):
        """Shifts in pixels [n, place, 2]."""
        drawn = self.content["drawn"][numbers].numpy()
        return world.SHIFT_PIXELS * np.clip(drawn, -world.SHIFT_CLIP, world.SHIFT_CLIP).reshape(len(drawn), -1, 2)

    def answers(self, numbers):
        """What the teacher asks about: scenes, shifts, latents and their weights."""
        latents, share = (self.content[k][numbers].to(common.DEVICE).float() for k in ("latents", "share"))
        return [self.content["scenes"][i] for i in numbers], self.shifts(numbers), latents, 1 + OBJECT_WEIGHT * share.unsqueeze(1) / 255

    def loss(self, unet, numbers, rng, later_share=LATER_SHARE, mixed_share=MIXED_SHARE):
        """Weighted squared error of the latents, and the plain one of the one-step samples in objects and outside."""
        latents, share, drawn = (self.content[k][numbers].to(common.DEVICE).float() for k in ("latents", "share", "drawn"))
        context, pooled = self.contexts([self.content["scenes"][i] for i in numbers], rng, mixed_share)
        later = torch.rand(len(numbers), device=common.DEVICE) < later_share
        choice = torch.tensor(LATER_STEPS, device=common.DEVICE)[torch.randint(len(LATER_STEPS), (len(numbers),), device=common.DEVICE)]
        steps = torch.where(later, choice, 999)
        sample, sigma = noisy(latents, world.noise_with(drawn), steps, self.sigmas)
        error = (predict(unet, sample, sigma, steps, context, pooled) - latents).square()
        share = share.unsqueeze(1) / 255
        loss = (error * (1 + OBJECT_WEIGHT * share)).mean()
        single = ~later
        inside = (error * share)[single].sum() / (4 * share[single].sum()).clamp(min=1)
        outside = (error * (1 - share))[single].sum() / (4 * (1 - share)[single].sum()).clamp(min=1)
        return loss, inside.detach(), outside.detach()


@torch.no_grad()
def validate(unet, lessons, count=128):
    """Errors in objects and outside over held-out scenes with fixed noise, every block given the same caption."""
    state = torch.get_rng_state()
    torch.manual_seed(11)
    parts = [lessons.loss(unet, np.arange(i, i + 32), None, 0.0, 0.0)[1:] for i in range(0, count, 32)]
    torch.set_rng_state(state)
    return [sum(p[i].item() for p in parts) / len(parts) for i in range(2)]


def rate(step, last):
    """Factor on the learning rates: warm-up, constant, at last a straight line to zero."""
    return min(1, (step + 1) / WARM_UP, (last - step) / (DECAY * last))


def train(shards=None, name="train-unet"):
    """Trains the U-net; writes its running average."""
    common.set_up()
    torch.manual_seed(9)
    unet = new_unet()
    average, teacher = common.Average(unet, 0.998), Teacher(unet).to(common.DEVICE)
    both = torch.nn.ModuleDict({"unet": unet, "teacher": teacher})
    muon, adam = split_optimisers(both, EDGES, weight_decay=0.01)
    run = common.Run(name, {"both": both, "average": average, "muon": muon, "adam": adam}, seed=9)
    lessons, check = Lessons(shards or range(data.SHARDS)), Lessons([-1])
    for step in run.steps(STEPS):
        numbers = lessons.pick(run.rng, BATCH)
        loss, inside, outside = lessons.loss(unet, numbers, run.rng)
        taught, right = teacher(*lessons.answers(numbers))
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
            inside, outside = validate(unet, check)
            average.exchange()
            lessons.refresh()
            run.log(check_inside=inside, check_outside=outside, scenes=lessons.count)
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
