"""The model folder: diffusers' layout, half precision, SDXL's own key names."""

import json
from pathlib import Path
import shutil
import sys

from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel
import numpy as np
from safetensors.torch import save_file
import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection

import classifier
import clip
import common
import polish
from text import ANSWERS, GROUNDS
import unet
import vae
import world

PROMPTS, HELD_OUT = 20_000, 1_000
LIMIT = 32_000_000  # bytes of the whole folder
INDEX = {
    "_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.24.0.dev0", "force_zeros_for_empty_prompt": False,
    "scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
}


def tidy(folder):
    """Drops what names the place a model was loaded from."""
    path = folder / "config.json"
    settings = json.loads(path.read_text())
    settings.pop("_name_or_path", None)
    path.write_text(json.dumps(settings, indent=2) + "\n")


def write_text_encoder(kind, name, target):
    """A text encoder with the key names of SDXL's files, which all begin with `text_model.` or `text_projection.`."""
    model = kind.from_pretrained(common.WORK / name).half()
    model.save_pretrained(target / name)
    weights = {}
    for key, value in model.state_dict().items():
        full = key if key.startswith(("text_model.", "text_projection.")) else "text_model." + key
        weights[full] = value.contiguous()
    save_file(weights, target / name / "model.safetensors", metadata={"format": "pt"})
    tidy(target / name)


def captions(count, held_out, seed):
    """`count` captions of the grammar, all different if held out."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        text = world.caption(world.sample(rng, held_out))
        if text and not (held_out and text in found):
            found.append(text)
    return found


def write_prompts(target):
    """20,000 captions for collecting, and 1,000 that the model was never trained on."""
    (target / "prompts.txt").write_text("\n".join(captions(PROMPTS, False, 100)) + "\n")
    (target / "held-out.txt").write_text("\n".join(captions(HELD_OUT, True, 101)) + "\n")


def judge_config(judge):
    """What reads the judge besides its weights: sizes, the answers of its heads in order, where it looks."""
    return {
        "size": classifier.SIDE,
        "channels": [m.out_channels for m in judge.trunk if isinstance(m, torch.nn.Conv2d)],
        "groups": judge.trunk[1][0].num_groups,
        "width": judge.window[3].out_features,
        "background_width": judge.ground[2].out_features,
        "window": classifier.WINDOW,
        "places": windows(),
        "answers": {"present": ["no", "yes"], **{f: list(world.FACTORS[f]) for f in ANSWERS if f != "present"}},
        "backgrounds": list(GROUNDS),
    }


def windows():
    """The first row and column of each place's window on the judge's map, as in `Classifier.forward`."""
    def first(v):
        return min(max(round(v / 16) - 4, 0), classifier.MAP - classifier.WINDOW)
    return {name: [first(y), first(x)] for name, (x, y) in world.PLACES.items()}


def write_judge(judge, target):
    """The judge: `config.json` and weights in half precision."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "config.json").write_text(json.dumps(judge_config(judge), indent=2) + "\n")
    weights = {name: value.half().contiguous() for name, value in judge.state_dict().items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})


def write(target, weights=None):
    """Writes the folder from what the stages have left in the work folder."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(common.WORK / name, target / name, dirs_exist_ok=True)
    write_text_encoder(CLIPTextModel, "text_encoder", target)
    write_text_encoder(CLIPTextModelWithProjection, "text_encoder_2", target)
    polished = common.WORK / polish.FOLDER
    folders = {"vae": (AutoencoderKL, polished if polished.exists() else common.WORK / vae.FOLDER),
               "unet": (UNet2DConditionModel, weights or common.WORK / "train-unet" / "average")}
    for name, (kind, source) in folders.items():
        kind.from_pretrained(source).half().save_pretrained(target / name)
        tidy(target / name)
    EulerAncestralDiscreteScheduler(**unet.SCHEDULER).save_pretrained(target / "scheduler")
    (target / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    write_prompts(target)
    if (common.WORK / clip.FOLDER / "model.safetensors").exists():
        clip.export(target / "clip")
    if (common.WORK / classifier.FILE).exists():
        write_judge(classifier.load(), target / "judge")
    size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
    print(f"{target}: {size / 1e6:.1f} MB")
    assert size <= LIMIT, "the folder is too large"


def train():
    """Writes the folder into the work folder."""
    write(common.WORK / "model")


if __name__ == "__main__":
    write(Path(sys.argv[1]), *map(Path, sys.argv[2:3])) if len(sys.argv) > 1 else train()
