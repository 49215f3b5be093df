#!/usr/bin/env python3
"""Compares what `sdlens generate --tensors FILE` wrote with what diffusers computes from the same model.

    sdlens generate --model MODEL --prompt "…" --cache down.2.1 --tensors run.safetensors
    compare.py MODEL --tensors run.safetensors [more.safetensors …] [--tolerance 1e-3]

The run (prompt, negative_prompt, seed, steps, guidance, width, height, and ablate: block names with commas) is read
from the file's `__metadata__`. No key negative_prompt means none was given, which is not the same as an empty one.
A batch has consecutive seeds. Everything is computed in float32, also from half-precision weights.

Names: `noise` (as drawn, unit variance), `prompt_embeds` and `pooled_prompt_embeds` (with guidance [negative, prompt]
or the prompt's alone), `noise_pred.STEP` (after guidance), `latents` (before division by the scaling factor), `image`
(0…1), `BLOCK.input.STEP` and `BLOCK.output.STEP` (the residual stream; with guidance [negative, prompt]); all NCHW.

For every tensor: the largest error, the largest magnitude of the reference, and their ratio. The exit status is 1 if
a ratio exceeds the tolerance, a picture is off by more than one grey level, or a tensor is missing or unknown.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from safetensors import safe_open

from goldens import common
from goldens.reference import Run, compute

REQUIRED = ["prompt", "seed", "steps", "guidance", "width", "height"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder in diffusers layout")
    parser.add_argument("--tensors", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--decoder", type=Path, help="what decoded drafts: the folder of an AutoencoderTiny")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="largest ratio allowed (default 1e-3)")
    parser.add_argument("--threads", type=int, help="threads for PyTorch (default: its own choice)")
    options = parser.parse_args()
    common.be_quiet()
    torch.set_grad_enabled(False)
    if options.threads:
        torch.set_num_threads(options.threads)

    files = [read(path) for path in options.tensors]
    runs = [run_of(path, *file) for path, file in zip(options.tensors, files)]
    for path, (metadata, _) in zip(options.tensors, files):
        if ("decoder" in metadata) != (options.decoder is not None):
            parser.error(f"{path} was decoded by {metadata.get('decoder', 'the VAE')}; --decoder must say the same")
    start = time.time()
    say = lambda what: print(f"[{time.time() - start:5.0f} s] {what}", file=sys.stderr)
    compute(options.model, runs, say=say, decoder=options.decoder)
    failures = 0
    for path, (_, tensors), run in zip(options.tensors, files, runs):
        print(f"\n{path}: \"{run.prompt}\", seeds {run.seeds}, {run.steps} steps, guidance {run.guidance}, "
              f"{run.width}x{run.height}")
        failures += report(tensors, run, options.tolerance)
    return 1 if failures else 0


def read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    with safe_open(path, "pt") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}


def run_of(path: Path, metadata: dict[str, str], tensors: dict[str, torch.Tensor]) -> Run:
    missing = [key for key in REQUIRED if key not in metadata]
    if missing:
        sys.exit(f"{path}: no {', '.join(missing)} in its metadata")
    seed, count = int(metadata["seed"]), len(tensors["noise"]) if "noise" in tensors else 1
    cached = {name.rsplit(".", 2)[0] for name in tensors if name.split(".")[-2:-1] in (["input"], ["output"])}
    return Run(
        prompt=metadata["prompt"],
        negative_prompt=metadata.get("negative_prompt"),
        seeds=[seed + index for index in range(count)],
        steps=int(metadata["steps"]),
        guidance=float(metadata["guidance"]),
        width=int(metadata["width"]),
        height=int(metadata["height"]),
        cache=sorted(cached),
        ablate=[name for name in metadata.get("ablate", "").split(",") if name],
    )


def report(tensors: dict[str, torch.Tensor], run: Run, tolerance: float) -> int:
    """Prints the table; returns how many lines of it are wrong."""
    blocks = [name for name in run.tensors if name not in tensors and (".input." in name or ".output." in name)]
    expected = {name: value for name, value in run.tensors.items() if name not in blocks}
    failures = 0
    print(f"{'tensor':24} {'shape':20} {'error':>10} {'magnitude':>10} {'ratio':>9}")
    for name in [*expected, *(name for name in tensors if name not in expected)]:
        if name not in tensors or name not in expected:
            print(f"{name:24} {'MISSING' if name not in tensors else 'UNKNOWN'}")
            failures += 1
            continue
        mine, theirs = tensors[name].float(), expected[name]
        if name.endswith("prompt_embeds") and len(theirs) == 2 * len(mine):
            theirs = theirs[len(mine) :]  # the prompt's alone
        shape = "x".join(map(str, mine.shape))
        if mine.shape != theirs.shape:
            print(f"{name:24} {shape:20} but diffusers has {'x'.join(map(str, theirs.shape))}  FAIL")
            failures += 1
            continue
        error, magnitude = (mine - theirs).abs().max().item(), theirs.abs().max().item()
        ratio = error / magnitude if magnitude > 0 else (0.0 if error == 0 else float("inf"))
        good = ratio <= tolerance  # false for NaN too
        print(f"{name:24} {shape:20} {error:10.2e} {magnitude:10.2e} {ratio:9.1e}{'' if good else '  FAIL'}")
        failures += not good
        if name == "image":
            levels = ((mine * 255).round() - (theirs * 255).round()).abs()
            good = levels.max().item() <= 1
            share = (levels > 0).float().mean().item()
            print(f"{'  grey levels':24} largest difference {levels.max().item():.0f}, "
                  f"{100 * share:.3f} % of values differ{'' if good else '  FAIL'}")
            failures += not good
    print("all within tolerance" if failures == 0 else f"{failures} FAILED (tolerance {tolerance:g})")
    return failures


if __name__ == "__main__":
    sys.exit(main())
