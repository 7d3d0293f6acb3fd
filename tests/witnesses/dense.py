"""Second derivations of the matrix family: one large matrix instead of two small ones."""

import numpy as np
from witnessing import Witness


def power(a, p, eps=0.0):
    """(A + eps I)^p of a symmetric matrix."""
    values, vectors = np.linalg.eigh(a)
    return (vectors * (np.maximum(values, 0) + eps) ** p) @ vectors.T


def kronecker(exponent, *, average, trace=False, whole=False):
    """Shampoo by the Kronecker product of its statistics, each with its floor.

    A whole average has weights that add up to one from the first.
    """

    def made(h, theta):
        left, right, past = np.zeros((len(theta),) * 2), np.zeros((theta.shape[1],) * 2), 0.0

        def step(g):
            nonlocal theta, left, right, past
            old, new = (h["beta2"], 1 - h["beta2"]) if average else (1.0, 1.0)
            if whole:
                past = h["beta2"] * past + 1
                old, new = 1 - 1 / past, 1 / past
            left, right = old * left + new * g @ g.T, old * right + new * g.T @ g
            floor = [np.eye(len(x)) * h["eps"] for x in (left, right)]
            product = np.kron(left + floor[0], right + floor[1])
            scale = np.trace(right) ** 0.5 if trace else 1.0
            theta = theta - h["lr"] * scale * (power(product, exponent) @ g.ravel()).reshape(
                g.shape
            )
            return theta

        return step

    return made


def adagrad(h, theta):
    past = []

    def step(g):
        nonlocal theta
        past.append(g.ravel())
        u, s, _ = np.linalg.svd(np.array(past).T, full_matrices=True)
        size = np.append(s, np.zeros(len(u) - len(s)))
        theta = theta - h["lr"] * ((u / (size + h["eps"])) @ u.T @ g.ravel()).reshape(g.shape)
        return theta

    return step


def kfac(h, theta):
    rows, cols = theta.shape
    a, s = np.zeros((cols, cols)), np.zeros((rows, rows))

    def step(g, inputs, outputs):
        nonlocal theta, a, s
        b = h["beta"]
        a, s = (
            b * a
            + (1 - b) * np.cov(inputs.T, bias=True)
            + (1 - b) * np.outer(inputs.mean(0), inputs.mean(0)),
            b * s + (1 - b) * (outputs @ outputs.T) / cols,
        )
        p = ((np.trace(a) / cols) / (np.trace(s) / rows)) ** 0.5
        root = h["damping"] ** 0.5
        whole = np.kron(s + root / p * np.eye(rows), a + root * p * np.eye(cols))
        theta = theta - h["lr"] * np.linalg.solve(whole, g.ravel()).reshape(g.shape)
        return theta

    return step


def spectral(x, p):
    """x (x'x)^((p - 1) / 2): a power of the singular values."""
    return x @ power(x.T @ x, (p - 1) / 2)


def spectral_momentum(h, theta):
    past = []

    def step(g):
        nonlocal theta
        past.append(g)
        m = sum(h["momentum"] ** (len(past) - 1 - i) * x for i, x in enumerate(past))
        theta = theta - h["lr"] * (spectral(m, h["power"]) + h["weight_decay"] * theta)
        return theta

    return step


def spectral_adam(h, theta):
    past = []

    def average(b, xs):
        weights = [b ** (len(xs) - 1 - i) for i in range(len(xs))]
        return sum(w * x for w, x in zip(weights, xs, strict=True)) / sum(weights)

    def step(g):
        nonlocal theta
        past.append(g)
        v = average(h["beta2"], [x * x for x in past])
        u = average(h["beta1"], past) / (np.sqrt(v) + h["eps"])
        theta = theta - h["lr"] * (spectral(u, h["power"]) + h["weight_decay"] * theta)
        return theta

    return step


def average(b, xs):
    """The average of all that was, from zero."""
    return (1 - b) * sum(b ** (len(xs) - 1 - i) * x for i, x in enumerate(xs))


def adamuon(h, theta):
    """The polynomial of Newton and Schulz, of the singular values alone."""
    past, squares, mu = [], [], h["momentum"]

    def step(g):
        nonlocal theta
        past.append(g)
        ahead = mu * average(mu, past) + (1 - mu) * g
        u, s, v = np.linalg.svd(np.sign(ahead), full_matrices=False)
        s = s / (np.linalg.norm(s) + 1e-7)
        for _ in range(h["steps"]):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        squares.append(((u * s) @ v) ** 2)
        o = (u * s) @ v / (average(mu, squares) ** 0.5 + h["eps"])
        long = np.linalg.norm(o) + h["eps"]
        decayed = (1 - h["lr"] * h["weight_decay"]) * theta
        theta = decayed - h["lr"] * 0.2 * theta.size**0.5 / long * o
        return theta

    return step


def psgd_kron(h, theta):
    """The gradient as one long vector, and the Kronecker product of the factors."""
    past, left, right = [], np.eye(len(theta)), np.eye(theta.shape[1])

    def bound(x):
        y = x @ x[np.argmax(np.linalg.norm(x, axis=1))]
        return np.linalg.norm(x @ y) / np.linalg.norm(y)

    def moved(q, x, y):
        return q - h["precond_lr"] * np.triu(x - y) @ q / bound(x + y)

    def step(g, probe):
        nonlocal theta, left, right
        past.append(g)
        m = average(h["beta"], past) / (1 - h["beta"] ** len(past))
        whole = np.kron(left, right)
        a = (whole @ m.ravel()).reshape(g.shape)
        b = np.linalg.solve(whole.T, probe.ravel()).reshape(g.shape)
        left, right = moved(left, a @ a.T, b @ b.T), moved(right, a.T @ a, b.T @ b)
        whole = np.kron(left, right)
        u = (whole.T @ whole @ m.ravel()).reshape(g.shape)
        u = u * min(1.0, h["clip"] / (np.linalg.norm(u) / g.size**0.5))
        theta = theta - h["lr"] * (u + h["weight_decay"] * theta)
        return theta

    return step


def drawn(random):
    return {k: random.normal(size=(5, 3)) for k in ("inputs", "outputs")}


HERE = "tests/witnesses/dense.py"
WITNESSES = [
    Witness("shampoo", HERE, kronecker(-1 / 4, average=False), tolerance=1e-9),
    Witness("shampoo_averaged", HERE, kronecker(-1 / 4, average=True), tolerance=1e-9),
    Witness("shampoo_debiased", HERE, kronecker(-1 / 4, average=True, whole=True), tolerance=1e-9),
    Witness("shampoo_squared", HERE, kronecker(-1 / 2, average=True, trace=True), tolerance=1e-9),
    # Before that the sum of the outer products is singular, and its root has half of the digits.
    Witness("full_adagrad", HERE, adagrad, after=30, tolerance=1e-9),
    Witness("kfac", HERE, kfac, given=drawn, tolerance=1e-9),
    Witness("spectral_momentum", HERE, spectral_momentum, tolerance=1e-9),
    Witness("spectral_adam", HERE, spectral_adam, tolerance=1e-9),
    Witness("adamuon", HERE, adamuon, tolerance=1e-9),
    Witness(
        "psgd_kron",
        HERE,
        psgd_kron,
        given=lambda random: {"probe": random.normal(size=(5, 3))},
        tolerance=1e-9,
    ),
]
