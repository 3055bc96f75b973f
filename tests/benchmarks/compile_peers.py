"""What `bench_compile` races against: the same step in PyTorch, JAX, and by hand in NumPy and in Numba.

A step is forward pass, loss (cross-entropy or mean squared error), backward pass and Adam. A network is a list of sizes
with ReLU between (or nothing: deep linear); Gabor is the book's model of 2 parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

LR = 1e-3
MANY = 5000  # steps of a repeated loop (an experiment of the book has 10,000 to a million)
Contestants = dict[str, Callable[[], Any]]


def weights(sizes: list[int], dtype: Any) -> list[Any]:
    rng = np.random.default_rng(0)
    found = []
    for n, m in zip(sizes, sizes[1:], strict=False):
        found += [(rng.normal(size=(m, n)) / np.sqrt(n)).astype(dtype), np.zeros(m, dtype)]
    return found


def data(sizes: list[int], batch: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch, sizes[0])).astype(dtype)
    if sizes[-1] == 1 or len(set(sizes)) == 1:
        return x, rng.normal(size=(batch, sizes[-1])).astype(dtype)
    return x, rng.integers(0, sizes[-1], batch)


def gabor_data(dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.uniform(-15, 15, 28).astype(dtype), rng.normal(size=28).astype(dtype)


START = [-5.0, 20.0]  # of the Gabor fit

# ---- NumPy -----------------------------------------------------------------------------------------------------------


def _adam(flat: Any, grad: Any) -> Callable[[], None]:
    m, v, t = np.zeros_like(flat), np.zeros_like(flat), 0

    def update() -> None:
        nonlocal t
        t += 1
        m[:] = 0.9 * m + 0.1 * grad
        v[:] = 0.999 * v + 0.001 * (grad * grad)
        flat[:] -= (LR / (1 - 0.9**t)) * m / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)

    return update


def numpy_by_hand(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> Callable[[], Any]:
    """What one would write without any framework: no graph, buffers where they are easy to have."""
    params = weights(sizes, dtype)
    flat = np.concatenate([p.ravel() for p in params])
    ends = np.cumsum([p.size for p in params])
    params = [part.reshape(p.shape) for part, p in zip(np.split(flat, ends[:-1]), params, strict=True)]
    grad = np.empty_like(flat)
    grads = [part.reshape(p.shape) for part, p in zip(np.split(grad, ends[:-1]), params, strict=True)]
    rows, n, update = np.arange(len(x)), len(params), _adam(flat, grad)

    def step() -> Any:
        hs = [x]
        for k in range(0, n, 2):
            h = hs[-1] @ params[k].T
            h += params[k + 1]
            if act == "relu" and k + 2 < n:
                np.maximum(h, 0, out=h)
            hs.append(h)
        if y.dtype.kind == "f":
            g = hs[-1] - y
            loss = np.mean(g * g)
            g *= 2 / g.size
        else:
            g = hs[-1] - hs[-1].max(1, keepdims=True)
            right = g[rows, y]
            np.exp(g, out=g)
            total = g.sum(1)
            loss = np.mean(np.log(total) - right)
            g /= total[:, None]
            g[rows, y] -= 1
            g /= len(x)
        for k in range(n - 2, -1, -2):
            np.matmul(g.T, hs[k // 2], out=grads[k])
            np.add.reduce(g, axis=0, out=grads[k + 1])
            if k:
                g = g @ params[k]
                if act == "relu":
                    g *= hs[k // 2] > 0
        update()
        return loss

    return step


def gabor_numpy(x: Any, y: Any, dtype: Any) -> Callable[[], Any]:
    phi, grad = np.array(START, dtype), np.zeros(2, dtype)
    update = _adam(phi, grad)

    def step() -> Any:
        u = phi[0] + dtype(0.06) * phi[1] * x
        sine, envelope = np.sin(u), np.exp(-u * u / 32)
        away = sine * envelope - y
        g = (2 / len(x)) * away * (np.cos(u) - sine * u / 16) * envelope
        grad[0], grad[1] = g.sum(), 0.06 * (g @ x)
        update()
        return np.mean(away * away)

    return step


def products_alone(sizes: list[int], batch: int, dtype: Any) -> Callable[[], Any]:
    """Nothing but the step's matrix products, into memory that is there."""
    ws = weights(sizes, dtype)[::2]
    hs = [np.ones((batch, n), dtype) for n in sizes]
    gs = [np.ones((batch, n), dtype) for n in sizes]
    gw = [np.empty_like(w) for w in ws]

    def step() -> None:
        for k, w in enumerate(ws):
            np.matmul(hs[k], w.T, out=hs[k + 1])
        for k in range(len(ws) - 1, -1, -1):
            np.matmul(gs[k + 1].T, hs[k], out=gw[k])
            if k:
                np.matmul(gs[k + 1], ws[k], out=gs[k])

    return step


# ---- Numba -----------------------------------------------------------------------------------------------------------


def numba_by_hand(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> Callable[[], Any]:
    """MANY steps in one compiled loop: what one would write for speed; each layer's arrays are parts of flat ones."""
    from numba import njit

    layers = len(sizes) - 1
    widths = np.array(sizes)
    starts = np.cumsum([0, *[n * m + m for n, m in zip(sizes, sizes[1:], strict=False)]])  # of a layer's parameters
    places = len(x) * np.cumsum([0, *sizes])  # of a layer's values
    relu, labels = act == "relu", y.dtype.kind != "f"

    @njit(fastmath=True, error_model="numpy")
    def steps(n, t, flat, m, v, grad, h, g, x, y, losses):  # type: ignore[no-untyped-def]
        batch = len(x)
        one, tiny = flat.dtype.type(1), flat.dtype.type(1e-8)
        b1, b2, lr = flat.dtype.type(0.9), flat.dtype.type(0.999), flat.dtype.type(LR)
        for step in range(n):
            h[: x.size] = x.ravel()
            for k in range(layers):
                p, q = widths[k], widths[k + 1]
                w = flat[starts[k] : starts[k] + p * q].reshape(q, p)
                b = flat[starts[k] + p * q : starts[k + 1]]
                a = h[places[k] : places[k + 1]].reshape(batch, p)
                out = h[places[k + 1] : places[k + 2]].reshape(batch, q)
                for i in range(batch):
                    for j in range(q):
                        total = b[j]
                        for r in range(p):
                            total += a[i, r] * w[j, r]
                        out[i, j] = max(total, 0 * one) if relu and k + 1 < layers else total
            top = g[places[layers] :].reshape(batch, widths[layers])
            out = h[places[layers] :].reshape(batch, widths[layers])
            loss = 0 * one
            if labels:
                for i in range(batch):
                    high = out[i].max()
                    total = 0 * one
                    for j in range(out.shape[1]):
                        top[i, j] = np.exp(out[i, j] - high)
                        total += top[i, j]
                    loss += np.log(total) - (out[i, y[i]] - high)
                    for j in range(out.shape[1]):
                        top[i, j] /= total * batch
                    top[i, y[i]] -= one / batch
                loss /= batch
            else:
                for i in range(batch):
                    for j in range(out.shape[1]):
                        away = out[i, j] - y[i, j]
                        loss += away * away
                        top[i, j] = 2 * away / out.size
                loss /= out.size
            losses[step] = loss
            for k in range(layers - 1, -1, -1):
                p, q = widths[k], widths[k + 1]
                w = flat[starts[k] : starts[k] + p * q].reshape(q, p)
                gw = grad[starts[k] : starts[k] + p * q].reshape(q, p)
                gb = grad[starts[k] + p * q : starts[k + 1]]
                a = h[places[k] : places[k + 1]].reshape(batch, p)
                ga = g[places[k] : places[k + 1]].reshape(batch, p)
                go = g[places[k + 1] : places[k + 2]].reshape(batch, q)
                gw[:] = 0
                gb[:] = 0
                for i in range(batch):
                    for j in range(q):
                        s = go[i, j]
                        gb[j] += s
                        for r in range(p):
                            gw[j, r] += s * a[i, r]
                    if k:
                        for r in range(p):
                            ga[i, r] = 0
                        for j in range(q):
                            s = go[i, j]
                            for r in range(p):
                                ga[i, r] += s * w[j, r]
                        if relu:
                            for r in range(p):
                                if a[i, r] <= 0:
                                    ga[i, r] = 0
            t += 1
            c1, c2 = flat.dtype.type(1 - 0.9**t), flat.dtype.type(1 - 0.999**t)
            for i in range(flat.size):
                m[i] = b1 * m[i] + (one - b1) * grad[i]
                v[i] = b2 * v[i] + (one - b2) * grad[i] * grad[i]
                flat[i] -= lr / c1 * m[i] / (np.sqrt(v[i] / c2) + tiny)
        return t

    flat = np.concatenate([p.ravel() for p in weights(sizes, dtype)])
    m, v, grad = np.zeros_like(flat), np.zeros_like(flat), np.zeros_like(flat)
    h, g, losses = np.zeros(places[-1], dtype), np.zeros(places[-1], dtype), np.zeros(MANY, dtype)
    return lambda: steps(MANY, 0, flat, m, v, grad, h, g, x, y, losses)


def gabor_numba(x: Any, y: Any, dtype: Any) -> Callable[[], Any]:
    from numba import njit

    @njit(fastmath=True, error_model="numpy")
    def steps(n, t, phi, m, v, x, y, losses):  # type: ignore[no-untyped-def]
        one = phi.dtype.type(1)
        scale, beta1, beta2 = phi.dtype.type(0.06), phi.dtype.type(0.9), phi.dtype.type(0.999)
        for step in range(n):
            loss, g0, g1 = 0 * one, 0 * one, 0 * one
            for i in range(len(x)):
                u = phi[0] + scale * phi[1] * x[i]
                sine, envelope = np.sin(u), np.exp(-u * u / (32 * one))
                away = sine * envelope - y[i]
                d = away * (np.cos(u) - sine * u / (16 * one)) * envelope
                loss += away * away
                g0 += d
                g1 += d * x[i]
            losses[step] = loss / len(x)
            t += 1
            c1, c2 = phi.dtype.type(1 - 0.9**t), phi.dtype.type(1 - 0.999**t)
            for k in range(2):
                g = (2 * one / len(x)) * (g0 if k == 0 else scale * g1)
                m[k] = beta1 * m[k] + (one - beta1) * g
                v[k] = beta2 * v[k] + (one - beta2) * g * g
                phi[k] -= phi.dtype.type(LR) / c1 * m[k] / (np.sqrt(v[k] / c2) + phi.dtype.type(1e-8))
        return t

    phi, m, v, losses = np.array(START, dtype), np.zeros(2, dtype), np.zeros(2, dtype), np.zeros(MANY, dtype)
    return lambda: steps(MANY, 0, phi, m, v, x, y, losses)


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def _torch_steps(loss_of: Any, params: list[Any], x: Any, y: Any) -> Contestants:
    import torch

    found: Contestants = {}
    for kind in ("torch", "torch.compile"):
        mine = [torch.tensor(p, requires_grad=True) for p in params]
        optimizer = torch.optim.Adam(mine, lr=LR)
        inputs, targets = torch.tensor(x), torch.tensor(y)
        f = torch.compile(loss_of) if kind == "torch.compile" else loss_of

        def step(f: Any = f, params: Any = mine, optimizer: Any = optimizer, a: Any = inputs, b: Any = targets) -> Any:
            optimizer.zero_grad()
            loss = f(params, a, b)
            loss.backward()
            optimizer.step()
            return loss

        try:
            step()
        except Exception as error:  # no C++ compiler, say
            print(f"  ({kind} takes no part: {type(error).__name__})")
            continue
        found[kind] = step
    return found


def torchs(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> Contestants:
    import torch

    def loss_of(params: Any, inputs: Any, targets: Any) -> Any:
        h = inputs
        for k in range(0, len(params), 2):
            h = torch.nn.functional.linear(h, params[k], params[k + 1])
            if act == "relu" and k + 2 < len(params):
                h = torch.relu(h)
        if targets.dtype.is_floating_point:
            return torch.nn.functional.mse_loss(h, targets)
        return torch.nn.functional.cross_entropy(h, targets)

    return _torch_steps(loss_of, weights(sizes, dtype), x, y)


def gabor_torch(x: Any, y: Any, dtype: Any) -> Contestants:
    import torch

    def loss_of(params: Any, inputs: Any, targets: Any) -> Any:
        u = params[0] + 0.06 * params[1] * inputs
        return torch.nn.functional.mse_loss(torch.sin(u) * torch.exp(-u * u / 32), targets)

    return _torch_steps(loss_of, [np.array(p, dtype) for p in START], x, y)


# ---- JAX: the whole step jitted, with donated buffers ----------------------------------------------------------------


def _jax_step(loss_of: Any, params: list[Any], x: Any, y: Any, dtype: Any) -> Contestants:
    import jax
    import jax.numpy as jnp

    params = [jnp.asarray(p) for p in params]
    state = [params, [jnp.zeros_like(p) for p in params], [jnp.zeros_like(p) for p in params], jnp.zeros((), dtype)]
    inputs, targets = jnp.asarray(x), jnp.asarray(y)

    def step(state: Any, x: Any, y: Any) -> Any:
        params, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(params, x, y)
        t = t + 1
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        params = [p - LR / c1 * a / (jnp.sqrt(b / c2) + 1e-8) for p, a, b in zip(params, m, v, strict=True)]
        return loss, [params, m, v, t]

    jitted = jax.jit(step, donate_argnums=0)
    held = [state]

    def run() -> None:
        loss, held[0] = jitted(held[0], inputs, targets)
        loss.block_until_ready()

    return {"jax.jit": run}


def jaxs(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> Contestants:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        h = x
        for k in range(0, len(params), 2):
            h = h @ params[k].T + params[k + 1]
            if act == "relu" and k + 2 < len(params):
                h = jax.nn.relu(h)
        if jnp.issubdtype(y.dtype, jnp.floating):
            return jnp.mean((h - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1))

    return _jax_step(loss_of, weights(sizes, dtype), x, y, dtype)


def gabor_jax(x: Any, y: Any, dtype: Any) -> Contestants:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        u = params[0] + 0.06 * params[1] * x
        return jnp.mean((jnp.sin(u) * jnp.exp(-u * u / 32) - y) ** 2)

    return _jax_step(loss_of, [np.array(p, dtype) for p in START], x, y, dtype)
