"""LPIPS with the heads of the `lpips` package over networks of seeded weights.

The weights of torchvision's networks are not needed, so neither is torchvision: `networks` stands in for it.
"""

import math
import sys
import types

import torch
from torch import nn

from export_lpips import tensors

# Outputs of the convolutions, with kernel, stride and padding where they are not 3, 1, 1; "M" is a pooling.
ALEX = [(64, 11, 4, 2), "M", (192, 5, 1, 2), "M", 384, 256, 256, "M"]
VGG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def features(layers: list, pooling: nn.Module) -> nn.Sequential:
    modules, inputs = [], 3
    for layer in layers:
        if layer == "M":
            modules.append(pooling)
            continue
        outputs, kernel, stride, padding = layer if isinstance(layer, tuple) else (layer, 3, 1, 1)
        modules += [nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*modules)


def networks() -> types.ModuleType:
    """`torchvision.models` as far as LPIPS looks into it: the convolutional part of AlexNet and VGG16."""
    module = types.ModuleType("torchvision.models")
    module.alexnet = lambda pretrained: types.SimpleNamespace(features=features(ALEX, nn.MaxPool2d(3, 2)))
    module.vgg16 = lambda pretrained: types.SimpleNamespace(features=features(VGG, nn.MaxPool2d(2, 2)))
    return module


def seeded(net: str, seed: int) -> tuple[nn.Module, list[dict]]:
    """The model, its convolutions drawn one after the other from one generator, and the list of them.

    weight = randn · √(2 / inputs of a window), bias = randn / 10.
    """
    vision = types.ModuleType("torchvision")
    vision.models = networks()
    sys.modules["torchvision"], sys.modules["torchvision.models"] = vision, vision.models
    import lpips

    model = lpips.LPIPS(net=net, verbose=False)
    del sys.modules["torchvision"], sys.modules["torchvision.models"]
    generator = torch.Generator("cpu").manual_seed(seed)
    drawn = []
    for name, tensor in tensors(model).items():
        if not name.startswith("convolutions."):
            continue
        scale = 0.1 if tensor.dim() == 1 else math.sqrt(2 / math.prod(tensor.shape[1:]))
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale)
        drawn.append({"name": name, "shape": list(tensor.shape), "scale": scale})
    return model, drawn
