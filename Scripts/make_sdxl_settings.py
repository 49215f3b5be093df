#!/usr/bin/env python3
"""Writes what single files of SDXL lack, and the program brings: settings and CLIP's tokenizers.

    pip download --no-deps open_clip_torch==3.3.0
    unzip -j open_clip_torch-3.3.0-py3-none-any.whl open_clip/bpe_simple_vocab_16e6.txt.gz
    make_sdxl_settings.py --clip-bpe bpe_simple_vocab_16e6.txt.gz

Goes to Sources/SDLensDiffusion/Models: `sdxl` is whole, with the settings of SDXL-Turbo; `ssd-1b` and `vega` hold what
differs from it. Both tokenizers share vocabulary and merges, by links.
"""

import argparse
import os
import shutil
from pathlib import Path

from goldens import byte_pairs, clip_vocabulary
from goldens.byte_pairs import write_json
from goldens.common import ROOT
from goldens.model import model_index, text_encoder_config
from make_random_sdxl import SCHEDULER, TEXT_ENCODER, TEXT_ENCODER_2, UNET, VAE

MODELS = ROOT / "Sources" / "SDLensDiffusion" / "Models"
# Neither has an attention in the middle, nor the second residual block there.
SMALLER = {
    "ssd-1b": {
        "transformer_layers_per_block": [1, 2, 4],
        "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
    },
    "vega": {"transformer_layers_per_block": [1, 1, 2]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip-bpe", type=Path, required=True, help="bpe_simple_vocab_16e6.txt.gz")
    options = parser.parse_args()
    merges = clip_vocabulary.read_merges(options.clip_bpe)
    tokens = byte_pairs.vocabulary(merges)
    assert len(tokens) == 49408

    out = MODELS / "sdxl"
    for name in ["sdxl", *SMALLER]:
        shutil.rmtree(MODELS / name, ignore_errors=True)
    for part, config in {
        "unet": UNET,
        "vae": VAE,
        "text_encoder": text_encoder_config(TEXT_ENCODER, tokens),
        "text_encoder_2": text_encoder_config(TEXT_ENCODER_2, tokens),
    }.items():
        (out / part).mkdir(parents=True)
        write_json(out / part / "config.json", config)
    write_scheduler(out, SCHEDULER)
    write_json(out / "model_index.json", model_index(force_zeros=True))
    for part, pad in [("tokenizer", byte_pairs.END), ("tokenizer_2", "!")]:
        byte_pairs.write_tokenizer(out / part, merges, pad=pad)
    for name in ["vocab.json", "merges.txt"]:
        (out / "tokenizer_2" / name).unlink()
        os.symlink(f"../tokenizer/{name}", out / "tokenizer_2" / name)

    euler = {**SCHEDULER, "_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
    for name, differences in SMALLER.items():
        (MODELS / name / "unet").mkdir(parents=True)
        unet = {**UNET, **differences, "mid_block_type": "UNetMidBlock2D", "sample_size": 128}
        write_json(MODELS / name / "unet" / "config.json", unet)
        write_scheduler(MODELS / name, euler)


def write_scheduler(folder: Path, config: dict) -> None:
    (folder / "scheduler").mkdir()
    write_json(folder / "scheduler" / "scheduler_config.json", config)


if __name__ == "__main__":
    main()
