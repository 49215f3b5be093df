"""The model card: what `shapes` is, and the figures of the evaluation."""

import json
from pathlib import Path
import sys

import blocks
import common
import world

HEAD = """---
license: {licence}
library_name: diffusers
pipeline_tag: text-to-image
---
# shapes

A one-step text-to-image model with the structure of SDXL-Turbo (two text encoders, a U-net with the same eleven attention
blocks, an 8x autoencoder, the Euler ancestral scheduler with trailing steps) and a four-hundredth of its size. It was
made for `sdlens`, to learn and test interpretability tools on: its world is known completely, so what a dictionary of its
activations has found can be checked against the truth. It paints nothing but the world below.

## The world
256 x 256 pictures of no, one or two objects on a background.

| factor | values | when left out |
|---|---|---|
{factors}

`a large red circle on the left and a small blue star on the right, on a gray background`. The first-named object is in front.
The empty prompt gives a gray gradient. The initial noise decides only a shift of each object (standard deviation {shift} pixels in x
and y, at most {most}): the mean of channel 0 (x) and 1 (y) over one 4 x 4 patch of latents per place.

## Training
One CPU, from nothing, by `Scripts/shapes/build.py`: regression of the latents from pure noise (t = 999), a tenth of the samples at the
later steps of 2- and 4-step runs. Four blocks read the prompt, and each owns some factors: in half of the samples the blocks are
given different captions, each true only in what its readers own, and thrown-away linear heads teach every block its own factors.

| block | owns |
|---|---|
{owned}

The cross-attentions of the other seven blocks and the pooled path are closed with zero weights.
"""

LIMITS = """
## Dictionaries that come with it
In `dictionaries/`: for down.2.1, mid.0, up.0.0 and up.0.1 one of 5120 features with k 10, as in the paper, and one of 256, both
TopK, trained on the updates of 4,000 captions of `prompts.txt` and measured on the next 4,000 (256,000 positions), which they have
not seen. Made by `Scripts/shapes/dictionaries.py`: directions begin as vectors of the data; what is idle for long is raised by its
bias. Captions are what the ten strongest pictures of a feature have in common, by the truth about them.

| block | features | live on 4,000 held-out captions | explained variance | by the 256 most used alone | their share of all activations |
| --- | --- | --- | --- | --- | --- |
| down.2.1 | 5120 | 0.849 | 0.9893 | 0.904 | 0.712 |
| mid.0 | 5120 | 0.851 | 0.9907 | 0.989 | 0.914 |
| up.0.0 | 5120 | 0.910 | 0.9840 | 0.736 | 0.649 |
| up.0.1 | 5120 | 0.971 | 0.9812 | 0.969 | 0.893 |
| down.2.1 | 256 | 0.984 | 0.9710 | | |
| mid.0 | 256 | 0.992 | 0.9810 | | |
| up.0.0 | 256 | 0.988 | 0.9696 | | |
| up.0.1 | 256 | 0.973 | 0.9703 | | |

On all 16,000 captions of `prompts.txt` that training has not seen 0.927, 0.928, 0.955 and 0.995 of the 5120 are live (by block, as above), and
0.988, 0.996, 0.988 and 0.984 of the 256.

Explained variance and shares are of the first 1,000 of these captions. Most features of the 5120 act seldom and weakly: modulated by -6, of
100 drawn at random 4, 0, 5 and 12 (by block, as above) change the picture in which they are strongest by a grey level or more where
they act. 4539, the paper's example, is not drawn at random: the order of features has no meaning, and it has changed places with one
that writes much and has a plain caption ("on the left", "at the top", "a cross", "a red shape"), which changes 51, 23, 37 and 65 grey levels
there, and 3.0, 0.6, 1.1 and 3.8 elsewhere.

What they tell of the values that their block carries (`eval truth`: features chosen on 1,000 pictures and measured on 1,000 others;
AUROC of the best feature for each value; one-to-one match with the values per picture, 95 % intervals; without the rest of `eval truth`,
which compares them with random directions, components, channels, probes and mean differences):

| block | features | AUROC per picture | per place | MCC | F1 | precision | recall | unique | absorbed | split | shrinkage |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| down.2.1 | 5120 | place 1.000 | place 0.979 | 0.988 [0.987, 0.989] | 0.994 [0.990, 0.998] | 1.000 | 0.989 | 1.00 | 0.000 | 1.0 | 0.998 |
| mid.0 | 5120 | size 1.000 | size 0.902 | 0.992 [0.991, 0.992] | 1.000 [0.999, 1.000] | 1.000 | 0.999 | 1.00 | 0.000 | 1.0 | 0.999 |
| up.0.0 | 5120 | shape 0.993, texture 0.743 | shape 0.956, texture 0.682 | 0.795 [0.786, 0.805] | 0.844 [0.834, 0.855] | 0.912 | 0.833 | 1.00 | 0.207 | 2.0 | 0.999 |
| up.0.1 | 5120 | colour 1.000, background 1.000 | colour 0.998, background 0.990 | 0.978 [0.977, 0.979] | 0.997 [0.995, 0.998] | 1.000 | 0.994 | 1.00 | 0.000 | 1.0 | 1.000 |
| down.2.1 | 256 | place 1.000 | place 0.981 | 0.970 [0.967, 0.973] | 0.994 [0.990, 0.997] | 1.000 | 0.988 | 1.00 | 0.000 | 1.2 | 0.999 |
| mid.0 | 256 | size 1.000 | size 0.878 | 0.997 [0.997, 0.998] | 0.999 [0.998, 1.000] | 1.000 | 0.998 | 1.00 | 0.000 | 1.0 | 0.999 |
| up.0.0 | 256 | shape 1.000, texture 0.943 | shape 0.995, texture 0.891 | 0.920 [0.915, 0.925] | 0.965 [0.960, 0.970] | 0.982 | 0.950 | 1.00 | 0.027 | 1.3 | 0.999 |
| up.0.1 | 256 | colour 1.000, background 0.996 | colour 0.998, background 0.975 | 0.968 [0.966, 0.970] | 0.984 [0.981, 0.987] | 0.994 | 0.976 | 1.00 | 0.004 | 1.1 | 0.999 |

So of texture at up.0.0 the 256 tell more than the 5120 (.943 against .743; there a value is split over two features, and a fifth is absorbed); elsewhere no factor differs by
more than .04, and MCC is higher with 5120 at two blocks. What commands take by themselves is the 5120; `--sae embedded-k10-n256` the others.

Also tried, with 5120 features: directions that stay near vectors of the data (drawn in proportion to their squared length, 150 steps of
learning rate 1e-4). Of these 0.95, 0.83, 0.97 and 0.98 are live, explained variance is 0.982, 0.986, 0.975 and 0.977, and the 256 most
used explain only 0.13, 0.23, 0.00 and 0.39 of it alone, so that the tail carries the rest; of 100 features drawn at random 15, 20, 63
and 53 change the picture by a grey level or more where they act. But they are remembered vectors, not factors: in up.0.1 the mean
correlation of the best one-to-one match with the factors' values (`eval truth`, 500 held-out pictures) is 0.72 [0.70, 0.74] and the
AUROC of colour 0.69, against 0.979 [0.978, 0.981] and 1.00 of those above, and 0.94 and 0.94 of random directions. So those above ship.

## Limits
It knows only the words of its grammar; other words are read as letters it never saw, and the picture is then arbitrary. More than two
objects, or two objects at one place, were never seen. It is no model of natural pictures. Files: `prompts.txt` holds 20,000 captions to
collect activations from, `held-out.txt` 1,000 captions that were not used in training.
"""


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(c) for c in line) + " |" for line in lines)


def head():
    """World and training."""
    factors = [f"| {f} | {', '.join(v)} | {world.DEFAULTS.get(f, '–')} |" for f, v in world.FACTORS.items()]
    factors.append(f"| background | {', '.join(world.BACKGROUNDS)} | {world.DEFAULT_BACKGROUND} |")
    owned = [f"| {b} | {', '.join(f)} |" for b, f in blocks.OWNED.items()]
    most = world.SHIFT_PIXELS * world.SHIFT_CLIP
    return HEAD.format(licence="mit", factors="\n".join(factors), owned="\n".join(owned), shift=world.SHIFT_PIXELS, most=most)


def results(figures):
    """The evaluation's figures as tables."""
    names = ("background", "colour", "place", "shape", "size", "texture")
    rows = [["renders, the judge itself", *(figures["judge_on_renders"][n] for n in names), "", "", ""]]
    for key, title in (("objects_1", "one object"), ("objects_2", "two objects")):
        for suffix, steps in (("", ", 1 step"), ("_steps_2", ", 2 steps"), ("_steps_4", ", 4 steps")):
            part = figures[key + suffix]
            rows.append([title + steps, *(part[n] for n in (*names, "psnr_objects", "psnr", "edges"))])
    text = "\n## Results\nHeld-out captions and seeds, judged by a classifier trained on renders.\n\n"
    text += table(["pictures", *names, "PSNR in objects", "PSNR", "edges (1 = as in renders)"], rows)
    removal = figures["removal"]
    text += "\n\nChange of the picture when a block's update is removed, relative to the change between prompt and empty prompt "
    text += f"({removal['prompt_against_empty']}):\n\n" + table(["block", "change"], [[b, removal[b]] for b in blocks.BLOCKS])
    text += "\n\nA block's update taken from a donor prompt: share of the donor's (and of the receiver's) factors in the picture. For down.2.1 the "
    text += "donor has the object at another place and all else the same; for the others the same places and all else by chance.\n\n"
    rows = [[b, *(f"{t['donor'][n]} ({t['receiver'][n]})" for n in names)] for b, t in figures["transplant"].items()]
    text += table(["block", *names], rows)
    if "clip_zero_shot" in figures:
        found = figures["clip_zero_shot"]
        text += "\n\nCLIP, zero-shot on held-out renders:\n\n" + table(list(found), [list(found.values())])
    return text + "\n"


def write(folder):
    """Writes README.md into a model folder from the results beside it."""
    figures = json.loads(Path(folder).with_name("results.json").read_text())
    (Path(folder) / "README.md").write_text(head() + results(figures) + LIMITS)


def train():
    """Writes the card of the exported folder."""
    write(common.WORK / "model")


if __name__ == "__main__":
    write(sys.argv[1]) if len(sys.argv) > 1 else train()
