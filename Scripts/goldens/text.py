"""Both text encoders of the tiny model, and `encode_prompt`, which puts them together.

`text.json` holds the prompts and ids, `text.safetensors` per prompt P (0, 1, …):

 * P.one.* and P.two.*: `hidden.L` for L = 0 (the embeddings) … layers, without the final norm, so that
   `hidden_states[-2]` is `penultimate` = hidden.(layers − 1), the input of the last layer; `last` is normed;
   `pooled` is the row of `last` at the end token; `projected` (two only) is text_projection · pooled.
 * P.prompt_embeds = [one.penultimate, two.penultimate], P.pooled_prompt_embeds = two.projected.

End token (transformers `CLIPTextModel.forward`): with `eos_token_id` 2, the first place of the largest id; otherwise
the first place of `eos_token_id`. Neither is the last place, nor literally id 2. `text.json` gives that place.
"legacy.two.P.projected" is encoder two with `eos_token_id` set to 2, and "other.two.P.projected" with the id of
"a</w>": its first place, or place 0 where a prompt has none. Attention is causal; padding is not masked.
"""

import torch

from .common import DIFFUSION, Goldens, load_pipeline, save_json

PROMPTS = [
    "a photo of a cat",
    "",
    "A 4k photo of the cafe\u0301 next to the #2 castle!!! isn't it beautiful? \U0001f600",
    "the painter's brush <|endoftext|> and a dog on the beach!",
    " ".join(f"very long prompt number {n}," for n in range(30)),
]
OTHER_ENDS = {"legacy": 2, "other": 320}  # 320 is "a</w>"
# name, prompts, negative prompts, guidance, force_zeros_for_empty_prompt
ENCODINGS = [
    ("unguided", [0], None, 0.0, True),
    ("unguided.pair", [0, 2], None, 1.0, True),
    ("guided.zeros", [0], None, 3.0, True),
    ("guided.empty", [0], None, 3.0, False),
    ("guided.negative", [2], ["blurry, low quality"], 3.0, True),
    ("guided.negative.empty", [2], [""], 3.0, True),
    ("guided.pair", [0, 3], ["blurry, low quality", "text!"], 3.0, False),
]


def make() -> None:
    pipeline = load_pipeline()
    arrays = Goldens(DIFFUSION / "text.safetensors")
    rows = [encoders(pipeline, arrays, index, prompt) for index, prompt in enumerate(PROMPTS)]
    encodings = [encoding(pipeline, arrays, *case) for case in ENCODINGS]
    arrays.save()
    save_json(DIFFUSION / "text.json", {"prompts": rows, "encodings": encodings})


def ids_of(tokenizer, prompt: str) -> torch.Tensor:
    return tokenizer(prompt, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def encoders(pipeline, arrays: Goldens, index: int, prompt: str) -> dict:
    row = {"prompt": prompt}
    penultimate = []
    for name, tokenizer, encoder in (
        ("one", pipeline.tokenizer, pipeline.text_encoder),
        ("two", pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        ids = ids_of(tokenizer, prompt)
        result = encoder(ids, output_hidden_states=True)
        for layer, hidden in enumerate(result.hidden_states):
            arrays.put(f"{index}.{name}.hidden.{layer}", hidden)
        penultimate.append(result.hidden_states[-2])
        place = end_place(ids, encoder.config.eos_token_id)
        pooled = result.last_hidden_state[:, place]
        arrays.put(f"{index}.{name}.last", result.last_hidden_state)
        arrays.put(f"{index}.{name}.pooled", pooled)
        row[name] = {"ids": ids[0].tolist(), "end": place}
        if name == "two":
            arrays.put(f"{index}.two.projected", result.text_embeds)
            assert torch.allclose(encoder.text_projection(pooled), result.text_embeds, atol=1e-5)
            for rule, end in OTHER_ENDS.items():
                arrays.put(f"{rule}.two.{index}.projected", with_end(encoder, end, ids).text_embeds)
                row[rule] = {"eos_token_id": end, "end": end_place(ids, end)}
        else:
            assert torch.equal(pooled, result.pooler_output)
    embeds, _, pooled, _ = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)
    assert torch.equal(embeds, torch.cat(penultimate, dim=-1))
    arrays.put(f"{index}.prompt_embeds", embeds)
    arrays.put(f"{index}.pooled_prompt_embeds", pooled)
    return row


def end_place(ids: torch.Tensor, end: int) -> int:
    return (ids[0].argmax() if end == 2 else (ids[0] == end).int().argmax()).item()


def with_end(encoder, end: int, ids: torch.Tensor):
    """What encoder two gives when its configuration names another end token."""
    real = encoder.text_model.eos_token_id
    encoder.text_model.eos_token_id = end
    result = encoder(ids)
    encoder.text_model.eos_token_id = real
    return result


def encoding(pipeline, arrays, name, prompts, negative, guidance, force_zeros) -> dict:
    """`name.prompt_embeds` and `name.pooled_prompt_embeds` as the U-net gets them: [negative…, prompt…] if guided."""
    pipeline.register_to_config(force_zeros_for_empty_prompt=force_zeros)
    guided = guidance > 1
    embeds, negative_embeds, pooled, negative_pooled = pipeline.encode_prompt(
        [PROMPTS[index] for index in prompts],
        do_classifier_free_guidance=guided,
        negative_prompt=negative,
    )
    if guided:
        embeds, pooled = torch.cat([negative_embeds, embeds]), torch.cat([negative_pooled, pooled])
    arrays.put(f"{name}.prompt_embeds", embeds)
    arrays.put(f"{name}.pooled_prompt_embeds", pooled)
    return {
        "name": name,
        "prompts": [PROMPTS[index] for index in prompts],
        "negative_prompts": negative,
        "guidance": guidance,
        "force_zeros_for_empty_prompt": force_zeros,
    }
