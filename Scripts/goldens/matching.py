"""One-to-one matches of features with labels: assignments, correlations, thresholds, detectors, absorption, shrinkage.

References are `scipy.optimize.linear_sum_assignment`, `numpy.corrcoef`, `sklearn.metrics.precision_recall_curve` and
`precision_recall_fscore_support`, in double precision. The codes and labels are those of `truth.safetensors`;
`matching.safetensors` has the `directions` [30, 8] of the features, `x` and `y` [5, 6, 8] of shrinkage. A constant column
has no correlation (NaN) and counts as -1 in the assignment.
"""

import numpy as np
import torch
from safetensors.numpy import load_file
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import precision_recall_curve, precision_recall_fscore_support

from .common import STUDY, Goldens, save_json


def make() -> None:
    rng = np.random.default_rng(31)
    arrays = Goldens(STUDY / "matching.safetensors")
    directions = put(arrays, "directions", rng.standard_normal((30, 8)))
    x, y = put(arrays, "x", rng.standard_normal((5, 6, 8))), rng.standard_normal((5, 6, 8))
    y = put(arrays, "y", 0.8 * x + 0.3 * y)
    arrays.save()
    save_json(
        STUDY / "matching.json",
        {
            "assignments": [assignment(rng, *size) for size in ((1, 1), (5, 5), (4, 9), (9, 4), (31, 60), (1, 7), (7, 1))],
            "matches": matches(directions),
            "shrinkage": float((y**2).sum() / (x * y).sum()),
        },
        compact=True,
    )


def put(arrays: Goldens, name: str, value: np.ndarray) -> np.ndarray:
    return arrays.put(name, torch.from_numpy(np.asarray(value, np.float32))).double().numpy()


def assignment(rng, rows: int, columns: int) -> dict:
    scores = rng.standard_normal((rows, columns))
    chosen, taken = linear_sum_assignment(scores, maximize=True)
    result = [None] * rows
    for row, column in zip(chosen, taken):
        result[row] = int(column)
    return {"rows": rows, "columns": columns, "scores": scores.ravel().tolist(), "result": result}


def matches(directions: np.ndarray) -> dict:
    tensors = {name: array.astype(float) for name, array in load_file(STUDY / "truth.safetensors").items()}
    indices, values = tensors["codes.indices"].astype(int), tensors["codes.values"]
    codes = np.zeros((40, 16, 30))
    np.put_along_axis(codes, indices, values, -1)

    def bits(name):
        halves = tensors[name].astype(np.int64)
        whole = halves[..., 0] | halves[..., 1] << 16
        return (whole[..., None] >> np.arange(31)) & 1 == 1

    picture, place = bits("codes.picture"), bits("codes.place")
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return {
        "pictures": match(codes.max(1)[:, None], picture[:, None], cosines=unit @ unit.T),
        "places": match(codes, place, cosines=unit @ unit.T),
        "signed": match(tensors["codes.vectors"], place, signed=True),
    }


def correlation(x, y, constant=0):
    """Pearson's; `constant` where the scores x are, which then tell nothing of y, and no number where y is."""
    if x.std() > 0 and y.std() > 0:
        return np.corrcoef(x, y)[0, 1]
    return constant if y.std() > 0 else np.nan


def match(scores, labels, signed=False, cosines=None) -> dict:
    """Scores [pictures, rows, columns], labels [pictures, rows, labels]."""
    halves = [(scores[h::2].reshape(-1, scores.shape[-1]), labels[h::2].reshape(-1, labels.shape[-1])) for h in (0, 1)]
    (x, l), (z, m) = halves
    mixed = [i for i in range(31) if all(0 < half[:, i].sum() < len(half) for half in (l, m))]
    table = np.array([[correlation(x[:, c], l[:, i], constant=np.nan) for c in range(x.shape[1])] for i in mixed])
    table = np.where(np.isnan(table), -1, np.abs(table) if signed else table)
    rows, columns = linear_sum_assignment(table, maximize=True)
    found, parts = [None] * 31, {}
    for row, column in zip(rows, columns):
        label = mixed[row]
        r = correlation(x[:, column], l[:, label])
        sign = -1 if signed and r < 0 else 1
        precision, recall, thresholds = precision_recall_curve(l[:, label], sign * x[:, column])
        f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-300)
        threshold = thresholds[np.flatnonzero(np.isclose(f1, f1.max(), rtol=1e-12))[-1]]
        own, positive = sign * z[:, column], m[:, label]
        said = own >= threshold
        p, r2, f, _ = precision_recall_fscore_support(positive, said, average="binary", zero_division=0)
        related = [c for c in range(x.shape[1]) if c != column and cosines[column, c] >= 0.3] if cosines is not None else []
        absorbed = positive & (own == 0) & (z[:, related] > 0).any(1)
        found[label] = {
            "column": int(column), "negative": bool(sign < 0), "chosen": float(sign * r), "threshold": float(threshold),
            "best": int(table[row].argmax()), "correlation": float(correlation(own, positive)), "precision": float(p),
            "recall": float(r2), "f1": float(f), "absorption": float(absorbed.sum() / positive.sum()),
        }
        parts[label] = (own, positive, said)
    return {"labels": found, "intervals": intervals(parts, scores.shape[1])}


def intervals(parts, rows: int) -> dict:
    """Means over labels with the 95 % ends of pictures drawn anew."""
    count = len(next(iter(parts.values()))[0]) // rows
    draws = [np.arange(count), *np.random.default_rng(42).integers(0, count, size=(1000, count))]
    means = []
    for draw in draws:
        index = (draw[:, None] * rows + np.arange(rows)).ravel()
        values = []
        for own, positive, said in parts.values():
            x, y, s = own[index], positive[index], said[index]
            f1 = 2 * (s & y).sum() / (s.sum() + y.sum()) if s.sum() + y.sum() else np.nan
            values.append((correlation(x, y), f1))
        means.append(np.nanmean(values, 0))
    means = np.array(means)
    ends = np.quantile(means[1:], [0.025, 0.975], axis=0)
    return {name: [means[0, i], *ends[:, i]] for i, name in enumerate(("mcc", "f1"))}
