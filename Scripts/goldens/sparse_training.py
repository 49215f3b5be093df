"""Training of dictionaries by every recipe: `training.safetensors` (arrays named CASE.ROLE) and `training.json`.

The recipe of the paper's authors as a PyTorch class, dense and with autograd; the other recipes change which features are
active and what is minimised. What may surprise:
- A feature is dead when it was idle for `dead_after` vectors; a batch's own activations are counted first.
- The auxiliary reconstruction adds b_pre, and its target the detached b_pre, so b_pre gets a gradient from it
  also where nothing is dead.
- Gradients are clipped after the projection. The learning rate is set before each step.
- BatchTopK keeps of all positive pre-activations of a batch the k · rows largest.
- The thresholds of JumpReLU pass no gradient to the pre-activations, and are clamped at 0 after each step, as sae-lens
  does before each. They move by ten times the learning rate, in standard deviations of the data. Their window is `bandwidth` standard deviations of the data wide, 1 / sqrt(mseScale).

Roles: batch (all batches of the case one after the other), encoder, decoder, latent_bias, pre_bias, idle (before the
first batch); `step.`: the gradients of the first batch before the projection, and `norm`, after it; `codes`
[rows, features] and `reconstruction` of the first batch; `auxiliary_codes`; `losses`, `mses`, `auxiliaries`,
`mean_explained_variances`, `explained_variances`, `norms` per step; `end.`: the parameters after the last step. Of batch_topk and matryoshka
`smallest`, of jumprelu also `threshold`.
"""

import torch
import torch.nn.functional as F

from .common import ROOT, Goldens, randn, save_json

SPARSE = ROOT / "Tests" / "SDLensSparseTests" / "Goldens"

DEFAULTS = {
    "architecture": "topk",
    "levels": None,
    "revival": None,
    "l0Penalty": None,
    "bandwidth": None,
    "freeze": None,
    "features": 48,
    "width": 12,
    "k": 4,
    "auxiliaryK": 8,
    "auxiliaryScale": 1 / 32,
    "deadAfter": 200,
    "activationThreshold": 1e-3,
    "batch": 64,
    "learningRate": 1e-3,
    "steps": 50,
    "warmup": 0,
    "decay": 0.0,
    "clipping": None,
    "mseScale": 0.7,
    "dead": 0,  # so many features begin as dead
}

CASES = {
    "plain": {},
    "dead": {"dead": 6},
    "many_dead": {"dead": 30},
    "no_auxiliary": {"dead": 6, "auxiliaryK": 0},
    "heavy_auxiliary": {"dead": 20, "auxiliaryScale": 4.0},
    "clipping": {"dead": 6, "clipping": 0.05},
    "schedule": {"warmup": 10, "decay": 0.4},
    "all_active": {"features": 16, "k": 16, "width": 9, "steps": 10},
    "wide": {"features": 80, "width": 70, "k": 6, "auxiliaryK": 16, "dead": 40, "batch": 100, "steps": 5},
    "frozen_decoder": {"dead": 6, "freeze": "decoder", "clipping": 0.1},
    "frozen_encoder": {"freeze": "encoder", "k": 3},
    "batch_topk": {"architecture": "batch-topk", "dead": 6},
    "batch_topk_wide": {
        "architecture": "batch-topk", "features": 80, "width": 70, "k": 6, "auxiliaryK": 16, "dead": 40, "batch": 100,
        "steps": 5,
    },
    "batch_topk_all": {"architecture": "batch-topk", "features": 16, "k": 16, "width": 9, "steps": 10},
    "matryoshka": {"architecture": "matryoshka", "levels": [6, 16, 48], "dead": 6},
    "matryoshka_wide": {
        "architecture": "matryoshka", "levels": [1, 2, 40, 41], "features": 80, "width": 70, "k": 6, "auxiliaryK": 16,
        "dead": 40, "batch": 100, "steps": 5,
    },
    "revived": {"dead": 9, "auxiliaryK": 0, "revival": 0.05},
    "jumprelu": {"architecture": "jumprelu", "dead": 6, "bandwidth": 1.5},
    "jumprelu_penalty": {"architecture": "jumprelu", "l0Penalty": 0.02, "bandwidth": 0.4, "clipping": 0.5},
    "jumprelu_wide": {
        "architecture": "jumprelu", "features": 80, "width": 70, "k": 6, "auxiliaryK": 16, "dead": 40, "batch": 100,
        "bandwidth": 2.0, "steps": 5,
    },
}


class Jump(torch.autograd.Function):
    """z and [z > threshold], by the threshold through a rectangle."""

    @staticmethod
    def forward(context, z, threshold, width):
        context.save_for_backward(z, threshold)
        context.width = width
        return z * (z > threshold), (z > threshold).to(z)

    @staticmethod
    def backward(context, by_codes, by_steps):
        z, threshold = context.saved_tensors
        near = ((z - threshold).abs() < context.width / 2) / context.width
        return by_codes * (z > threshold), -((threshold * by_codes + by_steps) * near).sum(dim=0), None


class Autoencoder(torch.nn.Module):
    """Tied at the start; counts the vectors since each feature was active."""

    def __init__(self, settings: dict):
        super().__init__()
        self.settings = settings
        features, width = settings["features"], settings["width"]
        self.encoder = torch.nn.Linear(width, features, bias=False)
        self.decoder = torch.nn.Linear(features, width, bias=False)
        self.pre_bias = torch.nn.Parameter(torch.zeros(width))
        self.latent_bias = torch.nn.Parameter(torch.zeros(features))
        self.idle = torch.zeros(features, dtype=torch.long)
        if settings["architecture"] == "jumprelu":
            self.threshold = torch.nn.Parameter(torch.zeros(features))
        self.decoder.weight.data = self.encoder.weight.data.T.clone()
        self.normalize()
        if settings["freeze"]:
            getattr(self, settings["freeze"]).weight.requires_grad = False

    def normalize(self) -> None:
        self.decoder.weight.data /= self.decoder.weight.data.norm(dim=0)

    def top(self, z: torch.Tensor, k: int) -> torch.Tensor:
        values, indices = z.topk(min(k, z.shape[-1]), dim=-1)
        return torch.zeros_like(z).scatter(-1, indices, values.relu())

    def choose(self, z: torch.Tensor) -> torch.Tensor:
        """The codes of a batch, what nested levels leave out, and the part of the loss that tells of L0."""
        settings = self.settings
        self.penalty, self.smallest = 0.0, 0.0
        if settings["architecture"] == "topk":
            return self.top(z, settings["k"])
        if settings["architecture"] == "jumprelu":
            codes, steps = Jump.apply(z, self.threshold, settings["bandwidth"] / settings["mseScale"] ** 0.5)
            l0 = steps.sum(dim=-1).mean()
            penalty = settings["l0Penalty"]
            self.penalty = penalty * l0 if penalty else (l0 / settings["k"] - 1) ** 2
            return codes
        codes = self.top(z.flatten(), settings["k"] * len(z)).reshape(z.shape)
        self.smallest = codes[codes > 0].min().item()
        return codes

    def forward(self, h: torch.Tensor):
        z = self.encoder(h - self.pre_bias) + self.latent_bias
        codes = self.choose(z)
        active = (codes > self.settings["activationThreshold"]).any(dim=0)
        self.idle += len(h)
        self.idle[active] = 0
        dead = self.idle >= self.settings["deadAfter"]
        auxiliary = self.top(torch.where(dead, z, 0.0), self.settings["auxiliaryK"])
        return codes, self.decode(codes), auxiliary

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return self.decoder(codes) + self.pre_bias

    def loss(self, h: torch.Tensor):
        codes, reconstruction, auxiliary = self(h)
        mse = F.mse_loss(reconstruction, h)
        loss = self.settings["mseScale"] * mse + self.penalty
        # The last level is all features.
        for level in self.settings["levels"] or []:
            if level == codes.shape[1]:
                continue
            first = torch.where(torch.arange(codes.shape[1]) < level, codes, 0.0)
            loss = loss + self.settings["mseScale"] * F.mse_loss(self.decode(first), h)
        nmse = torch.zeros(())
        if self.settings["auxiliaryK"]:
            target = h - reconstruction.detach() + self.pre_bias.detach()
            around = target.mean(dim=0, keepdim=True).expand_as(target)
            nmse = (F.mse_loss(self.decode(auxiliary), target) / F.mse_loss(around, target)).nan_to_num(0)
            loss = loss + self.settings["auxiliaryScale"] * nmse
        return loss, mse, nmse, codes, reconstruction, auxiliary

    def project(self) -> None:
        w = self.decoder.weight
        if w.grad is None:
            return
        w.grad -= (w.grad * w.data).sum(dim=0, keepdim=True) * w.data


def make() -> None:
    arrays = Goldens(SPARSE / "training.safetensors")
    descriptions = []
    for name, changes in CASES.items():
        settings = {**DEFAULTS, **changes}
        train(arrays, name, settings)
        descriptions.append({"name": name, **settings})
    bound = 20**-0.5
    arrays.put("uniform", torch.empty(30, 20).uniform_(-bound, bound, generator=torch.Generator("cpu").manual_seed(42)))
    arrays.save()
    save_json(SPARSE / "training.json", descriptions)


def vectors(name: str, settings: dict) -> torch.Tensor:
    """Sums of few directions, away from the origin, with noise: data that a dictionary can explain."""
    width, rows = settings["width"], settings["batch"] * min(settings["steps"], 5)
    directions = F.normalize(randn(name + "directions", 2 * width, width), dim=1)
    weights = randn(name + "weights", rows, 2 * width).relu() * (randn(name + "sparse", rows, 2 * width) > 1.2)
    return 2 * weights @ directions + 0.1 * randn(name + "noise", rows, width) + randn(name + "offset", width)


def train(arrays: Goldens, name: str, settings: dict) -> None:
    torch.set_grad_enabled(True)
    torch.manual_seed(len(name))
    sae = Autoencoder(settings)
    h = vectors(name, settings)
    sae.pre_bias.data = h.median(dim=0).values
    sae.latent_bias.data = 0.05 * randn(name + "bias", settings["features"])
    # Features with a low bias are never among the k largest, which is what dead ones are like; the biases differ so
    # that their pre-activations are of both signs.
    dead = torch.randperm(settings["features"], generator=torch.Generator("cpu").manual_seed(1))[: settings["dead"]]
    sae.encoder.weight.data[dead] *= 0.1
    sae.idle[dead] = settings["deadAfter"]

    if settings["architecture"] == "jumprelu":
        # So that about k of the features are active, those that are not dead with thresholds that differ.
        z = F.linear(h - sae.pre_bias, sae.encoder.weight, sae.latent_bias)
        usual = z.flatten().sort(descending=True).values[settings["k"] * len(h)]
        sae.threshold.data = usual * (1 + 0.3 * randn(name + "threshold", settings["features"])).clamp(min=0.0)
        sae.threshold.data[dead] = usual * 1.5
    for part, value in parameters(sae).items():
        arrays.put(f"{name}.{part}", value)
    arrays.put(f"{name}.batch", h)
    arrays.put(f"{name}.idle", sae.idle.float())

    groups = [{"params": [p for n, p in sae.named_parameters() if p.requires_grad and n != "threshold"], "scale": 1}]
    if settings["architecture"] == "jumprelu":
        groups.append({"params": [sae.threshold], "scale": 10 / settings["mseScale"] ** 0.5})
    optimizer = torch.optim.Adam(groups, lr=settings["learningRate"], betas=(0.9, 0.999), eps=6.25e-10)
    log: dict[str, list[float]] = {}
    batches = h.split(settings["batch"])
    for step in range(settings["steps"]):
        batch = batches[step % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = settings["learningRate"] * rate(step, settings) * group["scale"]
        optimizer.zero_grad()
        loss, mse, nmse, codes, reconstruction, auxiliary = sae.loss(batch)
        loss.backward()
        if step == 0:
            arrays.put(f"{name}.codes", codes)
            arrays.put(f"{name}.reconstruction", reconstruction)
            arrays.put(f"{name}.auxiliary_codes", auxiliary)
            for part, value in parameters(sae, gradients=True).items():
                arrays.put(f"{name}.step.{part}", value)
        if name in ("dead", "many_dead", "wide", "heavy_auxiliary", "matryoshka_wide", "jumprelu_wide") and step == 0:
            assert (auxiliary > 0).sum() > 20, f"{name} has no active dead features"
        sae.project()
        norm = torch.nn.utils.clip_grad_norm_(sae.parameters(), settings["clipping"] or float("inf"))
        optimizer.step()
        sae.normalize()
        if settings["architecture"] == "jumprelu":
            sae.threshold.data.clamp_(min=0.0)
        if settings["revival"]:
            sae.latent_bias.data[sae.idle >= settings["deadAfter"]] += settings["revival"] / settings["mseScale"] ** 0.5
        rest = batch - reconstruction
        entries = {
            "losses": loss,
            "mses": mse,
            "auxiliaries": nmse,
            "norms": norm,
            "mean_explained_variances": (1 - rest.var(dim=0) / (batch.var(dim=0) + 1e-8)).mean(),
            "explained_variances": 1 - rest.square().sum() / (batch - batch.mean(dim=0)).square().sum(),
            "dead": (sae.idle >= settings["deadAfter"]).sum(),
        }
        if settings["architecture"] in ("batch-topk", "matryoshka"):
            entries["smallest"] = torch.tensor(sae.smallest)
        for key, value in entries.items():
            log.setdefault(key, []).append(value.item())
    for key, values in log.items():
        arrays.put(f"{name}.{key}", torch.tensor(values))
    for part, value in parameters(sae).items():
        arrays.put(f"{name}.end.{part}", value)
    torch.set_grad_enabled(False)


def rate(step: int, settings: dict) -> float:
    """Rises over the first steps, falls over the last share."""
    rise = min(1, (step + 1) / settings["warmup"]) if settings["warmup"] else 1
    falling = settings["decay"] * settings["steps"]
    return rise * (min(1, (settings["steps"] - step) / falling) if falling else 1)


def parameters(sae: Autoencoder, gradients: bool = False) -> dict[str, torch.Tensor]:
    """Both matrices as [features, width]."""
    found = {
        "encoder": sae.encoder.weight,
        "decoder": sae.decoder.weight,
        "latent_bias": sae.latent_bias,
        "pre_bias": sae.pre_bias,
    }
    if sae.settings["architecture"] == "jumprelu":
        found["threshold"] = sae.threshold
    if gradients:
        # What is frozen has none.
        found = {name: torch.zeros_like(value) if value.grad is None else value.grad for name, value in found.items()}
    return {**found, "decoder": found["decoder"].T}
