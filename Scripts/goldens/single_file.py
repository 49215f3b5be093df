"""The tiny model under the names of the original layout of SDXL, and small U-nets shaped like SSD-1B's and Vega's.

`single-file.json`, `tiny`: for each tensor of the folder the name in a single file, the part, the name in the folder, and
which of three parts it is there, or that it is transposed. The names are made here from ours; that they are right is
checked with diffusers' own conversion of a file that has them (`convert_ldm_unet_checkpoint` and its neighbours), which
must give the folder back, bit for bit.

`smaller`: configurations with the names in both layouts and the shapes of their weights, which follow from their names
(`weight`); `smaller-unets.safetensors` holds what goes in and comes out.

What surprises: OpenCLIP's `text_projection` is transposed, its queries, keys and values are one tensor, and the
attention of the autoencoder lies there as convolutions of 1 × 1.
"""

import torch
from safetensors.torch import load_file

from .common import DIFFUSION, TINY, Goldens, randn, save_json
from .model import UNET

SMALLER = {
    "ssd-1b": dict(
        mid_block_type="UNetMidBlock2D",
        transformer_layers_per_block=[1, 2, 3],
        reverse_transformer_layers_per_block=[[3, 2, 4], [2, 1, 1], 1],
    ),
    "vega": dict(mid_block_type="UNetMidBlock2D", transformer_layers_per_block=[1, 1, 2]),
}
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}


def make() -> None:
    from diffusers import UNet2DConditionModel

    unet = load_file(TINY / "unet" / "diffusion_pytorch_model.safetensors")
    vae = load_file(TINY / "vae" / "diffusion_pytorch_model.safetensors")
    texts = [load_file(TINY / part / "model.safetensors") for part in ("text_encoder", "text_encoder_2")]
    rows = [[f"model.diffusion_model.{unet_name(name)}", "unet", name, ""] for name in unet]
    rows += [[f"first_stage_model.{vae_name(name)}", "vae", name, ""] for name in vae]
    rows += [[f"conditioner.embedders.0.transformer.{name}", "text_encoder", name, ""] for name in texts[0]]
    rows += [[f"conditioner.embedders.1.model.{name}", "text_encoder_2", ours, form] for name, ours, form in map(open_clip_name, texts[1])]
    check(rows, {"unet": unet, "vae": vae, "text_encoder": texts[0], "text_encoder_2": texts[1]})
    arrays, smaller = Goldens(DIFFUSION / "smaller-unets.safetensors"), {}
    for name, differences in SMALLER.items():
        config = {**UNET, **differences}
        model = UNet2DConditionModel(**config)
        shapes = [[unet_name(key), key, list(value.shape)] for key, value in model.state_dict().items()]
        check_unet(shapes, dict(model.config))
        for key, parameter in model.named_parameters():
            parameter.copy_(weight(key, parameter.shape))
        smaller[name] = {"config": config, "weights": shapes}
        latents, text = arrays.put(f"{name}.latents", randn("latents", 1, 4, 12, 10)), randn("text", 1, 5, 62)
        pooled = arrays.put(f"{name}.pooled", randn("pooled", 1, 30))
        arrays.put(f"{name}.text", text)
        added = {"text_embeds": pooled, "time_ids": torch.tensor([[96.0, 80, 0, 0, 96, 80]])}
        arrays.put(f"{name}.output", model(latents, 801, text, added_cond_kwargs=added).sample)
    arrays.save()
    save_json(DIFFUSION / "single-file.json", {"tiny": rows, "smaller": smaller}, compact=True)


def weight(name: str, shape) -> torch.Tensor:
    """Norms near 1, small biases, and layers that keep the variance."""
    if len(shape) > 1:
        return randn(name, *shape) / shape[1:].numel() ** 0.5
    return randn(name, *shape) * 0.1 + (1 if name.endswith("weight") else 0)


def unet_name(name: str) -> str:
    """A name of diffusers' U-net in the original layout."""
    words = name.split(".")
    match words[0]:
        case "time_embedding" | "add_embedding":
            place = {"linear_1": "0", "linear_2": "2"}[words[1]]
            return ".".join([{"time_embedding": "time_embed", "add_embedding": "label_emb.0"}[words[0]], place, *words[2:]])
        case "conv_in":
            return ".".join(["input_blocks.0.0", *words[1:]])
        case "conv_norm_out":
            return ".".join(["out.0", *words[1:]])
        case "conv_out":
            return ".".join(["out.2", *words[1:]])
        case "mid_block":
            index = {"resnets": [0, 2], "attentions": [1]}[words[1]][int(words[2])]
            return f"middle_block.{index}.{inside(words[1], words[3:])}"
    stage, kind, index = int(words[1]), words[2], int(words[3])
    if words[0] == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{3 * stage + 3}.0.op.{words[-1]}"
        return f"input_blocks.{3 * stage + index + 1}.{'resnets attentions'.split().index(kind)}.{inside(kind, words[4:])}"
    if kind == "upsamplers":
        return f"output_blocks.{3 * stage + 2}.2.conv.{words[-1]}"
    return f"output_blocks.{3 * stage + index}.{'resnets attentions'.split().index(kind)}.{inside(kind, words[4:])}"


def inside(kind: str, words: list[str]) -> str:
    return ".".join([RESNET[words[0]], *words[1:]] if kind == "resnets" else words)


def vae_name(name: str) -> str:
    """A name of diffusers' autoencoder in the original layout."""
    words = name.split(".")
    if words[0] in ("quant_conv", "post_quant_conv"):
        return name
    half, rest = words[0], words[1:]
    if rest[0] == "conv_norm_out":
        return ".".join([half, "norm_out", rest[-1]])
    if rest[0] == "mid_block":
        if rest[1] == "attentions":
            word = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}[rest[3]]
            return ".".join([half, "mid.attn_1", word, rest[-1]])
        return ".".join([half, "mid", f"block_{int(rest[2]) + 1}", *shortcut(rest[3:])])
    if rest[0] in ("down_blocks", "up_blocks"):
        stage = int(rest[1]) if rest[0] == "down_blocks" else 3 - int(rest[1])
        start = [half, rest[0].removesuffix("_blocks"), str(stage)]
        if rest[2] == "resnets":
            return ".".join([*start, "block", rest[3], *shortcut(rest[4:])])
        return ".".join([*start, rest[2].removesuffix("rs").removesuffix("e") + "e", "conv", rest[-1]])
    return name


def shortcut(words: list[str]) -> list[str]:
    return ["nin_shortcut" if word == "conv_shortcut" else word for word in words]


def open_clip_name(name: str) -> tuple[str, str, str]:
    """The name in OpenCLIP, ours, and what of it: a third, or all of it transposed."""
    if name == "text_projection.weight":
        return "text_projection", name, "transposed"
    words = name.split(".")[1:]
    if words[0] == "embeddings":
        return ("positional_embedding" if words[1] == "position_embedding" else "token_embedding.weight"), name, ""
    if words[0] == "final_layer_norm":
        return f"ln_final.{words[-1]}", name, ""
    start, rest = f"transformer.resblocks.{words[2]}", words[3:]
    if rest[0] == "self_attn" and rest[1] != "out_proj":
        return f"{start}.attn.in_proj_{rest[-1]}", name, str("qkv".index(rest[1][0]))
    word = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp": f"mlp.{'c_fc' if rest[1] == 'fc1' else 'c_proj'}",
            "self_attn": "attn.out_proj"}[rest[0]]
    return f"{start}.{word}.{rest[-1]}", name, ""


def single_file(rows: list, parts: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The tensors of a single file."""
    file, thirds = {}, {}
    for theirs, part, ours, form in rows:
        tensor = parts[part][ours]
        if form in ("0", "1", "2"):
            thirds.setdefault(theirs, {})[int(form)] = tensor
        elif form == "transposed":
            file[theirs] = tensor.T.contiguous()
        elif ".mid.attn_1." in theirs and tensor.ndim == 2:
            file[theirs] = tensor[:, :, None, None].contiguous()
        else:
            file[theirs] = tensor
    for theirs, three in thirds.items():
        file[theirs] = torch.cat([three[index] for index in range(3)])
    return file


def check(rows: list, parts: dict[str, dict[str, torch.Tensor]]) -> None:
    """diffusers' conversion of the single file is the folder, bit for bit."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders import single_file_utils as theirs
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    file = single_file(rows, parts)
    unet = theirs.convert_ldm_unet_checkpoint(dict(file), UNet2DConditionModel.load_config(TINY / "unet"))
    expect(unet, parts["unet"])
    expect(theirs.convert_ldm_vae_checkpoint(dict(file), AutoencoderKL.load_config(TINY / "vae")), parts["vae"])
    clip = theirs.convert_ldm_clip_checkpoint(dict(file))
    expect(clip, parts["text_encoder"])
    config = CLIPTextConfig.from_pretrained(TINY / "text_encoder_2")
    model = CLIPTextModelWithProjection(config)
    # It splits at the width of the projection, which in SDXL is that of the model too; here they differ.
    projection = file.pop("conditioner.embedders.1.model.text_projection")
    open_clip = theirs.convert_open_clip_checkpoint(model, file, prefix="conditioner.embedders.1.model.")
    expect({**open_clip, "text_projection.weight": projection.T}, parts["text_encoder_2"])


def check_unet(shapes: list, config: dict) -> None:
    """diffusers' conversion knows the names, by numbers in place of weights."""
    from diffusers.loaders import single_file_utils as theirs

    marked = {ours: torch.tensor([float(index)]) for index, (_, ours, _) in enumerate(shapes)}
    file = {f"model.diffusion_model.{name}": marked[ours] for name, ours, _ in shapes}
    expect(theirs.convert_ldm_unet_checkpoint(file, config), marked)


def expect(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert set(found) == set(wanted), sorted(set(found) ^ set(wanted))[:10]
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name
