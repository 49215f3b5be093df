#!/usr/bin/env python3
"""How far int16, and bfloat16 in PyTorch, are from float32: block updates, predicted noise and picture.

    precision.py [MODEL] [--sdlens .build/release/sdlens] [--seeds 3] [--prompt "…" …]

Errors are ‖found − wanted‖ / ‖wanted‖ over all pictures; wanted is what `sdlens --precision float32` computes. PyTorch
gets the same noise and embeddings as we have them, weights and activations in bfloat16. Grey levels are of 255.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from goldens import common
from goldens.blocks import transformer_blocks, watch_block
from goldens.reference import load

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / "Sources/SDLensDiffusion/Models/shapes"
PROMPTS = ["a red circle", "a small blue square above a large striped green triangle", ""]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=SHAPES, help="a folder (default: shapes)")
    parser.add_argument("--sdlens", default=str(ROOT / ".build/release/sdlens"))
    parser.add_argument("--seeds", type=int, default=3, help="pictures of each prompt (default 3)")
    parser.add_argument("--prompt", nargs="+", default=PROMPTS)
    options = parser.parse_args()
    common.be_quiet()
    torch.set_grad_enabled(False)
    blocks = block_names(options.model)
    runs = {precision: generate(options, precision, blocks) for precision in ("float32", "int16")}
    runs["bfloat16"] = [bfloat16(options.model, wanted) for wanted in runs["float32"]]
    print(f"{'':24}" + "".join(f"{precision:>12}" for precision in ("int16", "bfloat16")))
    for name in [*(f"{block}.update" for block in blocks), "noise_pred", "prompt_embeds", "image"]:
        line = f"{name:24}"
        for precision in ("int16", "bfloat16"):
            pairs = [(value(a, name), value(b, name)) for a, b in zip(runs[precision], runs["float32"])]
            if any(found is None for found, _ in pairs):
                continue
            error = sum((found - wanted).square().sum().item() for found, wanted in pairs)
            line += f"{(error / sum(wanted.square().sum().item() for _, wanted in pairs)) ** 0.5:12.2e}"
            if name == "image":
                levels = [((found * 255).round() - (wanted * 255).round()).abs() for found, wanted in pairs]
                line += f"; levels: mean {torch.cat([x.flatten() for x in levels]).mean().item():.4f}, most "
                line += f"{max(x.max().item() for x in levels):.0f}"
        print(line)
    return 0


def block_names(model: Path) -> list[str]:
    import diffusers

    config = diffusers.UNet2DConditionModel.load_config(model / "unet")
    with torch.device("meta"):
        return list(transformer_blocks(diffusers.UNet2DConditionModel.from_config(config)))


def value(tensors: dict[str, torch.Tensor], name: str):
    """A tensor of a run in one step; of a block the update."""
    if name.endswith(".update"):
        block = name.removesuffix(".update")
        return tensors[f"{block}.output.0"].double() - tensors[f"{block}.input.0"].double()
    found = tensors.get(name, tensors.get(f"{name}.0"))
    return None if found is None else found.double()


def generate(options, precision: str, blocks: list[str]) -> list[dict[str, torch.Tensor]]:
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for prompt in options.prompt:
            for seed in range(options.seeds):
                subprocess.run(
                    [options.sdlens, "generate", "--model", str(options.model), "--prompt", prompt, "--seed", str(seed),
                     "--precision", precision, "--cache", *blocks, "--output", f"{folder}/picture.png", "--force",
                     "--tensors", f"{folder}/run.safetensors", "--quiet"], check=True, stdout=subprocess.DEVNULL)
                runs.append({name: tensor.clone() for name, tensor in load_file(f"{folder}/run.safetensors").items()})
    return runs


def bfloat16(folder: Path, wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One step of the U-net in bfloat16 on the noise and the embeddings of a run."""
    import diffusers

    unet = network(folder)
    kept: dict[str, torch.Tensor] = {}
    hooks = []
    for name, block in transformer_blocks(unet).items():
        hooks += watch_block(
            block, lambda role, tensor, name=name: kept.update({f"{name}.{role}.0": tensor.float().clone()}))
    scheduler = diffusers.EulerAncestralDiscreteScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(1)
    step = scheduler.timesteps[0]
    latents = scheduler.scale_model_input(wanted["noise"] * scheduler.init_noise_sigma, step).bfloat16()
    height, width = (8 * side for side in latents.shape[-2:])
    ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.bfloat16)
    added = {"text_embeds": wanted["pooled_prompt_embeds"].bfloat16(), "time_ids": ids}
    text = wanted["prompt_embeds"].bfloat16()
    kept["noise_pred"] = unet(latents, step, encoder_hidden_states=text, added_cond_kwargs=added).sample.float()
    for hook in hooks:
        hook.remove()
    return kept


def network(folder: Path, made: dict = {}):
    import diffusers

    if folder not in made:
        made[folder] = load(folder, "unet", diffusers.UNet2DConditionModel).to(torch.bfloat16)
    return made[folder]


if __name__ == "__main__":
    sys.exit(main())
