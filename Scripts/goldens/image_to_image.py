"""The tiny VAE's encoder stage by stage, runs that begin with a picture, and runs told other sizes than their own.

`vae-encoder.safetensors`, per case: `image` (−1…1), `conv_in`, `down_blocks.N`, `mid_block.attentions.0`, `mid_block`,
`moments` (mean and logarithm of the variance, as quant_conv leaves them), and of `latent_dist` `mode`, `std` and `sample`
with a generator of seed 42.

`image-to-image.safetensors`, `.json`: `StableDiffusionXLImg2ImgPipeline.__call__` and, where `strength` is null,
`StableDiffusionXLPipeline.__call__`, both with a generator of `seed`. `NAME.picture` (height × width × 3, 0…255) is given as a
PIL image; `NAME.resized` is what the pipeline encodes, `NAME.initial` its latents times scaling_factor, `NAME.noisy` these
with noise, as the U-net's first step finds them unscaled; `NAME.noise_pred.STEP`, `NAME.latents`, `NAME.image` (0…1).

What surprises (diffusers 0.42.1): the picture keeps its own size but for what is over a multiple of 8, to which it is shrunk
by PIL's Lanczos filter and not cropped; the generator is drawn from for the latents of the picture first, then for the noise,
then by the sampler; of `steps` the last int(steps · strength) are taken, and none is an error; strength 1 still adds the
noise to the picture.
"""

import torch

from .common import DIFFUSION, Goldens, load_pipeline, randn, save_json
from .model import SCHEDULER

# name, batch, height, width
CASES = [("single", 1, 48, 40), ("pair", 2, 24, 56), ("least", 1, 8, 8)]
CAT, DOG = "a photo of a cat", "An oil painting of a dog on the beach, highly detailed!!!"
BAD = "blurry, low quality"
SIZES = dict(original_size=(128, 160), crops_coords_top_left=(8, 20), target_size=(96, 72))

RUNS = [
    dict(name="one", prompt=CAT, steps=1, strength=1.0, width=64, height=48),
    dict(name="four", prompt=CAT, steps=4, strength=0.5, width=64, height=64),
    dict(name="four.all", prompt=DOG, steps=4, strength=1.0, width=48, height=64),
    dict(name="resized", prompt=DOG, steps=4, strength=0.8, width=70, height=53),
    dict(name="guided", prompt=CAT, negative=BAD, steps=4, strength=0.6, guidance=3.0, width=48, height=48),
    dict(name="euler", prompt=CAT, steps=4, strength=0.5, width=48, height=48,
         scheduler=dict(_class_name="EulerDiscreteScheduler", timestep_spacing="leading")),
    dict(name="ddim", prompt=CAT, steps=4, strength=0.5, width=48, height=48,
         scheduler=dict(_class_name="DDIMScheduler", clip_sample=False)),
    dict(name="lcm", prompt=CAT, steps=4, strength=0.5, width=48, height=48, scheduler=dict(_class_name="LCMScheduler")),
    dict(name="tcd", prompt=CAT, steps=4, strength=0.5, width=48, height=48, scheduler=dict(_class_name="TCDScheduler")),
    dict(name="dpm", prompt=CAT, steps=6, strength=0.7, width=48, height=48,
         scheduler=dict(_class_name="DPMSolverMultistepScheduler")),
    dict(name="sizes", prompt=CAT, steps=1, width=64, height=48, sizes=SIZES),
    dict(name="sizes.guided", prompt=CAT, negative=BAD, steps=4, guidance=3.0, width=48, height=48, sizes=SIZES),
    dict(name="sizes.crop", prompt=CAT, steps=1, width=64, height=48, sizes=dict(crops_coords_top_left=(8, 20))),
    dict(name="sizes.image", prompt=CAT, steps=2, strength=0.5, width=48, height=48, sizes=SIZES),
]


def make() -> None:
    encode()
    arrays = Goldens(DIFFUSION / "image-to-image.safetensors")
    runs = [run(arrays, **case) for case in RUNS]
    arrays.save()
    save_json(DIFFUSION / "image-to-image.json", runs, compact=True)


def encode() -> None:
    vae = load_pipeline().vae.eval()
    arrays = Goldens(DIFFUSION / "vae-encoder.safetensors")
    for name, batch, height, width in CASES:
        image = arrays.put(f"{name}.image", randn(f"vae encoder {name}", batch, 3, height, width).clamp(-2, 2) / 2)
        encoder, hooks = vae.encoder, []
        places = [("conv_in", encoder.conv_in), ("mid_block.attentions.0", encoder.mid_block.attentions[0]),
                  ("mid_block", encoder.mid_block), ("moments", vae.quant_conv)]
        places += [(f"down_blocks.{index}", block) for index, block in enumerate(encoder.down_blocks)]
        for role, module in places:
            hooks.append(module.register_forward_hook(keeper(arrays, f"{name}.{role}")))
        distribution = vae.encode(image).latent_dist
        arrays.put(f"{name}.mode", distribution.mode())
        arrays.put(f"{name}.std", distribution.std)
        arrays.put(f"{name}.sample", distribution.sample(torch.Generator("cpu").manual_seed(42)))
        for hook in hooks:
            hook.remove()
    arrays.save()


def keeper(arrays: Goldens, name: str):
    def keep(module, inputs, result):
        arrays.put(name, result)

    return keep


def picture(name: str, height: int, width: int) -> torch.Tensor:
    """A smooth random picture with an edge in it, 0…255."""
    coarse = randn(f"picture {name}", 1, 3, 4, 4)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)[0]
    smooth[:, height // 3 :, : width // 2] += 0.7
    return ((smooth * 0.25 + 0.5).clamp(0, 1) * 255).round()


def run(
    arrays: Goldens, *, name: str, prompt: str, steps: int, width: int, height: int, strength: float | None = None,
    negative: str | None = None, guidance: float = 0.0, scheduler: dict = {}, sizes: dict = {}, seed: int = 42,
) -> dict:
    import diffusers
    from PIL import Image

    settings = {**SCHEDULER, "_class_name": "EulerAncestralDiscreteScheduler", **scheduler}
    kind = getattr(diffusers, settings["_class_name"])
    pipeline = load_pipeline()
    pipeline.scheduler = kind(**{key: value for key, value in settings.items() if key != "_class_name"})
    arguments = dict(width=width, height=height)
    if strength is not None:
        parts = {key: value for key, value in pipeline.components.items() if key not in ("image_encoder", "feature_extractor")}
        pipeline = diffusers.StableDiffusionXLImg2ImgPipeline(**parts, add_watermarker=False)
        pipeline.set_progress_bar_config(disable=True)
        pixels = arrays.put(f"{name}.picture", picture(name, height, width).permute(1, 2, 0))
        arguments = dict(image=Image.fromarray(pixels.numpy().astype("uint8")), strength=strength)
        encode, add_noise = pipeline.vae.encode, pipeline.scheduler.add_noise

        def encoded(image):
            arrays.put(f"{name}.resized", image)
            return encode(image)

        def noisy(latents, noise, timesteps):
            arrays.put(f"{name}.initial", latents)
            return arrays.put(f"{name}.noisy", add_noise(latents, noise, timesteps))

        pipeline.vae.encode, pipeline.scheduler.add_noise = encoded, noisy

    counter, ids = {"step": 0}, {}

    def before_unet(_, given, keywords):
        ids["time_ids"] = keywords["added_cond_kwargs"]["time_ids"].tolist()
        ids.setdefault("timesteps", []).append(float(given[1]))

    def after_step(pipeline, step, timestep, tensors):
        assert step == counter["step"]
        counter["step"] += 1
        arrays.put(f"{name}.latents.{step}", tensors["latents"])
        return {}

    hook = pipeline.unet.register_forward_pre_hook(before_unet, with_kwargs=True)
    image = pipeline(
        prompt, negative_prompt=negative, num_inference_steps=steps, guidance_scale=guidance, output_type="pt",
        generator=torch.Generator("cpu").manual_seed(seed), callback_on_step_end=after_step, **sizes, **arguments,
    ).images
    hook.remove()
    arrays.put(f"{name}.image", image)
    return {
        "name": name, "prompt": prompt, "negative": negative, "steps": steps, "strength": strength, "guidance": guidance,
        "seed": seed, "width": image.shape[3], "height": image.shape[2], "scheduler": settings,
        "timesteps": ids["timesteps"], "time_ids": ids["time_ids"][-1], "original": sizes.get("original_size"),
        "crop": sizes.get("crops_coords_top_left"), "target": sizes.get("target_size"),
    }
