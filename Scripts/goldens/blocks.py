"""The 11 cross-attention transformer blocks by their short names, and what can be watched at them."""

import torch


def transformer_blocks(unet) -> dict[str, torch.nn.Module]:
    """Short name → `Transformer2DModel`, in the order of computation; "down.2.1" is down_blocks.2.attentions.1."""
    blocks = {}
    for index, block in enumerate(unet.down_blocks):
        for place, module in enumerate(getattr(block, "attentions", [])):
            blocks[f"down.{index}.{place}"] = module
    for place, module in enumerate(unet.mid_block.attentions):
        blocks[f"mid.{place}"] = module
    for index, block in enumerate(unet.up_blocks):
        for place, module in enumerate(getattr(block, "attentions", [])):
            blocks[f"up.{index}.{place}"] = module
    return blocks


def watch_block(module, keep) -> list:
    """Calls `keep(role, tensor)` with the block's input and output [batch, channels, height, width]."""

    def before(_, arguments, keywords):
        keep("input", arguments[0] if arguments else keywords["hidden_states"])

    def after(_, arguments, keywords, result):
        keep("output", result[0] if isinstance(result, tuple) else result.sample)

    return [
        module.register_forward_pre_hook(before, with_kwargs=True),
        module.register_forward_hook(after, with_kwargs=True),
    ]


def watch_attention(module, keep) -> list:
    """Calls `keep(role, tensor)` with an attention's probabilities [batch, heads, queries, keys] and the outputs of
    its heads before `to_out` [batch, heads, queries, channels of a head].

    diffusers computes them fused; they are computed again here from the same input, and checked against its result.
    """
    seen = {}

    def before(_, arguments, keywords):
        seen["input"] = arguments[0] if arguments else keywords["hidden_states"]
        text = keywords.get("encoder_hidden_states")
        seen["over"] = seen["input"] if text is None else text

    def after(attention, arguments, keywords, result):
        def heads(x):
            return x.unflatten(-1, (attention.heads, -1)).transpose(1, 2)

        query, key, value = (
            heads(layer(x))
            for layer, x in (
                (attention.to_q, seen["input"]),
                (attention.to_k, seen["over"]),
                (attention.to_v, seen["over"]),
            )
        )
        probabilities = (query @ key.transpose(-1, -2) * attention.scale).softmax(dim=-1)
        outputs = probabilities @ value
        joined = attention.to_out[0](outputs.transpose(1, 2).flatten(-2))
        assert torch.allclose(joined, result, atol=1e-4), (joined - result).abs().max()
        keep("probabilities", probabilities)
        keep("heads", outputs)

    return [
        module.register_forward_pre_hook(before, with_kwargs=True),
        module.register_forward_hook(after, with_kwargs=True),
    ]
