"""The two text encoders, taught to say what is where before any picture is painted.

A small reader with one question per place (and one for the background) looks at the encoders' states as
the U-net's cross-attentions will, and must answer every factor of the object there. The U-net then learns to
paint from states that already hold the answers, so the encoders stay frozen in its training. Only the
states of the last layer but one are read, as in SDXL; the second encoder's pooled projection is taught too.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import common
import tokenizer
import world

FIRST = dict(hidden_size=96, intermediate_size=384, num_attention_heads=3, hidden_act="quick_gelu", projection_dim=64)
SECOND = dict(hidden_size=64, intermediate_size=256, num_attention_heads=2, hidden_act="gelu", projection_dim=64)
LAYERS, WIDTH = 3, 160  # layers of each encoder; width of the joined states
STEPS, BATCH, PEAK = 700, 96, 2e-3
READ = 32  # tokens read in this stage: captions have at most 25, the rest is padding

ANSWERS = {"present": 2, **{f: len(v) for f, v in world.FACTORS.items() if f != "place"}}
GROUNDS = (*world.BACKGROUNDS, "blank")


def encoders():
    """The two encoders, not trained."""
    tokens = tokenizer.load()
    common_settings = dict(vocab_size=len(tokens), num_hidden_layers=LAYERS, max_position_embeddings=tokenizer.LENGTH,
                           bos_token_id=tokens.bos_token_id, eos_token_id=tokens.eos_token_id)
    first = CLIPTextConfig(**FIRST, **common_settings, pad_token_id=tokens.eos_token_id)
    second = CLIPTextConfig(**SECOND, **common_settings, pad_token_id=0)
    return CLIPTextModel(first), CLIPTextModelWithProjection(second)


class Prompts:
    """Captions to token numbers for both encoders, [n, 77] each."""

    def __init__(self):
        self.tokenizers = tokenizer.load("tokenizer"), tokenizer.load("tokenizer_2")

    def __call__(self, captions):
        return [t(captions, padding="max_length", max_length=tokenizer.LENGTH, truncation=True,
                  return_tensors="pt").input_ids.to(common.DEVICE) for t in self.tokenizers]


def encode(first, second, tokens):
    """States [n, tokens, 160] of the last layer but one, joined, and the pooled embedding [n, 64]."""
    one = first(input_ids=tokens[0], output_hidden_states=True)
    two = second(input_ids=tokens[1], output_hidden_states=True)
    return torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1), two.text_embeds


class Reader(nn.Module):
    """One question per place and one for the background, asked of the states through one cross-attention."""

    def __init__(self, width=128, heads=4):
        super().__init__()
        self.questions = nn.Parameter(torch.randn(len(world.PLACES) + 1, width))
        self.attention = nn.MultiheadAttention(width, heads, kdim=WIDTH, vdim=WIDTH, batch_first=True)
        self.mix = nn.Sequential(nn.Linear(width, 256), nn.GELU())
        self.answers = nn.ModuleDict({f: nn.Linear(256, n) for f, n in ANSWERS.items()})
        self.ground = nn.Linear(256, len(GROUNDS))
        self.pooled = nn.Linear(SECOND["projection_dim"], sum(ANSWERS.values()) + len(GROUNDS))

    def forward(self, states):
        """Logits per factor [n, 5, values] and of the background [n, 7]."""
        read, _ = self.attention(self.questions.expand(len(states), -1, -1), states, states, need_weights=False)
        mixed = self.mix(read)
        return {f: head(mixed[:, :-1]) for f, head in self.answers.items()}, self.ground(mixed[:, -1])


def truth(scenes):
    """What the reader should answer: indices per factor [n, 5] (-1 where nothing is) and backgrounds [n]."""
    places = list(world.PLACES)
    table = {f: torch.full((len(scenes), len(places)), -1) for f in ANSWERS}
    table["present"].zero_()
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            j = places.index(thing.value("place"))
            table["present"][i, j] = 1
            for factor in list(ANSWERS)[1:]:
                table[factor][i, j] = world.FACTORS[factor].index(thing.value(factor))
    grounds = [GROUNDS.index("blank" if s.blank else s.ground) for s in scenes]
    return {f: t.to(common.DEVICE) for f, t in table.items()}, torch.tensor(grounds, device=common.DEVICE)


def bag(answers, grounds):
    """Which values occur anywhere in a scene [n, all values]: what the pooled embedding must tell."""
    hot = [F.one_hot(a.clamp(min=0), ANSWERS[f]).mul((a >= 0).unsqueeze(-1)).amax(1) for f, a in answers.items()]
    return torch.cat([*hot, F.one_hot(grounds, len(GROUNDS))], 1).float()


def reader_loss(reader, states, pooled, scenes):
    """Cross-entropy of all answers, and the accuracy over the places where something is."""
    answers, grounds = truth(scenes)
    logits, ground = reader(states)
    loss = F.cross_entropy(ground, grounds)
    loss = loss + sum(F.cross_entropy(logits[f].flatten(0, 1), a.flatten(), ignore_index=-1) for f, a in answers.items())
    loss = loss + F.binary_cross_entropy_with_logits(reader.pooled(pooled), bag(answers, grounds))
    right = {f: (logits[f].argmax(-1) == a)[a >= 0].float().mean().item() for f, a in answers.items()}
    return loss, {**right, "background": (ground.argmax(-1) == grounds).float().mean().item()}


def hide(states):
    """Blanks one encoder's states in half of the captions, so that each encoder learns to tell everything."""
    draw = torch.rand(len(states), 1, 1, device=states.device)
    split = FIRST["hidden_size"]
    return torch.cat([states[..., :split] * (draw > 0.25), states[..., split:] * (draw < 0.75)], -1)


def load():
    """The trained encoders, frozen."""
    first = CLIPTextModel.from_pretrained(common.WORK / "text_encoder")
    second = CLIPTextModelWithProjection.from_pretrained(common.WORK / "text_encoder_2")
    return [m.eval().requires_grad_(False).to(common.DEVICE) for m in (first, second)]


def train():
    """Trains both encoders with the reader, which is thrown away."""
    common.set_up()
    torch.manual_seed(5)
    first, second = (m.to(common.DEVICE) for m in encoders())
    reader, prompts = Reader().to(common.DEVICE), Prompts()
    everything = nn.ModuleList([first, second, reader])
    optimiser = torch.optim.AdamW(everything.parameters(), lr=PEAK, betas=(0.9, 0.98), weight_decay=0.01)
    run = common.Run("train-text", {"models": everything, "optimiser": optimiser}, seed=5)
    for step in run.steps(STEPS):
        scenes = [world.sample(run.rng, held_out=False) for _ in range(BATCH)]
        tokens = [t[:, :READ] for t in prompts([world.caption(s) for s in scenes])]
        states, pooled = encode(first, second, tokens)
        loss, right = reader_loss(reader, hide(states), pooled, scenes)
        for group in optimiser.param_groups:
            group["lr"] = PEAK * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS)) + 1e-5
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(everything.parameters(), 1.0)
        optimiser.step()
        if step % 50 == 0 or step == STEPS - 1:
            run.log(loss=loss.item(), **right)
    if not run.stopped:
        first.save_pretrained(common.WORK / "text_encoder")
        second.save_pretrained(common.WORK / "text_encoder_2")


if __name__ == "__main__":
    train()
