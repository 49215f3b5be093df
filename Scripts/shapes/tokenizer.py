"""A tokenizer in CLIP's byte-pair format whose merges make one token of every word of the grammar."""

import collections
import json

from transformers import CLIPTokenizer

import common
import world

START, END = "<|startoftext|>", "<|endoftext|>"
PADDING = {"tokenizer": END, "tokenizer_2": "!", "clip": END}
LENGTH = 77


def byte_alphabet():
    """The 256 printable characters that stand for bytes in CLIP's vocabularies."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def words():
    """All words a caption can contain, in a fixed order."""
    phrases = " ".join(world.PLACE_PHRASES.values())
    listed = [*world.SHAPES, *world.COLOURS, *world.SIZES, *world.TEXTURES, *world.BACKGROUNDS, *phrases.split(),
              "a", "an", "and", "empty", "background", ","]
    return sorted(set(listed))


def merges(vocabulary):
    """Byte-pair merges, most frequent pair first, until every word is one token."""
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in vocabulary]
    found = []
    while any(len(p) > 1 for p in pieces):
        pairs = collections.Counter(pair for p in pieces for pair in zip(p, p[1:]))
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        found.append(best)
        pieces = [_merged(p, best) for p in pieces]
    return found


def _merged(pieces, pair):
    """`pieces` with every occurrence of the pair joined."""
    joined = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def write(name, padding):
    """Writes one tokenizer folder."""
    folder = common.WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    alphabet, pairs = byte_alphabet(), merges(words())
    tokens = alphabet + [a + "</w>" for a in alphabet] + ["".join(p) for p in pairs] + [START, END]
    assert len(set(tokens)) == len(tokens)
    def special(text):
        return {"content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    names = {"bos_token": special(START), "eos_token": special(END), "unk_token": special(END), "pad_token": padding}
    settings = {"add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": LENGTH,
                "clean_up_tokenization_spaces": True, "tokenizer_class": "CLIPTokenizer", **names}
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs))
    (folder / "special_tokens_map.json").write_text(json.dumps(names, indent=2))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def load(name="tokenizer"):
    """One of the tokenizers, from the work folder."""
    return CLIPTokenizer.from_pretrained(common.WORK / name)


def train():
    """Writes all tokenizers and checks that every word is one token."""
    for name, padding in PADDING.items():
        write(name, padding)
        split = [w for w in words() if len(load(name).tokenize(w)) != 1]
        assert not split, split


if __name__ == "__main__":
    train()
