"""Dictionaries of every kind, as SAELens and dictionary_learning save them: the folder `kinds`, `kinds.safetensors`.

`kinds/NAME`: a dictionary with norms far from 1, saved by the project itself; `kinds.safetensors` has the vectors `h`, and
`NAME.values` (dense) and `NAME.rows` as the project computes them, in float64. What may surprise:
- SAELens saves batchtopk and matryoshka as jumprelu; `NAME-training` is the state of the training, for which the values are
  those of what it saves for use.
- A threshold below 0 lets nothing pass that is not above 0.
- dictionary_learning's BatchTopK and Matryoshka encode with their threshold, TopK without; its AutoEncoder is given
  directions of length 1 when it is loaded.
- `saelens-5-NAME` have settings as versions before 6 wrote them, which version 6 still reads.
"""

import json
import shutil
import sys
import types

import torch
from safetensors.torch import save_file

from .common import Goldens, randn
from .sparse_formats import D, K, N, SPARSE

KINDS = SPARSE / "kinds"


def make() -> None:
    shutil.rmtree(KINDS, ignore_errors=True)
    goldens = Goldens(SPARSE / "kinds.safetensors")
    h = randn("kinds.h", 40, D) + 0.5
    goldens.put("h", h)
    saelens(goldens, h)
    dictionary_learning(goldens, h)
    goldens.save()
    for path in KINDS.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def put(goldens: Goldens, name: str, values: torch.Tensor, rows: torch.Tensor) -> None:
    values = values.to_dense() if values.is_sparse else values
    assert 0 < (values > 0).sum(1).double().mean() < N, name
    goldens.put(f"{name}.values", values)
    goldens.put(f"{name}.rows", rows)


def disturb(module: torch.nn.Module, name: str) -> None:
    """Weights as no training leaves them, so that each matters."""
    with torch.no_grad():
        for key, value in sorted(module.named_parameters()):
            if key != "threshold":
                value.copy_(randn(f"kinds.{name}.{key}", *value.shape, scale=0.5))


def saelens(goldens: Goldens, h: torch.Tensor) -> None:
    import sae_lens
    from sae_lens import SAE
    from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
    from sae_lens.saes.jumprelu_sae import JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig
    from sae_lens.saes.matryoshka_batchtopk_sae import (
        MatryoshkaBatchTopKTrainingSAE,
        MatryoshkaBatchTopKTrainingSAEConfig,
    )
    from sae_lens.saes.gated_sae import GatedTrainingSAE, GatedTrainingSAEConfig
    from sae_lens.saes.standard_sae import StandardSAE, StandardSAEConfig, StandardTrainingSAE, StandardTrainingSAEConfig
    from sae_lens.training.activation_scaler import ActivationScaler

    def save(name: str, sae) -> None:
        sae.save_inference_model(KINDS / name)
        sae.save_model(KINDS / f"{name}-training")
        used = SAE.load_from_disk(KINDS / name, device="cpu").double()
        used.dtype = torch.float64
        with torch.no_grad():
            values = used.encode(h.double())
            for folder in [name, f"{name}-training"]:
                put(goldens, folder, values, used.decode(values))

    batch = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(d_in=D, d_sae=N, k=K))
    disturb(batch, "batch")
    batch.topk_threshold.fill_(0.7)
    save("saelens-batchtopk", batch)
    plain = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(d_in=D, d_sae=N, k=K, rescale_acts_by_decoder_norm=False, apply_b_dec_to_input=False)
    )
    disturb(plain, "plain")
    plain.topk_threshold.fill_(0.3)
    save("saelens-unnormed", plain)
    nested = MatryoshkaBatchTopKTrainingSAE(
        MatryoshkaBatchTopKTrainingSAEConfig(d_in=D, d_sae=N, k=K, matryoshka_widths=[4, 12, N])
    )
    disturb(nested, "nested")
    nested.topk_threshold.fill_(1.1)
    save("saelens-matryoshka", nested)
    jump = JumpReLUTrainingSAE(JumpReLUTrainingSAEConfig(d_in=D, d_sae=N))
    disturb(jump, "jump")
    # Some below 0, as thresholds of a training may be.
    jump.threshold.data = randn("kinds.jump.threshold", N) * 0.7 + 0.3
    assert (jump.threshold < 0).any()
    save("saelens-jumprelu", jump)

    standard = StandardTrainingSAE(StandardTrainingSAEConfig(d_in=D, d_sae=N))
    disturb(standard, "standard")
    save("saelens-standard", standard)
    for name, options in [("gated", {}), ("gated-uncentred", {"apply_b_dec_to_input": False})]:
        gated = GatedTrainingSAE(GatedTrainingSAEConfig(d_in=D, d_sae=N, **options))
        disturb(gated, name)
        save(f"saelens-{name}", gated)

    # Settings of version 5, with one weight more that says nothing.
    old = {"d_in": D, "d_sae": N, "dtype": "float32", "device": "cpu", "model_name": "sdxl-turbo", "hook_name": "down",
           "hook_layer": 2, "hook_head_index": None, "activation_fn_kwargs": {}, "apply_b_dec_to_input": True,
           "finetuning_scaling_factor": False, "normalize_activations": "none", "sae_lens_training_version": "5.10.3",
           "context_size": 128, "dataset_path": "x", "dataset_trust_remote_code": True, "prepend_bos": True}
    for name, changes in {
        "relu": {"architecture": "standard", "activation_fn_str": "relu"},
        "topk": {"architecture": "standard", "activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}},
        "bare": {"hook_name": None, "hook_point": "down", "normalize_activations": False},
    }.items():
        sae = StandardSAE(StandardSAEConfig(d_in=D, d_sae=N))
        disturb(sae, f"5-{name}")
        folder = KINDS / f"saelens-5-{name}"
        folder.mkdir()
        save_file(sae.state_dict() | ({"scaling_factor": torch.ones(N)} if name == "relu" else {}),
                  folder / "sae_weights.safetensors")
        config = {key: value for key, value in (old | changes).items() if value is not None}
        (folder / "cfg.json").write_text(json.dumps(config))
        used = SAE.load_from_disk(folder, device="cpu").double()
        used.dtype = torch.float64
        with torch.no_grad():
            values = used.encode(h.double())
            put(goldens, folder.name, values, used.decode(values))

    # A checkpoint of vectors that are scaled first, and what sae-lens folds it to.
    scaled = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(d_in=D, d_sae=N, k=K, normalize_activations="expected_average_only_in")
    )
    disturb(scaled, "scaled")
    scaled.topk_threshold.fill_(0.6)
    scaled.save_model(KINDS / "saelens-scaled")
    ActivationScaler(scaling_factor=0.37).save(str(KINDS / "saelens-scaled" / "activation_scaler.json"))
    scaled.fold_activation_norm_scaling_factor(0.37)
    scaled.save_inference_model(KINDS / "folded")
    used = SAE.load_from_disk(KINDS / "folded", device="cpu").double()
    used.dtype = torch.float64
    with torch.no_grad():
        put(goldens, "saelens-scaled", used.encode(h.double()), used.decode(used.encode(h.double())))
    shutil.rmtree(KINDS / "folded")
    for folder in sorted(KINDS.iterdir()):
        config = json.loads((folder / "cfg.json").read_text())
        (folder / "cfg.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        assert "-5-" in folder.name or config["metadata"]["sae_lens_version"] == sae_lens.__version__


def import_dictionary_learning():
    """Its package asks for nnsight, which collects activations and is not needed here."""
    if "nnsight" not in sys.modules:
        sys.modules["nnsight"] = types.ModuleType("nnsight")
        sys.modules["nnsight"].LanguageModel = None
    from dictionary_learning.dictionary import AutoEncoder, AutoEncoderNew, GatedAutoEncoder, JumpReluAutoEncoder
    from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
    from dictionary_learning.trainers.top_k import AutoEncoderTopK

    return (
        AutoEncoderTopK, BatchTopKSAE, MatryoshkaBatchTopKSAE, JumpReluAutoEncoder, AutoEncoder, AutoEncoderNew,
        GatedAutoEncoder,
    )


def dictionary_learning(goldens: Goldens, h: torch.Tensor) -> None:
    top, batch, nested, jump, plain, new, gated = import_dictionary_learning()
    cases = {
        "top": (top(D, N, K), 0.2),
        "batch": (batch(D, N, K), 0.7),
        "unset": (batch(D, N, K), -1.0),
        "matryoshka": (nested(D, N, K, group_sizes=[4, 8, 12]), 0.4),
        "jumprelu": (jump(D, N), None),
        "standard": (plain(D, N), None),
        "uncentred": (new(D, N), None),
        "gated": (gated(D, N), None),
    }
    for name, (sae, threshold) in cases.items():
        disturb(sae, name)
        if name == "jumprelu":
            sae.threshold.data = randn("kinds.jumprelu.threshold", N) * 0.7 + 0.5
        elif threshold is not None:
            sae.threshold.fill_(threshold)
        trainer = {"dict_class": type(sae).__name__, "activation_dim": D, "dict_size": N, "lm_name": "sdxl-turbo"}
        trainer |= {"submodule_name": "down_blocks.2", "layer": 2} | ({} if threshold is None else {"k": K})
        folder = KINDS / f"dictionary_learning-{name}"
        folder.mkdir()
        torch.save({key: value.cpu() for key, value in sae.state_dict().items()}, folder / "ae.pt")
        (folder / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {"d_submodule": D}}))
        with torch.no_grad():
            # As it is loaded for use.
            used = plain.from_pretrained(folder / "ae.pt") if name == "standard" else sae
            used = used.double()
            values = used.encode(h.double())
            put(goldens, folder.name, values, used.decode(values))
