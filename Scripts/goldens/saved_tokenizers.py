"""Tokenizers in every layout in which they are saved, with added tokens of every kind, and what they make of texts.

A case is a folder: the vocabulary of the tiny model as `vocab.json` and `merges.txt` (BERT: `vocab.txt`) or within one
`tokenizer.json` (transformers 5), and the small files beside it. `whole` in the golden is the `tokenizer.json` that
`save_pretrained` writes of that vocabulary; a case with `added_tokens` has it with these tokens in place of its own,
and with merges as "a b" where it says so.

What transformers 5.23 does with added tokens:

 * They are those of `added_tokens_decoder` in `tokenizer_config.json` and no others; where that is absent, those of
   `added_tokens.json` and of `tokenizer.json`. Then come the tokens with a role, then the additional special ones.
 * Numbers in files are not looked at, but for the order: a token of the vocabulary keeps its number, the others
   count on from the vocabulary. Files here have these numbers.
 * `normalized` is by default what `special` is not; a token with a role is special.
 * Raw tokens are cut out of the text as typed, normalized ones (cleaned like text) out of the cleaned rest, the
   longest of the leftmost; `single_word` ones only where no letter, digit, mark or "_" touches them, but what they
   cover is passed over all the same; `lstrip` and `rstrip` take the white space around.
"""

import json
import random
import tempfile
from pathlib import Path

from .byte_pairs import END, START, write_json
from .common import DIFFUSION, STUDY, TINY, save_json

STRINGS = 40
SEPARATORS = ["", "", " ", " ", "  ", ".", "_", "\t", "\u00a0", "\u00e9", "1", "-", "\n", "'s", "\u0301", "\u200d"]
WORDS = ["a", "cat", "The", "toy", "Photo", "on", "<", ">", "\u00c9", "\u4e2d", "!", "[", "*"]
SMALL = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]


def token(content: str, **flags) -> dict:
    plain = {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, "special": False}
    return {**plain, **flags}


INVERSION = [token("<cat-toy>"), token("<cat-toy>_1"), token("<cat-toy>_2")]
FLAGS = [
    token("<left>", lstrip=True), token("<right>", rstrip=True, normalized=False), token("<both>", lstrip=True, rstrip=True),
    token("dog", single_word=True), token("DOGS", normalized=False, single_word=True), token("in a", single_word=True),
    token("[x]", special=True, normalized=False, rstrip=True),
]
CASES = [token("<Cat Toy>"), token("Dog", normalized=False), token("CAT"), token("\u00e9"), token("e\u0301x", normalized=False),
         token("\u0130x"), token("x  y")]
BARE = [{"content": "<m>"}, {"content": "<N>", "special": True}, {"content": "*", "special": False}]


def make() -> None:
    from transformers import BertTokenizer, CLIPTokenizer

    write(DIFFUSION, CLIPTokenizer, TINY / "tokenizer_2", ["vocab.json", "merges.txt"], [START, END, "a"])
    write(STUDY, BertTokenizer, STUDY / "sentences", ["vocab.txt"], ["[CLS]", "[MASK]", "cat"])


def write(out: Path, kind, source: Path, vocabulary: list[str], known: list[str]) -> None:
    base = kind.from_pretrained(source)
    with tempfile.TemporaryDirectory() as folder:
        base.save_pretrained(folder)
        whole = json.loads((Path(folder) / "tokenizer.json").read_text())
    cases = []
    for name, files, saved in folders(source, whole["model"]["vocab"], known):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for file in vocabulary:
                (folder / file).write_bytes((source / file).read_bytes())
            if "tokenizer.json" in files:
                write_json(folder / "tokenizer.json", {**whole, "added_tokens": files["tokenizer.json"]})
            for file in SMALL:
                if file in files:
                    write_json(folder / file, files[file])
            tokenizer = kind.from_pretrained(folder)
            if saved:
                with tempfile.TemporaryDirectory() as again:
                    tokenizer.save_pretrained(again)
                    cases.append(case(name, Path(again), kind.from_pretrained(again), whole))
            else:
                cases.append(case(name, folder, tokenizer, whole))
    save_json(out / "saved-tokenizers.json", {"whole": whole, "cases": cases}, compact=True)


def numbered(tokens: list[dict], vocabulary: dict[str, int]) -> dict[int, dict]:
    """Tokens by the numbers that transformers gives them: those of the vocabulary, or on from it."""
    new = (value for value in tokens if value["content"] not in vocabulary)
    result = {len(vocabulary) + index: value for index, value in enumerate(new)}
    return result | {vocabulary[value["content"]]: value for value in tokens if value["content"] in vocabulary}


def folders(source: Path, vocabulary: dict[str, int], known: list[str]):
    """Name, small files (and the tokens of `tokenizer.json`), whether transformers 5 saves it before."""
    config = json.loads((source / "tokenizer_config.json").read_text())
    special = json.loads((source / "special_tokens_map.json").read_text())
    bare = {key: value for key, value in config.items() if key != "added_tokens_decoder"}
    decoder = config.get("added_tokens_decoder", {})

    def with_decoder(tokens: list[dict]) -> dict:
        added = {str(number): value for number, value in numbered(tokens, vocabulary).items()}
        return {**config, "added_tokens_decoder": {**decoder, **added}}

    small = {"tokenizer_config.json": config, "special_tokens_map.json": special}
    yield "as it was", small, False
    yield "saved", small, True
    for name, tokens in (("inversion", INVERSION), ("flags", FLAGS), ("cases", CASES), ("bare", BARE)):
        files = {"tokenizer_config.json": with_decoder(tokens), "special_tokens_map.json": special}
        yield name, files, False
        yield name + ", saved", files, True
    older = {"tokenizer_config.json": bare, "special_tokens_map.json": special}
    added = {value["content"]: number for number, value in numbered(INVERSION, vocabulary).items()}
    yield "added_tokens.json", {**older, "added_tokens.json": dict(reversed(added.items()))}, False
    listed = {**special, "additional_special_tokens": [known[2], INVERSION[0]["content"]]}
    yield "additional in the map", {**older, "special_tokens_map.json": listed, "added_tokens.json": added}, False
    extra = {**bare, "additional_special_tokens": [known[2], INVERSION[1]["content"]]}
    yield "additional in the configuration", {**older, "tokenizer_config.json": extra, "added_tokens.json": added}, False
    listed = [{"id": number, **value} for number, value in numbered(FLAGS, vocabulary).items()]
    yield "tokenizer.json of before", {**older, "tokenizer.json": listed}, False
    both = {"tokenizer_config.json": with_decoder(INVERSION), "special_tokens_map.json": special, "tokenizer.json": listed}
    yield "tokenizer.json beside a decoder", both, False


def case(name: str, folder: Path, tokenizer, whole: dict) -> dict:
    result = {"name": name, "files": {}}
    for file in SMALL:
        if (folder / file).exists():
            result["files"][file] = json.loads((folder / file).read_text())
    if (folder / "tokenizer.json").exists():
        found = json.loads((folder / "tokenizer.json").read_text())
        assert found["model"] == whole["model"]
        result["added_tokens"] = found["added_tokens"]
        result["merges_as_text"] = name.startswith(("flags", "tokenizer.json"))
    contents = [str(value) for value in tokenizer.added_tokens_decoder.values()]
    source = random.Random(name)
    strings = [text(source, contents) for _ in range(STRINGS)]
    result["strings"] = [{"text": string, "ids": tokenizer(string).input_ids} for string in strings]
    return result


def text(source: random.Random, contents: list[str]) -> str:
    """Tokens as they are, in capitals, small or cut short, and words, with all kinds of things between."""
    result = source.choice(SEPARATORS)
    for _ in range(source.randint(2, 6)):
        content = source.choice(contents)
        forms = [content, content, content, content.upper(), content.lower(), content[:-1], source.choice(WORDS)]
        result += source.choice(forms) + source.choice(SEPARATORS)
    return result
