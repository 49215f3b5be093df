"""One run of a model through diffusers in float32, part after part, so that a full-size model fits in memory."""

import functools
import json
from pathlib import Path

import torch

from .blocks import transformer_blocks, watch_block


class Run:
    """What to compute, and `tensors`, what came of it: named as `sdlens generate --tensors` names them."""

    def __init__(self, prompt, negative_prompt, seeds, steps, guidance, width, height, cache=(), ablate=()):
        self.prompt, self.negative_prompt = prompt, negative_prompt
        self.seeds, self.steps, self.guidance = seeds, steps, guidance
        self.width, self.height = width, height
        self.cache, self.ablate = list(cache), list(ablate)
        self.tensors: dict[str, torch.Tensor] = {}
        self.conditioning: dict[str, torch.Tensor] = {}

    def generators(self) -> list[torch.Generator]:
        return [torch.Generator("cpu").manual_seed(seed) for seed in self.seeds]


def load(folder: Path, part: str, kind):
    """A part in float32, from its plain file or from the `.fp16` one."""
    plain = any((folder / part).glob("*model.safetensors")) or any((folder / part).glob("*.safetensors.index.json"))
    variant = None if plain else "fp16"
    name = "torch_dtype" if kind.__module__.startswith("diffusers") else "dtype"
    model = kind.from_pretrained(
        folder / part, variant=variant, local_files_only=True, use_safetensors=True, **{name: torch.float32}
    )
    return model.eval()


def compute(folder: Path, runs: list[Run], say=print, decoder: Path | None = None) -> None:
    """Fills `tensors` of every run; each part of the model is loaded once and let go before the next.

    `decoder` is the folder of an AutoencoderTiny that decodes in place of the model's own VAE.
    """
    index = json.loads((folder / "model_index.json").read_text())
    say("text encoders …")
    encode(folder, runs, index.get("force_zeros_for_empty_prompt", True))
    say("U-net …")
    denoise(folder, runs, index["scheduler"][1])
    say("VAE decoder …")
    decode(folder, runs, decoder)


def encode(folder: Path, runs: list[Run], force_zeros: bool) -> None:
    from diffusers import StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    pipeline = StableDiffusionXLPipeline(
        vae=None,
        unet=None,
        scheduler=None,
        text_encoder=load(folder, "text_encoder", CLIPTextModel),
        text_encoder_2=load(folder, "text_encoder_2", CLIPTextModelWithProjection),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2", local_files_only=True),
        force_zeros_for_empty_prompt=force_zeros,
        add_watermarker=False,
    )
    for run in runs:
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        values = pipeline.encode_prompt(
            [run.prompt] * len(run.seeds),
            device=torch.device("cpu"),
            do_classifier_free_guidance=run.guidance > 1,
            negative_prompt=None if run.negative_prompt is None else [run.negative_prompt] * len(run.seeds),
        )
        run.conditioning = {name: value for name, value in zip(names, values) if value is not None}
        for name in ("prompt_embeds", "pooled_prompt_embeds"):
            parts = [run.conditioning.get(f"negative_{name}"), run.conditioning[name]]
            run.tensors[name] = torch.cat([part for part in parts if part is not None])


def denoise(folder: Path, runs: list[Run], scheduler_name: str) -> None:
    import diffusers

    unet = load(folder, "unet", diffusers.UNet2DConditionModel)
    scheduler = getattr(diffusers, scheduler_name).from_pretrained(folder / "scheduler", local_files_only=True)
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=None,
        unet=unet,
        scheduler=scheduler,
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    blocks = transformer_blocks(unet)
    for run in runs:
        shape = (len(run.seeds), unet.config.in_channels, run.height // 8, run.width // 8)
        run.tensors["noise"] = diffusers.utils.torch_utils.randn_tensor(shape, run.generators())
        step = 0

        def keep(block):
            def store(role, tensor):
                run.tensors[f"{block}.{role}.{step}"] = tensor.clone()

            return store

        hooks = [blocks[block].register_forward_hook(lambda _, inputs, result: (inputs[0],)) for block in run.ablate]
        for block in run.cache:
            hooks += watch_block(blocks[block], keep(block))
        scheduler_step = scheduler.step

        @functools.wraps(scheduler_step)  # the pipeline reads from its signature whether to hand on the generator
        def watched_step(noise_pred, *arguments, **keywords):
            nonlocal step
            assert "generator" in keywords
            run.tensors[f"noise_pred.{step}"] = noise_pred.clone()
            step += 1
            return scheduler_step(noise_pred, *arguments, **keywords)

        scheduler.step = watched_step
        run.tensors["latents"] = pipeline(
            **run.conditioning,
            num_inference_steps=run.steps,
            guidance_scale=run.guidance,
            width=run.width,
            height=run.height,
            generator=run.generators(),
            output_type="latent",
        ).images
        del scheduler.step
        for hook in hooks:
            hook.remove()


def decode(folder: Path, runs: list[Run], decoder: Path | None) -> None:
    from diffusers import AutoencoderKL, AutoencoderTiny

    vae = load(decoder, "", AutoencoderTiny) if decoder else load(folder, "vae", AutoencoderKL)
    for run in runs:
        image = vae.decode(run.tensors["latents"] / vae.config.scaling_factor).sample
        run.tensors["image"] = (image / 2 + 0.5).clamp(0, 1)
