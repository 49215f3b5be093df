#!/usr/bin/env python3
"""Writes a model of exactly SDXL-Turbo's sizes with random weights, in diffusers layout.

    make_random_sdxl.py OUT                       float16, `.fp16` variant names, 7 GB
    make_random_sdxl.py OUT --dtype float32       the same numbers in float32, plain names, 14 GB

Every norm and bias is non-trivial and activations stay of order one. The numbers depend on `--seed` and the tensors'
names alone. Tensors are made and written one at a time, so that little memory is needed. With `--clip-bpe`
(see goldens/clip_vocabulary.py) the tokenizers are CLIP's own; otherwise a made-up vocabulary of the same size.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import torch

from goldens import byte_pairs, clip_vocabulary, common
from goldens.byte_pairs import write_json
from goldens.model import model_index, text_encoder_config, text_encoder_shapes
from goldens.random_weights import random_weight

# The configuration files have the keys and values of stabilityai/sdxl-turbo.
UNET = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.24.0.dev0",
    "act_fn": "silu",
    "addition_embed_type": "text_time",
    "addition_embed_type_num_heads": 64,
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "attention_type": "default",
    "block_out_channels": [320, 640, 1280],
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_dim": 2048,
    "cross_attention_norm": None,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "downsample_padding": 1,
    "dropout": 0.0,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_only_cross_attention": None,
    "mid_block_scale_factor": 1,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "out_channels": 4,
    "projection_class_embeddings_input_dim": 2816,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "reverse_transformer_layers_per_block": None,
    "sample_size": 64,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "upcast_attention": None,
    "use_linear_projection": True,
}
VAE = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.24.0.dev0",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "force_upcast": True,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT_ENCODER = {
    "architectures": ["CLIPTextModel"],
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
}
TEXT_ENCODER_2 = {
    "architectures": ["CLIPTextModelWithProjection"],
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "layer_norm_eps": 1e-05,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
SCHEDULER = {
    "_class_name": "EulerAncestralDiscreteScheduler",
    "_diffusers_version": "0.24.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "trailing",
    "trained_betas": None,
    "use_karras_sigmas": False,
}
# Random noise predictions leave latents of order 140 behind the scaling factor: back to order one.
GAINS = {"unet.conv_out.weight": 0.8, "vae.post_quant_conv.weight": 0.01, "vae.decoder.conv_out.weight": 0.7}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clip-bpe", type=Path, help="bpe_simple_vocab_16e6.txt.gz")
    options = parser.parse_args()
    common.be_quiet()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)

    out = options.out
    merges = clip_vocabulary.read_merges(options.clip_bpe) if options.clip_bpe else made_up_merges()
    tokens = byte_pairs.vocabulary(merges)
    assert len(tokens) == 49408
    byte_pairs.write_tokenizer(out / "tokenizer", merges, pad=byte_pairs.END)
    byte_pairs.write_tokenizer(out / "tokenizer_2", merges, pad="!")
    configs = {
        "unet": UNET,
        "vae": VAE,
        "text_encoder": text_encoder_config(TEXT_ENCODER, tokens, dtype=options.dtype),
        "text_encoder_2": text_encoder_config(TEXT_ENCODER_2, tokens, dtype=options.dtype),
    }
    total = 0
    for part, config in configs.items():
        (out / part).mkdir(parents=True, exist_ok=True)
        write_json(out / part / "config.json", config)
        stem = "model" if part.startswith("text") else "diffusion_pytorch_model"
        name = f"{stem}.fp16.safetensors" if options.dtype == "float16" else f"{stem}.safetensors"
        total += write_weights(out / part / name, part, shapes_of(part, config), options)
    (out / "scheduler").mkdir(exist_ok=True)
    write_json(out / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(out / "model_index.json", model_index(force_zeros=True))
    print(f"{out}: {total / 1e9:.3f} thousand million parameters, {options.dtype}, seed {options.seed}")
    return 0


def shapes_of(part: str, config: dict) -> dict[str, tuple[int, ...]]:
    """Name → shape, as in the file, without making the weights."""
    if part.startswith("text"):
        return text_encoder_shapes(config)
    import diffusers

    with torch.device("meta"):
        model = getattr(diffusers, config["_class_name"]).from_config(config)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def write_weights(path: Path, part: str, shapes: dict[str, tuple[int, ...]], options) -> int:
    """One safetensors file, written front to back; returns the number of parameters."""
    start = time.time()
    kind, size = ("F16", 2) if options.dtype == "float16" else ("F32", 4)
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        end = offset + size * math.prod(shape)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name, shape in shapes.items():
            # Rounded to half precision in both forms, so that both are the same model.
            value = random_weight(f"{part}.{name}", shape, options.seed, GAINS).half()
            (value if kind == "F16" else value.float()).numpy().tofile(file)
    os.replace(partial, path)
    print(f"{path}: {len(shapes)} tensors, {offset / 1e9:.2f} GB, {time.time() - start:.0f} s", file=sys.stderr)
    return offset // size


def made_up_merges() -> list[tuple[str, str]]:
    """As many merges as CLIP has: those of a page of English, then all short runs of letters."""
    count = 49408 - 2 * 256 - 2
    merges = byte_pairs.learn_merges(byte_pairs.TEXT, 486)
    made = {"".join(pair) for pair in merges}
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    stems = list(letters)
    while True:
        longer = []
        for stem in stems:
            for letter in letters:
                for pair in ((stem, letter), (stem, letter + "</w>")):
                    if "".join(pair) not in made:
                        merges.append(pair)
                        made.add("".join(pair))
                    if len(merges) == count:
                        return merges
                longer.append(stem + letter)
        stems = longer


if __name__ == "__main__":
    sys.exit(main())
