#!/usr/bin/env python3
"""Runs one list of commands with two builds of sdlens, each in a folder of its own, and compares every file.

    Scripts/same_results.py BEFORE AFTER [FOLDER]

For changes that must not change a result. Pictures are compared by their pixels and, apart, by their texts; JSON by its
values, times and paths of programs aside; everything else by its bytes. Exit status 1 if a result differs.
"""
import json, subprocess, sys, tempfile, zlib
from pathlib import Path

COMMANDS = """
generate --prompt "a red circle" --count 2 --tensors run.safetensors --cache down.2.1
generate --prompt "a red circle" --negative-prompt "blue" --guidance 3 --steps 3 --output guided.png
generate --prompt "a red circle" --ablate mid.0 --output ablated.png
prompts --count 300 > prompts.txt
collect --prompts prompts.txt
train-sae --block down.2.1 mid.0 up.0.0 up.0.1 --epochs 20
train-sae --block up.0.1 --k 5 --features 64 --name small --epochs 20
list --json
info sdlens-workspace/saes/up.0.1/small-k5-n64 --json
features --prompt "a red circle"
encode --input run-42.safetensors --block down.2.1 --sae sdlens-workspace/saes/down.2.1/k10-n256 --output codes.safetensors
statistics --sae sdlens-workspace/saes/down.2.1/k10-n256 --store shapes-update --json
convert sdlens-workspace/saes/mid.0/k10-n256 converted --to saelens
intervene --block up.0.1 --feature 3 --beta -6:6:3 --prompt "a red circle"
intervene --block up.0.1 --feature 3 --add 2 --region left --prompt "a red circle"
intervene --block up.0.1 --feature 5 --empty-context 1
visualize prompt --prompt "a red circle"
visualize feature 3 --block up.0.1
visualize blocks
visualize reconstruction
visualize transfer
visualize paint
visualize annotation 3 --block up.0.1
visualize training
visualize gallery --block up.0.1 --features 3,4
eval all --features 6
eval truth
eval ablation --limit 20
""".strip().splitlines()
# Not results: how long something took, where a program lies, who made the file.
UNCOMPARED = {"seconds", "time", "date", "peakMemoryBytes", "command", "Software", "version"}


def texts_and_pixels(data):
    place, texts, pixels = 8, {}, b""
    while place < len(data):
        size, kind = int.from_bytes(data[place:place + 4], "big"), data[place + 4:place + 8]
        body = data[place + 8:place + 8 + size]
        if kind in (b"tEXt", b"iTXt", b"zTXt"):
            name, _, text = body.partition(b"\0")
            texts[name.decode()] = text
        elif kind == b"IHDR":
            pixels += body
        elif kind == b"IDAT":
            pixels += body
        place += 12 + size
    return texts, (pixels[:13], zlib.decompress(pixels[13:]))


def without(value):
    if isinstance(value, dict):
        return {key: without(inner) for key, inner in value.items() if key not in UNCOMPARED}
    return [without(inner) for inner in value] if isinstance(value, list) else value


def difference(path, a, b):
    """What differs, nothing where it is equal."""
    if a == b:
        return None
    if path.suffix == ".png":
        (texts_a, pixels_a), (texts_b, pixels_b) = texts_and_pixels(a), texts_and_pixels(b)
        if pixels_a != pixels_b:
            return "other pixels"
        keys = {k for k in texts_a.keys() | texts_b.keys() if texts_a.get(k) != texts_b.get(k)} - UNCOMPARED
        return f"other texts: {', '.join(sorted(keys))}" if keys else None
    if path.suffix == ".json":
        return None if without(json.loads(a)) == without(json.loads(b)) else "other values"
    return "other bytes"


def run(program, folder):
    folder.mkdir(parents=True)
    outcomes = []
    for command in COMMANDS:
        done = subprocess.run(f'"{program}" {command}', shell=True, cwd=folder, capture_output=True)
        outcomes.append(done.returncode)
        name = "".join(c if c.isalnum() else "-" for c in command)[:60]
        (folder / f"output-{len(outcomes):02}-{name}{'.json' if '--json' in command else '.txt'}").write_bytes(done.stdout)
        if done.returncode:
            print(f"{folder.name}: exit {done.returncode}: {command}\n  {done.stderr.decode().strip()[-300:]}")
    return outcomes


def main(before, after, folder=None):
    root = Path(folder or tempfile.mkdtemp(prefix="sdlens-same-"))
    codes = [run(Path(program).resolve(), root / name) for name, program in (("before", before), ("after", after))]
    files = sorted({p.relative_to(root / side) for side in ("before", "after") for p in (root / side).rglob("*") if p.is_file()})
    found = 0
    for path in files:
        a, b = (root / "before" / path, root / "after" / path)
        missing = next((side for side, p in (("before", a), ("after", b)) if not p.exists()), None)
        what = f"not there {missing}" if missing else difference(path, a.read_bytes(), b.read_bytes())
        if what:
            found += 1
            print(f"{path}: {what}")
    print(f"{len(files)} files of {len(COMMANDS)} commands in {root}: {found} differ")
    return 1 if found or codes[0] != codes[1] else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
