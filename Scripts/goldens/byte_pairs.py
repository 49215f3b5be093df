"""CLIP's byte-pair vocabulary: its alphabet and order, and a small one learnt from a page of text."""

import json
import re
from collections import Counter
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"

# Read for its letter pairs: captions, a little of everything else, and some text outside ASCII.
TEXT = """
a photo of a cat sitting on a chair. a photograph of a dog running through the grass at sunset.
a portrait of an old man with a long white beard, oil painting, highly detailed, dramatic lighting.
the red car and the blue car are standing in front of the house; the green car is behind the house.
a castle on a hill, in the style of an old master, with a river and a stone bridge in the foreground.
two children are playing with a yellow ball on the beach while their mother is reading a book.
an astronaut riding a horse on the moon, cinematic, sharp focus, trending, digital art, 8k, 4k, hdr.
the quick brown fox jumps over the lazy dog, and the dog doesn't mind; it's only a fox, isn't it?
i'm sure they're here, we've seen them, she'll come, he'd say so, don't you think? that's what i'd say!
a bowl of fruit: apples, oranges, pears, grapes and a lemon (half peeled) on a wooden table.
a small village in the mountains, covered with snow, smoke rising from the chimneys, early morning light.
interior of a bright modern kitchen with large windows, plants, marble and copper, wide angle shot.
a black and white photograph of an empty street at night, rain, reflections, neon signs, film grain.
a close-up of a butterfly on a flower, macro photography, shallow depth of field, bokeh background.
a watercolour of a sailing boat near the harbour, calm water, soft colours, paper texture, loose brush.
low quality, blurry, distorted, watermark, text, bad anatomy, extra fingers, cropped, worst quality.
a robot reading the newspaper in a café, steampunk, brass and steel, intricate, volumetric light.
a map of an imaginary island with forests, deserts, a volcano and three little towns, ink on parchment.
a bouquet of roses in a glass vase; a still life with a skull, a candle and an open book.
in 1999 there were 365 days, 12 months and 52 weeks; in 2024 there were 366. call 555-0123 now!!!
a cat, a cat and another cat... three cats? no: 4 cats & 2 dogs = 6 animals, 50% of them asleep.
street food market in a rainy city, people with umbrellas, lanterns, steam, crowded, night scene.
a lighthouse on a rocky cliff under a stormy sky, huge waves, seagulls, painted with thick strokes.
a knight in shining armour facing a dragon; fantasy, epic composition, fire, shadows, ruins.
the museum's collection shows the painter's earliest works, the sculptor's tools and the king's crown.
a train crossing a viaduct above the valley, autumn trees, orange and red leaves, morning mist.
a hand drawn diagram of a machine with gears, springs and levers, labelled, on yellowed paper.
a futuristic city with flying cars, glass towers and hanging gardens, golden hour, ultra realistic.
a child's drawing of a family: mother, father, sister, brother, a house, a tree and the sun.
a bicycle leaning against a brick wall covered with graffiti, bright colours, hard shadows.
a map, a compass, an hourglass and some coins lie on the captain's desk beside a brass telescope.
über die brücke, naïve façade, crème brûlée, piñata, smörgåsbord, jalapeño, señor, garçon, où est le café?
une photo d'un chat noir, très belle lumière; ein foto von einer schönen katze; una foto de un niño.
кот сидит на стуле, красный кот и белый кот. 猫的照片，一只猫。 写真の猫です。 고양이 사진.
😀😀 a smiling face 😀, a red heart ❤️ and ❤️ again, a rocket 🚀 going to the moon 🌕 🚀🚀
an underwater scene with corals, turtles, jellyfish and a sunken ship, rays of light from above.
the texture of wood, the texture of stone, the texture of fabric, the texture of rusty metal, seamless.
a chef preparing sushi, hands in focus, shallow depth, warm tones, editorial photography.
minimalist poster of a mountain, flat design, vector, pastel colours, negative space, grainy texture.
isometric view of a tiny room with a bed, a desk, a lamp and a window, 3d render, octane, soft light.
a snow leopard staring into the camera, national park, telephoto, high resolution, fur detail.
"""


def alphabet() -> list[str]:
    """The 256 printable stand-ins for bytes, in the order of CLIP's vocabulary (not of the bytes)."""
    return list(byte_to_character().values())


def byte_to_character() -> dict[int, str]:
    """A printable character for each byte: itself where it prints, else the next free one from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    table.update({byte: chr(256 + index) for index, byte in enumerate(others)})
    return table


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Token → id: the alphabet, the alphabet at the end of a word, the merges in order, start, end."""
    letters = alphabet()
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges] + [START, END]
    assert len(set(tokens)) == len(tokens)
    return {token: index for index, token in enumerate(tokens)}


def learn_merges(text: str, count: int) -> list[tuple[str, str]]:
    """The `count` most frequent pairs, one after the other; equal counts go by the alphabet."""
    character = byte_to_character()
    words = Counter(re.findall(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\w\s]|_)+", text.lower()))
    spelled = {}
    for word, number in words.items():
        letters = [character[byte] for byte in word.encode()]
        spelled[tuple(letters[:-1] + [letters[-1] + "</w>"])] = number
    merges: list[tuple[str, str]] = []
    made = set()
    while len(merges) < count:
        pairs = Counter()
        for word, number in spelled.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += number
        candidates = [(-number, pair) for pair, number in pairs.items() if "".join(pair) not in made]
        best = min(candidates)[1]
        merges.append(best)
        made.add("".join(best))
        spelled = {joined(word, best): number for word, number in spelled.items()}
    return merges


def joined(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """`word` with every `pair` written as one."""
    result, index = [], 0
    while index < len(word):
        if word[index : index + 2] == pair:
            result.append(word[index] + word[index + 1])
            index += 2
        else:
            result.append(word[index])
            index += 1
    return tuple(result)


def write_tokenizer(folder: Path, merges: list[tuple[str, str]], pad: str) -> None:
    """A tokenizer folder as SDXL-Turbo has it: vocabulary, merges, configuration with its added tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary(merges)
    (folder / "vocab.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "pad_token": pad, "unk_token": END}
    added = {str(tokens[token]): added_token(token, normalized=True) for token in (START, END)}
    if pad != END:
        added = {str(tokens[pad]): added_token(pad, normalized=False), **added}
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "clean_up_tokenization_spaces": True,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
        **special,
    }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", special)


def added_token(token: str, normalized: bool) -> dict:
    return {
        "content": token,
        "lstrip": False,
        "normalized": normalized,
        "rstrip": False,
        "single_word": False,
        "special": True,
    }


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
