"""Resampling, CLIP, LPIPS and sentence embeddings: PIL, transformers, `lpips`, and what sentence-transformers does.

`clip/` and `sentences/` are whole tiny models with random weights. Nothing here is larger than it must be: LPIPS is
checked with networks whose weights the tests draw themselves, as `lpips_reference.seeded` does.

`BertTokenizer` (transformers 5.23) is the *fast* tokenizer. It works so:

 1. Special tokens are cut out of the raw text.
 2. Control, format and private characters and U+FFFD go; white space becomes a space; ideographs get spaces around;
    NFD without nonspacing marks; lower case character by character. The categories are those of Unicode 8,
    the decompositions those of Unicode 12.
 3. Words end at spaces and at punctuation (all of ASCII that is neither letter nor digit), which are words too.
 4. Of each word the longest piece that is there, "##" before all but the first; a word with a place where none fits,
    or of more than 100 characters, is [UNK].
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from .awkward_strings import STRINGS
from .byte_pairs import END, START, TEXT, learn_merges, vocabulary, write_json, write_tokenizer
from .common import Goldens, ROOT, randn, save_json
from .lpips_reference import seeded, tensors
from .random_weights import random_weight

STUDY = ROOT / "Tests" / "SDLensStudyTests" / "Goldens"
CLIP, SENTENCES = STUDY / "clip", STUDY / "sentences"
FILTERS = {"lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}
# width, height, channels → width, height
SIZES = [(37, 23, 3, 16, 16), (13, 17, 3, 41, 30), (50, 4, 1, 7, 9), (24, 31, 3, 24, 12), (9, 30, 3, 20, 30), (1, 3, 3, 5, 2),
         (9, 40, 3, 8, 33), (15, 20, 3, 11, 11), (15, 19, 3, 11, 11), (6, 30, 1, 12, 9)]
PICTURES = [(40, 31, "RGB"), (20, 50, "L"), (28, 28, "RGB"), (33, 64, "RGBA"), (5, 9, "RGB"), (97, 29, "RGB")]
PREPROCESSING = {
    "plain": {},
    "int sizes": {"size": 28, "crop_size": 28, "resample": 3},
    "exact": {"size": {"height": 28, "width": 28}, "do_center_crop": False, "resample": 2},
    "larger crop": {"size": {"shortest_edge": 19}, "resample": 1},
    "odd crop": {"size": {"shortest_edge": 33}, "resample": 4},
    "no rescale": {"do_rescale": False},
    "no normalize": {"do_normalize": False},
    "no resize": {"do_resize": False},
    "square": {"size": 28, "crop_size": 26, "default_to_square": True},
    "square without crop": {"size": 28, "do_center_crop": None, "default_to_square": True},
    "nothing asked": {"do_rescale": None, "do_normalize": None},
    "own numbers": {"rescale_factor": 0.01, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2]},
}
VISION = dict(hidden_size=20, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=7,
              hidden_act="quick_gelu", layer_norm_eps=1e-3)
TEXTUAL = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, hidden_act="gelu",
               layer_norm_eps=2e-3, max_position_embeddings=77)
PROMPTS = ["a photo of a cat", "", "A 4k photo of the cafe\u0301!", "the painter's brush <|endoftext|> and a dog",
           " ".join(f"very long prompt number {n}," for n in range(30))]
SENTENCE_LIST = ["A cat on a mat.", "", "The caf\u00e9 is closed [SEP] now", "\u732b\u732b and dogs!", "unbelievable " * 30,
                 "xyzzy \u0e01 \U0001f600", "a b", "A Cat On A Mat.", "stars and rain over the sea"]
LPIPS_CASES = [("alex", 7, (2, 3, 45, 38)), ("alex", 7, (1, 3, 31, 31)), ("vgg", 8, (2, 3, 32, 17)), ("vgg", 8, (1, 3, 16, 16))]


def make() -> None:
    resampling()
    clip()
    sentences()
    characters()
    distances()


def picture(name: str, width: int, height: int, mode: str) -> np.ndarray:
    """Smooth waves with noise on top, and some pixels at both ends of the range."""
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(rows * (0.2 + 0.1 * c) + columns * (0.33 - 0.05 * c)) for c in range(channels)], -1)
    noise = randn(name, height, width, channels).numpy()
    return np.clip(128 + 80 * waves + 60 * noise, 0, 255).astype(np.uint8)


def to_pil(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def resampling() -> None:
    rows = []
    for index, (width, height, channels, to_width, to_height) in enumerate(SIZES):
        source = picture(f"resampling.{index}", width, height, "RGB" if channels == 3 else "L")
        results = {
            name: np.asarray(to_pil(source).resize((to_width, to_height), Image.Resampling(number))).tobytes().hex()
            for name, number in FILTERS.items()
        }
        rows.append({"width": width, "height": height, "channels": channels, "samples": source.tobytes().hex(),
                     "to_width": to_width, "to_height": to_height, "results": results})
    save_json(STUDY / "resampling.json", rows)


def clip() -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    shutil.rmtree(CLIP, ignore_errors=True)
    merges = learn_merges(TEXT, 100)
    write_tokenizer(CLIP, merges, pad=END)
    tokens = vocabulary(merges)
    textual = {**TEXTUAL, "vocab_size": len(tokens), "bos_token_id": tokens[START], "eos_token_id": tokens[END], "pad_token_id": 1}
    config = CLIPConfig(text_config=textual, vision_config=VISION, projection_dim=18)
    model = CLIPModel(config).eval()
    randomise(model, "perception.clip")
    model.save_pretrained(CLIP)
    write_json(CLIP / "preprocessor_config.json", {
        "crop_size": {"height": 28, "width": 28}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
        "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": {"shortest_edge": 28},
    })
    finish(CLIP)

    arrays = Goldens(STUDY / "clip.safetensors")
    sources = [picture(f"clip.{index}", *size) for index, size in enumerate(PICTURES)]
    for name, changes in PREPROCESSING.items():
        processor = CLIPImageProcessorPil.from_pretrained(CLIP, **changes)
        for index, source in enumerate(sources):
            if name == "no resize" and index == 1:
                continue
            pixels = processor(to_pil(source), return_tensors="pt").pixel_values
            if name == "plain" or index % 3 == len(name) % 3:
                arrays.put(f"{name}.{index}", pixels)
    processor, tokenizer = CLIPImageProcessorPil.from_pretrained(CLIP), CLIPTokenizer.from_pretrained(CLIP)
    pixels = torch.cat([processor(to_pil(source), return_tensors="pt").pixel_values for source in sources])
    texts = tokenizer(PROMPTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    for name, acts in {"as made": ("quick_gelu", "gelu"), "swapped": ("gelu", "quick_gelu")}.items():
        config.vision_config.hidden_act, config.text_config.hidden_act = acts
        other = CLIPModel(config).eval()
        other.load_state_dict(model.state_dict())
        result = other(input_ids=texts.input_ids, attention_mask=texts.attention_mask, pixel_values=pixels)
        arrays.put(f"{name}.picture.normalized", result.image_embeds)
        arrays.put(f"{name}.text.normalized", result.text_embeds)
        arrays.put(f"{name}.cosines", result.image_embeds @ result.text_embeds.T)
        arrays.put(f"{name}.picture", other.get_image_features(pixel_values=pixels).pooler_output)
        arrays.put(f"{name}.text", other.get_text_features(**texts).pooler_output)
    arrays.save()
    save_json(STUDY / "clip.json", {
        "pictures": [{"width": s.shape[1], "height": s.shape[0], "channels": s.shape[2], "samples": s.tobytes().hex()} for s in sources],
        "preprocessing": PREPROCESSING, "texts": PROMPTS,
    })


def pieces() -> list[str]:
    """A small vocabulary: special tokens, the characters of the strings, and pieces of English."""
    from tokenizers import normalizers

    text = normalizers.BertNormalizer().normalize_str(" ".join(STRINGS[:120] + [TEXT]))
    characters = sorted({character for character in text if not character.isspace()})
    characters = [c for c in characters if ord(c) < 0x3000][:190]
    words = ("the a of and in on cat dog photo word un believ able ing s ed er est ly detail paint castle hello world"
             " very long number star sea rain mat close cafe it is no 12 34 8k 're").split()
    result = ["[PAD]"] + [f"[unused{n}]" for n in range(3)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    result += characters + ["##" + c for c in characters] + words + ["##" + word for word in words] + ["\u732b", "\u00e9"]
    return list(dict.fromkeys(result))


def sentences() -> None:
    from transformers import BertConfig, BertModel, BertTokenizer

    shutil.rmtree(SENTENCES, ignore_errors=True)
    SENTENCES.mkdir(parents=True)
    names = pieces()
    (SENTENCES / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    special = {key + "_token": f"[{key.upper()}]" for key in ("unk", "sep", "pad", "cls", "mask")}
    write_json(SENTENCES / "special_tokens_map.json", special)
    write_json(SENTENCES / "tokenizer_config.json", {
        "do_lower_case": True, **special, "tokenize_chinese_chars": True, "strip_accents": None, "do_basic_tokenize": True,
        "never_split": None, "tokenizer_class": "BertTokenizer", "model_max_length": 60})
    write_json(SENTENCES / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
    write_json(SENTENCES / "modules.json", [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])])
    (SENTENCES / "1_Pooling").mkdir()
    write_json(SENTENCES / "1_Pooling" / "config.json", {
        "word_embedding_dimension": 24, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False})
    config = BertConfig(vocab_size=len(names), hidden_size=24, intermediate_size=50, num_hidden_layers=2, num_attention_heads=3,
                        max_position_embeddings=60, layer_norm_eps=1e-3)
    model = BertModel(config).eval()
    randomise(model, "perception.bert")
    model.save_pretrained(SENTENCES)
    finish(SENTENCES)

    tokenizer = BertTokenizer.from_pretrained(SENTENCES)
    strings = STRINGS + SENTENCE_LIST[1:4] + ["[MASK]ed [CLS] [mask]", "a" * 100, "a" * 101, "\u0130\u03a3\u00df\u1e9e",
                                              "\u1734\u166d\U000111c9\u061d\u08e2x", "\ud55c\uae00 \uf900\U0002b820"]
    cased = BertTokenizer.from_pretrained(SENTENCES, do_lower_case=False, tokenize_chinese_chars=False)
    save_json(STUDY / "wordpiece.json", {
        "strings": [{"text": text, "ids": tokenizer(text, truncation=True, max_length=256).input_ids,
                     "cased": cased(text, truncation=True, max_length=256).input_ids} for text in strings]}, compact=True)
    arrays = Goldens(STUDY / "sentences.safetensors")
    arrays.put("embeddings", sentence_embeddings(model, tokenizer, SENTENCE_LIST, 40))
    arrays.save()
    save_json(STUDY / "sentences.json", SENTENCE_LIST)


def sentence_embeddings(model, tokenizer, texts: list[str], length: int) -> torch.Tensor:
    """What sentence-transformers computes: the mean over tokens that are no padding, divided by its length."""
    batch = tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
    states = model(**batch).last_hidden_state
    mask = batch.attention_mask.unsqueeze(-1).float()
    mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(mean, p=2, dim=1)


def characters() -> None:
    """What becomes of a character between two letters, as one FNV-1a hash for the 256 from each start on.

    All planes in which characters are assigned, and samples of the private ones.
    """
    from tokenizers import normalizers, pre_tokenizers

    split = pre_tokenizers.BertPreTokenizer()
    starts = [*range(0, 0x40000, 256), *range(0xE0000, 0xE0200, 256), 0xF0000, 0x10FF00]
    result = {"starts": starts}
    for name, lower in (("uncased", True), ("cased", False)):
        normal = normalizers.BertNormalizer(handle_chinese_chars=lower, lowercase=lower)
        hashes = []
        for start in starts:
            value = 0x811C9DC5
            for code in range(start, start + 256):
                if 0xD800 <= code < 0xE000:
                    continue
                words = [word for word, _ in split.pre_tokenize_str(normal.normalize_str(f"a{chr(code)}b"))]
                for byte in (" ".join(words) + "\n").encode():
                    value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
            hashes.append(value)
        result[name] = hashes
    save_json(STUDY / "characters.json", result, compact=True)


def distances() -> None:
    arrays = Goldens(STUDY / "lpips.safetensors")
    cases, networks = [], {}
    for index, (net, seed, shape) in enumerate(LPIPS_CASES):
        model, drawn = seeded(net, seed)
        if net not in networks:
            networks[net] = {"seed": seed, "drawn": drawn}
            for name, tensor in tensors(model).items():
                if name.startswith("heads."):
                    arrays.put(f"{net}.{name}", tensor)
        first = arrays.put(f"{index}.first", (randn(f"lpips.{index}.first", *shape) * 0.5).clamp(-1, 1))
        second = arrays.put(f"{index}.second", (first + randn(f"lpips.{index}.second", *shape) * 0.2).clamp(-1, 1))
        total, layers = model(first, second, retPerLayer=True)
        cases.append({"net": net, "distances": total.flatten().tolist(), "layers": [layer.flatten().tolist() for layer in layers]})
    arrays.save()
    save_json(STUDY / "lpips.json", {"networks": networks, "cases": cases})


def randomise(model: torch.nn.Module, prefix: str) -> None:
    for name, parameter in model.named_parameters():
        if parameter.dim() == 0:
            continue
        shape = tuple(parameter.shape)
        if "embedding" in name.lower() and "LayerNorm" not in name and "patch" not in name:
            parameter.copy_(randn(f"{prefix}.{name}", *shape, scale=0.7))
        else:
            parameter.copy_(random_weight(f"{prefix}.{name}".lower(), shape, 1))


def finish(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"  {folder.relative_to(ROOT)}: {size:,} bytes")
