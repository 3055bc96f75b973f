"""Writing in place: where it is allowed the gradient is that of the program without it; elsewhere an error says so."""

from __future__ import annotations

import random

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import DtypeError, InplaceError, MicrotrainError, ShapeError


def both(program, *shapes, seed=0):
    """Gradients of a program in microtrain and in PyTorch: program(m, *tensors) -> a number."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    ours = [mt.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = program(mt, *ours), program(torch, *theirs)
    np.testing.assert_allclose(y.item(), z.item(), rtol=1e-12)
    y.backward()
    z.backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12, atol=1e-14)


def zeros(m, *shape):
    return m.zeros(shape, dtype=m.float64)


# ---- against PyTorch ------------------------------------------------------------------------------------------------


def into_zeros(m, x, w):
    z = zeros(m, 4, 3)
    z[0] = x
    z[1:3] = w
    z[3, 1] = x[0] * w[0, 1]
    return (z * z).sum()


def fancy(m, x, w):
    z = zeros(m, 5) + 1
    z[m.tensor([0, 3])] = x[:2] * 2
    z[z > 2.5] = x[2] * 3
    return (z**3).sum() + w.sum()


def through_a_view(m, x, w):
    h = w * 2
    v = h[0]
    v += x
    v *= 3
    return (h * h).sum()


def view_taken_before(m, x, w):
    h = w * 2
    v, column = h[1], h.t()[0]
    h[:, 0] = x[:2]
    h += 1
    return (v * v).sum() + (column**3).sum()


def views_of_views(m, x, w):
    h = w.sin()
    flat = h.reshape(-1)
    middle = flat[1:5]
    middle[::2] = x[0] * x[1]
    h.t()[2] *= 2
    return (flat.exp() * middle.sum()).sum()


def swap_rows(m, x, w):
    h = w * 1
    first = h[0].clone()
    h[0] = h[1]
    h[1] = first
    return (h[0] * x).sum() + (h[1] ** 2).sum()


def shifted(m, x, w):
    h = x * 1
    h[1:] += h[:-1].clone()
    h[:-1] -= h[1:].clone()
    return (h**2).sum() + w.sum()


def repeated_augmented(m, x, w):
    total = zeros(m, 3)
    for row in w:
        total += row * x
    total /= 2
    total -= 1
    total **= 2
    return total.sum()


def own_methods(m, x, w):
    h = x * 2
    h.add_(w[0]).mul_(2).sub_(1).div_(3).sigmoid_()
    k = h.clone().clamp_(0.1, 0.6).neg_()
    k.masked_fill_(k < -0.5, 2.0)
    return (k.exp() * x).sum() + w.sum()


def fill_and_copy(m, x, w):
    h = w * x
    h[0].zero_()
    h[1].copy_(x * 2)
    k = x * 1
    k.fill_(5.0)
    return (h * h).sum() + (k * x).sum()


def under_no_grad(m, x, w):
    h = w.sin()
    y = (h + 0).sum()
    with m.no_grad():
        h[0] = 7.0
    return y + (h * x).sum()


def of_zero_dimensions(m, x, w):
    s = x.sum()
    s += 1
    s *= w.sum()
    z = zeros(m)
    z[()] = s
    z += x[0]
    return z * z


def one_element(m, x, w):
    h = x * 1
    v = h[1]
    v *= 2
    h[0] += v
    return (h**2).sum() + w.sum()


def broadcast_into(m, x, w):
    h = w * 1
    h[:] = x
    h[:, 1] = x[0]
    return (h * w).sum()


def assigned_to_itself(m, x, w):
    h = x * 2
    h[0] = h[0] * 3
    h[:] = h * 3 + h
    return h.sum() + w.sum()


def output_overwritten(m, x, w):
    h = x.exp()
    k = h * 1
    k += x
    return (k * h).sum() + w.sum()


PROGRAMS = [
    into_zeros, fancy, through_a_view, view_taken_before, views_of_views, swap_rows, shifted, repeated_augmented,
    own_methods, fill_and_copy, under_no_grad, of_zero_dimensions, one_element, broadcast_into, assigned_to_itself,
    output_overwritten,
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("program", PROGRAMS)
def test_gradient_equals_pytorchs(program):
    both(program, (3,), (2, 3))


# ---- against difference quotients -----------------------------------------------------------------------------------


class TooWild(Exception):  # noqa: N818
    """Values so large that a difference quotient says nothing."""


def random_program(seed, steps):
    """Random operations, views and writes on a pool of tensors; deterministic, so difference quotients apply."""

    def run(x, w):
        r = random.Random(seed)
        fixed = [x, w]
        pool = [x * 1.0, w * 1.0, mt.zeros(3, 4), w.sin()]
        for _ in range(steps):
            t = r.choice(pool)
            same = [p for p in pool + fixed if p.shape == t.shape]
            rows = t.shape[0] if t.ndim else 0
            kind = r.randrange(14)
            if kind == 0:
                pool.append(t * 0.7 + 0.1)
            elif kind == 1:
                pool.append(t.tanh())
            elif kind == 2 and rows:
                pool.append(t[r.randrange(rows)])
            elif kind == 3 and rows > 1:
                pool.append(t[1:])
            elif kind == 4:
                pool.append(t.reshape(-1) if r.random() < 0.5 else t.T)
            elif kind == 5:
                pool.append(t * r.choice(same))
            elif kind == 6:
                t += r.choice(same)
            elif kind == 7:
                t *= r.choice(same)
            elif kind == 8:
                t.tanh_()
            elif kind == 9 and rows:
                parts = [p for p in pool + fixed if p.shape == t.shape[1:]]
                t[r.randrange(rows)] = r.choice(parts) * 0.5 if parts else 0.25
            elif kind == 10 and rows > 1:
                t[1:] += 0.5
            elif kind == 11 and rows:
                t[::2] *= t[::2]
            elif kind == 12 and rows:
                t[mt.tensor([0, rows - 1, 0])] = 0.1 * t[mt.tensor([rows - 1, 0, 0])]
            elif kind == 13:
                t -= 0.3
        if max(p.detach().abs().max().item() for p in pool) > 20:
            raise TooWild
        return sum(((k + 1) * 0.1 * p.sin()).sum() for k, p in enumerate(pool))

    return run


def run_random_programs(seeds, steps):
    """How many ran to the end; the others raised InplaceError."""
    right = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x = mt.tensor(rng.standard_normal((3, 4)), requires_grad=True)
        w = mt.tensor(rng.standard_normal(4), requires_grad=True)
        try:
            assert mt.gradcheck(random_program(seed, steps), (x, w)), seed
            right += 1
        except (InplaceError, TooWild):
            pass
    return right


def test_random_programs_are_right_or_loud():
    assert run_random_programs(range(200), 12) > 80


@pytest.mark.slow
def test_many_random_programs_are_right_or_loud():
    assert run_random_programs(range(1000, 4000), 14) > 900
    assert run_random_programs(range(4000, 5000), 30) > 30


def test_second_derivatives_through_writes():
    def program(x, w):
        z = mt.zeros(4)
        z[:3] = x * w
        v = z[1:]
        v *= v
        z[0] += z[3] + x[0] ** 3
        return (z**3).sum()

    rng = np.random.default_rng(0)
    x, w = (mt.tensor(rng.standard_normal(3), requires_grad=True) for _ in range(2))
    assert mt.gradgradcheck(program, (x, w))


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_a_write_that_keeps_its_own_operand_keeps_a_copy():
    x, y = mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor([3.0, 4.0], requires_grad=True)
    h = x * 1
    h *= y  # its derivative needs the old h
    h /= y
    h *= h
    h.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [2.0, 4.0])
    np.testing.assert_allclose(y.grad.numpy(), [0.0, 0.0], atol=1e-15)


def test_expanded_memory_is_not_written():
    x = mt.ones(3).expand(2, 3)
    with pytest.raises(InplaceError, match="read-only"):
        x += 1
    with pytest.raises(InplaceError, match="read-only"):
        x[0, 0] = 2.0


def test_shape_and_dtype_must_fit():
    x = mt.ones(3)
    with pytest.raises(ShapeError, match="does not fit"):
        x += mt.ones(2, 3)
    k = mt.tensor([1, 2, 3])
    for write in (lambda: k.__iadd__(0.5), lambda: k.__setitem__(0, 0.5), lambda: k.__itruediv__(2)):
        with pytest.raises(DtypeError):
            write()
    k[0] = True
    k += 1
    x += k
    assert k.tolist() == [2, 3, 4] and x.tolist() == [3, 4, 5]
    with pytest.raises(MicrotrainError):
        x[5] = 1.0
    with pytest.raises(ShapeError):
        x[:] = mt.ones(2)


def test_writes_to_constants_are_noticed():
    x, c = mt.ones(3, requires_grad=True), mt.ones(3)
    y = (x * c).sum()
    c += 1
    with pytest.raises(InplaceError, match=r"(?s)'mul' kept its input.*'\+=' overwrote it"):
        y.backward()


def test_arrays_are_copied():
    a = np.ones(3)
    x = mt.ones(3, requires_grad=True)
    y, t, u = (x * a).sum(), mt.tensor(a), mt.from_numpy(a)
    z = (mt.where(a > 0, x * a, a) * mt.as_tensor(a)).sum()
    index = np.array([0, 1])
    part = x[index].sum()
    a[:] = 100
    index[:] = 2
    (y + z + part).backward()
    assert x.grad.tolist() == [3, 3, 2] and t.tolist() == u.tolist() == [1, 1, 1]


def test_index_tensors_are_copied():
    x = mt.ones(4, requires_grad=True)
    index, at = mt.tensor([0, 1]), mt.tensor(1)
    y = (x[index] * 2).sum() + x[at] * 3 + x[at:].sum()
    index += 2
    at += 1
    y.backward()
    assert x.grad.tolist() == [2, 2 + 3 + 1, 1, 1]


def test_numpy_views_are_read_only():
    x = mt.ones(3)
    for view in (x.numpy(), np.asarray(x), x.detach().numpy()):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5
    copy = np.array(x)
    copy[0] = 5
    assert x.tolist() == [1, 1, 1]
    x += 1
    assert x.numpy()[0] == 2


def test_detached_tensors_share_memory():
    x = mt.ones(3, requires_grad=True)
    d = x.detach()
    assert not d.requires_grad and np.shares_memory(d.numpy(), x.detach().numpy())
    y = (x * x).sum()
    d += 1
    assert x.tolist() == [2, 2, 2]
    with pytest.raises(InplaceError):
        y.backward()


def test_views_made_under_no_grad_stay_without_history():
    w = mt.ones(3, requires_grad=True)
    h = w * 2
    with mt.no_grad():
        v = h[0]
    h += 1
    assert v.item() == 3 and not v.requires_grad
    v += w[1]  # but what is written through them is not lost
    h.sum().backward()
    assert w.grad.tolist() == [0, 3, 2]


def test_a_view_that_became_a_leaf_stays_one():
    t = mt.ones(3)
    v = t[:2].requires_grad_()
    t += 1
    assert v.is_leaf and v.requires_grad and v.tolist() == [2, 2]
    (v * v).sum().backward()
    assert v.grad.tolist() == [4, 4]


def test_a_view_refreshed_under_no_grad_keeps_its_history():
    w = mt.ones(3, requires_grad=True)
    h = w * 2
    v = h[1:]
    h *= 3
    with mt.no_grad():
        assert (v + 0).tolist() == [6, 6]
    v.sum().backward()
    assert w.grad.tolist() == [0, 6, 6]


def test_assigning_data_replaces_the_memory():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    backup, view = w.data, w[:1]
    w.data = w.data + 10
    assert w.tolist() == [11, 12] and backup.tolist() == [1, 2] and view.tolist() == [1]
    w.data = backup
    (w * w).sum().backward()
    assert w.grad.tolist() == [2, 4]
    backup += 5
    assert w.tolist() == [1, 2]
    w.data = mt.zeros(3)
    assert w.shape == (3,)
    with pytest.raises(DtypeError):
        w.data = mt.tensor([1, 2])
    h = w * 2
    with pytest.raises(ShapeError):
        h.data = mt.zeros(2)


def test_assigning_data_between_forward_and_backward_is_noticed():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    w.data = mt.zeros(2)
    with pytest.raises(InplaceError, match="'data =' overwrote it"):
        y.backward()


def test_zero_dimensional_tensors_can_be_written():
    t = mt.tensor(3.0)
    v = t.reshape(1)
    t += 1
    t[()] = t * 2
    t[...] += 1
    v[0] += 1
    assert t.item() == v.item() == 10
    assert t.numpy().shape == () and t.detach().numpy() == 10


def test_augmented_assignment_of_a_part_writes_once():
    x, s = mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor(2.0, requires_grad=True)
    h = x * 1
    h[0] /= s  # keeps its output, which a second write would make stale
    h[1:] **= s
    h.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.5, 4.0])
    np.testing.assert_allclose(s.grad.item(), -1 / 4 + 4 * np.log(2))


def test_long_chains_of_views_are_not_walked_each_time():
    base = mt.zeros(4)
    v = base
    for _ in range(20_000):  # quadratic if every step looked at all before it
        v = v[:]
    base += 1
    assert v.sum().item() == 4


def test_writes_next_to_each_other_are_told_apart_by_line():
    w = mt.ones(2, requires_grad=True)
    h = w * 2
    y = h * h
    h.add_(1)
    with pytest.raises(InplaceError) as caught:
        y.sum().backward()
    kept, overwritten = (line for line in str(caught.value).splitlines() if " at: " in line)
    assert kept.endswith("y = h * h") and overwritten.endswith("h.add_(1)")


def test_writes_of_composed_operations_keep_what_they_need():
    def program(x, w):
        h = x * 0.1 + 0.4
        h.addcmul_(h, w[0], value=0.5).lerp_(w[1], 0.3).add_(h, alpha=2)
        return (h * h).sum()

    x, w = (mt.tensor(np.random.default_rng(0).standard_normal(s), requires_grad=True) for s in ((3,), (2, 3)))
    assert mt.gradcheck(program, (x, w)) and mt.gradgradcheck(program, (x, w))
