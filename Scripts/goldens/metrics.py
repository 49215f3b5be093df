"""The metrics of the paper and those that the field added since, on small inputs, in NumPy's double precision.

Inputs are in `metrics.safetensors`, results in `metrics.json`: `embeddings` [12, 16], `strengths` [12], `text` [1, 16];
`before` and `after` [4, 24, 32, 3] (whole numbers), `maps` [4, 3, 4]; `prompts` [60, 16] (every third nearly its
neighbour); `training` and `test` [pictures, 3, 4, 10]; `small` [20, 16] and `large` [30, 16], directions of two
dictionaries, with codes of 50 vectors; `steps` [6, 4, 12]; `natural` [40, 16] and `edited` [9, 16]; `density` [25].
"""

from itertools import combinations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from .common import STUDY, Goldens, save_json


def make() -> None:
    rng = np.random.default_rng(30)
    arrays, results = Goldens(STUDY / "metrics.safetensors"), {}
    for section in (similarities, pictures, prompts, positions, dictionaries, steps, updates):
        results |= section(rng, arrays)
    arrays.save()
    save_json(STUDY / "metrics.json", results)


def put(arrays: Goldens, name: str, value: np.ndarray) -> np.ndarray:
    """Keeps a float32 copy, and hands on what was kept, in double."""
    return arrays.put(name, torch.from_numpy(np.asarray(value, np.float32))).double().numpy()


def cosine(a, b) -> float:
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def similarities(rng, arrays) -> dict:
    embeddings = put(arrays, "embeddings", rng.standard_normal((12, 16)) + 0.5)
    strengths = put(arrays, "strengths", np.maximum(rng.standard_normal(12), 0))
    text = put(arrays, "text", rng.standard_normal((1, 16)))
    pairs = list(combinations(range(12), 2))
    cosines = np.array([cosine(embeddings[i], embeddings[j]) for i, j in pairs])
    weights = np.array([strengths[i] * strengths[j] for i, j in pairs])
    return {
        "specificity": float(cosines.mean()),
        "monosemanticity": float((weights * cosines).sum() / weights.sum()),
        "text": float(np.mean([cosine(e, text[0]) for e in embeddings])),
    }


def pictures(rng, arrays) -> dict:
    before = put(arrays, "before", rng.integers(0, 256, (4, 24, 32, 3)))
    after = put(arrays, "after", np.clip(before + rng.integers(-60, 61, before.shape), 0, 255))
    maps = rng.random((4, 3, 4)) * (rng.random((4, 3, 4)) < 0.6)
    maps[3] = 0
    maps[3, 0, 0] = 0.7
    maps = put(arrays, "maps", maps)
    weights = np.kron(maps, np.ones((1, 8, 8)))[..., None]
    mean = (weights * before).sum((0, 1, 2)) / weights.sum()
    spread = (weights[..., 0] * np.abs(before - mean).sum(-1)).sum() / weights.sum()
    flat = before.reshape(-1, 3)
    distances = np.abs(before - after).sum(-1)
    inside, outside = [], []
    for distance, values in zip(distances, maps):
        larger = (values.reshape(-1, 1) > values.reshape(1, -1)).mean(1).reshape(values.shape)
        area = np.kron((larger >= 0.5) & (values > 0), np.ones((8, 8))) > 0
        rest = np.kron(values == 0, np.ones((8, 8))) > 0
        inside.append(distance[area].mean())
        outside.append(distance[rest].mean())
    return {
        "colour": float(spread),
        "colour_all": float(np.abs(flat - flat.mean(0)).sum(-1).mean()),
        "inside": float(np.mean(inside)),
        "outside": float(np.mean(outside)),
        "means": [float(d.mean()) for d in distances],
        "medians": [float(np.median(d)) for d in distances],
        "active": [float((m > 0).mean()) for m in maps],
        "shares": [float(np.mean([(m > 0).mean() > area for m in maps])) for area in (0, 0.1, 0.3)],
    }


def prompts(rng, arrays) -> dict:
    table = rng.standard_normal((60, 16))
    table[2::3] = table[1::3] + 0.05 * rng.standard_normal((20, 16))
    table = put(arrays, "prompts", table)
    caption = arrays.tensors["text"].double().numpy()[0]
    chosen = []
    for index in sorted(range(60), key=lambda i: -cosine(table[i], caption)):
        if len(chosen) < 20 and all(cosine(table[index], table[other]) <= 0.95 for other in chosen):
            chosen.append(index)
    return {"nearest": chosen}


def positions(rng, arrays) -> dict:
    pattern = rng.standard_normal((3, 4, 10))
    sets = {}
    for name, count in (("training", 9), ("test", 5)):
        sets[name] = put(arrays, name, pattern + 1.2 * rng.standard_normal((count, 3, 4, 10))).reshape(-1, 10)
    scaler = StandardScaler().fit(sets["training"])
    results = {}
    for name, labels in (("rows", np.arange(12) // 4), ("columns", np.arange(12) % 4)):
        probe = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(scaler.transform(sets["training"]), np.tile(labels, 9))
        results[name] = float(probe.score(scaler.transform(sets["test"]), np.tile(labels, 5)))
    return {"position": results}


def dictionaries(rng, arrays) -> dict:
    small = rng.standard_normal((20, 16))
    large = np.concatenate([small[:12] + 0.6 * rng.standard_normal((12, 16)), rng.standard_normal((18, 16))])
    small, large = put(arrays, "small", small), put(arrays, "large", large)
    cosines = np.array([[cosine(a, b) for b in large] for a in small])
    nearest, back = cosines.argmax(1), cosines.argmax(0)
    codes = {}
    for name, count in (("small", 20), ("large", 30)):
        indices = np.stack([rng.permutation(count)[:4] for _ in range(50)])
        # Half of them follow the nearest of the active ones of the smaller dictionary.
        if name == "large":
            for row in range(50):
                follow = nearest[codes["small"][0][row, 0]]
                if row % 2 and follow not in indices[row]:
                    indices[row, 0] = follow
        values = rng.random((50, 4)) * (rng.random((50, 4)) < 0.8)
        codes[name] = (put(arrays, f"{name}.indices", indices).astype(int), put(arrays, f"{name}.values", values))
    shares = []
    for feature in range(20):
        total = absorbed = 0
        for row in range(50):
            active = {i for i, v in zip(codes["small"][0][row], codes["small"][1][row]) if v > 0}
            if feature not in active:
                continue
            total += 1
            others = {i for i, v in zip(codes["large"][0][row], codes["large"][1][row]) if v > 0}
            if nearest[feature] not in others and any(cosines[feature, o] >= 0.3 for o in others):
                absorbed += 1
        shares.append(absorbed / total if total else None)
    return {
        "match": cosines.max(1).tolist(),
        "nearest_direction": nearest.tolist(),
        "mutual": float(np.mean(back[nearest] == np.arange(20))),
        "above": float(np.mean(cosines.max(1) >= 0.7)),
        "absorption": shares,
    }


def steps(rng, arrays) -> dict:
    maps = rng.random((6, 4, 12)) * (rng.random((6, 4, 12)) < 0.4)
    maps[1, 1:3] = 0
    maps[2] = 0
    maps[3] = maps[3, :1]
    maps = put(arrays, "steps", maps)
    results = []
    for feature in maps:
        pairs = [(a, b) for a, b in zip(feature, feature[1:]) if a.any() or b.any()]
        values = [cosine(a, b) if a.any() and b.any() else 0.0 for a, b in pairs]
        results.append(float(np.mean(values)) if values else None)
    return {"stability": results}


def updates(rng, arrays) -> dict:
    natural = np.linalg.norm(put(arrays, "natural", rng.standard_normal((40, 16))), axis=1)
    edited = np.linalg.norm(put(arrays, "edited", 1.4 * rng.standard_normal((9, 16))), axis=1)
    limit = np.quantile(natural, 0.999)
    density = put(arrays, "density", 10.0 ** rng.uniform(-4, 0, 25) * (rng.random(25) < 0.8))
    return {
        "artefact": {"limit": float(limit), "beyond": float((edited > limit).mean()), "excess": float(edited.max() / limit)},
        "density": {
            "dead": float((density == 0).mean()),
            "dense": float((density > 0.1).mean()),
            "median": float(np.median(np.log10(density[density > 0]))),
        },
    }
