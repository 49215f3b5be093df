"""Cross-attention of whole runs, from an attention processor that keeps its probabilities, and the tokens of prompts.

An `AttnProcessor` that computes `attention.get_attention_scores(query, key)` instead of the fused kernel, set on every
`attn2` of the tiny model's U-net. Kept are, per run NAME, `NAME.BLOCK.layerL.STEP` [heads, queries, keys] of the prompt's
half: with guidance the batch is [negative…, prompt…]. `NAME.scaled.BLOCK` [keys, rows, columns] is the mean over heads,
layers and steps, brought to the size of the largest map by `interpolate(mode="bilinear", align_corners=False)`.

`words.json` has the runs, and per prompt the words: what is between two tokens that `convert_ids_to_tokens` writes with
`</w>` at their ends, as `convert_tokens_to_string` says it without that, and the places of its first and last token.
"""

import torch

from .blocks import transformer_blocks
from .common import STUDY, Goldens, load_pipeline, save_json

PROMPT = "A circle, the RED circle & an unquestionably dotted starfish"
RUNS = [
    dict(name="plain", steps=2, guidance=0.0, seed=5, width=64, height=48),
    dict(name="guided", steps=1, guidance=4.0, seed=6, width=48, height=64),
]
PROMPTS = [PROMPT, "", "circle", "naïve café's 12 🙂 circles", " ".join(["word"] * 30 + ["unquestionably"] * 12 + ["tail"])]


class Keeping:
    """Attention without a fused kernel, whose probabilities go to `keep`."""

    def __init__(self, keep):
        self.keep = keep

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        query = attention.head_to_batch_dim(attention.to_q(hidden_states))
        key = attention.head_to_batch_dim(attention.to_k(encoder_hidden_states))
        value = attention.head_to_batch_dim(attention.to_v(encoder_hidden_states))
        probabilities = attention.get_attention_scores(query, key, attention_mask)
        self.keep(probabilities.unflatten(0, (-1, attention.heads)))
        mixed = attention.batch_to_head_dim(torch.bmm(probabilities, value))
        return attention.to_out[1](attention.to_out[0](mixed))


def make() -> None:
    pipeline = load_pipeline()
    arrays = Goldens(STUDY / "words.safetensors")
    for case in RUNS:
        run(pipeline, arrays, **case)
    arrays.save()
    prompts = [dict(prompt=prompt, words=words(pipeline.tokenizer, prompt)) for prompt in PROMPTS]
    assert prompts == [dict(prompt=prompt, words=words(pipeline.tokenizer_2, prompt)) for prompt in PROMPTS]
    save_json(STUDY / "words.json", {"prompt": PROMPT, "runs": RUNS, "prompts": prompts})


def words(tokenizer, prompt: str) -> list[dict]:
    ids = tokenizer(prompt, max_length=77, truncation=True).input_ids
    found, first = [], 1
    for place, token in enumerate(tokenizer.convert_ids_to_tokens(ids[:-1])[1:], 1):
        if token.endswith("</w>") or place == len(ids) - 2:
            tokens = tokenizer.convert_ids_to_tokens(ids[first : place + 1])
            text = tokenizer.convert_tokens_to_string(tokens).removesuffix("</w>")
            found.append(dict(text=text, first=first, last=place))
            first = place + 1
    return found


def run(pipeline, arrays: Goldens, *, name: str, steps: int, guidance: float, seed: int, width: int, height: int) -> None:
    seen: dict[str, list[torch.Tensor]] = {}
    blocks = transformer_blocks(pipeline.unet)
    usual = pipeline.unet.attn_processors

    def keeping(block, layer):
        def keep(probabilities):
            place = f"{name}.{block}.layer{layer}"
            kept = seen.setdefault(place, [])
            assert probabilities.shape[0] == (2 if guidance > 1 else 1)
            kept.append(arrays.put(f"{place}.{len(kept)}", probabilities[-1]))

        return Keeping(keep)

    for block, module in blocks.items():
        for layer, part in enumerate(module.transformer_blocks):
            part.attn2.set_processor(keeping(block, layer))
    pipeline(
        PROMPT, num_inference_steps=steps, guidance_scale=guidance, width=width, height=height,
        generator=torch.Generator("cpu").manual_seed(seed), output_type="latent",
    )
    pipeline.unet.set_attn_processor(usual)
    # Latents have an eighth of the size; a level of the U-net halves it, rounding up.
    sizes = {1: (-(-height // 16), -(-width // 16)), 2: (-(-height // 32), -(-width // 32))}
    for block, module in blocks.items():
        kept = [p for layer in range(len(module.transformer_blocks)) for p in seen[f"{name}.{block}.layer{layer}"]]
        mean = torch.stack(kept).mean(dim=(0, 1))  # [queries, keys]
        size = next(size for size in sizes.values() if size[0] * size[1] == mean.shape[0])
        maps = mean.T.unflatten(1, size)[None]
        arrays.put(
            f"{name}.scaled.{block}",
            torch.nn.functional.interpolate(maps, sizes[1], mode="bilinear", align_corners=False)[0],
        )
