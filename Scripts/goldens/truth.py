"""Scores against known truth: ROC areas, best features, principal components, probes, bootstrap intervals.

Inputs and results are in `truth.safetensors` and `truth.json`; references are scikit-learn and NumPy in double precision.
Inputs: `scores` [6, 400] (many ties; columns 0 to 2 mostly 0, 3 with negative numbers, 4 whole numbers, 5 no ties), `labels`
[5, 400] (4: nobody), `vectors` [500, 12], `classes` [500] of 4, `codes.indices` and `codes.values` [pictures, places, k],
`codes.picture` and `codes.place` (the labels as bits, in two halves of 16 bits, as float32 holds them exactly).
"""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from .common import STUDY, Goldens, save_json


def make() -> None:
    rng = np.random.default_rng(20)
    arrays, results = Goldens(STUDY / "truth.safetensors"), {}
    for section in (areas, components, probes, best_features):
        results |= section(rng, arrays)
    results["bootstrap"] = intervals(rng)
    arrays.save()
    save_json(STUDY / "truth.json", results, compact=True)


def put(arrays: Goldens, name: str, value: np.ndarray) -> np.ndarray:
    """Keeps a float32 copy, and hands on what was kept, in double."""
    return arrays.put(name, torch.from_numpy(np.asarray(value, np.float32))).double().numpy()


def area(labels, scores):
    """None where there is nothing to compare."""
    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else None


def areas(rng, arrays) -> dict:
    labels = (rng.random((5, 400)) < [[0.5], [0.1], [0.01], [0.9], [0]]).astype(float)
    shift = labels[0] + 2 * labels[1]
    scores = np.stack(
        [
            np.maximum(rng.standard_normal(400) - 1 + shift, 0),
            np.maximum(rng.standard_normal(400) - 2 + shift, 0).round(1),
            np.maximum(rng.standard_normal(400) - 2.5, 0),
            (rng.standard_normal(400) + shift).round(1) * (rng.random(400) < 0.7),
            rng.integers(-2, 3, 400) + labels[3],
            rng.standard_normal(400) - shift,
        ]
    )
    labels, scores = put(arrays, "labels", labels), put(arrays, "scores", scores)
    return {"areas": [[area(l, s) for l in labels] for s in scores]}


def components(rng, arrays) -> dict:
    mixing = rng.standard_normal((12, 12)) * np.linspace(3, 0.1, 12)[:, None]
    vectors = put(arrays, "vectors", rng.standard_normal((500, 12)) @ mixing + 50)
    pca = PCA().fit(vectors)
    directions = pca.components_ * np.sign(
        np.take_along_axis(pca.components_, np.abs(pca.components_).argmax(1)[:, None], 1)
    )
    return {
        "variances": pca.explained_variance_.tolist(),
        "directions": directions.tolist(),
        "mean": pca.mean_.tolist(),
        "explained": np.cumsum(pca.explained_variance_ratio_).tolist(),
    }


def probes(rng, arrays) -> dict:
    vectors = arrays.tensors["vectors"].double().numpy()
    scaled = StandardScaler().fit_transform(vectors)
    chances = scaled @ rng.standard_normal((12, 4)) + rng.gumbel(size=(500, 4))
    classes = put(arrays, "classes", chances.argmax(1)).astype(int)
    results = []
    for c, merged in ((1.0, False), (0.01, False), (1.0, True), (0.05, True)):
        wanted = classes % 2 if merged else classes
        scaler = StandardScaler().fit(vectors[:300])
        train, test = scaler.transform(vectors[:300]), scaler.transform(vectors[300:])
        probe = LogisticRegression(C=c, tol=1e-12, max_iter=10_000).fit(train, wanted[:300])
        logits = probe.decision_function(test)
        results.append(
            {
                "c": c,
                "classes": 2 if merged else 4,
                "logits": logits.tolist() if merged else (logits - logits[:, :1]).tolist(),
                "accuracy": probe.score(test, wanted[300:]),
            }
        )
    return {"probes": results}


def best_features(rng, arrays) -> dict:
    """40 pictures of 4 x 4 places, a dictionary of 30 features, 4 of them active at a place; 31 labels."""
    pictures, places, features, k, count = 40, 16, 30, 4, 31
    place = rng.random((pictures, places, count)) < 0.15
    place[..., 30] = False
    picture = place.any(1)
    picture[:, :20] &= rng.random((pictures, 20)) < 0.7
    bonus = np.zeros((pictures, places, features))
    bonus[..., :25] = 1.5 * place[..., :25]
    dense = rng.standard_normal((pictures, places, features)) + bonus
    indices = np.argsort(-dense, -1, kind="stable")[..., :k]
    # Multiples of 1/64: sums are exact in single precision too, so that ties are ties.
    values = np.maximum((64 * np.take_along_axis(dense, indices, -1)).round(), 0) / 64
    indices, values = put(arrays, "codes.indices", indices).astype(int), put(arrays, "codes.values", values)
    for name, labels in (("picture", picture), ("place", place)):
        bits = [(labels[..., 16 * h : 16 * h + 16] * 2.0 ** np.arange(labels[..., 16 * h : 16 * h + 16].shape[-1])).sum(-1) for h in (0, 1)]
        put(arrays, f"codes.{name}", np.stack(bits, -1))
    codes = np.zeros((pictures, places, features))
    np.put_along_axis(codes, indices, values, -1)
    vectors = put(arrays, "codes.vectors", dense[..., :6])
    both = np.concatenate([vectors, -vectors], -1)
    result = {}
    for name, table in (("codes", codes), ("vectors", both)):
        for pooling in ("max", "mean"):
            pooled = table.max(1) if pooling == "max" else table.mean(1)
            result[f"{name}.{pooling}"] = best(pooled, picture)
        result[f"{name}.places"] = best(table.reshape(pictures, places, -1), place)
    return {"best": result, "sparse_probes": sparse_probes(codes.max(1), picture)}


def best(scores, labels) -> list:
    """For each label: the best column on the even pictures, its area there and on the odd ones; None without."""
    columns = scores.shape[-1]
    halves = [(scores[h::2].reshape(-1, columns), labels[h::2].reshape(-1, labels.shape[-1])) for h in (0, 1)]
    found = []
    for label in range(labels.shape[-1]):
        (x, l), (y, m) = [(s, t[:, label]) for s, t in halves]
        chosen = [area(l, x[:, c]) for c in range(columns)]
        if chosen[0] is None or area(m, y[:, 0]) is None:
            found.append(None)
            continue
        # Equal areas differ in their last bit here and there: the first of the largest counts.
        column = int(np.argmax(np.round(chosen, 12)))
        found.append({"column": column, "chosen": chosen[column], "measured": area(m, y[:, column])})
    return found


def sparse_probes(pooled, labels) -> list:
    found = []
    for label in (0, 7, 22):
        train, test = (pooled[0::2], labels[0::2, label]), (pooled[1::2], labels[1::2, label])
        difference = np.abs(train[0][train[1]].mean(0) - train[0][~train[1]].mean(0))
        for k in (1, 2, 5):
            features = np.argsort(-difference, kind="stable")[:k]
            scaler = StandardScaler().fit(train[0][:, features])
            probe = LogisticRegression(tol=1e-12, max_iter=10_000).fit(scaler.transform(train[0][:, features]), train[1])
            x = scaler.transform(test[0][:, features])
            found.append(
                {
                    "label": label,
                    "k": k,
                    "features": features.tolist(),
                    "accuracy": probe.score(x, test[1]),
                    "auroc": area(test[1], probe.decision_function(x)),
                }
            )
    return found


def intervals(rng) -> list:
    found = []
    for count, samples, confidence, seed in ((40, 1000, 0.95, 42), (7, 200, 0.9, 3), (1, 50, 0.95, 0), (2, 1, 0.5, 9)):
        values = rng.standard_normal(count).tolist()
        drawn = np.array(values)[np.random.default_rng(seed).integers(0, count, size=(samples, count))]
        ends = [(1 - confidence) / 2, 1 - (1 - confidence) / 2]
        found.append(
            {
                "values": values,
                "samples": samples,
                "confidence": confidence,
                "seed": seed,
                "mean": np.quantile(drawn.mean(1), ends).tolist(),
                "maximum": np.quantile(drawn.max(1), ends).tolist(),
                "average": float(np.mean(values)),
                "deviation": float(np.std(values)),
            }
        )
    return found
