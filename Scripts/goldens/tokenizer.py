"""Both tokenizers on some 270 awkward strings, token for token.

What the pipeline loads (transformers 5.23, class `CLIPTokenizer`) is the *fast* tokenizer, built from `vocab.json`
and `merges.txt`; there is no slow one any more, and no ftfy, no HTML unescaping, no BasicTokenizer. It works so:

 1. Added tokens that are not `normalized` are cut out of the raw text: in `tokenizer_2` this is "!", the padding
    token, so there every "!" is its own id 0 whatever surrounds it ("hello!!!" ends in 0 0 0).
 2. What is left: Unicode NFC; every run of white space (`\\s`: Unicode White_Space, so U+0085, U+00A0, U+3000, but
    not U+001C–1F or U+200B) becomes one space; lower case character by character (full mapping, İ → i + U+0307, no
    final-sigma rule, so Σ → σ always).
 3. Added tokens that are `normalized` are cut out of that: `<|startoftext|>` and `<|endoftext|>`, hence also when
    written in capitals.
 4. Words: <|startoftext|>|<|endoftext|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+, all else is
    dropped; then each word again by GPT-2's expression (which cuts nothing further, except that "<|endoftext|>" in
    a tokenizer whose end token is not `normalized` becomes "<|", "endoftext", "|>").
 5. Each word's UTF-8 bytes become the byte alphabet, the last gets "</w>", and pairs are merged by rank. A piece
    that is not in the vocabulary becomes the unknown token; with all 512 single pieces present this never happens.
 6. Start token, at most 75 tokens, end token; then padding to 77 (<|endoftext|>, in `tokenizer_2` "!" = 0).

The tokens cut off are those the pipeline's warning shows: with `all` the untruncated ids, `all[76:-1]`, decoded
(specials kept, "</w>" → space, ends stripped; a cut character decodes to U+FFFD).
"""

import json
import tempfile
from pathlib import Path

from .awkward_strings import STRINGS
from .byte_pairs import END, START, TEXT, added_token, learn_merges, write_json, write_tokenizer
from .common import DIFFUSION, TINY, save_json
from .model import MERGES

# Strings whose ids depend on how the configuration declares the added tokens.
DECLARED = [
    "<|ENDOFTEXT|> x",
    "<|STARTOFTEXT|> x",
    "a<|endoftext|>b",
    "<|startoftext|> a",
    "!a!! b",
    "<|EndOfText|>!",
]


def make() -> None:
    tokenizers = [load(TINY / "tokenizer"), load(TINY / "tokenizer_2")]
    save_json(DIFFUSION / "tokenizer.json", {"strings": [row(text, tokenizers) for text in STRINGS]}, compact=True)
    save_json(DIFFUSION / "tokenizer-forms.json", forms())


def load(folder: Path):
    """The tokenizer as `StableDiffusionXLPipeline.from_pretrained` loads it."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    assert tokenizer.is_fast and tokenizer.model_max_length == 77
    return tokenizer


def row(text: str, tokenizers: list) -> dict:
    """ids: 77 each; length: with start and end, before cutting; removed: the text cut off, where any is."""
    result = {"text": text}
    for suffix, tokenizer in zip(("", "_2"), tokenizers):
        # diffusers, StableDiffusionXLPipeline.encode_prompt:
        ids = tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids
        everything = tokenizer(text, padding="longest").input_ids
        result["ids" + suffix] = ids
        result["length" + suffix] = len(everything)
        if len(everything) >= 77 and everything != ids:
            result["removed_ids" + suffix] = everything[76:-1]
            result["removed" + suffix] = tokenizer.batch_decode([everything[76:-1]])[0]
    return result


def forms() -> list[dict]:
    """The ways published models declare the added tokens, and what comes of each (ids without padding).

    `normalized` decides whether a token is looked for in the raw or in the lower-cased text. It is taken from
    `added_tokens_decoder` where there is one, else from the special tokens; a plain string there means raw, and
    for one token named twice the last of bos, eos, unk, pad counts.
    """
    merges = learn_merges(TEXT, MERGES)
    result = []
    for name in ("decoder", "decoder, end raw", "special tokens as objects", "special tokens as text"):
        for pad in (END, "!"):
            with tempfile.TemporaryDirectory() as folder:
                folder = Path(folder)
                write_tokenizer(folder, merges, pad)
                declare(folder, name, pad)
                tokenizer = load(folder)
                result.append(
                    {
                        "form": name,
                        "pad": pad,
                        "tokenizer_config": json.loads((folder / "tokenizer_config.json").read_text()),
                        "special_tokens_map": json.loads((folder / "special_tokens_map.json").read_text()),
                        "normalized": {
                            str(token): token.normalized for token in tokenizer.added_tokens_decoder.values()
                        },
                        "strings": [{"text": text, "ids": tokenizer(text).input_ids} for text in DECLARED],
                    }
                )
    return result


def declare(folder: Path, form: str, pad: str) -> None:
    """Rewrites the two configuration files of `folder` in another form."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    if form == "decoder, end raw":  # files saved by transformers 4.34
        for token in config["added_tokens_decoder"].values():
            if token["content"] == END:
                token["normalized"] = False
    elif form.startswith("special tokens"):  # files saved before, such as SDXL base
        del config["added_tokens_decoder"]
        if form.endswith("objects"):
            for key in ("bos_token", "eos_token", "unk_token"):
                value = added_token(special[key], normalized=True)
                del value["special"]
                special[key] = value
                config[key] = {"__type": "AddedToken", **value}
    write_json(path, config)
    write_json(folder / "special_tokens_map.json", special)
