"""Muon: momentum whose matrices are brought to equal singular values, with Adam for all that is no matrix.

After K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). A convolution counts
as the matrix [outputs, inputs * 9].
"""

import torch


def orthogonal(matrix, rounds=5):
    """The nearest matrix with equal singular values, roughly, by Newton and Schulz's quintic iteration."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal, scaled so that an entry changes about as much as with Adam at the same rate."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
                update = orthogonal(update) * (0.2 * max(update.shape) ** 0.5)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update.view_as(parameter), alpha=-group["lr"])


def split_optimisers(model, edges, weight_decay=0.0):
    """Muon for the matrices inside a model, Adam for vectors and for the layers whose names begin with `edges`."""
    inner, rest = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (rest if parameter.ndim < 2 or name.startswith(edges) else inner).append(parameter)
    return Muon(inner, 1.0, weight_decay=weight_decay), torch.optim.AdamW(rest, 1.0, betas=(0.9, 0.98), weight_decay=0.0)
