"""The recorded trajectories: the gradients of two small networks that really learn.

    python -m goldstep.conformance.trajectories.record [--check] [--replace]

Training is in float64, on one thread, seeded, and starts from parameters that are bfloat16. Each
gradient is rounded once to bfloat16 as it is recorded; the training goes on with the gradient as it
was. What is below 2**-39 in magnitude is recorded as 0: so small is only what is left of sums that
should cancel, and that differs from machine to machine.
"""

import codecs
import contextlib
import importlib
import io
import math
import sys
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from goldstep.conformance.trajectories import Array, Trajectory, run
from goldstep.oracle.safetensors import round_to_bfloat16

Tensors = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

STEPS = 64
LEAST = 2.0**-39

CODES = 64  # ASCII from the space on, in capitals; the text never uses half of it
CONTEXT, WIDTH, HEADS, HIDDEN = 16, 10, 2, 24

TRANSFORMER: Shapes = {
    "embedding": (CODES, WIDTH),
    "position": (CONTEXT, WIDTH),
    "attention.norm.gain": (WIDTH,),
    "attention.norm.bias": (WIDTH,),
    "attention.query": (WIDTH, WIDTH),
    "attention.key": (WIDTH, WIDTH),
    "attention.value": (WIDTH, WIDTH),
    "attention.out": (WIDTH, WIDTH),
    "mlp.norm.gain": (WIDTH,),
    "mlp.norm.bias": (WIDTH,),
    "mlp.up": (WIDTH, HIDDEN),
    "mlp.up.bias": (HIDDEN,),
    "mlp.down": (HIDDEN, WIDTH),
    "mlp.down.bias": (WIDTH,),
    "head.norm.gain": (WIDTH,),
    "head.norm.bias": (WIDTH,),
    "head": (WIDTH, CODES),
    "head.gain": (),
}

CONVNET: Shapes = {
    "first.kernel": (4, 1, 3, 3),
    "first.bias": (4,),
    "second.kernel": (8, 4, 3, 3),
    "second.bias": (8,),
    "linear": (10, 32),
    "linear.bias": (10,),
    "linear.gain": (),
}


def transformer() -> Trajectory:
    params = initial(TRANSFORMER, seed=1)
    optimizer = torch.optim.AdamW(params.values(), lr=0.02, weight_decay=0.1)
    losses = (text_loss(params, *batch) for batch in text_batches(size=3, seed=2))
    purpose = (
        "Recorded: a decoder-only transformer learns the characters of a text, with AdamW. It has "
        "square, wide and tall matrices, vectors, a scalar, and an embedding most of whose rows "
        "have a gradient of exactly zero in most steps, and half of them in all."
    )
    return record("recorded-transformer", purpose, params, optimizer, losses)


def convnet() -> Trajectory:
    params = initial(CONVNET, seed=12)
    optimizer = torch.optim.SGD(params.values(), lr=0.05, momentum=0.9)
    losses = (digit_loss(params, *batch) for batch in digit_batches(size=32, seed=4))
    purpose = (
        "Recorded: a convolutional network learns to read digits, with SGD and momentum. It has "
        "kernels of four axes, a matrix, vectors and a scalar."
    )
    return record("recorded-convnet", purpose, params, optimizer, losses)


def record(
    name: str,
    purpose: str,
    params: Tensors,
    optimizer: torch.optim.Optimizer,
    losses: Iterator[Tensor],
) -> Trajectory:
    """Train `params`, and keep the gradients of every step. `losses` gives one loss per step."""
    start = {tensor: rounded(param) for tensor, param in params.items()}
    grads: list[dict[str, Array | None]] = []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = next(losses)
        loss.backward()  # type: ignore[no-untyped-call]
        grads.append({n: rounded(p.grad) for n, p in params.items() if p.grad is not None})
        optimizer.step()
        if step % 8 == 1 or step == STEPS:
            sys.stderr.write(f"{name}: step {step}: loss {loss.item():.4f}\n")
    return Trajectory(name, purpose, start, grads)


def rounded(tensor: Tensor) -> Array:
    """A tensor as it is recorded."""
    x = round_to_bfloat16(tensor.detach().numpy())
    return np.where(np.abs(x) < LEAST, 0.0, x)


def initial(shapes: Shapes, seed: int) -> Tensors:
    """Parameters that are bfloat16: gains 1, biases 0, all others uniform between -1/2 and 1/2."""
    generator = torch.Generator().manual_seed(seed)
    params = {}
    for name, shape in shapes.items():
        param = torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5
        if name.endswith(("gain", "bias")):
            param = torch.full(shape, float(name.endswith("gain")), dtype=torch.float64)
        params[name] = torch.from_numpy(rounded(param)).requires_grad_()
    return params


def text_batches(size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pieces of the Zen of Python: characters, and the characters that follow them."""
    with contextlib.redirect_stdout(io.StringIO()):  # the module prints its text
        zen = codecs.decode(importlib.import_module("this").s, "rot13")
    text = torch.tensor([ord(char) - 32 for char in " ".join(zen.upper().split())])
    generator = torch.Generator().manual_seed(seed)
    while True:
        starts = torch.randint(len(text) - CONTEXT, (size, 1), generator=generator)
        places = starts + torch.arange(CONTEXT)
        yield text[places], text[places + 1]


def text_loss(p: Tensors, characters: Tensor, following: Tensor) -> Tensor:
    """How badly the transformer foretells the characters that follow; both are (batch, CONTEXT)."""
    x = p["embedding"][characters] + p["position"]
    x = x + attention(p, norm(p, "attention.norm", x))
    x = x + mlp(p, norm(p, "mlp.norm", x))
    logits = p["head.gain"] * (norm(p, "head.norm", x) @ p["head"])
    return nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten())


def norm(p: Tensors, layer: str, x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, [WIDTH], p[f"{layer}.gain"], p[f"{layer}.bias"])


def attention(p: Tensors, x: Tensor) -> Tensor:
    """Causal attention. `x` and the result are (batch, CONTEXT, WIDTH)."""
    parts = (x @ p[f"attention.{part}"] for part in ("query", "key", "value"))
    by_head = (-1, CONTEXT, HEADS, WIDTH // HEADS)
    query, key, value = (part.reshape(by_head).transpose(1, 2) for part in parts)
    scores = query @ key.transpose(2, 3) / math.sqrt(WIDTH // HEADS)
    future = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1)
    mixed = scores.masked_fill(future, -math.inf).softmax(-1) @ value
    return mixed.transpose(1, 2).flatten(2) @ p["attention.out"]


def mlp(p: Tensors, x: Tensor) -> Tensor:
    hidden = nn.functional.gelu(x @ p["mlp.up"] + p["mlp.up.bias"])
    return hidden @ p["mlp.down"] + p["mlp.down.bias"]


def digit_batches(size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Handwritten digits of 8 by 8, with values from 0 to 1, and what they are."""
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images).reshape(-1, 1, 8, 8) / 16, torch.tensor(labels)
    generator = torch.Generator().manual_seed(seed)
    while True:
        chosen = torch.randint(len(labels), (size,), generator=generator)
        yield images[chosen], labels[chosen]


def digit_loss(p: Tensors, images: Tensor, labels: Tensor) -> Tensor:
    """How badly the network reads `images`, (batch, 1, 8, 8), whose `labels` are (batch,)."""
    x = images
    for layer in ("first", "second"):
        x = nn.functional.conv2d(x, p[f"{layer}.kernel"], p[f"{layer}.bias"], padding=1)
        x = nn.functional.max_pool2d(x.relu(), 2)
    logits = p["linear.gain"] * (x.flatten(1) @ p["linear"].T + p["linear.bias"])
    return nn.functional.cross_entropy(logits, labels.long())


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    run((make() for make in (transformer, convnet)), "Record the trajectories, by training.")
