#!/usr/bin/env python3
"""Lets `sdlens convert` write a dictionary in every format, loads it with the project it is for, and compares codes.

    check_sae_formats.py .build/release/sdlens [--features 640] [--width 320] [--k 10]

SAELens files are loaded by `sae_lens.SAE.load_from_disk`; sdxl-unbox files by `torch.load(weights_only=True)`;
sparsify files by `sparsify.SparseCoder` where that package (eai-sparsify) is installed, else by their names. Codes of
512 vectors: the indices must be equal, the values within 1e-5 of the largest. Every format is also converted back,
which must give the same file bit for bit.

Then the other way: TopK dictionaries of SAELens with every option that it applies when it runs, trained and with norms
far from 1, and state dictionaries of sdxl-unbox as training programs wrap them; codes and reconstructions of sdlens must be
those of SAELens, and the dictionaries the same as without the wrapping.

Last the kinds with thresholds, in both directions: SAELens' jumprelu, batchtopk and matryoshka_batchtopk and
dictionary_learning's four classes are made by these projects and read by sdlens; what sdlens writes of each as saelens is
loaded by sae-lens, and read again it is the same file.
"""

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sdlens", type=Path)
    parser.add_argument("--features", type=int, default=640)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--k", type=int, default=10)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        h = torch.randn(512, options.width)
        save_file({"h": h}, folder / "h.safetensors")
        make(folder / "own", options.features, options.width, options.k)
        reference, ours = codes(options.sdlens, folder, "own"), None
        for name, load in {"sdxl-unbox": unbox, "saelens": saelens, "sparsify": sparsify}.items():
            sdlens(options.sdlens, "convert", folder / "own", folder / name, "--to", name)
            how, theirs = load(folder / name, h)
            ours = codes(options.sdlens, folder, name)
            same = ours["indices"].equal(reference["indices"]) and ours["values"].equal(reference["values"])
            error = compare(ours, theirs)
            sdlens(options.sdlens, "convert", folder / name, folder / f"{name}-back", "--to", "sdlens")
            back = all(
                filecmp.cmp(folder / "own" / file, folder / f"{name}-back" / file, shallow=False)
                for file in ["sae.safetensors", "sae.json"]
            )
            good = same and error <= TOLERANCE and back
            failures += not good
            print(
                f"{name:12} loaded by {how}: largest error of a value {error:.1e} of the largest; read by sdlens "
                f"{'the same' if same else 'OTHER'} codes; back {'the same' if back else 'OTHER'} bytes"
                f"{'' if good else '  FAIL'}"
            )
        failures += options_of_saelens(options, folder, h)
        failures += wrapped(options, folder)
        failures += kinds(options, folder, h)
    return 1 if failures else 0


def options_of_saelens(options: argparse.Namespace, folder: Path, h: torch.Tensor) -> int:
    """How many of SAELens' dictionaries sdlens reads as something else."""
    from sae_lens import SAE, TopKTrainingSAE, TopKTrainingSAEConfig

    failures, d, n = 0, options.width, options.features
    for rescale, centred, spread, k in [
        (True, True, 0, options.k), (True, True, 2, options.k), (True, False, 2, 1), (False, True, 2, options.k),
        (False, False, 1, n // 2), (True, True, 4, n),
    ]:
        name = f"saelens-{rescale}-{centred}-{spread}-{k}"
        config = TopKTrainingSAEConfig(
            d_in=d, d_sae=n, k=k, rescale_acts_by_decoder_norm=rescale, apply_b_dec_to_input=centred
        )
        sae = TopKTrainingSAE(config)
        for parameter in sae.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        sae.W_dec.mul_(torch.logspace(-spread, spread, n)[:, None])
        # Both as a training leaves it; `save_inference_model` folds what it can.
        for kind, save in [("training", sae.save_model), ("inference", sae.save_inference_model)]:
            save(folder / f"{name}-{kind}")
            theirs = SAE.load_from_disk(folder / f"{name}-{kind}", device="cpu").double()
            theirs.dtype = torch.float64
            values = theirs.encode(h.double())
            values = values.to_dense() if values.is_sparse else values
            ours = codes(options.sdlens, folder, f"{name}-{kind}")
            error = compare(ours, values.float())
            rows = folder / "rows.safetensors"
            sdlens(
                options.sdlens, "encode", "--decode", "--sae", folder / f"{name}-{kind}",
                "--input", folder / f"{name}-{kind}.safetensors", "--output", rows,
            )  # fmt: skip
            wanted = theirs.decode(values)
            distance = ((load_file(rows)["rows"] - wanted).abs().max() / wanted.abs().max()).item()
            good = error <= TOLERANCE and distance <= TOLERANCE
            failures += not good
            print(
                f"saelens {kind}, rescale {rescale}, centred {centred}, norms 1e±{spread}, k {k}: codes {error:.1e}, "
                f"rows {distance:.1e}{'' if good else '  FAIL'}"
            )
    return failures


def wrapped(options: argparse.Namespace, folder: Path) -> int:
    """How many wrapped state dictionaries sdlens reads as something else."""
    state = torch.load(folder / "sdxl-unbox" / "state_dict.pth", weights_only=True)["state_dict"]
    adam = torch.optim.Adam([torch.nn.Parameter(value.float()) for value in state.values()])
    cases = {
        "bare": state,
        "model": {"model": state, "optimizer": adam.state_dict(), "step": 7},
        "data parallel": {"model_state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 1},
        "compiled": {f"_orig_mod.{name}": value for name, value in state.items()},
        "in a larger model": {"state_dict": {f"model.sae.{name}": value for name, value in state.items()}},
        "float64": {name: value.double() if value.is_floating_point() else value for name, value in state.items()},
    }
    failures = 0
    for name, value in cases.items():
        source, result = folder / f"wrapped-{name}", folder / f"wrapped-{name}-out"
        source.mkdir()
        for file in ["config.json", "mean.pt", "std.pt"]:
            (source / file).write_bytes((folder / "sdxl-unbox" / file).read_bytes())
        torch.save(value, source / "state_dict.pth")
        sdlens(options.sdlens, "convert", source, result, "--to", "sdlens")
        mine, other = (load_file(path / "sae.safetensors") for path in [folder / "own", result])
        good = all(mine[key].equal(other[key]) for key in mine)
        failures += not good
        print(f"state dictionary, {name}: {'the same' if good else 'OTHER'} numbers{'' if good else '  FAIL'}")
    return failures


def kinds(options: argparse.Namespace, folder: Path, h: torch.Tensor) -> int:
    """How many dictionaries with thresholds are something else to one of both."""
    from goldens.dictionary_kinds import import_dictionary_learning
    from sae_lens import SAE
    from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
    from sae_lens.saes.jumprelu_sae import JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig
    from sae_lens.saes.matryoshka_batchtopk_sae import (
        MatryoshkaBatchTopKTrainingSAE,
        MatryoshkaBatchTopKTrainingSAEConfig,
    )

    d, n, k = options.width, options.features, options.k
    failures = 0

    def disturbed(module: torch.nn.Module, threshold: float | torch.Tensor) -> torch.nn.Module:
        for name, value in module.named_parameters():
            value.add_(torch.randn_like(value) * (0.1 if value.dim() > 1 else 0.5))
        name = "topk_threshold" if hasattr(module, "topk_threshold") else "threshold"
        getattr(module, name).data = torch.zeros_like(getattr(module, name)) + threshold
        return module

    def check(name: str, values: torch.Tensor, rows: torch.Tensor) -> None:
        nonlocal failures
        values = (values.to_dense() if values.is_sparse else values).float()
        error = compare(codes(options.sdlens, folder, name), values)
        output = folder / "rows.safetensors"
        sdlens(
            options.sdlens, "encode", "--decode", "--sae", folder / name, "--input", folder / f"{name}.safetensors",
            "--output", output,
        )  # fmt: skip
        distance = ((load_file(output)["rows"] - rows).abs().max() / rows.abs().max()).item()
        # Out as saelens, loaded by sae-lens, and back.
        sdlens(options.sdlens, "convert", folder / name, folder / f"{name}-out", "--to", "saelens")
        theirs = SAE.load_from_disk(folder / f"{name}-out", device="cpu").double()
        theirs.dtype = torch.float64
        again = theirs.encode(h.double())
        out = compare(codes(options.sdlens, folder, name), (again.to_dense() if again.is_sparse else again).float())
        for number, source in enumerate([f"{name}-out", f"{name}-own0"]):
            sdlens(options.sdlens, "convert", folder / source, folder / f"{name}-own{number}", "--to", "sdlens")
        back = all(
            filecmp.cmp(folder / f"{name}-own0" / file, folder / f"{name}-own1" / file, shallow=False)
            for file in ["sae.safetensors", "sae.json"]
        )
        good = max(error, distance, out) <= TOLERANCE and back
        failures += not good
        active = (values > 0).sum(1).float()
        print(
            f"{name}, L0 {active.mean():.1f} ± {active.std():.1f}: codes {error:.1e}, rows {distance:.1e}; written and loaded "
            f"by sae-lens {out:.1e}; back {'the same' if back else 'OTHER'} bytes{'' if good else '  FAIL'}"
        )

    trained = {
        "batchtopk": BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(d_in=d, d_sae=n, k=k)),
        "batchtopk-unnormed": BatchTopKTrainingSAE(
            BatchTopKTrainingSAEConfig(d_in=d, d_sae=n, k=k, rescale_acts_by_decoder_norm=False)
        ),
        "batchtopk-uncentred": BatchTopKTrainingSAE(
            BatchTopKTrainingSAEConfig(d_in=d, d_sae=n, k=k, apply_b_dec_to_input=False)
        ),
        "matryoshka": MatryoshkaBatchTopKTrainingSAE(
            MatryoshkaBatchTopKTrainingSAEConfig(d_in=d, d_sae=n, k=k, matryoshka_widths=[n // 4, n // 2, n])
        ),
        "jumprelu": JumpReLUTrainingSAE(JumpReLUTrainingSAEConfig(d_in=d, d_sae=n)),
    }
    for name, sae in trained.items():
        disturbed(sae, torch.randn(n) + 3 if name == "jumprelu" else 4.0)
        sae.save_inference_model(folder / f"saelens-{name}")
        sae.save_model(folder / f"saelens-{name}-training")
        used = SAE.load_from_disk(folder / f"saelens-{name}", device="cpu").double()
        used.dtype = torch.float64
        values = used.encode(h.double())
        for kind in ["", "-training"]:
            check(f"saelens-{name}{kind}", values, used.decode(values))

    top, batch, nested, jump, *_ = import_dictionary_learning()
    classes = {
        "top": (top(d, n, k), 0.5),
        "batch": (batch(d, n, k), 3.0),
        "matryoshka": (nested(d, n, k, group_sizes=[n // 4, n // 4, n - n // 4 * 2]), 3.0),
        "jumprelu": (jump(d, n), torch.randn(n) + 3),
    }
    for name, (sae, threshold) in classes.items():
        disturbed(sae, threshold)
        path = folder / f"dictionary_learning-{name}"
        path.mkdir()
        torch.save(sae.state_dict(), path / "ae.pt")
        trainer = {"dict_class": type(sae).__name__, "activation_dim": d, "dict_size": n}
        (path / "config.json").write_text(json.dumps({"trainer": trainer | ({} if name == "jumprelu" else {"k": k})}))
        used = sae.double()
        values = used.encode(h.double())
        check(path.name, values, used.decode(values))
    return failures


def make(folder: Path, n: int, d: int, k: int) -> None:
    """A dictionary in the format of sdlens, by way of a conversion, so that its bytes are its own."""
    raw = folder.with_name("raw")
    raw.mkdir()
    decoder = torch.randn(n, d)
    tensors = {
        "encoder": torch.randn(n, d),
        "decoder": decoder / decoder.norm(dim=1, keepdim=True),
        "pre_bias": torch.randn(d),
        "latent_bias": torch.randn(n),
        "last_active": torch.randint(0, 2**40, (n,)),
        "mean": torch.rand(n),
        "deviation": torch.rand(n),
    }
    save_file(tensors, raw / "sae.safetensors", metadata={"note": "random", "auxk": "32"})
    about = {"format": "sdlens-sae", "version": 1, "k": k, "width": d, "features": n}
    about |= {"block": "down.2.1", "site": "update", "model": "random", "model_fingerprint": "0123456789abcdef"}
    (raw / "sae.json").write_text(json.dumps(about))
    sdlens(Path(sys.argv[1]), "convert", raw, folder, "--to", "sdlens")
    mine = load_file(folder / "sae.safetensors")
    assert all(mine[name].equal(value) for name, value in tensors.items()), "a conversion changed a value"


def sdlens(program: Path, *arguments) -> None:
    subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def codes(program: Path, folder: Path, name: str) -> dict[str, torch.Tensor]:
    output = folder / f"{name}.safetensors"
    sdlens(program, "encode", "--sae", folder / name, "--input", folder / "h.safetensors", "--output", output)
    return load_file(output)


def compare(ours: dict[str, torch.Tensor], theirs: torch.Tensor) -> float:
    """The largest error of a value relative to the largest; infinite when another feature is active."""
    if "starts" in ours:
        counts = ours["starts"].diff()
        mine = torch.zeros_like(theirs)
        mine[torch.arange(len(counts)).repeat_interleave(counts), ours["indices"].long()] = ours["values"]
    else:
        mine = torch.zeros_like(theirs).scatter(1, ours["indices"].long(), ours["values"])
    if not (mine > 0).equal(theirs > 0):
        return float("inf")
    return ((mine - theirs).abs().max() / theirs.max()).item()


def topk(pre: torch.Tensor, k: int) -> torch.Tensor:
    top = pre.topk(k)
    return torch.zeros_like(pre).scatter(1, top.indices, top.values.relu())


def unbox(folder: Path, h: torch.Tensor) -> tuple[str, torch.Tensor]:
    config = json.loads((folder / "config.json").read_text())
    state = torch.load(folder / "state_dict.pth", weights_only=True)["state_dict"]
    n, d = config["n_dirs_local"], config["d_model"]
    model = torch.nn.Module()
    model.pre_bias, model.latent_bias = torch.nn.Parameter(torch.empty(d)), torch.nn.Parameter(torch.empty(n))
    model.encoder, model.decoder = torch.nn.Linear(d, n, bias=False), torch.nn.Linear(n, d, bias=False)
    model.register_buffer("stats_last_nonzero", torch.zeros(n, dtype=torch.long))
    model.load_state_dict(state)
    assert state["decoder.weight"].stride() == (1, d)
    assert state["stats_last_nonzero"].dtype == torch.int64
    for name in ["mean.pt", "std.pt"]:
        assert torch.load(folder / name, weights_only=True).shape == (n,)
    pre = torch.nn.functional.linear(h - model.pre_bias, model.encoder.weight, model.latent_bias)
    return "torch.load(weights_only=True)", topk(pre, config["k"])


def saelens(folder: Path, h: torch.Tensor) -> tuple[str, torch.Tensor]:
    import sae_lens

    sae = sae_lens.SAE.load_from_disk(folder, device="cpu")
    theirs = sae.encode(h)
    return f"sae-lens {sae_lens.__version__}", theirs.to_dense() if theirs.is_sparse else theirs


def sparsify(folder: Path, h: torch.Tensor) -> tuple[str, torch.Tensor]:
    try:
        from sparsify import SparseCoder

        model = SparseCoder.load_from_disk(folder)
        weight, bias, b_dec, k = model.encoder.weight, model.encoder.bias, model.b_dec, model.cfg.k
        how = "sparsify.SparseCoder"
    except ImportError:
        tensors = load_file(folder / "sae.safetensors")
        weight, bias, b_dec = tensors["encoder.weight"], tensors["encoder.bias"], tensors["b_dec"]
        k, how = json.loads((folder / "cfg.json").read_text())["k"], "safetensors"
    # Its own encode compiles a kernel first; these are the lines of that kernel.
    return how, topk(torch.nn.functional.linear(h - b_dec, weight, bias).relu(), k)


if __name__ == "__main__":
    sys.exit(main())
