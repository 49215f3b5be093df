"""The same strings with CLIP's own vocabulary of 49,408 tokens, which is not kept here.

The vocabulary comes as `open_clip/bpe_simple_vocab_16e6.txt.gz` in the package open_clip_torch (MIT):

    pip download --no-deps open_clip_torch==3.3.0
    unzip -j open_clip_torch-3.3.0-py3-none-any.whl open_clip/bpe_simple_vocab_16e6.txt.gz
    make_goldens.py clip_vocabulary --clip-bpe bpe_simple_vocab_16e6.txt.gz

writes the golden, and beside it, where git does not look, the two tokenizer folders that the Swift test needs:
`.build/clip-vocabulary/tokenizer` and `.build/clip-vocabulary/tokenizer_2`. Without them that test is skipped.
"""

import gzip
import sys
from pathlib import Path

from .awkward_strings import STRINGS
from .byte_pairs import END, vocabulary, write_tokenizer
from .common import DIFFUSION, ROOT, save_json
from .tokenizer import load, row

FOLDER = ROOT / ".build" / "clip-vocabulary"


def make(bpe: Path | None) -> None:
    if bpe is None:
        sys.exit(f"clip_vocabulary needs --clip-bpe FILE\n\n{__doc__}")
    merges = read_merges(bpe)
    assert len(vocabulary(merges)) == 49408
    write_tokenizer(FOLDER / "tokenizer", merges, pad=END)
    write_tokenizer(FOLDER / "tokenizer_2", merges, pad="!")
    tokenizers = [load(FOLDER / "tokenizer"), load(FOLDER / "tokenizer_2")]
    golden = {"how_to_get_the_vocabulary": __doc__, "strings": [row(text, tokenizers) for text in STRINGS]}
    save_json(DIFFUSION / "clip-tokenizer.json", golden, compact=True)


def read_merges(bpe: Path) -> list[tuple[str, str]]:
    """The merges that CLIP uses: after one line of heading, as many as fill the vocabulary."""
    with gzip.open(bpe, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1:]
    return [tuple(line.split()) for line in lines[: 49408 - 2 * 256 - 2]]
