"""The tiny model: a whole diffusers folder with random weights, of SDXL's topology and none of its symmetries.

Widths, depths and heads all differ, no norm or bias is trivial, and every epsilon that a configuration sets is
large enough to show when another is used in its place.
"""

import shutil

import torch
from safetensors.torch import save_file

from .byte_pairs import END, START, TEXT, learn_merges, vocabulary, write_json, write_tokenizer
from .common import ROOT, TINY
from .random_weights import random_weight

SEED = 1
MERGES = 486  # 256 + 256 + 486 + 2 = 1000 tokens

UNET = dict(
    sample_size=12,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    block_out_channels=[16, 24, 32],
    layers_per_block=2,
    transformer_layers_per_block=[1, 1, 2],
    attention_head_dim=[1, 2, 4],  # SDXL's name for the number of heads: of 12 and of 8 channels
    cross_attention_dim=62,  # 20 + 42
    addition_embed_type="text_time",
    addition_time_embed_dim=12,
    projection_class_embeddings_input_dim=102,  # 30 + 6 · 12
    norm_num_groups=8,
    norm_eps=1e-3,
    use_linear_projection=True,
)
VAE = dict(
    down_block_types=["DownEncoderBlock2D"] * 4,
    up_block_types=["UpDecoderBlock2D"] * 4,
    block_out_channels=[8, 16, 24, 32],
    layers_per_block=1,
    norm_num_groups=4,
    latent_channels=4,
    sample_size=96,
    scaling_factor=0.7,
    force_upcast=True,
)
TEXT_ENCODER = dict(
    architectures=["CLIPTextModel"],
    hidden_size=20,
    intermediate_size=52,
    num_hidden_layers=3,
    num_attention_heads=4,
    hidden_act="quick_gelu",
    projection_dim=20,
    layer_norm_eps=1e-3,
    eos_token_id=2,  # the legacy value: the end is then the largest id of the prompt
)
TEXT_ENCODER_2 = dict(
    architectures=["CLIPTextModelWithProjection"],
    hidden_size=42,
    intermediate_size=90,
    num_hidden_layers=4,
    num_attention_heads=3,
    hidden_act="gelu",
    projection_dim=30,
    layer_norm_eps=2e-3,
    eos_token_id=999,  # the end is the first place of this id
)
SCHEDULER = dict(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    prediction_type="epsilon",
    timestep_spacing="trailing",
    steps_offset=1,
)


def make() -> None:
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel

    shutil.rmtree(TINY, ignore_errors=True)
    merges = learn_merges(TEXT, MERGES)
    write_tokenizer(TINY / "tokenizer", merges, pad=END)
    write_tokenizer(TINY / "tokenizer_2", merges, pad="!")
    tokens = vocabulary(merges)
    assert tokens[END] == TEXT_ENCODER_2["eos_token_id"]

    unet = UNet2DConditionModel(**UNET)
    randomise(unet, "unet", {"conv_out.weight": 0.8})
    unet.save_pretrained(TINY / "unet")
    vae = AutoencoderKL(**VAE)
    # One step with random weights leaves latents of order 20: brought back to order one before the decoder.
    randomise(vae, "vae", {"post_quant_conv.weight": 0.05, "decoder.conv_out.weight": 1.5})
    vae.save_pretrained(TINY / "vae")
    EulerAncestralDiscreteScheduler(**SCHEDULER).save_pretrained(TINY / "scheduler")
    write_text_encoder("text_encoder", TEXT_ENCODER, tokens)
    write_text_encoder("text_encoder_2", TEXT_ENCODER_2, tokens)
    write_json(TINY / "model_index.json", model_index(force_zeros=True))

    for path in TINY.rglob("*.safetensors"):
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in TINY.rglob("*") if path.is_file())
    print(f"  {TINY.relative_to(ROOT)}: {size:,} bytes")


def model_index(force_zeros: bool) -> dict:
    return {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.24.0.dev0",
        "feature_extractor": [None, None],
        "force_zeros_for_empty_prompt": force_zeros,
        "image_encoder": [None, None],
        "scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def randomise(model: torch.nn.Module, prefix: str, gains: dict[str, float]) -> None:
    """Fills every parameter in place; the names are those of the file."""
    gains = {f"{prefix}.{name}": gain for name, gain in gains.items()}
    for name, parameter in model.named_parameters():
        parameter.copy_(random_weight(f"{prefix}.{name}", tuple(parameter.shape), SEED, gains))


def text_encoder_config(sizes: dict, tokens: dict[str, int], dtype: str = "float32") -> dict:
    """`config.json` with the keys of the published encoders."""
    return {
        "attention_dropout": 0.0,
        "bos_token_id": tokens[START] if sizes["eos_token_id"] != 2 else 0,
        "dropout": 0.0,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "max_position_embeddings": 77,
        "model_type": "clip_text_model",
        "pad_token_id": 1,
        "torch_dtype": dtype,
        "transformers_version": "4.35.2",
        "vocab_size": len(tokens),
        **sizes,
    }


def text_encoder_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Name → shape as published files have them (transformers 5 keeps other names in memory)."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "text_model.embeddings.token_embedding.weight": (config["vocab_size"], width),
        "text_model.embeddings.position_embedding.weight": (config["max_position_embeddings"], width),
    }
    for layer in range(config["num_hidden_layers"]):
        prefix = f"text_model.encoder.layers.{layer}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{prefix}.self_attn.{projection}.weight"] = (width, width)
            shapes[f"{prefix}.self_attn.{projection}.bias"] = (width,)
        for norm in ("layer_norm1", "layer_norm2"):
            shapes[f"{prefix}.{norm}.weight"] = (width,)
            shapes[f"{prefix}.{norm}.bias"] = (width,)
        shapes[f"{prefix}.mlp.fc1.weight"] = (inner, width)
        shapes[f"{prefix}.mlp.fc1.bias"] = (inner,)
        shapes[f"{prefix}.mlp.fc2.weight"] = (width, inner)
        shapes[f"{prefix}.mlp.fc2.bias"] = (width,)
    shapes["text_model.final_layer_norm.weight"] = (width,)
    shapes["text_model.final_layer_norm.bias"] = (width,)
    if config["architectures"] == ["CLIPTextModelWithProjection"]:
        shapes["text_projection.weight"] = (config["projection_dim"], width)
    return shapes


def write_text_encoder(part: str, sizes: dict, tokens: dict[str, int]) -> None:
    folder = TINY / part
    folder.mkdir(parents=True)
    config = text_encoder_config(sizes, tokens)
    write_json(folder / "config.json", config)
    shapes = text_encoder_shapes(config)
    tensors = {name: random_weight(f"{part}.{name}", shape, SEED) for name, shape in shapes.items()}
    if part == "text_encoder":  # older files carry this buffer: int64, and nobody's weight
        tensors["text_model.embeddings.position_ids"] = torch.arange(77).reshape(1, 77)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
