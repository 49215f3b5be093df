"""Dictionaries and torch files as other projects write them: the folder `formats`, `formats.safetensors`.

One dictionary (24 features, width 12, k 3) in every format. Written by the project itself where it is a package
(`torch.save`, SAELens); sdxl-unbox, sparsify and dictionary_learning write a plain `torch.save` or `save_file` of
the names listed in `unbox`, `sparsify` and `dictionary_learning` below.

`formats.safetensors`: the parts of the dictionary, `h` [40, 12] and its `codes.indices`, `codes.values` and `rows`,
computed in float64; `torch.NAME` for every file `formats/torch/NAME.pth`; `activations.NUMBER` channels last.
"""

import io
import json
import os
import shutil
import tarfile
import warnings
import zipfile

import torch
from safetensors.torch import save_file

from .common import ROOT, Goldens, randn

SPARSE = ROOT / "Tests" / "SDLensSparseTests" / "Goldens"
FORMATS = SPARSE / "formats"
N, D, K = 24, 12, 3


def make() -> None:
    shutil.rmtree(FORMATS, ignore_errors=True)
    goldens = Goldens(SPARSE / "formats.safetensors")
    parts = dictionary(goldens)
    unbox(parts)
    saelens(parts)
    sparsify(parts)
    dictionary_learning(parts)
    torch_files(goldens)
    refused_files()
    activations(goldens)
    goldens.save()
    for path in [*FORMATS.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def dictionary(goldens: Goldens) -> dict[str, torch.Tensor]:
    """The parts, and what they compute: ReLU(TopK(W_enc (h - b_pre) + b_act)), decoded."""
    decoder = randn("formats.decoder", N, D)
    parts = {
        "encoder": randn("formats.encoder", N, D),
        "decoder": decoder / decoder.norm(dim=1, keepdim=True),
        "pre_bias": randn("formats.pre_bias", D, scale=0.3),
        "latent_bias": randn("formats.latent_bias", N, scale=0.2) - 3,  # fewer than k are positive, at times
        "mean": randn("formats.mean", N).abs(),
        "deviation": randn("formats.deviation", N).abs(),
    }
    h = randn("formats.h", 40, D)
    wide = {name: value.double() for name, value in parts.items()}
    top = ((h.double() - wide["pre_bias"]) @ wide["encoder"].T + wide["latent_bias"]).topk(K)
    values = top.values.relu()
    assert (values == 0).any() and (values > 0).any()
    rows = (values[:, :, None] * wide["decoder"][top.indices]).sum(1) + wide["pre_bias"]
    for name, value in parts.items():
        goldens.put(name, value)
    goldens.put("h", h)
    goldens.put("codes.indices", top.indices)
    goldens.put("codes.values", values)
    goldens.put("rows", rows)
    return parts


def save(value, name: str, location: str | None = None, **options) -> None:
    """`torch.save`, with the storages tagged as if they lay on another device."""
    path = FORMATS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    tag = torch.serialization.location_tag
    try:
        if location:
            torch.serialization.location_tag = lambda storage: location
        torch.save(value, path, **options)
    finally:
        torch.serialization.location_tag = tag


def write(name: str, value) -> None:
    path = FORMATS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def unbox(parts: dict[str, torch.Tensor]) -> None:
    """The decoder is stored as [n, d] and seen as [d, n]."""
    state = torch.nn.Module()
    state.pre_bias = torch.nn.Parameter(parts["pre_bias"])
    state.latent_bias = torch.nn.Parameter(parts["latent_bias"])
    state.encoder = torch.nn.Linear(D, N, bias=False)
    state.encoder.weight.data = parts["encoder"]
    state.decoder = torch.nn.Linear(N, D, bias=False)
    state.decoder.weight.data = parts["decoder"].contiguous().T
    assert state.decoder.weight.stride() == (1, D)
    state.register_buffer("stats_last_nonzero", torch.arange(N) * 7 + 2**33)
    save({"state_dict": state.state_dict()}, "sdxl-unbox/state_dict.pth", "cuda:0")
    save(parts["mean"], "sdxl-unbox/mean.pt", "cuda:0")
    save(parts["deviation"], "sdxl-unbox/std.pt", "cuda:0")
    write(
        "sdxl-unbox/config.json",
        {"n_dirs_local": N, "d_model": D, "k": K, "auxk": 8, "dead_steps_threshold": 2441},
    )


def saelens(parts: dict[str, torch.Tensor]) -> None:
    from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig

    config = TopKSAEConfig(d_in=D, d_sae=N, k=K)
    config.metadata.model_name = "sdxl-turbo"
    config.metadata.hook_name = "unet.down_blocks.2.attentions.1"
    sae = TopKSAE(config)
    sae.load_state_dict(
        {
            "W_enc": parts["encoder"].T.contiguous(),
            "b_enc": parts["latent_bias"],
            "W_dec": parts["decoder"],
            "b_dec": parts["pre_bias"],
        }
    )
    sae.save_model(FORMATS / "saelens")


def sparsify(parts: dict[str, torch.Tensor]) -> None:
    """In bfloat16, as it may be trained; `num_latents` 0 means d · expansion_factor."""
    write(
        "sparsify/cfg.json",
        {
            "activation": "topk",
            "expansion_factor": N // D,
            "normalize_decoder": True,
            "num_latents": 0,
            "k": K,
            "multi_topk": False,
            "skip_connection": False,
            "transcode": False,
            "d_in": D,
        },
    )
    tensors = {
        "encoder.weight": parts["encoder"],
        "encoder.bias": parts["latent_bias"],
        "W_dec": parts["decoder"],
        "b_dec": parts["pre_bias"],
    }
    save_file({name: value.bfloat16() for name, value in tensors.items()}, FORMATS / "sparsify/sae.safetensors")


def dictionary_learning(parts: dict[str, torch.Tensor]) -> None:
    """The state of an AutoEncoderTopK: k and threshold are scalars."""
    state = torch.nn.Module()
    state.b_dec = torch.nn.Parameter(parts["pre_bias"])
    state.register_buffer("k", torch.tensor(K, dtype=torch.int))
    state.register_buffer("threshold", torch.tensor(0.25))
    state.decoder = torch.nn.Linear(N, D, bias=False)
    state.decoder.weight.data = parts["decoder"].T.contiguous()
    state.encoder = torch.nn.Linear(D, N)
    state.encoder.weight.data = parts["encoder"]
    state.encoder.bias.data = parts["latent_bias"]
    save(state.state_dict(), "dictionary_learning/ae.pt")
    # Before version 0.1 k stood in the settings alone, and there was no threshold.
    early = {name: value for name, value in state.state_dict().items() if name not in ("k", "threshold")}
    save(early, "dictionary_learning/early.pt")
    trainer = {
        "trainer_class": "TopKTrainer",
        "dict_class": "AutoEncoderTopK",
        "activation_dim": D,
        "dict_size": N,
        "k": K,
        "layer": 3,
        "lm_name": "sdxl-turbo",
        "submodule_name": "down_blocks.2",
    }
    write("dictionary_learning/config.json", {"trainer": trainer, "buffer": {"d_submodule": D}})


def torch_files(goldens: Goldens) -> None:
    """One dictionary {"x": tensor} each."""
    x = randn("formats.torch", 3, 4, 5)
    cases = {
        "plain": x,
        "half": x.half(),
        "bfloat": x.bfloat16(),
        "permuted": x.permute(2, 0, 1),
        "slice": x[1:, ::2, 1:4],
        "parameter": torch.nn.Parameter(x[0]),
        "scalar": x[0, 0, 0],
        "empty": x[:0],
    }
    for name, value in cases.items():
        save({"x": value}, f"torch/{name}.pth")
        goldens.put(f"torch.{name}", value)
    save({"x": x}, "torch/protocol4.pth", pickle_protocol=4)
    goldens.put("torch.protocol4", x)
    # More elements than are stored.
    save({"x": x[0, 0, 1:3, None].expand(2, 9)}, "torch/expanded.pth")
    goldens.put("torch.expanded", x[0, 0, 1:3, None].expand(2, 9).contiguous())
    # Two views of one storage.
    save({"x": x[0].T, "y": x[1]}, "torch/shared.pth", "cuda:1")
    goldens.put("torch.shared", x[0].T)
    goldens.put("torch.shared.y", x[1])


class Runs:
    """What a pickle makes when it is loaded: the result of any function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def refused_files() -> None:
    x = torch.ones(3)
    save({"x": x, "y": Runs(os.system, "exit 3")}, "refused/system.pth")
    save({"x": x, "y": Runs(eval, "1 + 1")}, "refused/eval.pth", pickle_protocol=4)
    # A number: the keys of storages were addresses, another one in every run.
    save({"x": 1.5}, "refused/before-1.6.pth", _use_new_zipfile_serialization=False)
    save({"x": x.double()}, "refused/double.pth")
    save(torch.nn.Identity(), "refused/module.pth")
    save({"x": torch.zeros(2**18)}, "refused/plain.pth")
    plain = FORMATS / "refused" / "plain.pth"
    rezip(plain, "compressed.pth", compression=zipfile.ZIP_DEFLATED)
    rezip(plain, "big.pth", {"plain/byteorder": b"big", "plain/data/0": b""})
    rezip(plain, "cut.pth", {"plain/data/0": bytes(40)})
    rezip(plain, "twice.pth", {"plain/data/0": b""}, again="plain/data.pkl")
    plain.unlink()


def rezip(source, name: str, changes: dict[str, bytes] = {}, again: str | None = None, compression=0) -> None:
    """The same members with other contents."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(source.with_name(name), "w", compression) as new:
        for member in old.namelist():
            new.writestr(zipfile.ZipInfo(member), changes.get(member, old.read(member)), compression)
        if again:
            with warnings.catch_warnings(action="ignore"):
                new.writestr(zipfile.ZipInfo(again), old.read(again))


def activations(goldens: Goldens) -> None:
    """Two batches of two pictures at one block, as webdataset writes them."""
    path = FORMATS / "activations" / "unet.down_blocks.2.attentions.1.tar"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number in [0, 17]:
            update = randn(f"formats.update{number}", 2, 1, 3, 4, 5).half()
            goldens.put(f"activations.{number}", update[:, 0].permute(0, 2, 3, 1))
            arguments = {"prompt": [f"picture {number}", "a caf\u00e9"], "seed": number, "num_inference_steps": 1}
            for ending, content in [
                ("diff.pth", saved(update)),
                ("gen_args.json", json.dumps(arguments).encode()),
                ("output.pth", saved(update + 1)),
            ]:
                member = tarfile.TarInfo(f"sample_{number}.{ending}")
                member.size, member.mode = len(content), 0o444
                tar.addfile(member, io.BytesIO(content))


def saved(value) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
