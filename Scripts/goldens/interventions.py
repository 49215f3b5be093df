"""Edits of block updates: whole runs of the tiny model under forward hooks that state REFERENCE's formulas.

`interventions.json` lists the runs, each with its edits as a file of edits has them; `interventions.safetensors` holds

 * `BLOCK.encoder`, `.decoder` [features, width], `.pre_bias`, `.latent_bias`, `.means` (0 for a dead feature): a random
   dictionary for each of the 11 blocks, k = 5;
 * `prompt_embeds.PROMPT`, `pooled_prompt_embeds.PROMPT`; the negative prompt, where there is one, is all zeros;
 * `NAME.BLOCK.output.STEP`: the residual stream behind every edited block, all edits done;
 * `NAME.noise_pred.STEP`: after guidance;

and `interventions/NAME.png` the picture. An edit is one `register_forward_hook`; several on a block see each other's
results, since PyTorch hands the changed output to the next hook. With guidance what is added to the prompt's half
is subtracted from the other, the empty context replaces only the prompt's half, and the rest acts on both.
"""

import functools

import numpy
import torch
from PIL import Image

from .blocks import transformer_blocks
from .common import ROOT, Goldens, load_pipeline, randn, save_json

FOLDER = ROOT / "Tests" / "SDLensStudyTests" / "Goldens"
HEIGHT, WIDTH = 64, 96  # maps of 4 × 6 and 2 × 3
FEATURES, K = 40, 5
DEAD = [20, 39]
PROMPTS = {
    "cat": "a photo of a cat",
    "dog": "An oil painting of a dog on the beach, highly detailed!!!",
    "empty": "",
}
NAMED = {
    "left": (0, 0, 0.5, 1),
    "right": (0.5, 0, 1, 1),
    "top": (0, 0, 1, 0.5),
    "bottom": (0, 0.5, 1, 1),
    "centre": (0.25, 0.25, 0.75, 0.75),
}


class Dictionary:
    """A TopK autoencoder with tied weights up to a little noise."""

    def __init__(self, block: str, width: int):
        name = f"interventions {block}"
        self.encoder = randn(f"{name} encoder", FEATURES, width) / width**0.5
        decoder = self.encoder + randn(f"{name} decoder", FEATURES, width, scale=0.2) / width**0.5
        self.decoder = decoder / decoder.norm(dim=1, keepdim=True)
        self.pre_bias = randn(f"{name} pre_bias", width, scale=0.1)
        self.latent_bias = randn(f"{name} latent_bias", FEATURES, scale=0.1)
        self.means = 0.5 + randn(f"{name} means", FEATURES).abs()
        self.means[DEAD] = 0

    def encode(self, h: torch.Tensor) -> torch.Tensor:
        """ReLU(TopK(W_enc (h − b_pre) + b_act)), dense [..., features]."""
        z = (h - self.pre_bias) @ self.encoder.T + self.latent_bias
        top = z.topk(K, dim=-1)
        return torch.zeros_like(z).scatter(-1, top.indices, top.values).relu()

    def decode(self, s: torch.Tensor) -> torch.Tensor:
        return s @ self.decoder + self.pre_bias


def mask_values(mask, height: int, width: int) -> torch.Tensor:
    """[height, width]; the share of every place that a region covers."""
    if isinstance(mask, list):
        return torch.tensor(mask, dtype=torch.float32)
    x0, y0, x1, y1 = NAMED[mask] if mask in NAMED else map(float, mask.split(","))

    def overlap(start, end, count):
        edges = numpy.arange(count + 1)
        return numpy.clip(numpy.minimum(end * count, edges[1:]) - numpy.maximum(start * count, edges[:-1]), 0, None)

    return torch.tensor(numpy.outer(overlap(y0, y1, height), overlap(x0, x1, width)), dtype=torch.float32)


def edited(edit: dict, dictionary: Dictionary, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """D_out after one edit; all channels last, [batch, height, width, width of a vector]."""
    guided = before.shape[0] == 2
    update = after - before
    signs = torch.tensor([-1.0, 1.0] if guided else [1.0]).reshape(-1, 1, 1, 1)
    operation = edit["operation"]
    if operation == "modulate":  # eq. 10
        rho = edit["feature"]
        strengths = dictionary.encode(update[-1:])[..., rho, None]
        return after + signs * edit["beta"] * strengths * dictionary.decoder[rho]
    if operation == "add":
        rho = edit["feature"]
        area = mask_values(edit.get("mask", "0,0,1,1"), *before.shape[1:3])[None, :, :, None]
        return after + signs * edit["strength"] * dictionary.means[rho] * area * dictionary.decoder[rho]
    if operation == "empty-context":  # eq. 11
        rho = edit["feature"]
        result = after.clone()
        result[-1] = before[-1] + edit["gamma"] * K * dictionary.means[rho] * dictionary.decoder[rho]
        return result
    if operation == "reconstruct":
        return before + dictionary.decode(dictionary.encode(update))
    assert operation == "ablate", operation
    return before


def make() -> None:
    pipeline = load_pipeline()
    blocks = transformer_blocks(pipeline.unet)
    arrays = Goldens(FOLDER / "interventions.safetensors")
    dictionaries = {block: Dictionary(block, module.proj_out.out_features) for block, module in blocks.items()}
    for block, dictionary in dictionaries.items():
        for part, value in vars(dictionary).items():
            arrays.put(f"{block}.{part}", value)
    (FOLDER / "interventions").mkdir(parents=True, exist_ok=True)

    def modulate(block, rank, beta, **more):
        return dict(block=block, operation="modulate", feature=rank, beta=beta, ranked=True, **more)

    def add(block, feature, strength, **more):
        return dict(block=block, operation="add", feature=feature, strength=strength, **more)

    def empty(block, feature, gamma, **more):
        return dict(block=block, operation="empty-context", feature=feature, gamma=gamma, **more)

    def whole(block, operation, **more):
        return dict(block=block, operation=operation, **more)

    rows = [[0, 0.25, 1], [0.5, 0, 0.75]]
    runs = [
        dict(name="plain", edits=[]),
        dict(name="modulate", edits=[modulate("up.0.1", 0, -6)]),
        dict(name="modulate.guided", steps=4, guidance=3.0, prompt="dog", edits=[modulate("down.2.1", 1, 2.5)]),
        dict(name="add", prompt="dog", edits=[add("up.1.1", 7, 2, mask="0.1,0.2,0.7,1"), add("up.0.2", 3, -1)]),
        dict(name="add.guided", steps=4, guidance=3.0, edits=[add("mid.0", 9, 3, mask=rows, steps=[1, 3])]),
        dict(name="empty", prompt="empty", edits=[empty("down.2.1", 5, 1.5)]),
        dict(name="empty.guided", prompt="empty", guidance=3.0, edits=[empty("up.0.1", 6, 0.5)]),
        dict(name="reconstruct", steps=4, edits=[whole("down.1.0", "reconstruct"), whole("up.1.2", "reconstruct")]),
        dict(
            name="composed",
            prompt="dog",
            edits=[
                modulate("up.0.0", 0, 5),
                add("up.0.0", 11, 2, mask="left"),
                modulate("up.0.0", 1, -1),
                whole("mid.0", "reconstruct"),
                modulate("mid.0", 0, 3),
                whole("up.1.0", "ablate"),
                add("up.1.0", 12, 1.5, mask="centre"),
                modulate("down.1.1", 2, -10),
            ],
        ),
        dict(
            name="composed.guided",
            steps=4,
            guidance=3.0,
            edits=[
                add("down.2.0", 13, 1.5, mask="right", steps=[0, 2]),
                modulate("down.2.0", 0, -2),
                empty("down.2.0", 4, 1, steps=[3]),
                whole("up.1.1", "ablate", steps=[1]),
                whole("up.0.2", "reconstruct", steps=[1, 2]),
                modulate("up.0.2", 0, 2, steps=[2, 3]),
            ],
        ),
    ]
    descriptions = [run(pipeline, blocks, dictionaries, arrays, **case) for case in runs]
    arrays.save()
    save_json(FOLDER / "interventions.json", {"k": K, "height": HEIGHT, "width": WIDTH, "runs": descriptions})


def run(
    pipeline, blocks, dictionaries, arrays, *, name, edits, prompt="cat", steps=1, guidance=0.0, seed=42
) -> dict:
    """One run; a ranked edit says of which rank its feature is among the most active without edits."""
    clean = [{key: value for key, value in edit.items() if key != "ranked"} for edit in edits]
    if any(edit.get("ranked") for edit in edits):
        totals = {}

        def total(block, before, after, step):
            if step == 0:
                totals[block] = dictionaries[block].encode((after - before)[-1]).sum(dim=(0, 1))
            return after

        denoise(pipeline, blocks, {edit["block"]: [total] for edit in edits}, prompt, steps, guidance, seed)
        for edit, made in zip(edits, clean):
            if edit.get("ranked"):
                made["feature"] = int(totals[edit["block"]].argsort(descending=True)[edit["feature"]])

    changes = {edit["block"]: [] for edit in clean}
    for edit in clean:

        def change(block, before, after, step, edit=edit):
            return edited(edit, dictionaries[block], before, after) if step in edit.get("steps", [step]) else after

        changes[edit["block"]].append(change)

    def keep(block, before, after, step):
        arrays.put(f"{name}.{block}.output.{step}", after.permute(0, 3, 1, 2))
        return after

    for block in changes:
        changes[block].append(keep)
    picture = denoise(pipeline, blocks, changes, prompt, steps, guidance, seed, arrays=arrays, name=name)
    Image.fromarray(picture).save(FOLDER / "interventions" / f"{name}.png")
    (FOLDER / "interventions" / f"{name}.png").chmod(0o644)
    file = {"format": "sdlens-edits", "version": 1, "edits": clean}
    return {"name": name, "prompt": prompt, "steps": steps, "guidance": guidance, "seed": seed, "file": file}


def denoise(pipeline, blocks, changes, prompt, steps, guidance, seed, arrays=None, name=None) -> numpy.ndarray:
    """The picture [height, width, 3] of a run in which each change of a block is a forward hook of its own."""
    step = 0
    hooks = []
    for block, functions in changes.items():
        for function in functions:

            def hook(_, arguments, result, block=block, function=function):
                before, after = (x.permute(0, 2, 3, 1) for x in (arguments[0], result[0]))
                return (function(block, before, after, step).permute(0, 3, 1, 2),)

            hooks.append(blocks[block].register_forward_hook(hook))

    def keep_prompt(role, rows):
        assert not rows[:-1].any(), "a negative prompt that is not zeros"
        if f"{role}.{prompt}" not in arrays.tensors:
            arrays.put(f"{role}.{prompt}", rows[-1:])

    def before_unet(_, arguments, keywords):
        if step == 0 and arrays:
            keep_prompt("prompt_embeds", keywords["encoder_hidden_states"])
            keep_prompt("pooled_prompt_embeds", keywords["added_cond_kwargs"]["text_embeds"])

    hooks.append(pipeline.unet.register_forward_pre_hook(before_unet, with_kwargs=True))
    scheduler_step = pipeline.scheduler.step

    @functools.wraps(scheduler_step)  # the pipeline reads from its signature whether to hand on the generator
    def watched_step(noise_pred, *arguments, **keywords):
        nonlocal step
        if arrays:
            arrays.put(f"{name}.noise_pred.{step}", noise_pred)
        step += 1
        return scheduler_step(noise_pred, *arguments, **keywords)

    pipeline.scheduler.step = watched_step
    image = pipeline(
        PROMPTS[prompt],
        num_inference_steps=steps,
        guidance_scale=guidance,
        width=WIDTH,
        height=HEIGHT,
        generator=torch.Generator("cpu").manual_seed(seed),
        output_type="pt",
    ).images
    del pipeline.scheduler.step
    for hook in hooks:
        hook.remove()
    return (image[0].permute(1, 2, 0).numpy() * 255).round().astype("uint8")
