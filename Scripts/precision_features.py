#!/usr/bin/env python3
"""What int16 changes for whoever works with dictionaries: the strongest features of prompts, and every figure of `eval truth`.

    sdlens train-sae --block down.2.1 mid.0 up.0.0 up.0.1
    precision_features.py WORKSPACE [--sdlens .build/release/sdlens] [--prompts 500] [--truth 2000]

The dictionaries of the workspace stay as they are; the prompts of `shapes` are recorded in float32 and in int16, as float32
numbers. Agreement is the share of a prompt's ten strongest features (by the mean of their maps) that are the same.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = ["down.2.1", "mid.0", "up.0.0", "up.0.1"]
PRECISIONS = ["float32", "int16"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, help="where the dictionaries are; two stores are added")
    parser.add_argument("--sdlens", default=str(ROOT / ".build/release/sdlens"))
    parser.add_argument("--prompts", type=int, default=500, help="prompts whose features are compared (default 500)")
    parser.add_argument("--truth", type=int, default=2000, help="pictures of eval truth (default 2000)")
    options = parser.parse_args()

    def sdlens(*words) -> str:
        quiet = [] if words[0] == "list" else ["--quiet"]
        words = [options.sdlens, *map(str, words), "--workspace", str(options.workspace), *quiet]
        return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout

    for precision in PRECISIONS:
        sdlens("collect", "--name", f"precision-{precision}", "--precision", precision, "--dtype", "float32",
               "--limit", max(options.prompts, options.truth), "--block", *BLOCKS)
    print(f"{'':10}{'features that agree':>20}{'prompts where all do':>22}")
    for block in BLOCKS:
        strongest = [ten_strongest(sdlens, options, block, precision) for precision in PRECISIONS]
        shared = np.array([len(set(a) & set(b)) / len(a) for a, b in zip(*strongest)])
        print(f"{block:10}{shared.mean():20.4f}{(shared == 1).mean():22.4f}")
    found = [
        figures(json.loads(sdlens("eval", "truth", "--store", f"precision-{precision}", "--pictures", options.truth, "--json")))
        for precision in PRECISIONS
    ]
    # What only one of them has is a feature or a share that the other could not measure.
    kinds: dict[str, list[float]] = {}
    for name in found[0].keys() & found[1].keys():
        kinds.setdefault(re.sub(r"\[\d+\]", "", name), []).append(abs(found[1][name] - found[0][name]))
    print(f"eval truth, of one precision only: {len(found[0].keys() ^ found[1].keys())} of {len(found[0])} figures")
    print(f"{'':40}{'figures':>8}{'above .002':>12}{'most':>10}")
    for kind, changes in sorted(kinds.items()):
        print(f"{kind:40}{len(changes):8}{sum(change > 0.002 for change in changes):12}{max(changes):10.5f}")
    return 0


def ten_strongest(sdlens, options, block: str, precision: str) -> list[np.ndarray]:
    name = next(entry["name"] for entry in json.loads(sdlens("list", "--json"))["dictionaries"] if entry["block"] == block)
    with tempfile.TemporaryDirectory() as folder:
        sdlens("encode", "--sae", name, "--block", block, "--input", f"precision-{precision}", "--output",
               f"{folder}/codes.safetensors")
        codes = load_file(f"{folder}/codes.safetensors")
    pictures = max(options.prompts, options.truth)
    shape = (pictures, len(codes["indices"]) // pictures, -1)
    indices, values = codes["indices"].reshape(shape)[: options.prompts], codes["values"].reshape(shape)[: options.prompts]
    sums = np.zeros((options.prompts, indices.max() + 1))
    np.add.at(sums, (np.arange(options.prompts)[:, None, None], indices), values)
    return list(np.argsort(-sums, axis=1, kind="stable")[:, :10])


def figures(value, path: str = "") -> dict[str, float]:
    """Every area, correlation and share by its place in the JSON; which feature has it, and how many there are, are none."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() if key not in ("sources", "feature", "features", "interval", "n", "positives", "rows_count")
                for k, v in figures(inner, f"{path}.{key}").items()}
    if isinstance(value, list):
        return {k: v for index, inner in enumerate(value) for k, v in figures(inner, f"{path}[{index}]").items()}
    return {path: value} if isinstance(value, float) else {}


if __name__ == "__main__":
    sys.exit(main())
