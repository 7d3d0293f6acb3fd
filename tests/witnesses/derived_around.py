"""Second derivations of what stands around an optimizer, and of schedules."""

import math

import numpy as np
from witnessing import MODEL, Witness, scheduled

HERE = "tests/witnesses/derived_around.py"


def momentum(h, shape):
    """The step that heavy ball takes, to be added, as a sum over all past gradients."""
    past = []

    def step(g):
        past.append(g)
        weights = h["momentum"] ** np.arange(len(past))[::-1]
        return -h["lr"] * np.tensordot(weights, np.reshape(past, (-1, *shape)), 1)

    return step


def around(make_step):
    """A row's `make` from `make_step(h, inner)`, which gives step(theta, g) -> theta."""

    def made(h, theta):
        step = make_step(h, momentum(h, theta.shape))

        def stepped(g, **given):
            nonlocal theta
            theta = step(theta, g, **given)
            return theta

        return stepped

    return made


@around
def corrected_decay(h, inner):
    """One sum of three terms; the decay goes by the square of the rate."""
    share = h["weight_decay"] * h["lr"] ** 2 / h["max_lr"]
    return lambda theta, g: theta + inner(g) - share * theta


@around
def delay(h, inner):
    """A list of all gradients, of which the one so many steps ago is looked up."""
    every = []

    def step(theta, g):
        every.append(g)
        late = len(every) - 1 - h["delay"]
        return theta + inner(every[late] if late >= 0 else 0 * g)

    return step


@around
def qsgd(h, inner):
    """Element by element, with the chance as a threshold of the remainder."""

    def step(theta, g, chance):
        norm, out = math.sqrt(math.fsum(x * x for x in g.flat)), np.zeros_like(g)
        for i, x in np.ndenumerate(g):
            level, rest = divmod(abs(x) / norm * h["levels"], 1)
            out[i] = math.copysign(norm * (level + (chance[i] < rest)) / h["levels"], x)
        return theta + inner(out)

    return step


@around
def cautious(_, inner):
    """Element by element."""

    def step(theta, g):
        u, out = inner(g), theta.copy()
        agree = [i for i, x in np.ndenumerate(g) if x * u[i] < 0]
        for i in agree:
            out[i] += u[i] * u.size / (len(agree) + 1)
        return out

    return step


@around
def cautious_decay(h, inner):
    """Element by element, with the decay where it shortens what the step goes towards zero."""

    def step(theta, g):
        u, out = inner(g), theta.copy()
        for i, x in np.ndenumerate(theta):
            against = u[i] * x > 0
            out[i] += u[i] - (0 if against else h["lr"] * h["weight_decay"] * x)
        return out

    return step


@around
def decay_after_step(h, inner):
    """The new parameters are a share of what they would be."""
    return lambda theta, g: (1 - h["lr"] * h["weight_decay"]) * (theta + inner(g))


@around
def proximal_decay(h, inner):
    """The nearest point to the step with a penalty on its size: a contraction, to its end."""

    def step(theta, g):
        goal = theta + inner(g)
        x = goal
        for _ in range(60):
            x = goal - h["lr"] * h["weight_decay"] * x
        return x

    return step


def asam(h, theta):
    """SAM in coordinates in which every parameter has the same size, around momentum."""
    inner = {k: momentum(h, x.shape) for k, x in theta.items()}
    begun = None

    def step(g):
        nonlocal theta, begun
        if begun is None:
            begun = theta
            size = {k: np.abs(x) + h["eta"] for k, x in theta.items()}
            scaled = np.concatenate([(size[k] * g[k]).ravel() for k in g])
            unit = dict(zip(g, np.split(scaled / np.linalg.norm(scaled), [15]), strict=True))
            theta = {
                k: size[k] * (x / size[k] + h["rho"] * unit[k].reshape(x.shape))
                for k, x in theta.items()
            }
        else:
            theta, begun = {k: x + inner[k](g[k]) for k, x in begun.items()}, None
        return theta

    return step


def ef_signsgd(h, theta):
    """What was meant to be gone in all, less what has been gone."""
    start, meant = theta, np.zeros_like(theta)

    def step(g):
        nonlocal theta, meant
        meant = meant - h["lr"] * g
        left = meant - (theta - start)
        theta = theta + np.where(left > 0, 1, -1) * np.linalg.norm(left, 1) / left.size
        return theta

    def flat(g):
        return step(g.ravel()).reshape(g.shape)

    start, meant, theta = start.ravel(), meant.ravel(), theta.ravel()
    return flat


def local_sgd(h, theta):
    """Each worker by itself, as the sum of its gradients since they last met."""
    met, since = theta, []

    def step(g, others):
        nonlocal met, since
        since.append([g, *others])
        workers = [met - h["lr"] * sum(each) for each in zip(*since, strict=True)]
        mean = sum(workers) / len(workers)
        if len(since) == h["period"]:
            met, since = mean, []
        return mean

    return step


def top_k(h, theta):
    """The indices of the largest, sorted."""
    memory = np.zeros(theta.size)

    def step(g):
        nonlocal theta
        memory[:] += h["lr"] * g.ravel()
        sent, largest = np.zeros_like(memory), np.argsort(np.abs(memory))[::-1][: h["k"]]
        sent[largest], memory[largest] = memory[largest], 0.0
        theta = theta - sent.reshape(theta.shape)
        return theta

    return step


def added(begin, more):
    """One over a number that grows by as much at each step."""

    def factor(h):
        numbers = [begin(h)]
        while len(numbers) <= 60:
            numbers.append(numbers[-1] + more(h))
        return lambda t: 1 / numbers[t]

    return factor


def power(base, exponent):
    return math.exp(exponent * math.log(base))


FACTORS = {
    "hyperbolic": added(lambda h: 1 / h["scale"], lambda h: h["decay"] / h["scale"]),
    "inverse_time": added(lambda _: 1.0, lambda h: h["decay"]),
    "linear_scaling": lambda h: lambda _: math.fsum(1 for _ in np.arange(0, h["batch"], h["base"])),
    "sqrt_scaling": lambda h: lambda _: power(h["batch"] / h["base"], 0.5),
    "noise_scale": lambda h: lambda _: h["batch"] / (h["batch"] + h["noise"]),
    "mup": lambda h: lambda _: power(h["width"] / h["base"], -1),
    "lion_from_adam": lambda h: lambda _: power(h["ratio"], -1),
    "relative_step": lambda h: lambda t: min(h["cap"], power(t + 1, -0.5)),
    "rising_cosine": lambda h: lambda t: math.sin(min(t / h["total"], 1) * math.pi / 2) ** 2,
}


def others(random):
    return {"others": random.normal(size=(2, 5, 3))}


def chance(random):
    return {"chance": random.uniform(size=(5, 3))}


AROUND = {
    "corrected_decay": corrected_decay,
    "delay": delay,
    "cautious": cautious,
    "cautious_decay": cautious_decay,
    "decay_after_step": decay_after_step,
    "proximal_decay": proximal_decay,
}
WITNESSES = [
    *(Witness(f"{rule}+heavy_ball", HERE, made, of=rule) for rule, made in AROUND.items()),
    Witness("qsgd+heavy_ball", HERE, qsgd, of="qsgd", given=chance),
    Witness("asam+heavy_ball", HERE, asam, of="asam", shape=MODEL),
    Witness("ef_signsgd", HERE, ef_signsgd),
    Witness("local_sgd", HERE, local_sgd, given=others),
    Witness("top_k", HERE, top_k),
    *(Witness(f"sgd@{r}", HERE, scheduled(f), of=r) for r, f in FACTORS.items()),
]
