#!/usr/bin/env python3
"""Remakes the goldens: what PyTorch, transformers and diffusers compute, for the Swift tests to equal.

    make_goldens.py                    every section, in order
    make_goldens.py tokenizer unet     only these
    make_goldens.py --list             the sections and what each writes

Each section is one module of the package `goldens`; `Tests/README.md` says what its files hold.
Two runs on one machine write the same bytes.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

from goldens import common

SECTIONS = [
    "model", "tokenizer", "text", "layers", "randn", "unet", "vae", "sampling", "pipeline",
    "sparse_training",
    "sparse_formats",
    "dictionary_variants",
    "dictionary_kinds",
    "unbox_activations",
    "principal_components",
    "interventions",
    "pictures",
    "shapes_world",
    "truth",
    "judge",
    "metrics",
    "perception",
    "prompt_lists",
    "prompt_tables",
    "seeds",
    "saved_tokenizers",
    "numpy_files",
    "matching",
    "probe",
    "words",
    "tiny_decoder",
    "single_file",
    "lora",
    "eight_bit_floats",
    "narrow_floats",
    "samplers",
    "image_to_image",
    "inversion",
    "second_family",
]
OPTIONAL = {"clip_vocabulary": "clip_bpe", "minilm": "minilm"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS + list(OPTIONAL)))
    parser.add_argument("--clip-bpe", type=Path, help="bpe_simple_vocab_16e6.txt.gz, for clip_vocabulary")
    parser.add_argument("--minilm", type=Path, help="the folder of all-MiniLM-L6-v2, for minilm")
    parser.add_argument("--list", action="store_true", help="list the sections and stop")
    options = parser.parse_args()
    unknown = [name for name in options.sections if name not in SECTIONS + list(OPTIONAL)]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS + list(OPTIONAL))}")

    if not options.list:
        common.be_quiet()
        common.be_deterministic()
    chosen = options.sections or SECTIONS + [name for name, option in OPTIONAL.items() if getattr(options, option) or options.list]
    for name in SECTIONS + list(OPTIONAL):
        if name not in chosen:
            continue
        module = importlib.import_module(f"goldens.{name}")
        if options.list:
            print(f"{name:16} {module.__doc__.strip().splitlines()[0]}")
            continue
        start = time.time()
        if name in OPTIONAL:
            module.make(getattr(options, OPTIONAL[name]))
        else:
            module.make()
        print(f"{name}: {time.time() - start:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
