"""The eleven attention blocks: their names, which of them read the prompt, and what each is to read there.

Four blocks read the prompt. Each *owns* some factors of the world: in half of the training samples the prompts
given to the other blocks name different values of these factors, so that only the owner can know them. The
number of objects and their places are common knowledge, by which a block finds the words of an object.
"""

import torch

BLOCKS = {
    "down.1.0": "down_blocks.1.attentions.0", "down.1.1": "down_blocks.1.attentions.1",
    "down.2.0": "down_blocks.2.attentions.0", "down.2.1": "down_blocks.2.attentions.1",
    "mid.0": "mid_block.attentions.0",
    "up.0.0": "up_blocks.0.attentions.0", "up.0.1": "up_blocks.0.attentions.1", "up.0.2": "up_blocks.0.attentions.2",
    "up.1.0": "up_blocks.1.attentions.0", "up.1.1": "up_blocks.1.attentions.1", "up.1.2": "up_blocks.1.attentions.2",
}
OWNED = {
    "down.2.1": ("place",),
    "mid.0": ("size",),
    "up.0.0": ("shape", "texture"),
    "up.0.1": ("colour", "background"),
}


class Listening:
    """Attention over one of several prompts' states, which stand one after the other in the context."""

    def __init__(self, index, count):
        self.index, self.count = index, count

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, **_):
        states = encoder_hidden_states.chunk(self.count, 1)[self.index]
        query = attention.head_to_batch_dim(attention.to_q(hidden_states))
        key, value = (attention.head_to_batch_dim(f(states)) for f in (attention.to_k, attention.to_v))
        read = torch.bmm(attention.get_attention_scores(query, key), value)
        return attention.to_out[0](attention.batch_to_head_dim(read))


class Silent:
    """What a cross-attention with a zero output layer computes, for free."""

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, **_):
        return torch.zeros_like(hidden_states)


def cross_attentions(unet):
    """All cross-attention modules with the short name of their block."""
    for short, path in BLOCKS.items():
        for layer in unet.get_submodule(path).transformer_blocks:
            yield short, layer.attn2


@torch.no_grad()
def close(unet):
    """Silences the prompt for good everywhere but in the four blocks: zero, frozen weights, real keys."""
    for short, attention in cross_attentions(unet):
        if short not in OWNED:
            attention.requires_grad_(False)
            for parameter in attention.to_out.parameters():
                parameter.zero_()
    first = unet.add_embedding.linear_1
    first.weight[:, :first.in_features - 6 * unet.config.addition_time_embed_dim] = 0  # the rest are the size numbers
    unet.add_embedding.requires_grad_(False)


def listen(unet):
    """For training: each of the four blocks reads its own prompt, in the order of `OWNED`."""
    order = list(OWNED)
    for short, attention in cross_attentions(unet):
        attention.set_processor(Listening(order.index(short), len(order)) if short in OWNED else Silent())


class Removal:
    """Takes the updates of some blocks away from some samples of a batch."""

    def __init__(self, unet, names):
        self.keep = {}
        for short in names:
            unet.get_submodule(BLOCKS[short]).register_forward_hook(self._hook(short))

    def _hook(self, short):
        def hook(_, inputs, outputs):
            if short not in self.keep:
                return None
            return (inputs[0] + self.keep[short] * (outputs[0] - inputs[0]),)
        return hook

    def choose(self, names, device):
        """From now on sample i is without the update of the block `names[i]`; `None`: it is whole."""
        self.keep = {}
        for short in set(names) - {None}:
            kept = torch.tensor([float(n != short) for n in names], device=device)
            self.keep[short] = kept.view(-1, 1, 1, 1)
