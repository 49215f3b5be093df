#!/usr/bin/env python3
"""Times one U-net pass and one VAE decode, ours and PyTorch's, in one run on the same weights, in float32.

    bench_peers.py MODEL [--rounds 3] [--repeats 3] [--size 512]

A round is PyTorch (contiguous, then channels_last), then `sdlens-bench --model MODEL --json`, each in a process of its
own, so that only one copy of the weights is in memory and a drift of the machine meets both sides. The result is the
median over all rounds; PyTorch counts with the better of its two layouts. All cores on both sides.

`sdlens-bench` is expected to print {"unet_seconds": […], "vae_seconds": […]} as the last line of its output.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYOUTS = ["contiguous", "channels_last"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder in diffusers layout")
    parser.add_argument("--rounds", type=int, default=3, help="how often both sides take turns (default 3)")
    parser.add_argument("--repeats", type=int, default=3, help="PyTorch's timed passes a round and layout (default 3)")
    parser.add_argument("--size", type=int, default=512, help="side of the picture in pixels (default 512)")
    parser.add_argument("--bench", type=Path, default=ROOT / ".build/release/sdlens-bench", help="our program")
    parser.add_argument("--bench-options", default="", help="more options for it, in one string")
    parser.add_argument("--json", type=Path, help="write all times to this file too")
    parser.add_argument("--pytorch-child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pytorch_child:
        print(json.dumps(time_pytorch(options)))
        return 0
    if not options.bench.is_file():
        sys.exit(f"{options.bench} is not there; build it with: swift build -c release --product sdlens-bench")

    pytorch = [sys.executable, __file__, str(options.model), "--pytorch-child", "--repeats", str(options.repeats),
               "--size", str(options.size)]
    ours = [str(options.bench), "--model", str(options.model), "--json", *options.bench_options.split()]
    times: dict[str, list[float]] = {}
    for index in range(options.rounds):
        for side, command in (("PyTorch", pytorch), ("sdlens", ours)):
            print(f"round {index + 1} of {options.rounds}: {side} …", file=sys.stderr)
            for key, values in run(command).items():
                part, _, layout = key.partition("_seconds")
                times.setdefault(f"{part}, {side}{layout.replace('.', ' ')}", []).extend(values)
    print_table(times)
    if options.json:
        options.json.write_text(json.dumps(times, indent=1) + "\n")
    return 0


def run(command: list[str]) -> dict[str, list[float]]:
    """The lists of seconds in the JSON that `command` prints last."""
    # OpenBLAS obeys this variable, and a value meant for another processor halves its speed.
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with status {done.returncode}")
    start = done.stdout.rfind("\n{") + 1  # the object may stand alone or follow other output, on one line or several
    found = json.loads(done.stdout[start:])
    return {key: value for key, value in found.items() if "_seconds" in key and isinstance(value, list)}


def print_table(times: dict[str, list[float]]) -> None:
    print(f"{'':28} {'median s':>9} {'least s':>9} {'most s':>9} {'passes':>7}")
    for name in sorted(times):
        values = times[name]
        print(f"{name:28} {statistics.median(values):9.3f} {min(values):9.3f} {max(values):9.3f} {len(values):7}")
    for part in ("unet", "vae"):
        medians = {name: statistics.median(values) for name, values in times.items() if name.startswith(part)}
        mine = medians.pop(f"{part}, sdlens", None)
        if mine is None or not medians:
            continue
        best = min(medians, key=medians.get)
        print(f"{part}: sdlens / PyTorch = {mine / medians[best]:.3f} ({best.split(' ')[-1]} being PyTorch's better)")


def time_pytorch(options) -> dict[str, list[float]]:
    import torch

    from goldens import common
    from goldens.reference import load

    common.be_quiet()
    import diffusers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    times: dict[str, list[float]] = {}
    side = options.size // 8
    with torch.inference_mode():
        unet = load(options.model, "unet", diffusers.UNet2DConditionModel)
        config = unet.config
        latents = torch.randn(1, config.in_channels, side, side)
        conditioning = {
            "encoder_hidden_states": torch.randn(1, 77, config.cross_attention_dim),
            "added_cond_kwargs": {
                "text_embeds": torch.randn(
                    1, config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
                ),
                "time_ids": torch.tensor([[options.size, options.size, 0, 0, options.size, options.size]]).float(),
            },
        }
        time_layouts(times, "unet", unet, latents, lambda x: unet(x, torch.tensor(999.0), **conditioning), options)
        del unet
        vae = load(options.model, "vae", diffusers.AutoencoderKL)
        vae.encoder = None
        latents = torch.randn(1, vae.config.latent_channels, side, side)
        time_layouts(times, "vae", vae, latents, vae.decode, options)
    return times


def time_layouts(times, part, model, x, call, options) -> None:
    import torch

    for layout in LAYOUTS:
        form = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)
        model.to(memory_format=form)
        given = x.contiguous(memory_format=form)
        call(given)  # warms up
        for _ in range(options.repeats):
            start = time.perf_counter()
            call(given)
            times.setdefault(f"{part}_seconds.{layout}", []).append(time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
