"""Single layers: `layers.safetensors` (arrays named CASE.ROLE) and `layers.json` (what each case is).

Roles: input, weight, bias, output, and query, key, value, probabilities for attention.
"""

import torch
import torch.nn.functional as F

from .common import CORE, Goldens, randn, save_json


class Cases:
    """Arrays and descriptions side by side."""

    def __init__(self):
        self.arrays = Goldens(CORE / "layers.safetensors")
        self.descriptions: list[dict] = []

    def add(self, name: str, kind: str, settings: dict, **arrays: torch.Tensor) -> None:
        for role, array in arrays.items():
            if array is not None:
                self.arrays.put(f"{name}.{role}", array)
        self.descriptions.append({"name": name, "kind": kind, **settings})

    def save(self) -> None:
        self.arrays.save()
        save_json(CORE / "layers.json", self.descriptions)


def make() -> None:
    cases = Cases()
    linear(cases)
    convolution(cases)
    normalization(cases)
    activation(cases)
    attention(cases)
    upsampling(cases)
    timesteps(cases)
    cases.save()


def linear(cases: Cases) -> None:
    """output = input · weightᵀ + bias, weight [outputs, inputs]."""
    for rows, inputs, outputs, with_bias in [(7, 5, 9, True), (7, 5, 9, False), (1, 16, 40, True), (77, 62, 24, False)]:
        name = f"linear.{rows}x{inputs}to{outputs}" + (".bias" if with_bias else "")
        x, weight = randn(name + "x", rows, inputs), randn(name + "w", outputs, inputs)
        bias = randn(name + "b", outputs) if with_bias else None
        cases.add(name, "linear", {}, input=x, weight=weight, bias=bias, output=F.linear(x, weight, bias))


def convolution(cases: Cases) -> None:
    """Input [batch, channels, height, width], weight [outputs, inputs, kernel, kernel]."""
    # kernel, stride, padding, batch, inputs, outputs, height, width
    table = [
        (3, 1, 1, 1, 5, 7, 7, 5),
        (3, 1, 1, 2, 5, 7, 13, 9),
        (3, 1, 1, 2, 16, 24, 8, 8),
        (3, 1, 1, 1, 3, 8, 5, 11),
        (3, 1, 1, 1, 8, 3, 16, 12),
        (3, 1, 1, 2, 4, 6, 1, 1),
        (3, 1, 1, 1, 4, 6, 2, 3),
        (3, 1, 1, 1, 33, 35, 6, 7),
        (3, 2, 1, 1, 5, 7, 8, 6),
        (3, 2, 1, 2, 5, 7, 7, 5),
        (3, 2, 1, 2, 16, 16, 13, 9),
        (3, 2, 1, 1, 3, 8, 9, 10),
        (3, 2, 1, 1, 4, 4, 1, 2),
        (1, 1, 0, 1, 5, 7, 7, 5),
        (1, 1, 0, 2, 16, 24, 4, 6),
    ]
    for kernel, stride, padding, batch, inputs, outputs, height, width in table:
        name = f"convolution.{kernel}x{kernel}.stride{stride}.{batch}x{inputs}to{outputs}.{height}x{width}"
        x = randn(name + "x", batch, inputs, height, width)
        weight, bias = randn(name + "w", outputs, inputs, kernel, kernel), randn(name + "b", outputs)
        y = F.conv2d(x, weight, bias, stride=stride, padding=padding)
        settings = {"kernel": kernel, "stride": stride, "padding": padding}
        cases.add(name, "convolution", settings, input=x, weight=weight, bias=bias, output=y)


def normalization(cases: Cases) -> None:
    """F.group_norm over [batch, channels, height, width]; F.layer_norm over the last axis."""
    for batch, channels, height, width, groups, eps, kind in [
        (1, 16, 7, 5, 8, 1e-5, "random"),
        (2, 24, 4, 6, 8, 1e-6, "random"),
        (2, 40, 3, 3, 4, 1e-5, "random"),
        (1, 8, 5, 4, 8, 1e-6, "random"),  # one channel a group
        (1, 12, 6, 6, 1, 1e-5, "random"),
        (1, 16, 9, 8, 4, 1e-6, "offset"),  # mean 1000, deviation 1: sums of squares cancel
        (1, 16, 5, 5, 8, 1e-5, "constant"),  # variance zero: the output is the bias
        (2, 8, 4, 4, 4, 1e-5, "small"),  # variance 1e-6, below eps
    ]:
        name = f"group_norm.{batch}x{channels}.{height}x{width}.groups{groups}.{kind}"
        x = spread(randn(name + "x", batch, channels, height, width), kind)
        weight, bias = 1 + 0.3 * randn(name + "w", channels), 0.2 * randn(name + "b", channels)
        y = F.group_norm(x, groups, weight, bias, eps)
        settings = {"groups": groups, "eps": eps}
        cases.add(name, "group_norm", settings, input=x, weight=weight, bias=bias, output=y)
        cases.add(name + ".silu", "group_norm_silu", settings, input=x, weight=weight, bias=bias, output=F.silu(y))
    for rows, width, eps, kind in [
        (7, 20, 1e-5, "random"),
        (1, 42, 1e-3, "random"),
        (5, 24, 1e-5, "offset"),
        (3, 16, 1e-5, "constant"),
        (3, 16, 1e-5, "small"),
    ]:
        name = f"layer_norm.{rows}x{width}.{kind}"
        x = spread(randn(name + "x", rows, width), kind)
        weight, bias = 1 + 0.3 * randn(name + "w", width), 0.2 * randn(name + "b", width)
        y = F.layer_norm(x, (width,), weight, bias, eps)
        cases.add(name, "layer_norm", {"eps": eps}, input=x, weight=weight, bias=bias, output=y)


def spread(x: torch.Tensor, kind: str) -> torch.Tensor:
    if kind == "offset":
        return x + 1000
    if kind == "constant":
        return torch.full_like(x, 3.25)
    return x * 1e-3 if kind == "small" else x


def activation(cases: Cases) -> None:
    """Over all magnitudes: ±0, tiny, ordinary, where exp overflows."""
    edges = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 10, -10, 20, -20, 87.5, -87.5, 89, -89, 1e4, -1e4])
    x = torch.cat([edges, torch.linspace(-12, 12, 241), 3 * randn("activation", 255)])
    cases.add("silu", "silu", {}, input=x, output=F.silu(x))
    cases.add("gelu", "gelu", {}, input=x, output=F.gelu(x))  # x · Φ(x), by erf
    cases.add("quick_gelu", "quick_gelu", {}, input=x, output=x * torch.sigmoid(1.702 * x))
    # diffusers GEGLU: one linear layer of twice the width, its first half times gelu of its second half
    for rows, inputs, inner in [(6, 10, 40), (1, 24, 96)]:
        name = f"geglu.{rows}x{inputs}to{inner}"
        h = randn(name + "x", rows, inputs)
        weight, bias = randn(name + "w", 2 * inner, inputs) / inputs**0.5, 0.2 * randn(name + "b", 2 * inner)
        value, gate = F.linear(h, weight, bias).chunk(2, dim=-1)
        cases.add(name, "geglu", {}, input=h, weight=weight, bias=bias, output=value * F.gelu(gate))
    rows = torch.cat([randn("softmax", 4, 33), 500 * randn("softmax large", 3, 33), torch.full((1, 33), 1e4)])
    rows[5, 7] = 3e4  # one place takes all
    cases.add("softmax", "softmax", {}, input=rows, output=torch.softmax(rows, dim=-1))


def attention(cases: Cases) -> None:
    """softmax(query · keyᵀ / √d) · value, a head at a time; rows are [batch, tokens, heads · d], as layers give them.

    `probabilities` is [batch, heads, queries, keys].
    """
    # heads, d, batch, queries, keys, causal, scale of the queries
    for heads, d, batch, queries, keys, causal, scale in [
        (1, 12, 1, 9, 9, False, 1),
        (3, 8, 2, 35, 35, False, 1),
        (4, 8, 2, 20, 77, False, 1),
        (2, 64, 1, 48, 77, False, 1),
        (5, 16, 1, 1, 77, False, 1),
        (4, 5, 2, 77, 77, True, 1),
        (3, 14, 1, 77, 77, True, 3),
        (2, 8, 1, 16, 24, False, 100),  # scores of several hundred
    ]:
        name = f"attention.heads{heads}.d{d}.batch{batch}.{queries}x{keys}" + (".causal" if causal else "")
        name += f".scale{scale}" if scale != 1 else ""
        query = randn(name + "q", batch, queries, heads * d, scale=scale)
        key, value = randn(name + "k", batch, keys, heads * d), randn(name + "v", batch, keys, heads * d)
        q, k, v = (x.unflatten(-1, (heads, d)).transpose(1, 2) for x in (query, key, value))
        output = F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(-2)
        scores = q @ k.transpose(-1, -2) / d**0.5
        if causal:
            scores = scores.masked_fill(torch.ones(queries, keys, dtype=torch.bool).triu(1), float("-inf"))
        probabilities = scores.softmax(dim=-1)
        assert torch.allclose((probabilities @ v).transpose(1, 2).flatten(-2), output, atol=1e-4)
        cases.add(
            name,
            "attention",
            {"heads": heads, "causal": causal},
            query=query,
            key=key,
            value=value,
            output=output,
            probabilities=probabilities,
        )


def upsampling(cases: Cases) -> None:
    """F.interpolate(mode="nearest"): row r of the result is row ⌊r · height / new height⌋ of the input."""
    # batch, channels, height, width, new height, new width
    for batch, channels, height, width, to_height, to_width in [
        (1, 5, 4, 4, 8, 8),
        (2, 3, 3, 5, 6, 10),
        (2, 4, 3, 4, 5, 7),
        (1, 2, 5, 7, 9, 13),
        (1, 2, 2, 3, 3, 5),
        (1, 1, 1, 1, 3, 2),
        (1, 1, 33, 17, 65, 33),
    ]:
        name = f"upsample.{batch}x{channels}.{height}x{width}to{to_height}x{to_width}"
        x = randn(name, batch, channels, height, width)
        y = F.interpolate(x, size=(to_height, to_width), mode="nearest")
        if (to_height, to_width) == (2 * height, 2 * width):
            assert torch.equal(y, F.interpolate(x, scale_factor=2.0, mode="nearest"))
        cases.add(name, "upsample", {"height": to_height, "width": to_width}, input=x, output=y)


def timesteps(cases: Cases) -> None:
    """diffusers get_timestep_embedding: cosines, then sines, of t · 10000^(−i / (dim / 2))."""
    from diffusers.models.embeddings import get_timestep_embedding

    times = torch.tensor([0.0, 1.0, 249.0, 332.75, 499.0, 749.0, 999.0])
    for dim in (12, 16, 256, 320):
        y = get_timestep_embedding(times, dim, flip_sin_to_cos=True, downscale_freq_shift=0)
        cases.add(f"timestep_embedding.{dim}", "timestep_embedding", {"dim": dim}, input=times, output=y)
