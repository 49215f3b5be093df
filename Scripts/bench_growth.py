#!/usr/bin/env python3
"""How cost grows: passes with the picture's size, training with batch and dictionary, collecting with its batch.

    bench_growth.py MODEL [--repeats 2] [--plot growth.png] [--json growth.json]

MODEL has SDXL-Turbo's sizes (make_random_sdxl.py). Every panel has what was measured, medians, and the work it should
follow, scaled to meet it at the default: of a pass its multiplications as they are defined, of a training step batch ×
features, of collecting (the pictures of `shapes`, in a workspace of its own) one picture after the other.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
RELEASE = ROOT / ".build/release"
# Of a pass at 512 × 512: operations in all, and of them those of attention, which grow with the square of the pixels.
WORK = {"unet": (1.59e12, 4.7e10), "vae": (2.48e12, 3.4e10)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each point (default 2)")
    parser.add_argument("--plot", type=Path, default=Path("growth.png"))
    parser.add_argument("--json", type=Path, default=Path("growth.json"))
    options = parser.parse_args()
    panels = [passes(options, part, precision) for part in WORK for precision in ("float32", "int16")]
    panels += [steps(options, "batch", [1024, 2048, 4096, 8192]), steps(options, "features", [1280, 2560, 5120, 10240])]
    panels.append(collecting(options))
    options.json.write_text(json.dumps(panels, indent=1) + "\n")
    draw(panels, options.plot)


def passes(options, part: str, precision: str) -> dict:
    whole, attention = WORK[part]
    found = {}
    for size in (256, 512, 768, 1024):
        print(f"{part} {precision} {size} …", flush=True)
        found[size] = bench(options, "passes", "--model", options.model, "--only", part, "--precision", precision,
                            "--size", size)[f"{part}_seconds"]
    return panel(f"{part}, {precision}", "pixels along a side", found, 512,
                 lambda size: (whole - attention) * (size / 512) ** 2 + attention * (size / 512) ** 4)


def steps(options, name: str, values: list[int]) -> dict:
    default = {"batch": 4096, "features": 5120}[name]
    found = {}
    for value in values:
        print(f"training step, {name} {value} …", flush=True)
        found[value] = bench(options, "sae-step", f"--{name}", value)["step_seconds"]
    return panel("training step", name, found, default, lambda value: value)


def collecting(options) -> dict:
    pictures, found = 64, {}
    for batch in (1, 2, 4, 8, 16):
        print(f"collecting, batch {batch} …", flush=True)
        found[batch] = []
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                subprocess.run([RELEASE / "sdlens", "collect", "--workspace", folder, "--limit", str(pictures), "--batch",
                                str(batch), "--quiet"], check=True, stdout=subprocess.DEVNULL)
                found[batch].append((time.perf_counter() - start) / pictures)
    return panel("collecting from shapes, a picture", "pictures at a time", found, 4, lambda batch: 1)


def bench(options, *words) -> dict:
    command = [RELEASE / "sdlens-bench", *map(str, words), "--repeats", str(options.repeats), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def panel(title: str, axis: str, found: dict, default: int, work) -> dict:
    seconds = {value: statistics.median(times) for value, times in found.items()}
    return {"title": title, "axis": axis, "seconds": seconds,
            "work": {value: seconds[default] * work(value) / work(default) for value in seconds}}


def draw(panels: list[dict], path: Path) -> None:
    figure, axes = plt.subplots(2, 4, figsize=(15, 6.5), layout="constrained")
    for axis, found in zip(axes.flat, panels):
        axis.plot(list(found["work"]), list(found["work"].values()), "--", color="0.6", label="as the work grows")
        axis.plot(list(found["seconds"]), list(found["seconds"].values()), "o-", color="#0072b2", label="measured")
        axis.set(title=found["title"], xlabel=found["axis"], ylabel="seconds", ylim=(0, None))
        axis.set_xticks(list(found["seconds"]))
    for axis in axes.flat[len(panels):]:
        axis.axis("off")
    axes.flat[0].legend(frameon=False)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
