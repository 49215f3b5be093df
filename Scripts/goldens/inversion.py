"""Pictures taken back to their noise along the steps of DDIM, and runs that come back from there.

`inversion.safetensors`, `.json`: `NAME.picture` (height × width × 3, 0…255), `NAME.initial` (the mode of its latents times
scaling_factor), `NAME.inversion.STEP` after each step of `DDIMInverseScheduler`, then with `DDIMScheduler` from the last of
these `NAME.latents.STEP` after each step, and `NAME.image` (0…1). The way back has `source` as its prompt and
`source_guidance`, the run `prompt` and `guidance`.

What surprises (diffusers 0.42.1): on the way back the model is asked at the training step that is reached, not at that where
the sample is; of the first step the sample counts as clean; there is no linspace. Of `steps`, strength leaves the last
int(steps · strength) of the run, which are the first of the way back.
"""

import torch

from .common import DIFFUSION, Goldens, load_pipeline, save_json
from .image_to_image import BAD, CAT, DOG, picture
from .model import SCHEDULER

VELOCITY = dict(prediction_type="v_prediction", rescale_betas_zero_snr=True)
RUNS = [
    dict(name="one", prompt=CAT, steps=1),
    dict(name="four", prompt=CAT, steps=4, size=(48, 64)),
    dict(name="leading", prompt=CAT, steps=4, scheduler=dict(timestep_spacing="leading", set_alpha_to_one=False)),
    dict(name="guided", prompt=CAT, negative=BAD, steps=3, guidance=3.0, source_guidance=1.5),
    dict(name="changed", prompt=DOG, source=CAT, steps=4, guidance=2.0),
    dict(name="part", prompt=CAT, steps=5, strength=0.6),
    dict(name="velocity", prompt=CAT, steps=4, scheduler=VELOCITY),
    dict(name="twenty", prompt=CAT, steps=20),
]


def make() -> None:
    arrays = Goldens(DIFFUSION / "inversion.safetensors")
    runs = [run(arrays, **case) for case in RUNS]
    arrays.save()
    save_json(DIFFUSION / "inversion.json", runs, compact=True)


def run(
    arrays: Goldens, *, name: str, prompt: str, steps: int, source: str | None = None, negative: str | None = None,
    guidance: float = 0.0, source_guidance: float = 0.0, strength: float = 1.0, size: tuple[int, int] = (48, 48),
    scheduler: dict = {},
) -> dict:
    from diffusers import DDIMInverseScheduler, DDIMScheduler

    (height, width), settings = size, {**SCHEDULER, "clip_sample": False, **scheduler}
    pipeline = load_pipeline()
    pixels = arrays.put(f"{name}.picture", picture(name, height, width).permute(1, 2, 0))
    signed = 2 * (pixels.permute(2, 0, 1)[None] / 255) - 1
    x = pipeline.vae.encode(signed).latent_dist.mode() * pipeline.vae.config.scaling_factor
    arrays.put(f"{name}.initial", x)
    ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32)
    taken = int(steps * strength)

    def walk(x, it, timesteps, text, factor, label):
        guided = factor > 1
        embeds, bad, pooled, bad_pooled = pipeline.encode_prompt(
            text, device="cpu", do_classifier_free_guidance=guided, negative_prompt=negative if guided else None)
        both = lambda one, other: torch.cat([other, one]) if guided else one
        added = {"text_embeds": both(pooled, bad_pooled), "time_ids": torch.cat([ids, ids]) if guided else ids}
        for index, t in enumerate(timesteps):
            output = pipeline.unet(torch.cat([x, x]) if guided else x, t, encoder_hidden_states=both(embeds, bad),
                                   added_cond_kwargs=added).sample
            if guided:
                negatives, positives = output.chunk(2)
                output = negatives + factor * (positives - negatives)
            x = arrays.put(f"{name}.{label}.{index}", it.step(output, t, x).prev_sample)
        return x

    inverse, forward = DDIMInverseScheduler(**settings), DDIMScheduler(**settings)
    inverse.set_timesteps(steps)
    forward.set_timesteps(steps)
    back = inverse.timesteps[:taken]
    assert back.tolist() == forward.timesteps[steps - taken:].flip(0).tolist()
    x = walk(x, inverse, back, source or prompt, source_guidance, "inversion")
    x = walk(x, forward, forward.timesteps[steps - taken:], prompt, guidance, "latents")
    image = pipeline.vae.decode(x / pipeline.vae.config.scaling_factor).sample
    arrays.put(f"{name}.image", (image / 2 + 0.5).clamp(0, 1))
    return {
        "name": name, "prompt": prompt, "source": source or prompt, "negative": negative, "steps": steps,
        "strength": strength, "guidance": guidance, "source_guidance": source_guidance, "width": width, "height": height,
        "scheduler": {"_class_name": "DDIMScheduler", **settings}, "timesteps": back.tolist(),
    }
