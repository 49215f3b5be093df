#!/usr/bin/env python3
"""Times a step of training a TopK dictionary, ours and the original dense loop in PyTorch, in one run at the same sizes.

    bench_sae.py [--rounds 3] [--repeats 3] [--batches 1024,2048,4096,8192]

A round is PyTorch, then `sdlens-bench sae-step`, each in a process of its own, so that a drift of the machine meets both
sides. Both train on normal random vectors, with a share of dead features whose pre-activations are positive as often as
negative. The original loop multiplies everything densely and leaves the gradients to autograd. The result is the median
over all rounds, where our time goes, and what a step of other batches costs. All cores on both sides.
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
SIZES = {"batch": 4096, "width": 1280, "features": 5120, "k": 10, "aux": 256}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"(default {size})")
    parser.add_argument("--dead-share", type=float, default=0.05, help="the share of dead features (default 0.05)")
    parser.add_argument("--rounds", type=int, default=3, help="how often both sides take turns (default 3)")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps a round and side (default 3)")
    parser.add_argument("--batches", default="1024,2048,4096,8192", help="for our cost per vector; '' for none")
    parser.add_argument("--bench", type=Path, default=ROOT / ".build/release/sdlens-bench", help="our program")
    parser.add_argument("--json", type=Path, help="write all times to this file too")
    parser.add_argument("--pytorch-child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pytorch_child:
        print(json.dumps(time_pytorch(options)))
        return 0
    if not options.bench.is_file():
        sys.exit(f"{options.bench} is not there; build it with: swift build -c release --product sdlens-bench")

    found: dict = {"pytorch": [], "sdlens": [], "parts": [], "batches": {}}
    for index in range(options.rounds):
        print(f"round {index + 1} of {options.rounds} …", file=sys.stderr)
        found["pytorch"] += run([sys.executable, __file__, "--pytorch-child", *arguments(options)])["step_seconds"]
        ours = run([str(options.bench), "sae-step", "--json", *arguments(options)])
        found["sdlens"] += ours["step_seconds"]
        found["parts"].append(ours["parts"])
    for batch in [int(text) for text in options.batches.split(",") if text]:
        ours = run([str(options.bench), "sae-step", "--json", *arguments(options, batch=batch)])
        found["batches"][batch] = ours["step_seconds"]
    print_table(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def arguments(options, **changes: int) -> list[str]:
    values = {name: getattr(options, name) for name in [*SIZES, "dead_share", "repeats"]} | changes
    return [text for name, value in values.items() for text in (f"--{name.replace('_', '-')}", str(value))]


def run(command: list[str]) -> dict:
    """The JSON that `command` prints."""
    # OpenBLAS obeys this variable, and a value meant for another processor halves its speed.
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with status {done.returncode}")
    return json.loads(done.stdout)


def print_table(found: dict) -> None:
    print(f"{'':20} {'median s':>9} {'least s':>9} {'most s':>9} {'steps':>6}")
    for name in ("pytorch", "sdlens"):
        values = found[name]
        print(f"{name:20} {statistics.median(values):9.3f} {min(values):9.3f} {max(values):9.3f} {len(values):6}")
    print(f"PyTorch / sdlens = {statistics.median(found['pytorch']) / statistics.median(found['sdlens']):.2f}")
    parts = {name: statistics.median(part[name] for part in found["parts"]) for name in found["parts"][0]}
    for name, seconds in parts.items():
        print(f"  {name:18} {seconds:9.3f} {100 * seconds / sum(parts.values()):8.1f} %")
    for batch, seconds in found["batches"].items():
        median = statistics.median(seconds)
        print(f"batch {batch:<14} {median:9.3f} {1e6 * median / batch:9.1f} µs a vector")


def time_pytorch(options) -> dict:
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(1)
    h = torch.randn(options.batch, options.width)
    encoder = torch.nn.Linear(options.width, options.features, bias=False)
    decoder = torch.nn.Linear(options.features, options.width, bias=False)
    biases = torch.nn.ParameterList([torch.zeros(options.width), torch.zeros(options.features)])
    decoder.weight.data = F.normalize(encoder.weight.data.T, dim=0)
    dead = torch.zeros(options.features, dtype=torch.bool)
    dead[torch.arange(round(options.dead_share * options.features)) * int(1 / max(options.dead_share, 1e-9))] = True
    encoder.weight.data[dead] *= 0.05
    idle = torch.zeros(options.features, dtype=torch.long)
    idle[dead] = 10_000_000
    parameters = [encoder.weight, decoder.weight, *biases]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, betas=(0.9, 0.999), eps=6.25e-10)

    def top(z: torch.Tensor, k: int) -> torch.Tensor:
        values, indices = z.topk(k, dim=-1)
        return torch.zeros_like(z).scatter(-1, indices, values.relu())

    def step() -> None:
        z = encoder(h - biases[0]) + biases[1]
        codes = top(z, options.k)
        with torch.no_grad():
            active = (codes > 1e-3).any(dim=0)
            idle.add_(len(h))[active] = 0
        reconstruction = decoder(codes) + biases[0]
        loss = F.mse_loss(reconstruction, h)
        if options.aux:
            codes = top(torch.where(idle >= 10_000_000, z, 0.0), options.aux)
            target = h - reconstruction.detach() + biases[0].detach()
            around = target.mean(dim=0, keepdim=True).expand_as(target)
            rest = F.mse_loss(decoder(codes) + biases[0], target) / F.mse_loss(around, target)
            loss = loss + rest.nan_to_num(0) / 32
        optimizer.zero_grad()
        loss.backward()
        w = decoder.weight
        w.grad -= (w.grad * w.data).sum(dim=0, keepdim=True) * w.data
        optimizer.step()
        w.data /= w.data.norm(dim=0)

    step()  # warms up
    seconds = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return {"step_seconds": seconds}


if __name__ == "__main__":
    sys.exit(main())
