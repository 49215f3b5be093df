#!/usr/bin/env python3
"""Compares what `--estimate` says of recording and training with what they take, at three sizes.

    check_estimates.py [SDLENS] [--sizes 1,2,3] [--threads N] [--keep FOLDER]

Works with `shapes` in a folder that is removed, and prints a table in Markdown: seconds, disk and memory, said and taken.
Nothing else should run meanwhile. The estimate is asked first, so that it and the run find the same in memory.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Prompts; then features, k and steps of dictionaries that learn from the largest of these stores.
COLLECT = [500, 2000, 5000]
TRAIN = [("640", "10", 500), ("5120", "10", 300), ("800,1280,2560", "5,10", 300)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sdlens", nargs="?", default=str(Path(__file__).resolve().parent / "sdlens"))
    parser.add_argument("--sizes", default="1,2,3", help="which of the three (default: all)")
    parser.add_argument("--threads", help="of the program (default: all cores)")
    parser.add_argument("--keep", type=Path, help="a folder to work in, which stays")
    options = parser.parse_args()
    sizes = [int(size) - 1 for size in options.sizes.split(",")]
    threads = ["--threads", options.threads] if options.threads else []
    folder = options.keep or Path(tempfile.mkdtemp(prefix="sdlens-estimates-"))
    try:
        folder.mkdir(exist_ok=True)
        print("| | seconds, said and taken | | disk, MB | | memory, MB | |\n|---|---|---|---|---|---|---|")
        for size in sizes:
            command = ["collect", "--limit", str(COLLECT[size]), "--name", f"s{COLLECT[size]}", *threads]
            compare(options.sdlens, command, folder, f"{COLLECT[size]} pictures", "activations")
        store = f"s{COLLECT[max(sizes)]}"
        for size in sizes:
            features, k, steps = TRAIN[size]
            command = ["train-sae", "--store", store, "--block", "up.0.1", "--features", features, "--k", k,
                       "--steps", str(steps), *threads]  # fmt: skip
            compare(options.sdlens, command, folder, f"{features} features, k {k}, {steps} steps", "saes", "training")
    finally:
        if not options.keep:
            shutil.rmtree(folder)


def compare(program: str, command: list[str], folder: Path, title: str, *written: str) -> None:
    """A line of the table."""
    words = [program, *command, "--workspace", str(folder / "w"), "--json", "--quiet"]
    said = json.loads(run([*words, "--estimate"])[0])
    before = size(folder / "w", written)
    start = time.monotonic()
    memory = run(words)[1]
    seconds = time.monotonic() - start
    disk = size(folder / "w", written) - before
    pairs = [(said["seconds"], seconds), (said["disk"] / 1e6, disk / 1e6), (said["memory"] / 1e6, memory / 1e6)]
    cells = [f"{a:.3g} and {b:.3g} | {a / b:.2f}" for a, b in pairs]
    print(f"| {command[0]}, {title} | {' | '.join(cells)} |", flush=True)


def run(words: list[str]) -> tuple[str, int]:
    """What a command prints, and the most bytes that it held; ends with what it says where it fails."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(words)}: status {status}")
    return out, usage.ru_maxrss * 1024


def size(workspace: Path, folders: tuple[str, ...]) -> int:
    """Bytes of the files in some folders of a workspace."""
    return sum(f.stat().st_size for name in folders for f in (workspace / name).rglob("*") if f.is_file())


if __name__ == "__main__":
    main()
