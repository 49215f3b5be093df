"""Two small models of Stable Diffusion's kind and their runs: one text encoder, four levels, 16 blocks, no sizes.

`sd1/`: projections by 1 × 1 convolutions, one number of heads for all levels, noise predicted, a VAE whose file does not tell its
scaling factor, as in version 1; `sd2/`: linear projections, heads by level, velocity predicted, GELU in the text encoder, as in
version 2. Weights are random, rounded to float16 and stored so; the pipelines compute in float32.

`second-family.safetensors`, `.json`, per run: `NAME.prompt_embeds` (with guidance the negative prompt first), `NAME.noise`,
`NAME.latents.STEP`, `NAME.image` (0…1), with a picture `NAME.resized` (−1…1), and of the first step of runs that list them
`NAME.BLOCK.input` and `NAME.BLOCK.output`, of the last guided prompt only.

What surprises (diffusers 0.42.1): `attention_head_dim` is the number of heads here too; the prompt is the encoder's last state
behind its last norm; without a negative prompt it is that of the empty prompt; the encoder's pooled output goes nowhere.
"""

import json
import shutil

import torch
from safetensors.torch import save_file

from .byte_pairs import END, TEXT, learn_merges, vocabulary, write_json, write_tokenizer
from .common import DIFFUSION, ROOT, Goldens, save_json
from .image_to_image import BAD, CAT, DOG, picture
from .model import MERGES, SEED, text_encoder_config, text_encoder_shapes
from .random_weights import random_weight

ATTENTION = "CrossAttnDownBlock2D"
UNET = dict(
    sample_size=8,
    down_block_types=[ATTENTION, ATTENTION, ATTENTION, "DownBlock2D"],
    up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    block_out_channels=[8, 12, 16, 24],
    layers_per_block=2,
    attention_head_dim=2,
    cross_attention_dim=20,
    norm_num_groups=4,
    norm_eps=1e-3,
)
VAE = dict(
    down_block_types=["DownEncoderBlock2D"] * 4,
    up_block_types=["UpDecoderBlock2D"] * 4,
    block_out_channels=[4, 8, 8, 8],
    layers_per_block=1,
    norm_num_groups=4,
    latent_channels=4,
    sample_size=64,
)
TEXT_ENCODER = dict(
    architectures=["CLIPTextModel"], hidden_size=20, intermediate_size=36, num_hidden_layers=2, num_attention_heads=2,
    hidden_act="quick_gelu", projection_dim=20, layer_norm_eps=1e-3, eos_token_id=2,
)
# As the files of version 2 have it; version 1 has PNDM.
SCHEDULER = dict(
    _class_name="DDIMScheduler", beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
    set_alpha_to_one=False, steps_offset=1, num_train_timesteps=1000,
)
MODELS = {
    "sd1": dict(unet=UNET, text=TEXT_ENCODER, scheduler=SCHEDULER),
    "sd2": dict(
        unet={**UNET, "sample_size": 12, "use_linear_projection": True, "attention_head_dim": [1, 2, 4, 4],
              "cross_attention_dim": 28, "upcast_attention": True},
        text={**TEXT_ENCODER, "hidden_size": 28, "num_attention_heads": 4, "hidden_act": "gelu", "num_hidden_layers": 3},
        scheduler={**SCHEDULER, "prediction_type": "v_prediction"},
    ),
}
BLOCKS = [f"down.{stage}.{index}" for stage in range(3) for index in range(2)] + ["mid.0"] + [
    f"up.{stage}.{index}" for stage in range(1, 4) for index in range(3)]
RUNS = [
    dict(name="one", model="sd1", prompt=CAT, steps=1, blocks=BLOCKS),
    dict(name="four", model="sd1", prompt=DOG, steps=4, size=(48, 72)),
    dict(name="guided", model="sd1", prompt=CAT, negative=BAD, steps=3, guidance=7.5, blocks=["down.0.1", "up.3.2"]),
    dict(name="pndm", model="sd1", prompt=CAT, steps=5, guidance=2.0,
         scheduler=dict(_class_name="PNDMScheduler", skip_prk_steps=True)),
    dict(name="picture", model="sd1", prompt=CAT, steps=4, guidance=3.0, strength=0.5),
    dict(name="velocity", model="sd2", prompt=CAT, steps=4, guidance=5.0, size=(96, 96), blocks=BLOCKS),
    dict(name="euler", model="sd2", prompt=DOG, steps=2, size=(56, 64), scheduler=dict(_class_name="EulerDiscreteScheduler")),
]


def make() -> None:
    for name, parts in MODELS.items():
        write(name, **parts)
    arrays = Goldens(DIFFUSION / "second-family.safetensors")
    runs = [run(arrays, **case) for case in RUNS]
    arrays.save()
    save_json(DIFFUSION / "second-family.json", runs, compact=True)


def write(name: str, unet: dict, text: dict, scheduler: dict) -> None:
    import diffusers

    folder = DIFFUSION / name
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("text_encoder", "scheduler"):
        (folder / part).mkdir(parents=True)
    merges = learn_merges(TEXT, MERGES)
    write_tokenizer(folder / "tokenizer", merges, pad=END)
    config = text_encoder_config(text, vocabulary(merges))
    write_json(folder / "text_encoder" / "config.json", config)
    weights = {key: random(name, f"text_encoder.{key}", shape) for key, shape in text_encoder_shapes(config).items()}
    save_file(weights, folder / "text_encoder" / "model.safetensors", metadata={"format": "pt"})
    for part, model in (("unet", diffusers.UNet2DConditionModel(**unet)), ("vae", diffusers.AutoencoderKL(**VAE))):
        for key, parameter in model.named_parameters():
            parameter.copy_(random(name, f"{part}.{key}", tuple(parameter.shape)))
        model.half().save_pretrained(folder / part)
    if name == "sd1":
        path = folder / "vae" / "config.json"
        write_json(path, {key: value for key, value in json.loads(path.read_text()).items() if key != "scaling_factor"})
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    parts = {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
             "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
             "scheduler": ["diffusers", "DDIMScheduler"], "safety_checker": [None, None], "feature_extractor": [None, None]}
    write_json(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0", **parts})
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"  {folder.relative_to(ROOT)}: {size:,} bytes")


def random(model: str, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    gains = {"unet.conv_out.weight": 0.8, "vae.post_quant_conv.weight": 0.3, "vae.decoder.conv_out.weight": 1.5}
    return random_weight(f"{model} {name}", shape, SEED, {f"{model} {key}": gain for key, gain in gains.items()}).half()


def run(
    arrays: Goldens, *, name: str, model: str, prompt: str, steps: int, negative: str | None = None, guidance: float = 0.0,
    strength: float | None = None, size: tuple[int, int] = (64, 64), scheduler: dict = {}, blocks: list[str] = [],
    seed: int = 42,
) -> dict:
    import diffusers
    from PIL import Image

    (height, width), settings = size, {**MODELS[model]["scheduler"], **scheduler}
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        DIFFUSION / model, local_files_only=True, dtype=torch.float32, safety_checker=None, feature_extractor=None)
    pipeline.scheduler = getattr(diffusers, settings["_class_name"]).from_config(settings)
    arguments = dict(width=width, height=height)
    if strength is not None:
        parts = {key: value for key, value in pipeline.components.items() if key != "image_encoder"}
        pipeline = diffusers.StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
        pixels = picture(f"second family {name}", height, width).permute(1, 2, 0)
        arguments = dict(image=Image.fromarray(pixels.numpy().astype("uint8")), strength=strength)
        encode = pipeline.vae.encode
        pipeline.vae.encode = lambda image: encode(arrays.put(f"{name}.resized", image))
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(seed)
    if strength is None:
        noise = diffusers.utils.torch_utils.randn_tensor((1, 4, height // 8, width // 8), torch.Generator("cpu").manual_seed(seed))
        arrays.put(f"{name}.noise", noise)
    counter, timesteps, hooks = {"step": 0}, [], []

    def before_unet(_, given, keywords):
        if not timesteps:
            arrays.put(f"{name}.prompt_embeds", keywords["encoder_hidden_states"])
        timesteps.append(float(given[1]))

    def after_step(pipeline, step, timestep, tensors):
        counter["step"] += 1
        arrays.put(f"{name}.latents.{step}", tensors["latents"])
        return {}

    def watch(block):
        part, stage, index = (block.split(".") + ["0"])[:3] if block != "mid.0" else ("mid", "0", "0")
        stages = {"down": pipeline.unet.down_blocks, "up": pipeline.unet.up_blocks}
        module = (pipeline.unet.mid_block if part == "mid" else stages[part][int(stage)]).attentions[int(index)]

        def keep(_, given, keywords, result):
            if counter["step"] == 0:
                stream = given[0] if given else keywords["hidden_states"]
                arrays.put(f"{name}.{block}.input", stream[-1:])
                arrays.put(f"{name}.{block}.output", (result[0] if isinstance(result, tuple) else result.sample)[-1:])

        return module.register_forward_hook(keep, with_kwargs=True)

    hooks = [watch(block) for block in blocks] + [pipeline.unet.register_forward_pre_hook(before_unet, with_kwargs=True)]
    image = pipeline(
        prompt, negative_prompt=negative, num_inference_steps=steps, guidance_scale=guidance, output_type="pt",
        generator=generator, callback_on_step_end=after_step, **arguments,
    ).images
    for hook in hooks:
        hook.remove()
    arrays.put(f"{name}.image", image)
    return {
        "name": name, "model": model, "prompt": prompt, "negative": negative, "steps": steps, "guidance": guidance,
        "strength": strength, "seed": seed, "width": width, "height": height, "scheduler": settings, "timesteps": timesteps,
        "blocks": blocks,
    }
