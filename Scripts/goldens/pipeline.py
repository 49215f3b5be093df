"""Whole runs of the tiny model through `StableDiffusionXLPipeline.__call__`, `generator` seeded on the CPU.

`pipeline.json` lists the runs, `pipeline.safetensors` holds per run NAME:

 * `noise`: as drawn, before it is multiplied by init_noise_sigma; `prompt_embeds`, `pooled_prompt_embeds` as the
   U-net is given them, so with guidance [negative…, prompt…].
 * `unet_output.STEP` (with guidance only: [negative…, prompt…]), `noise_pred.STEP` (after guidance, what the
   scheduler is given), `latents.STEP` after the step; `latents` is the last, not yet divided by scaling_factor.
 * `image` in 0…1, [batch, 3, height, width]; for some runs `picture`, the bytes of the file as float32:
   image · 255 rounded half to even.
 * `BLOCK.input.STEP`, `BLOCK.output.STEP` where a run lists `cache`: the residual stream before and after.

Batches: with a list of generators every picture is what its seed gives alone; with one generator the pictures share
its stream. `negative_prompt` null with `force_zeros_for_empty_prompt` makes the negative embeddings zero; an empty
string does not. Guidance applies above 1. Time ids: (height, width, 0, 0, height, width), for both halves alike.
"""

import functools

import torch

from .blocks import transformer_blocks, watch_block
from .common import DIFFUSION, Goldens, load_pipeline, save_json
from .model import SCHEDULER

CAT, DOG = "a photo of a cat", "An oil painting of a dog on the beach, highly detailed!!!"
BAD = "blurry, low quality"
EULER = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
VELOCITY = {"_class_name": "EulerAncestralDiscreteScheduler", "prediction_type": "v_prediction"}

RUNS = [
    dict(name="one", prompts=[CAT], steps=1, seeds=[42], width=96, height=96),
    dict(name="two", prompts=[DOG], steps=2, seeds=[7], width=64, height=64, cache=["down.2.1", "mid.0", "up.1.1"]),
    dict(name="four", prompts=[CAT], steps=4, seeds=[0], width=64, height=64),
    dict(name="wide", prompts=[DOG], steps=1, seeds=[3], width=120, height=72),
    dict(name="tall", prompts=[DOG], steps=2, seeds=[4], width=40, height=88),
    dict(name="guided.zeros", prompts=[CAT], steps=2, seeds=[42], guidance=3.0, width=64, height=64),
    dict(name="guided.empty", prompts=[CAT], steps=2, seeds=[42], guidance=3.0, force_zeros=False, width=64, height=64),
    dict(name="guided.negative", prompts=[CAT], negative_prompts=[BAD], steps=2, seeds=[42], guidance=3.0, width=64,
         height=64, cache=["down.1.0", "up.0.1"]),
    dict(name="guided.odd", prompts=[DOG], negative_prompts=[""], steps=1, seeds=[5], guidance=7.5, width=72, height=56),
    dict(name="pair", prompts=[CAT, DOG], steps=2, seeds=[42, 43], width=64, height=48, cache=["down.2.0"]),
    dict(name="pair.guided", prompts=[CAT, DOG], negative_prompts=[BAD, "text"], steps=2, seeds=[1, 2], guidance=3.0,
         width=48, height=64),
    dict(name="pair.shared", prompts=[CAT, DOG], steps=2, seeds=[42], width=64, height=48),
    dict(name="euler", prompts=[CAT], negative_prompts=[BAD], steps=3, seeds=[11], guidance=5.0, width=64, height=64,
         scheduler=EULER),
    dict(name="velocity", prompts=[CAT], steps=3, seeds=[12], width=64, height=64, scheduler=VELOCITY),
    dict(name="ablated", prompts=[CAT], steps=1, seeds=[42], width=64, height=64, ablate=["down.2.1", "up.1.0"]),
    dict(name="unablated", prompts=[CAT], steps=1, seeds=[42], width=64, height=64),
]
PICTURES = ["one", "pair"]


def make() -> None:
    pipeline = load_pipeline()
    arrays = Goldens(DIFFUSION / "pipeline.safetensors")
    runs = [run(pipeline, arrays, **case) for case in RUNS]
    arrays.save()
    save_json(DIFFUSION / "pipeline.json", runs)


def run(
    pipeline,
    arrays: Goldens,
    *,
    name: str,
    prompts: list[str],
    steps: int,
    seeds: list[int],
    width: int,
    height: int,
    guidance: float = 0.0,
    negative_prompts: list[str] | None = None,
    force_zeros: bool = True,
    scheduler: dict | None = None,
    cache: list[str] = [],
    ablate: list[str] = [],
) -> dict:
    import diffusers

    settings = {**SCHEDULER, **(scheduler or {"_class_name": "EulerAncestralDiscreteScheduler"})}
    kind = getattr(diffusers, settings["_class_name"])
    pipeline.scheduler = kind(**{key: value for key, value in settings.items() if key != "_class_name"})
    pipeline.register_to_config(force_zeros_for_empty_prompt=force_zeros)

    def generators():
        made = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        return made if len(made) > 1 else made[0]

    shape = (len(prompts), 4, height // 8, width // 8)
    noise = diffusers.utils.torch_utils.randn_tensor(shape, generators())
    arrays.put(f"{name}.noise", noise)
    counter = {"step": 0}

    def before_unet(_, arguments, keywords):
        if counter["step"] == 0:
            arrays.put(f"{name}.prompt_embeds", keywords["encoder_hidden_states"])
            arrays.put(f"{name}.pooled_prompt_embeds", keywords["added_cond_kwargs"]["text_embeds"])

    def after_unet(_, arguments, result):
        if guidance > 1:
            arrays.put(f"{name}.unet_output.{counter['step']}", result[0])

    def keep(block):
        return lambda role, tensor: arrays.put(f"{name}.{block}.{role}.{counter['step']}", tensor)

    blocks = transformer_blocks(pipeline.unet)
    hooks = [
        pipeline.unet.register_forward_pre_hook(before_unet, with_kwargs=True),
        pipeline.unet.register_forward_hook(after_unet),
    ]
    for block in ablate:
        hooks.append(blocks[block].register_forward_hook(lambda _, arguments, result: (arguments[0],)))
    for block in cache:
        hooks += watch_block(blocks[block], keep(block))

    scheduler_step = pipeline.scheduler.step

    @functools.wraps(scheduler_step)  # the pipeline reads from its signature whether to hand on the generator
    def step(noise_pred, t, latents, **keywords):
        assert "generator" in keywords
        index = counter["step"]
        if index == 0:
            assert torch.equal(latents, noise * pipeline.scheduler.init_noise_sigma)
        result = scheduler_step(noise_pred, t, latents, **keywords)
        arrays.put(f"{name}.noise_pred.{index}", noise_pred)
        arrays.put(f"{name}.latents.{index}", result[0])
        counter["step"] += 1
        return result

    pipeline.scheduler.step = step
    image = pipeline(
        prompts,
        negative_prompt=negative_prompts,
        num_inference_steps=steps,
        guidance_scale=guidance,
        width=width,
        height=height,
        generator=generators(),
        output_type="pt",
    ).images
    for hook in hooks:
        hook.remove()
    arrays.put(f"{name}.latents", arrays.tensors[f"{name}.latents.{steps - 1}"])
    arrays.put(f"{name}.image", image)
    if name in PICTURES:  # as VaeImageProcessor.numpy_to_pil makes them: numpy rounds half to even, in float32
        picture = (image.permute(0, 2, 3, 1).numpy() * 255).round().astype("uint8")
        arrays.put(f"{name}.picture", torch.from_numpy(picture).permute(0, 3, 1, 2))
    return {
        "name": name,
        "prompts": prompts,
        "negative_prompts": negative_prompts,
        "steps": steps,
        "seeds": seeds,
        "guidance": guidance,
        "width": width,
        "height": height,
        "force_zeros_for_empty_prompt": force_zeros,
        "scheduler": settings,
        "cache": cache,
        "ablate": ablate,
    }
