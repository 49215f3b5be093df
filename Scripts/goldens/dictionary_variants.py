"""Dictionaries and activations as people's programs wrap, cut and pack them: the folder `variants`, `variants.safetensors`.

`variants/torch/NAME.pth`: the dictionary of `sparse_formats` as the `state_dict.pth` of sdxl-unbox, wrapped and with other
things beside it; every one is read by `torch.load(weights_only=True)` here. `variants/refused`: what must not be read.
`variants/saelens/NAME`: TopK dictionaries whose options SAELens applies when it runs; `variants.safetensors` has `NAME.h`,
and `NAME.values` (dense) and `NAME.rows` as SAELens computes them. `variants/tars/NAME`: two batches of `sparse_formats` in tars
of all kinds, whose samples are asserted to be what webdataset reads.
"""

import collections
import io
import json
import shutil
import tarfile
import warnings
import zipfile

import torch

from .common import Goldens, randn
from .sparse_formats import D, K, N, SPARSE, saved

VARIANTS = SPARSE / "variants"
TAR = "unet.down_blocks.2.attentions.1.tar"


def make() -> None:
    shutil.rmtree(VARIANTS, ignore_errors=True)
    goldens = Goldens(SPARSE / "variants.safetensors")
    torch_files(state())
    refused_files(state())
    saelens(goldens)
    tars()
    goldens.save()
    for path in VARIANTS.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def state() -> dict[str, torch.Tensor]:
    """The names of sdxl-unbox, the numbers of `sparse_formats`."""
    decoder = randn("formats.decoder", N, D)
    return {
        "pre_bias": randn("formats.pre_bias", D, scale=0.3),
        "latent_bias": randn("formats.latent_bias", N, scale=0.2) - 3,
        "stats_last_nonzero": torch.arange(N) * 7 + 2**33,
        "encoder.weight": randn("formats.encoder", N, D),
        "decoder.weight": (decoder / decoder.norm(dim=1, keepdim=True)).T,
    }


def prefixed(prefix: str, values: dict) -> dict:
    return {prefix + name: value for name, value in values.items()}


def write(name: str, value) -> None:
    path = VARIANTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)


def optimizer() -> dict:
    weight = torch.nn.Parameter(torch.ones(2, 3))
    with torch.enable_grad():
        adam = torch.optim.Adam([weight])
        weight.sum().backward()
        adam.step()
    return adam.state_dict()


def torch_files(sd: dict[str, torch.Tensor]) -> None:
    training = {"optimizer": optimizer(), "step": 100, "losses": [0.5, 0.25], "epoch": None}
    plain = {
        "shape": sd["pre_bias"].shape, "dtype": torch.bfloat16, "device": torch.device("cuda", 0), "layout": torch.strided,
        "seed": 2**64 - 1, "set": {1, 2}, "complex": 1 + 2j, "bytes": b"\x00\xff", "bytearray": bytearray(b"ab"),
        "counter": collections.Counter("abca"), 7: torch.ones(2), (1, 2): "tuple", None: 1, 0.5: [((1,), 2)] * 3,
        "complex tensor": torch.ones(2, dtype=torch.complex64), "sparse": torch.eye(3).to_sparse(),
        "eighth": torch.ones(3).to(torch.float8_e4m3fn), "unsigned": torch.ones(3, dtype=torch.uint16),
        "meta": torch.ones(2, device="meta"), "qscheme": torch.per_tensor_affine,
    }
    parameter = torch.nn.Parameter(sd["encoder.weight"])
    parameter.note = "an attribute"
    bias = sd["pre_bias"].clone()
    bias.note = ("another", 1)
    cases = {
        "bare": sd,
        "model": {"model": sd},
        "module": {"model_state_dict": prefixed("module.", sd), **training},
        "compiled": prefixed("_orig_mod.", sd),
        "nested": {"checkpoint": {"weights": prefixed("sae.", sd), "note": "x"}, "args": {"lr": 1e-4}},
        "training": {"state_dict": sd, **training, **plain},
        "beside": {**sd, **training, "k": K, "shape": sd["pre_bias"].shape, "dtype": torch.float32, 3: "x"},
        "double": {"state_dict": {name: value.double() if value.is_floating_point() else value for name, value in sd.items()}},
        "attributes": {"state_dict": {**sd, "encoder.weight": parameter, "pre_bias": bias}},
        "ordered": collections.OrderedDict(state_dict=collections.OrderedDict(sd), history=[(n, n / 2) for n in range(9000)]),
        "module_class": {"state_dict": collections.OrderedDict(sd, _note=None)},
    }
    for name, value in cases.items():
        write(f"torch/{name}.pth", value)
        torch.load(VARIANTS / "torch" / f"{name}.pth", weights_only=True)
    zips(sd)


class Stream(io.BytesIO):
    """A file that cannot be gone back in: sizes come behind the members."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation


def zips(sd: dict[str, torch.Tensor]) -> None:
    """What other zip programs make of a torch file; `torch.load` reads them, too."""
    members = zipfile.ZipFile(io.BytesIO(saved({"state_dict": sd})))
    for name in ["deflated", "folders", "large", "streamed", "commented"]:
        target = Stream() if name == "streamed" else io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if name == "deflated" else zipfile.ZIP_STORED) as new:
            if name == "folders":
                for folder in ["archive/", "archive/data/"]:
                    new.writestr(zipfile.ZipInfo(folder), b"")
            for member in members.namelist():
                info = zipfile.ZipInfo(member)
                info.compress_type = new.compression
                with new.open(info, "w", force_zip64=name == "large") as file:
                    file.write(members.read(member))
            if name == "commented":
                new.comment = b"packed again"
        path = VARIANTS / "torch" / f"{name}.pth"
        path.write_bytes(target.getvalue())
        loaded = torch.load(path, weights_only=True)["state_dict"]
        assert all(loaded[key].equal(value) for key, value in sd.items())


def refused_files(sd: dict[str, torch.Tensor]) -> None:
    far = {**sd, "pre_bias": sd["pre_bias"].double() * 1e300}
    cases = {
        "two-places": {"model": sd, "ema": dict(sd)},
        "two-prefixes": {**prefixed("a.", sd), **prefixed("b.", sd)},
        "scale": {**sd, "input_scale": 2.5},
        "activation": {**sd, "activation": "ReLU"},
        "other-k": {**sd, "k": K + 1},
        "tensor-beside": {**sd, "W_skip": torch.ones(3)},
        "sparse-beside": {**sd, "W_skip": torch.eye(3).to_sparse()},
        "half-missing": {"model": {name: value for name, value in sd.items() if name != "latent_bias"}},
        "far": far,
        "complex": {**sd, "pre_bias": sd["pre_bias"].to(torch.complex64)},
        "negative": {**sd, "pre_bias": torch._neg_view(sd["pre_bias"])},
        "defaultdict": {"state_dict": sd, "log": collections.defaultdict(list)},
        "class": {"state_dict": sd, "args": __import__("argparse").Namespace(lr=1)},
    }
    for name, value in cases.items():
        write(f"refused/{name}.pth", value)


def saelens(goldens: Goldens) -> None:
    from sae_lens import SAE, TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig

    h = randn("variants.h", 40, D) + 0.5
    goldens.put("h", h)

    def weights(name: str, norms: torch.Tensor) -> dict[str, torch.Tensor]:
        decoder = randn(f"variants.{name}.decoder", N, D)
        return {
            "W_enc": randn(f"variants.{name}.encoder", D, N),
            "b_enc": randn(f"variants.{name}.b_enc", N, scale=0.3) - 1,
            "W_dec": decoder / decoder.norm(dim=1, keepdim=True) * norms[:, None],
            "b_dec": randn(f"variants.{name}.b_dec", D, scale=0.5),
        }

    far = torch.logspace(-2, 2, N)
    cases = {
        "far": (far, dict(rescale_acts_by_decoder_norm=True)),
        "unnormed": (far, dict()),
        "uncentred": (torch.ones(N), dict(apply_b_dec_to_input=False)),
        "far-uncentred": (far, dict(rescale_acts_by_decoder_norm=True, apply_b_dec_to_input=False, k=5)),
        "all": (far, dict(rescale_acts_by_decoder_norm=True, k=N)),
        "double": (far, dict(rescale_acts_by_decoder_norm=True, dtype="float64")),
        "half": (far, dict(rescale_acts_by_decoder_norm=True, dtype="bfloat16")),
        "zero": (torch.cat([torch.zeros(4), far[4:]]), dict(rescale_acts_by_decoder_norm=True)),
    }
    for name, (norms, options) in cases.items():
        sae = TopKSAE(TopKSAEConfig(**{"d_in": D, "d_sae": N, "k": K, **options}))
        with torch.no_grad():
            for key, value in weights(name, norms).items():
                getattr(sae, key).copy_(value)
        sae.save_model(VARIANTS / "saelens" / name)
    torch.manual_seed(0)
    trained = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=D, d_sae=N, k=K))
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    trained.save_inference_model(VARIANTS / "saelens" / "trained")
    trained.save_model(VARIANTS / "saelens" / "training")
    for folder in sorted((VARIANTS / "saelens").iterdir()):
        config = json.loads((folder / "cfg.json").read_text())
        # Its keys come in any order.
        (folder / "cfg.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        sae = SAE.load_from_disk(folder, device="cpu").double()
        sae.dtype = torch.float64
        values = sae.encode(h.double())
        values = values.to_dense() if values.is_sparse else values
        rows = sae.decode(values)
        if folder.name == "zero":
            # SAELens divides by the norm of every row: one that is zero makes all NaN. Without those rows it does not.
            assert rows.isnan().all()
            norms = sae.W_dec.norm(dim=-1)
            rows = (values * torch.where(norms > 0, 1 / norms, 0)) @ sae.W_dec + sae.b_dec
        goldens.put(f"{folder.name}.values", values)
        goldens.put(f"{folder.name}.rows", rows)


def tars() -> None:
    """The same two samples in every tar."""
    updates = {number: randn(f"formats.update{number}", 2, 1, 3, 4, 5).half() for number in [0, 17]}

    def parts(number: int) -> list[tuple[str, bytes]]:
        arguments = {"prompt": [f"picture {number}", "a caf\u00e9"], "seed": number, "num_inference_steps": 1}
        return [("diff.pth", saved(updates[number])), ("gen_args.json", json.dumps(arguments).encode()), ("output.pth", b"x")]

    long = "a folder whose name is long, with dots. and \u00fcml\u00e4uts, " * 4
    plain = lambda number, ending: [f"sample_{number}.{ending}"]
    cases = {
        "dot": (tarfile.USTAR_FORMAT, lambda number, ending: [f"./sample_{number}.{ending}"]),
        "folders": (tarfile.USTAR_FORMAT, lambda number, ending: [f"run.1/part/sample_{number}.{ending}"]),
        "mac": (tarfile.PAX_FORMAT, lambda number, ending: [f"./._sample_{number}.{ending}", f"./sample_{number}.{ending}"]),
        "pax": (tarfile.PAX_FORMAT, lambda number, ending: [f"{long}/sample_{number}.{ending}"]),
        "gnu": (tarfile.GNU_FORMAT, lambda number, ending: [f"{long}/sample_{number}.{ending}"]),
        "capitals": (tarfile.USTAR_FORMAT, lambda number, ending: [f"sample_{number}.{ending.upper()}"]),
        "meta": (
            tarfile.USTAR_FORMAT,
            lambda number, ending: ["__index__", "__meta__/notes.json", "LICENSE", f"sample_{number}.{ending}"],
        ),
        "links": (tarfile.USTAR_FORMAT, plain),
        # Refused, for webdataset does not read them or finds no update in them.
        "twice": (tarfile.USTAR_FORMAT, lambda number, ending: plain(number, ending) * 2),
        "dots": (tarfile.USTAR_FORMAT, lambda number, ending: [f"sample_{number}.5.{ending}"]),
        "split": (tarfile.USTAR_FORMAT, lambda number, ending: [("a/" if ending == "diff.pth" else "b/") + f"sample_{number}.{ending}"]),
    }
    for name, (form, names) in cases.items():
        path = VARIANTS / "tars" / name / TAR
        path.parent.mkdir(parents=True)
        with tarfile.open(path, "w", format=form) as tar:
            for number in updates:
                if name in ["folders", "pax"]:
                    folder = tarfile.TarInfo(names(number, "")[0].rsplit("/", 1)[0])
                    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(folder)
                for ending, content in parts(number):
                    for place in names(number, ending):
                        member = tarfile.TarInfo(place)
                        data = content if "sample" in place and "._" not in place else b"\x00\x05\x16\x07"
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
                if name == "links":
                    for kind in [tarfile.LNKTYPE, tarfile.SYMTYPE]:
                        link = tarfile.TarInfo(f"sample_{number}.link{kind.decode()}")
                        link.type, link.linkname = kind, f"sample_{number}.diff.pth"
                        tar.addfile(link)
        if name == "twice":
            try:
                list(samples(path))
                raise AssertionError("webdataset reads a name twice")
            except ValueError:
                continue
        found = [sample for sample in samples(path) if "diff.pth" in sample and "gen_args.json" in sample]
        assert len(found) == (0 if name in ["dots", "split"] else 2), (name, len(found))
        for sample, (number, update) in zip(found, updates.items()):
            assert sample["__key__"].rsplit("/", 1)[-1] == f"sample_{number}"
            assert torch.load(io.BytesIO(sample["diff.pth"]), weights_only=True).equal(update)


def samples(path):
    import webdataset

    with warnings.catch_warnings(action="ignore"):
        yield from webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)
