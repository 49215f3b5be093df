"""The tiny VAE decoder, stage by stage.

`latents` are those that leave the last step; `AutoencoderKL.decode(latents / scaling_factor)`: post_quant_conv, then
the decoder. Every group norm has epsilon 1e-6; the attention of the middle block has one head over all channels.
`image` is the raw result, about −1…1; the picture is clamp(image / 2 + 0.5, 0, 1).
"""

from .common import DIFFUSION, Goldens, load_pipeline, randn

# name, batch, latent height, latent width
CASES = [("single", 1, 6, 5), ("pair", 2, 3, 7), ("least", 1, 1, 1)]


def make() -> None:
    vae = load_pipeline().vae.eval()
    arrays = Goldens(DIFFUSION / "vae.safetensors")
    for name, batch, height, width in CASES:
        hooks = []

        def keep_output(module, role):
            def after(_, inputs, result):
                arrays.put(f"{name}.{role}", result)

            hooks.append(module.register_forward_hook(after))

        latents = arrays.put(f"{name}.latents", randn(f"vae {name}", batch, 4, height, width, scale=12))
        decoder = vae.decoder
        keep_output(vae.post_quant_conv, "post_quant_conv")
        keep_output(decoder.conv_in, "conv_in")
        keep_output(decoder.mid_block.resnets[0], "mid_block.resnets.0")
        keep_output(decoder.mid_block.attentions[0], "mid_block.attentions.0")
        keep_output(decoder.mid_block, "mid_block")
        for index, block in enumerate(decoder.up_blocks):
            keep_output(block, f"up_blocks.{index}")
        arrays.put(f"{name}.image", vae.decode(latents / vae.config.scaling_factor).sample)
        for hook in hooks:
            hook.remove()
    arrays.save()
