"""The decoder's last lessons: it also learns to make good pictures of the U-net's own latents.

Encoder and latents stay as they are, so nothing the U-net has learned changes. Half of each batch are crops of
latents the U-net paints, half of encoded pictures.
"""

from diffusers import AutoencoderKL, UNet2DConditionModel
import math
import torch

import common
from muon import split_optimisers
import unet
import vae
import world

STEPS, SCENES, CROP, PEAK = 1200, 8, 16, 1e-3
FOLDER = "vae-polished"


class Painter:
    """Latents of the trained U-net for scenes, beside the right pictures and their own latents."""

    def __init__(self, autoencoder):
        self.autoencoder, self.contexts, self.sigma = autoencoder, unet.Contexts(), unet.noise_levels()[999]
        self.model = UNet2DConditionModel.from_pretrained(common.WORK / "train-unet" / "average").to(common.DEVICE).eval()

    @torch.no_grad()
    def __call__(self, scenes, drawn, shift):
        """Right pictures, painted latents and encoded ones, both scaled to the decoder's range."""
        pictures = world.render_many(scenes, shift)[0].to(common.DEVICE)
        states, pooled = self.contexts.states([world.caption(s) for s in scenes])
        noise = world.noise_with(torch.from_numpy(drawn).to(common.DEVICE))
        steps = torch.full((len(scenes),), 999, device=common.DEVICE)
        painted = unet.predict(self.model, self.sigma * noise, self.sigma.view(1, 1, 1, 1), steps, states, pooled)
        encoded = self.autoencoder.encode(pictures).latent_dist.sample()
        return pictures, painted / self.autoencoder.config.scaling_factor, encoded


def cut(pictures, latents, shift, scenes, rng):
    """Crops of pictures and latents around an object."""
    seen, hidden = [], []
    for picture, latent, scene, moved in zip(pictures, latents, scenes, shift):
        middle = rng.uniform(0, world.LATENT, 2)
        if scene.objects:
            thing = scene.objects[rng.integers(len(scene.objects))]
            middle = world.centre_of(thing, moved) / 8 + rng.uniform(-4, 4, 2)
        x, y = (int(min(max(round(v) - CROP // 2, 0), world.LATENT - CROP)) for v in middle)
        hidden.append(latent[:, y:y + CROP, x:x + CROP])
        seen.append(picture[:, 8 * y:8 * (y + CROP), 8 * x:8 * (x + CROP)])
    return torch.stack(seen), torch.stack(hidden)


def train():
    """Trains the decoder on and writes the polished autoencoder."""
    common.set_up()
    model = AutoencoderKL.from_pretrained(common.WORK / vae.FOLDER).to(common.DEVICE)
    model.encoder.requires_grad_(False)
    model.quant_conv.requires_grad_(False)
    optimisers = split_optimisers(model, edges=("decoder.conv_out",))
    run = common.Run("train-polish", {"vae": model, "muon": optimisers[0], "adam": optimisers[1]}, seed=51)
    painter = Painter(model)
    for step in run.steps(STEPS):
        scenes = [world.sample(run.rng, held_out=False) for _ in range(SCENES)]
        drawn, shift = world.draw_projections(run.rng, SCENES)
        pictures, painted, encoded = painter(scenes, drawn, shift)
        half = SCENES // 2
        x, z = cut(pictures, torch.cat([painted[:half], encoded[half:]]), shift, scenes, run.rng)
        y = model.decode(z).sample
        loss = vae.picture_loss(y, x)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = PEAK * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS)) + 1e-5
            optimiser.step()
        if step % 25 == 0:
            quality = vae.psnr(y.detach(), x)
            run.log(loss=loss.item(), psnr_painted=quality[:half].mean().item(), psnr_encoded=quality[half:].mean().item())
    if not run.stopped:
        model.save_pretrained(common.WORK / FOLDER)


if __name__ == "__main__":
    train()
