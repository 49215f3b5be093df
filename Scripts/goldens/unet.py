"""The tiny U-net from inside: every block's input and output, attention of some layers, sizes that do not divide by 4.

`UNet2DConditionModel.forward` in eval mode. Where a side of the latents is no multiple of 4, diffusers passes
`upsample_size`: an upsampler then interpolates (nearest) to the size of the skip connection that comes next, instead
of doubling; down-samplers are 3×3, stride 2, padding 1, so a side goes n → ⌈n / 2⌉. Epsilons: `norm_eps` of the
configuration in the residual blocks and before conv_out, 1e-6 in the group norm of the transformer blocks, 1e-5 in
their layer norms, whatever `norm_eps` says.
"""

import torch

from .blocks import transformer_blocks, watch_attention, watch_block
from .common import DIFFUSION, Goldens, load_pipeline, randn, save_json

# name, batch, latent height, latent width, timestep
CASES = [
    ("single", 1, 12, 12, 999.0),
    ("pair", 2, 12, 12, 499.0),
    ("wide", 1, 8, 16, 249.0),
    ("even", 1, 10, 14, 749.0),
    ("odd", 2, 9, 13, 0.0),
    ("least", 1, 1, 2, 1.0),
]
# Whose attention is kept (block, layer), in the first two cases and the odd one.
LAYERS = [("down.1.0", 0), ("down.2.1", 1), ("mid.0", 0), ("up.1.2", 0)]
ATTENTION_CASES = ["single", "pair", "odd"]


def make() -> None:
    unet = load_pipeline().unet.eval()
    arrays = Goldens(DIFFUSION / "unet.safetensors")
    for case in CASES:
        run(unet, arrays, *case)
    arrays.save()
    descriptions = [dict(zip(("name", "batch", "height", "width", "timestep"), case)) for case in CASES]
    save_json(DIFFUSION / "unet.json", {"cases": descriptions, "attention_layers": LAYERS})


def run(unet, arrays: Goldens, name: str, batch: int, height: int, width: int, timestep: float) -> None:
    def keep_as(prefix):
        return lambda role, tensor: arrays.put(f"{name}.{prefix}.{role}" if prefix else f"{name}.{role}", tensor)

    put = keep_as("")
    latents = randn(f"unet {name} latents", batch, 4, height, width)
    text = randn(f"unet {name} text", batch, 77, unet.config.cross_attention_dim)
    pooled = randn(f"unet {name} pooled", batch, 30)
    # original height and width, top and left of the crop, target height and width
    time_ids = torch.tensor([[96.0, 80.0, 0.0, 4.0, 8 * height, 8 * width]] * batch)
    time_ids += torch.arange(batch)[:, None]
    put("latents", latents)
    put("prompt_embeds", text)
    put("pooled_prompt_embeds", pooled)
    put("time_ids", time_ids)
    put("timestep", torch.tensor([timestep]))

    hooks = []

    def keep_output(module, role):
        def after(_, arguments, result):
            put(role, result[0] if isinstance(result, tuple) else result)

        hooks.append(module.register_forward_hook(after))

    keep_output(unet.time_embedding, "time_embedding.time")
    keep_output(unet.add_embedding, "time_embedding.added")

    def keep_sum(_, inputs):  # of both: what every residual block is given
        put("time_embedding", inputs[1])

    hooks.append(unet.down_blocks[0].resnets[0].register_forward_pre_hook(keep_sum))
    keep_output(unet.conv_in, "conv_in")
    for index, block in enumerate(unet.down_blocks):
        keep_output(block, f"down_blocks.{index}")
    keep_output(unet.mid_block, "mid_block")
    for index, block in enumerate(unet.up_blocks):
        keep_output(block, f"up_blocks.{index}")
    blocks = transformer_blocks(unet)
    for block, module in blocks.items():
        hooks += watch_block(module, keep_as(block))
    if name in ATTENTION_CASES:
        for block, layer in LAYERS:
            module = blocks[block].transformer_blocks[layer]
            hooks += watch_attention(module.attn1, keep_as(f"{block}.layer{layer}.self"))
            hooks += watch_attention(module.attn2, keep_as(f"{block}.layer{layer}.cross"))

    noise = unet(
        latents,
        torch.tensor(timestep),
        encoder_hidden_states=text,
        added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
    ).sample
    put("noise_pred", noise)
    for hook in hooks:
        hook.remove()
    for block in blocks:
        put(f"{block}.update", arrays.tensors[f"{name}.{block}.output"] - arrays.tensors[f"{name}.{block}.input"])
