"""LoRAs for the tiny model, and what diffusers makes of it with each merged.

Per file NAME.safetensors in `lora`, in the names of kohya's scripts (with our names and with those of the original layout),
of PEFT as diffusers saves them now (with an alpha in the metadata), and of diffusers of before 0.20: `NAME.output` of the
U-net, and where text encoders are changed `NAME.prompt_embeds` and `NAME.pooled`, after
`pipeline.load_lora_weights(NAME)` and `pipeline.fuse_lora(lora_scale=STRENGTH)`. `two` is kohya and peft, merged one after
the other: W + strength · alpha / rank · up · down.

What surprises (diffusers 0.42.1, transformers 5.23): where the alphas of one part differ, the most common one is used for
all its layers, since the names of the others match nothing; kohya's names of `self_attn` in text encoders are passed over.
Here the alphas of a part are equal, and kohya's file changes `mlp` alone.
"""

import json
import shutil

import torch
from safetensors.torch import load_file, save_file

from .common import DIFFUSION, Goldens, load_pipeline, randn
from .single_file import unet_name

FOLDER = DIFFUSION / "lora"
PROMPT = "a photo of a cat"
STRENGTHS = {"kohya": 0.7, "original": 1.0, "peft": -0.5, "processor": 1.0}
LAYERS = [
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.2.attentions.1.transformer_blocks.1.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
    "up_blocks.0.attentions.2.transformer_blocks.0.ff.net.0.proj",
    "up_blocks.1.attentions.1.proj_in",
]
CONVOLUTIONS = ["down_blocks.1.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv", "up_blocks.2.resnets.1.conv_shortcut"]
MLP = ["text_model.encoder.layers.0.mlp.fc1", "text_model.encoder.layers.1.mlp.fc2"]
TEXT = ["text_model.encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.1.mlp.fc2"]


def make() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    write_files()
    arrays = Goldens(DIFFUSION / "lora.safetensors")
    arrays.put("latents", randn("lora.latents", 1, 4, 12, 12))
    for name, strength in STRENGTHS.items():
        measure(arrays, name, {name: strength})
    measure(arrays, "plain", {})
    measure(arrays, "two", {name: STRENGTHS[name] for name in ("kohya", "peft")})
    arrays.save()


def write_files() -> None:
    pipeline = load_pipeline()
    unet = dict(pipeline.unet.named_modules())
    texts = {"te1": dict(pipeline.text_encoder.named_modules()), "te2": dict(pipeline.text_encoder_2.named_modules())}

    def module(modules: dict, name: str) -> torch.Tensor:
        return (modules[name] if name in modules else modules[name.removeprefix("text_model.")]).weight

    def factors(key: str, weight: torch.Tensor, rank: int, flat: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        tail = (1, 1) if weight.ndim == 4 and not flat else ()
        down = randn(f"{key}.down", rank, *weight.shape[1:]) * 0.3
        return down, randn(f"{key}.up", weight.shape[0], rank, *tail) * 0.3

    kohya, original = {}, {}
    for index, name in enumerate(LAYERS + CONVOLUTIONS):
        rank = 2 + index % 3
        down, up = factors(name, unet[name].weight, rank)
        kohya |= entries(f"lora_unet_{name.replace('.', '_')}", down, up, alpha=1.5)
        if name in LAYERS:
            theirs = unet_name(f"{name}.weight").removesuffix(".weight").replace(".", "_")
            original |= entries(f"lora_unet_{theirs}", down, up, alpha=1.0)
    for prefix, modules in texts.items():
        for name in MLP:
            down, up = factors(f"{prefix}.{name}", module(modules, name), 3)
            kohya |= entries(f"lora_{prefix}_{name.replace('.', '_')}", down, up, alpha=2.0)
    save_file({key: value.half() for key, value in kohya.items()}, FOLDER / "kohya.safetensors")
    save_file(original, FOLDER / "original.safetensors")

    peft, processor = {}, {}
    for name in LAYERS + CONVOLUTIONS[:1]:
        down, up = factors(f"peft.{name}", unet[name].weight, 4)
        peft |= {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}
    for part, modules in [("text_encoder", texts["te1"]), ("text_encoder_2", texts["te2"])]:
        for name in TEXT:
            down, up = factors(f"peft.{part}.{name}", module(modules, name), 4)
            peft |= {f"{part}.{name}.lora_A.weight": down, f"{part}.{name}.lora_B.weight": up}
    adapter = {"lora_alpha": 6, "r": 4, "use_dora": False, "alpha_pattern": {}, "rank_pattern": {}}
    names = {part: sorted({key.split(f"{part}.", 1)[1].rsplit(".", 2)[0] for key in peft if key.startswith(f"{part}.")})
             for part in ("unet", "text_encoder", "text_encoder_2")}
    metadata = {f"{part}.{key}": value for part in names for key, value in {**adapter, "target_modules": names[part]}.items()}
    save_file(peft, FOLDER / "peft.safetensors", metadata={"format": "pt", "lora_adapter_metadata": json.dumps(metadata)})
    for layer in LAYERS[:3]:
        block, kind = layer.removesuffix(".0").rsplit(".", 1)
        down, up = factors(f"processor.{layer}", unet[layer].weight, 2)
        start = f"unet.{block}.processor.{kind}_lora"
        processor |= {f"{start}.down.weight": down, f"{start}.up.weight": up}
    save_file(processor, FOLDER / "processor.safetensors")
    for path in FOLDER.iterdir():
        path.chmod(0o644)
        print(f"  {path.name}: {len(load_file(path))} tensors, {path.stat().st_size:,} bytes")


def entries(layer: str, down: torch.Tensor, up: torch.Tensor, alpha: float | None) -> dict[str, torch.Tensor]:
    made = {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up}
    return made if alpha is None else {**made, f"{layer}.alpha": torch.tensor(alpha)}


def load(pipeline, file: str) -> None:
    """`load_lora_weights`, step by step: transformers 5 calls the first text encoder's parts without `text_model`."""
    state, alphas, metadata = pipeline.lora_state_dict(
        FOLDER, weight_name=f"{file}.safetensors", unet_config=pipeline.unet.config, return_lora_metadata=True
    )

    def renamed(names):
        return {key.replace("text_encoder.text_model.", "text_encoder."): value for key, value in (names or {}).items()}

    if not hasattr(pipeline.text_encoder, "text_model"):
        state, alphas, metadata = renamed(state), renamed(alphas), metadata and renamed(metadata)
    if metadata and "text_encoder.target_modules" in metadata:
        targets = metadata["text_encoder.target_modules"]
        metadata["text_encoder.target_modules"] = [name.removeprefix("text_model.") for name in targets]
    options = dict(adapter_name=file, metadata=metadata, _pipeline=pipeline)
    pipeline.load_lora_into_unet(state, network_alphas=alphas, unet=pipeline.unet, **options)
    for part in ("text_encoder", "text_encoder_2"):
        if any(key.startswith(f"{part}.") for key in state):
            pipeline.load_lora_into_text_encoder(
                state, network_alphas=alphas, text_encoder=getattr(pipeline, part), prefix=part, **options
            )


def measure(arrays: Goldens, name: str, files: dict[str, float]) -> None:
    pipeline = load_pipeline()
    for file, strength in files.items():
        load(pipeline, file)
        pipeline.fuse_lora(lora_scale=strength, adapter_names=[file])
        pipeline.unload_lora_weights()
    embeds, _, pooled, _ = pipeline.encode_prompt(PROMPT, do_classifier_free_guidance=False)
    arrays.put(f"{name}.prompt_embeds", embeds)
    arrays.put(f"{name}.pooled", pooled)
    added = {"text_embeds": pooled, "time_ids": torch.tensor([[96.0, 96, 0, 0, 96, 96]])}
    output = pipeline.unet(arrays.tensors["latents"], 999, embeds, added_cond_kwargs=added).sample
    arrays.put(f"{name}.output", output)
