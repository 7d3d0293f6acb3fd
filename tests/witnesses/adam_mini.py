"""adam-mini, of the authors."""

from adam_mini import Adam_mini
from witnessing import Witness, torch_optimizer

WHAT = "adam-mini 1.1.1, Adam_mini"


def row(name, axes, shape):
    """A parameter whose name tells how it is cut into blocks."""
    return Witness("adam_mini", WHAT, named(name), hyper={"axes": axes}, shape=shape)


def named(name):

    def factory(parameters, h):
        return Adam_mini(
            [(name, p) for p in parameters],
            lr=h["lr"],
            betas=(h["beta1"], h["beta2"]),
            eps=h["eps"],
            weight_decay=h.get("weight_decay", 0.0),
            dim=4,
            n_heads=2,
            verbose=False,
        )

    return torch_optimizer(factory)


WITNESSES = [
    row("mlp.weight", 1, (5, 3)),
    row("other.weight", 0, (5, 3)),
    row("q_proj.weight", 1, (2, 2, 4)),
    Witness("adalayer", WHAT, named("other.weight")),
]
