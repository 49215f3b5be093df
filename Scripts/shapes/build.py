"""Builds the `shapes` model, stage by stage: `python build.py` for all, `python build.py vae data` for some.

A stage whose product exists is skipped; one that was interrupted goes on from its checkpoint. Everything is
written to `$SHAPES_WORK` (default: `build` beside this file); see README.md for times.
"""

import os
import sys

import common

# Large blocks of memory are kept instead of being given back and cleared again at every step: 15 % faster.
MEMORY = ("glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4000000000:"
          "glibc.malloc.trim_threshold=8000000000:glibc.malloc.top_pad=500000000")
STAGES = {
    "tokenizer": "tokenizer_2/vocab.json",
    "text": "text_encoder_2/model.safetensors",
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "classifier": "classifier.pt",
    "clip": "clip/model.safetensors",
    "data": "data/complete",
    "unet": "train-unet/average/diffusion_pytorch_model.safetensors",
    "polish": "vae-polished/diffusion_pytorch_model.safetensors",
    "export": "model/model_index.json",
    "evaluate": "results.json",
    "card": "model/README.md",
}


def run(stage):
    """Runs one stage unless its product exists."""
    product = common.WORK / STAGES[stage]
    if product.exists():
        print(f"{stage}: done")
        return
    print(f"{stage}: begins", flush=True)
    __import__(stage).train()
    if not product.exists():
        sys.exit(f"{stage}: stopped; the same command goes on")


def main():
    """Runs the stages named on the command line, or all."""
    if "GLIBC_TUNABLES" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "GLIBC_TUNABLES": MEMORY})
    chosen = sys.argv[1:] or list(STAGES)
    if unknown := set(chosen) - set(STAGES):
        sys.exit(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    for stage in chosen:
        run(stage)


if __name__ == "__main__":
    main()
