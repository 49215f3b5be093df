"""The dictionaries that come with `shapes`: trained, measured and captioned by the program itself.

    python dictionaries.py PROGRAM make     # into Models/shapes/dictionaries; resumes
    python dictionaries.py PROGRAM report   # how much its tail does, for the model card
    python dictionaries.py PROGRAM live     # how many features act on all captions that they have not seen
    python dictionaries.py PROGRAM truth    # its table of what they tell
    python dictionaries.py PROGRAM visible  # how many features change the picture

PROGRAM is the built `sdlens`. Trained on the first 4,000 of the model's prompts, measured on the next 4,000, which no
dictionary has seen. Work goes to $SHAPES_WORK (`build`), folder `dictionaries`.
"""

import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

import world

MODEL = Path(__file__).resolve().parents[2] / "Sources/SDLensDiffusion/Models/shapes"
TARGET = MODEL / "dictionaries"
WORK = Path(os.environ.get("SHAPES_WORK", "build")).resolve() / "dictionaries"
# The blocks, and the factors that each carries.
CARRIED = {"down.2.1": ["place"], "mid.0": ["size"], "up.0.0": ["shape", "texture"], "up.0.1": ["colour", "background"]}
BLOCKS = list(CARRIED)
PROMPTS, HELD_OUT_SEED = 4000, 1_000_000
CORE = 256

# The paper's example of a feature, and what the feature of this number is to be about in each block.
EXAMPLE = 4539
EXAMPLES = {"down.2.1": "on the left", "mid.0": "at the top", "up.0.0": "a cross", "up.0.1": "a red shape"}

# By the names under which they come; the last is the one that commands take.
RECIPES = {
    "embedded-k10-n256": ["--architecture", "topk", "--features", "256"],
    "embedded-k10-n5120": [
        "--architecture", "topk", "--features", "5120", "--start", "vectors", "--revive", "0.003", "--dead-after", "50000",
        "--aux-k", "0", "--batch", "2048", "--steps", "1000", "--learning-rate", "2e-3",
    ],
}


def sdlens(*arguments):
    """Runs the program in the work folder; its --json, if that was asked for."""
    result = subprocess.run([PROGRAM, *map(str, arguments)], cwd=WORK, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout) if "--json" in arguments else result.stdout


def collect(name, first, seed, count=PROMPTS):
    """A store of the prompts from `first` on."""
    lines = (MODEL / "prompts.txt").read_text().splitlines()[first:first + count]
    (WORK / f"{name}.txt").write_text("\n".join(lines) + "\n")
    sdlens("collect", "--model", MODEL, "--prompts", f"{name}.txt", "--seed", seed, "--name", name, "--block", *BLOCKS)


def make():
    """All dictionaries, in half precision, with statistics and captions from prompts that they have not seen."""
    collect("training", 0, 42)
    collect("held-out", PROMPTS, HELD_OUT_SEED)
    for order, (name, recipe) in enumerate(RECIPES.items(), 1):
        for block in BLOCKS:
            if (TARGET / block / name / "sae.json").exists():
                continue
            size = name.removeprefix("embedded-")
            trained = WORK / "sdlens-workspace/saes" / block / f"{name}-{size}"
            if not (trained / "sae.json").exists():
                sdlens("train-sae", "--model", MODEL, "--store", "training", "--block", block, "--name", name, "--k", 10, *recipe)
            made = WORK / "made" / block / name
            shutil.rmtree(made, ignore_errors=True)
            made.parent.mkdir(parents=True, exist_ok=True)
            sdlens("convert", trained, made, "--to", "sdlens", "--half")
            sdlens("statistics", "--sae", made, "--store", "held-out", "--compact")
            config = json.loads((made / "sae.json").read_text())
            config["order"] = order
            (made / "sae.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
            write_captions(made)
            if config["features"] > EXAMPLE:
                number(made, EXAMPLES[block])
            # The pictures are the same for all.
            for file in ("pictures.jsonl", "activations.json"):
                TARGET.mkdir(exist_ok=True)
                shutil.move(made / file, TARGET / file)
            (TARGET / block).mkdir(exist_ok=True)
            shutil.move(made, TARGET / block / name)


# ---- captions -----------------------------------------------------------------------------------

def values(caption):
    """What is true of the picture of a caption: pairs of factor and value."""
    things, _, ground = caption.partition(", on a ")
    if things.startswith("an empty "):
        things, ground = "", things.removeprefix("an empty ")
    found = {("background", ground.removesuffix(" background") or world.DEFAULT_BACKGROUND)}
    for thing in filter(None, things.split(" and ")):
        for factor, all_values in world.FACTORS.items():
            words = (world.PLACE_PHRASES[v] if factor == "place" else v for v in all_values)
            told = [v for v, word in zip(all_values, words) if re.search(rf"\b{word}\b", thing)]
            found.add((factor, told[0] if told else world.DEFAULTS.get(factor)))
    return found


def shared(pictures, usual):
    """The values that nine of ten pictures have, where less than half of all have them; at most one of a factor."""
    counts = {}
    for value in (v for picture in pictures for v in picture):
        counts[value] = counts.get(value, 0) + 1
    common = {f: v for (f, v), n in sorted(counts.items(), key=lambda i: i[1]) if n >= 0.9 * len(pictures)
              and usual[f, v] < 0.5 and v}
    return common


def words(common):
    """As in "a small red star on the left, on a teal background"; empty where nothing is common."""
    thing = [common[f] for f in ("size", "colour", "texture") if common.get(f, "plain") != "plain"]
    parts = []
    if thing or "shape" in common:
        parts.append(world.article(" ".join(thing + [common.get("shape", "shape")])))
    if "place" in common:
        parts = [" ".join(parts + [world.PLACE_PHRASES[common["place"]]])]
    if "background" in common:
        parts.append(f"on a {common['background']} background")
    return ", ".join(parts)


def write_captions(folder):
    """`captions.jsonl`: of each feature what its ten strongest pictures have in common, by the truth about them."""
    lines = [json.loads(line) for line in (folder / "pictures.jsonl").read_text().splitlines()]
    truth = {line["picture"]: values(line["prompt"]) for line in lines}
    usual = {}
    for value in (v for picture in truth.values() for v in picture):
        usual[value] = usual.get(value, 0) + 1 / len(truth)
    examples = load_file(folder / "examples.safetensors")
    captions = []
    for feature, (start, end) in enumerate(zip(examples["offsets"], examples["offsets"][1:])):
        top = [truth[p] for p in examples["pictures"][start:min(end, start + 10)]]
        caption = words(shared(top, usual)) if len(top) >= 5 else ""
        if caption:
            captions.append({"feature": feature, "caption": caption, "source": "truth"})
    (folder / "captions.jsonl").write_text("".join(json.dumps(c) + "\n" for c in captions))


# ---- numbers ------------------------------------------------------------------------------------

def overwrite(path, arrays):
    """Puts arrays of the same shapes into a file that stays as the program wrote it otherwise."""
    with open(path, "r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        for name, array in arrays.items():
            file.seek(8 + size + header[name]["data_offsets"][0])
            file.write(array.tobytes())


def number(folder, caption):
    """Lets the feature with this caption that writes the most and EXAMPLE change places. The order of features has no
    meaning, most of the 5120 change nothing that one sees, and whoever types the paper's number is to see something."""
    captions = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    written = load_file(folder / "statistics.safetensors")["mean"] * np.linalg.norm(parameters(folder)["decoder"], axis=1)
    other = max((c["feature"] for c in captions if c["caption"] == caption), key=lambda feature: written[feature])
    order = np.arange(len(written))
    order[[EXAMPLE, other]] = order[[other, EXAMPLE]]
    for name in ("sae", "statistics", "examples"):
        path = folder / f"{name}.safetensors"
        arrays = load_file(path)
        if name == "examples":
            pieces = [slice(*ends) for ends in zip(arrays["offsets"], arrays["offsets"][1:])]
            for key in ("pictures", "strengths"):
                arrays[key] = np.concatenate([arrays[key][pieces[feature]] for feature in order])
            arrays["offsets"][1:] = np.cumsum(np.diff(arrays["offsets"])[order])
        for key, array in arrays.items():
            if key == "parity.indices":
                arrays[key] = order[array].astype(array.dtype)
            elif len(array) == len(order):
                arrays[key] = np.ascontiguousarray(array[order])
        overwrite(path, arrays)
    for line in captions:
        line["feature"] = int(order[line["feature"]])
    captions.sort(key=lambda line: line["feature"])
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in captions))


# ---- figures ------------------------------------------------------------------------------------

def parameters(folder):
    """The arrays of a dictionary, float32."""
    return {name: array.astype(np.float32) for name, array in load_file(folder / "sae.safetensors").items()}


def report():
    """Explained variance of all features, and of the first and the most used 256 of them, on the held-out prompts."""
    rows = []
    for block in BLOCKS:
        for name in RECIPES:
            p = parameters(TARGET / block / name)
            n, used = len(p["encoder"]), np.zeros(len(p["encoder"]))
            chosen = []
            for vectors in held_out(block):
                z = (vectors - p["pre_bias"]) @ p["encoder"].T + p["latent_bias"]
                index = np.argpartition(-z, 10, axis=1)[:, :10]
                value = np.maximum(np.take_along_axis(z, index, 1), 0)
                np.add.at(used, index[value > 0], 1)
                chosen.append((vectors, index, value))
            parts = {"all": np.ones(n, bool), "first": np.arange(n) < CORE}
            parts["most used"] = np.isin(np.arange(n), np.argsort(-used)[:CORE])
            mean = np.mean([v.mean(0) for v, _, _ in chosen], axis=0)
            total = sum(((v - mean) ** 2).sum() for v, _, _ in chosen)
            row = {"block": block, "dictionary": name, "live": float((used > 0).mean()), "L0": float(used.sum() / sum(len(v) for v, _, _ in chosen))}
            for part, keep in parts.items():
                error = sum(
                    ((v - p["pre_bias"] - np.einsum("bk,bkd->bd", a * keep[i], p["decoder"][i])) ** 2).sum()
                    for v, i, a in chosen)
                row[f"EV of {part}"] = float(1 - error / total)
                row[f"activations in {part}"] = float(used[keep].sum() / used.sum())
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def held_out(block, pictures=1000):
    """Vectors [some, width] of the first pictures of the held-out store."""
    for shard in sorted((WORK / "sdlens-workspace/activations/held-out").glob("*.safetensors")):
        with safe_open(shard, "np") as file:
            array = file.get_tensor(block)
        array = array[:pictures].reshape(-1, array.shape[-1]).astype(np.float32)
        yield from np.array_split(array, max(1, len(array) // 4096))
        pictures -= len(array) // 64
        if pictures <= 0:
            return


def live():
    """The share of features that act on any of the prompts that training has not seen."""
    collect("unseen", PROMPTS, HELD_OUT_SEED, count=10**6)
    for name in RECIPES:
        for block in BLOCKS:
            copy = WORK / "live" / block / name
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(TARGET / block / name, copy, ignore=lambda _, names: {n for n in names if not n.startswith("sae.")})
            sdlens("statistics", "--sae", copy, "--store", "unseen", "--compact")
            density = load_file(copy / "statistics.safetensors")["density"]
            print(f"{block} {name}: {(density > 0).mean():.3f}", flush=True)


def truth():
    """What `eval truth` finds of the values that each block carries, as a table."""
    print("| block | features | AUROC per picture | per place | MCC | F1 | precision | recall | unique | absorbed | split | "
          "shrinkage |\n" + "| --- " * 12 + "|")
    for name in reversed(RECIPES):
        for result in sdlens("eval", "truth", "--model", MODEL, "--sae", name, "--block", *BLOCKS, "--json", "--quiet"):
            block, cells = result["block"], []
            for level in ("picture", "place"):
                told = {m.get("factor"): m["auroc"]["value"] for m in result["means"]
                        if (m["level"], m["method"]) == (level, "dictionary")}
                cells.append(", ".join(f"{factor} {told[factor]:.3f}" for factor in CARRIED[block]))
            match = next(m for m in result["matches"]["means"]
                         if (m["level"], m["method"], m["factors"]) == ("picture", "dictionary", "carried"))
            summary = match["summary"]
            cells += ["{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]".format(**summary[key]) for key in ("mcc", "f1")]
            cells += [f"{summary[key]['value']:.3f}" for key in ("precision", "recall")]
            cells += [f"{summary['uniqueness']:.2f}", f"{summary['absorption']['value']:.3f}", f"{match['splitting']:.1f}",
                      f"{match['shrinkage']['value']:.3f}"]
            print(f"| {block} | {name.split('-n')[1]} | " + " | ".join(cells) + " |", flush=True)


def visible(count=100, seed=0):
    """The share of features drawn at random whose modulation by -6 changes the picture in which they are strongest by at
    least one grey level on average, inside their active area."""
    for block in BLOCKS:
        chosen = np.random.default_rng(seed).permutation(5120)[:count]
        changes = []
        for feature in chosen:
            out = WORK / "visible" / f"{block}-{feature}"
            run = subprocess.run(
                [PROGRAM, "intervene", "--block", block, "--feature", str(feature), "--beta", "-6", "--sae",
                 "embedded-k10-n5120", "--output", out, "--force", "--json", "--quiet"], cwd=WORK, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
            # The change is the sum over three channels; of a feature that was never active there is none.
            change = json.loads(run.stdout)["outcomes"][0]["change"].get("inside") if run.returncode == 0 else None
            changes.append((change or 0) / 3)
            shutil.rmtree(out, ignore_errors=True)
        print(f"{block}: {np.mean(np.array(changes) >= 1):.2f} of {count} change one grey level or more; median "
              f"{np.median(changes):.1f}", flush=True)


if __name__ == "__main__":
    PROGRAM = str(Path(sys.argv[1]).resolve())
    WORK.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        {"make": make, "report": report, "live": live, "truth": truth, "visible": visible}[name]()
