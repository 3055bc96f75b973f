"""Small programs of the kind that courses and textbooks have; the same source must report the same numbers here.

They are run as those of `test_torch_programs` are: by PyTorch as they stand, and with `torch` replaced in the imports.
"""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

from .test_torch_programs import PRELUDE, flat, run, translated  # noqa: E402

PROGRAMS: dict[str, str] = {}


def program(source):
    name, _, text = source.strip().partition("\n")
    PROGRAMS[name.strip("# ").replace(" ", "_")] = text


@pytest.fixture(autouse=True)
def restore_defaults():
    yield
    torch.set_default_dtype(torch.float32)
    mt.set_default_dtype(mt.float64)


program("""
# one neuron as in the micrograd lecture
x1 = torch.Tensor([2.0]).double(); x1.requires_grad = True
x2 = torch.Tensor([0.0]).double(); x2.requires_grad = True
w1 = torch.Tensor([-3.0]).double(); w1.requires_grad = True
w2 = torch.Tensor([1.0]).double(); w2.requires_grad = True
b = torch.Tensor([6.8813735870195432]).double(); b.requires_grad = True
n = x1 * w1 + x2 * w2 + b
o = torch.tanh(n)
log.append(o.data.item())
o.backward()
log += [x2.grad.item(), w2.grad.item(), x1.grad.item(), w1.grad.item(), n.item(), o.is_leaf + 0, x1.is_leaf + 0]
a = torch.tensor(-4.0, requires_grad=True)
c = torch.tensor(2.0, requires_grad=True)
d = a + c
e = a * c + c**3
e = e + e + 1
e = e + 1 + e + (-a)
d = d + d * 2 + (c + a).relu()
d = d + 3 * d + (c - a).relu()
f = e - d
g = f**2
h = g / 2.0
h = h + 10.0 / g
h.backward()
log += [h, a.grad, c.grad]
""")

program("""
# a bigram model of names
words = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia"]
chars = sorted(list(set("".join(words))))
stoi = {s: i + 1 for i, s in enumerate(chars)}
stoi["."] = 0
V = len(stoi)
N = torch.zeros((V, V), dtype=torch.int32)
for w in words:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        N[stoi[ch1], stoi[ch2]] += 1
P = (N + 1).double()
P /= P.sum(1, keepdims=True)
log.append(P)
xs, ys = [], []
log_likelihood = 0.0
for w in words:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        log_likelihood += torch.log(P[stoi[ch1], stoi[ch2]])
        xs.append(stoi[ch1]); ys.append(stoi[ch2])
log.append(-log_likelihood / len(xs))
xs, ys = torch.tensor(xs), torch.tensor(ys)
num = xs.nelement()
W = normal(V, V)
W.requires_grad_()
for k in range(20):
    xenc = F.one_hot(xs, num_classes=V).double()
    logits = xenc @ W
    counts = logits.exp()
    probs = counts / counts.sum(1, keepdims=True)
    loss = -probs[torch.arange(num), ys].log().mean() + 0.01 * (W**2).mean()
    W.grad = None
    loss.backward()
    W.data += -5 * W.grad
    log.append(loss.item())
log.append(W.data)
""")

program("""
# backpropagation by hand through a batch normalisation
n, V, E, T, H = 16, 9, 4, 3, 12
X = torch.tensor(np.random.default_rng(1).integers(0, V, (n, T)))
Y = torch.tensor(np.random.default_rng(2).integers(0, V, n))
C, W1, b1, W2, b2 = normal(V, E), normal(E * T, H, seed=1), normal(H, seed=2), normal(H, V, seed=3), normal(V, seed=4)
bngain, bnbias = torch.ones((1, H)) * 1.1, torch.zeros((1, H)) + 0.1
parameters = [C, W1, b1, W2, b2, bngain, bnbias]
for p in parameters:
    p.requires_grad = True
log.append(sum(p.nelement() for p in parameters))
emb = C[X]
embcat = emb.view(emb.shape[0], -1)
hprebn = embcat @ W1 + b1
bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
bndiff = hprebn - bnmeani
bndiff2 = bndiff**2
bnvar = 1 / (n - 1) * (bndiff2).sum(0, keepdim=True)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2
logit_maxes = logits.max(1, keepdim=True).values
norm_logits = logits - logit_maxes
counts = norm_logits.exp()
counts_sum = counts.sum(1, keepdims=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
loss = -logprobs[range(n), Y].mean()
for t in [logprobs, probs, counts, counts_sum, counts_sum_inv, norm_logits, logit_maxes, logits, h, hpreact, bnraw,
          bnvar_inv, bnvar, bndiff2, bndiff, hprebn, bnmeani, embcat, emb]:
    t.retain_grad()
loss.backward()
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(n), Y] = -1.0 / n
dprobs = (1.0 / probs) * dlogprobs
dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)
dcounts = counts_sum_inv * dprobs
dcounts_sum = (-(counts_sum**-2)) * dcounts_sum_inv
dcounts += torch.ones_like(counts) * dcounts_sum
dnorm_logits = counts * dcounts
dlogits = dnorm_logits.clone()
dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)
dlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes
dh = dlogits @ W2.T
dC = torch.zeros_like(C)
demb = emb.grad
for k in range(X.shape[0]):
    for j in range(X.shape[1]):
        ix = X[k, j]
        dC[ix] += demb[k, j]
def cmp(s, dt, t):
    log.append([float(torch.allclose(dt, t.grad)), float((dt - t.grad).abs().max().item() < 1e-8)])
cmp("logits", dlogits, logits); cmp("h", dh, h); cmp("C", dC, C); cmp("probs", dprobs, probs)
log += [p.grad for p in parameters] + [loss, hprebn.grad, bnvar.grad, logit_maxes.grad]
""")

program("""
# tensors and data as in the first chapters of a textbook
x = torch.arange(12, dtype=torch.float64)
log += [x.numel(), list(x.shape), x.reshape(3, 4), x.reshape(-1, 4).shape[0]]
X = x.reshape(3, 4)
Y = torch.tensor([[2.0, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]])
log += [torch.cat((X, Y), dim=0), torch.cat((X, Y), dim=1), (X == Y).sum(), X.sum(), X[-1], X[1:3]]
X[1, 2] = 17
X[:2, :] = 12
a, b = torch.arange(3).reshape((3, 1)), torch.arange(2).reshape((1, 2))
log += [X, a + b]
before = id(Y)
Y += X
log.append(float(id(Y) == before))
Z = torch.zeros_like(Y)
Z[:] = X + Y
log += [Z, float(type(X.numpy()) is np.ndarray), torch.tensor([3.5]).item(), int(torch.tensor([3.5]))]
A = torch.arange(20, dtype=torch.float64).reshape(5, 4)
log += [A.T, (A.T == A).sum() if A.shape == A.T.shape else 0, A.sum(axis=0), A.sum(axis=[0, 1]), A.mean(axis=0)]
log += [A.cumsum(axis=0), A / A.sum(axis=1, keepdims=True), torch.mv(A, x[:4]), torch.mm(A, torch.ones(4, 3))]
u = torch.tensor([3.0, -4.0])
log += [torch.norm(u), torch.abs(u).sum(), torch.norm(torch.ones((4, 9))), torch.dot(u, u), A.numel() / len(A)]
x = torch.arange(4.0)
x.requires_grad_(True)
y = 2 * torch.dot(x, x)
y.backward()
log += [x.grad, (x.grad == 4 * x).sum()]
x.grad.zero_()
y = x * x
y.backward(gradient=torch.ones(len(y)))
log.append(x.grad.clone())
x.grad.zero_()
u = (x * x).detach()
(u * x).sum().backward()
log.append(x.grad)
def f(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    if b.sum() > 0:
        c = b
    else:
        c = 100 * b
    return c
a = torch.tensor(0.37, requires_grad=True)
d = f(a)
d.backward()
log += [a.grad, float(a.grad == d / a)]
""")

program("""
# softmax regression from scratch
rng = np.random.default_rng(0)
centres = rng.normal(size=(4, 6)) * 2
labels = torch.tensor(rng.integers(0, 4, 120))
features = torch.tensor(centres[labels.numpy()] + rng.normal(size=(120, 6)))
W = (normal(6, 4) * 0.01).requires_grad_()
b = torch.zeros(4, requires_grad=True)
def softmax(X):
    X_exp = torch.exp(X)
    partition = X_exp.sum(1, keepdims=True)
    return X_exp / partition
def net(X):
    return softmax(torch.matmul(X.reshape((-1, W.shape[0])), W) + b)
def cross_entropy(y_hat, y):
    return -torch.log(y_hat[list(range(len(y_hat))), y])
def accuracy(y_hat, y):
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    cmp = y_hat.type(y.dtype) == y
    return float(cmp.type(y.dtype).sum()) / len(y)
def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
def data_iter(batch_size, features, labels):
    indices = list(range(len(features)))
    for i in range(0, len(features), batch_size):
        batch_indices = torch.tensor(indices[i : min(i + batch_size, len(features))])
        yield features[batch_indices], labels[batch_indices]
for epoch in range(3):
    for X, y in data_iter(32, features, labels):
        l = cross_entropy(net(X), y)
        l.sum().backward()
        sgd([W, b], 0.1, X.shape[0])
    with torch.no_grad():
        log += [accuracy(net(features), labels), cross_entropy(net(features), labels).mean()]
log += [W, b]
""")

program("""
# weight decay and dropout from scratch
def l2_penalty(w):
    return torch.sum(w.pow(2)) / 2
def dropout_layer(X, dropout, mask):
    assert 0 <= dropout <= 1
    if dropout == 1:
        return torch.zeros_like(X)
    if dropout == 0:
        return X
    return mask * X / (1.0 - dropout)
X, y = normal(20, 50), normal(20, 1, seed=1)
mask = (torch.tensor(np.random.default_rng(5).random((20, 8))) > 0.5).float()
net = seeded(nn.Sequential(nn.Linear(50, 8), nn.ReLU(), nn.Linear(8, 1)), 3)
weights = [m.weight for m in net if type(m) == nn.Linear]
biases = [m.bias for m in net if type(m) == nn.Linear]
trainer = torch.optim.SGD([{"params": weights, "weight_decay": 0.3}, {"params": biases}], lr=0.01)
loss = nn.MSELoss(reduction="none")
for epoch in range(15):
    h = dropout_layer(net[1](net[0](X)), 0.5, mask)
    l = loss(net[2](h), y) + 0.1 * l2_penalty(net[2].weight)
    trainer.zero_grad()
    l.mean().backward()
    trainer.step()
    log += [l.detach().mean().item(), torch.linalg.norm(net[0].weight).item()]
log += [dropout_layer(X, 0, None)[0], dropout_layer(X, 1.0, None)[0]]
log.append(sum(p.numel() for p in net.parameters() if p.requires_grad))
""")

program("""
# blitz autograd and networks
a = torch.tensor([2., 3.], requires_grad=True)
b = torch.tensor([6., 4.], requires_grad=True)
Q = 3*a**3 - b**2
external_grad = torch.tensor([1., 1.])
Q.backward(gradient=external_grad)
log += [9*a**2 == a.grad, -2*b == b.grad, a.grad, b.grad]
x, y, z = torch.rand(5, 5), torch.rand(5, 5), torch.rand((5, 5), requires_grad=True)
log += [float((x + y).requires_grad), float((x + z).requires_grad)]
class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(16, 12)
        self.fc2 = nn.Linear(12, 8)
        self.fc3 = nn.Linear(8, 10)
    def forward(self, x):
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x
    def num_flat_features(self, x):
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features
net = seeded(Net())
params = list(net.parameters())
log += [len(params), list(params[0].size())]
input = normal(1, 1, 4, 4)
out = net(input)
net.zero_grad()
out.backward(normal(1, 10, seed=8), retain_graph=True)
log.append(net.fc1.bias.grad.clone())
target = normal(10, seed=9).view(1, -1)
loss = nn.MSELoss()(out, target)
net.zero_grad()
loss.backward()
log += [loss, net.fc1.bias.grad, net.num_flat_features(input)]
learning_rate = 0.01
for f in net.parameters():
    f.data.sub_(f.grad.data * learning_rate)
optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
running_loss = 0.0
for i in range(5):
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(normal(4, 1, 4, 4, seed=i)), torch.tensor([0, 3, 9, 1]))
    loss.backward()
    optimizer.step()
    running_loss += loss.item()
log.append(running_loss)
outputs = net(normal(4, 1, 4, 4))
_, predicted = torch.max(outputs.data, 1)
log += [(predicted == torch.tensor([0, 3, 9, 1])).sum().item(), net.fc3.weight, predicted]
""")

program("""
# notes on how autograd works
x = torch.randn(3, requires_grad=True)
y = x.pow(2)
log.append(float(x.equal(y.grad_fn is not None and x)))
x = torch.tensor([1.0, 0.0, 4.0], requires_grad=True)
y = torch.sqrt(x); y.sum().backward(); log.append(x.grad)
x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
x.abs().sum().backward(); log.append(x.grad)
x = torch.tensor([0.0, 0.0, 5.0], requires_grad=True)
x.max().backward(); log.append(x.grad)
x = torch.tensor([5.0, 0.0, 5.0], requires_grad=True)
x.max().backward(); log.append(x.grad)
x = torch.tensor([5.0, 0.0, 5.0], requires_grad=True)
x.max(0).values.backward(); log.append(x.grad)
x = torch.tensor([3.0, 1.0, 2.0, 2.0], requires_grad=True)
x.median().backward(); log.append(x.grad)
x = torch.tensor([2.0, 2.0], requires_grad=True)
torch.maximum(x, torch.tensor([2.0, 1.0])).sum().backward(); log.append(x.grad)
x = torch.tensor([-0.5, 0.5, 1.5, -1.5], requires_grad=True)
(x.round() + x.floor() * 2 + x.clamp(-0.5, 0.5) * 3).sum().backward(); log.append(x.grad)
x = torch.tensor([1.0, -2.0], requires_grad=True)
with torch.no_grad():
    y = x * 2
log.append(float(y.requires_grad))
with torch.set_grad_enabled(False):
    log.append(float((x * 2).requires_grad))
@torch.no_grad()
def doubler(x):
    return x * 2
log.append(float(doubler(x).requires_grad))
with torch.no_grad():
    with torch.enable_grad():
        y = x * 2
y.sum().backward()
log.append(x.grad)
refused = []
def attempt(f):
    try:
        f()
        refused.append(0.0)
    except RuntimeError:
        refused.append(1.0)
a = torch.ones(3, requires_grad=True)
attempt(lambda: a.add_(1))
b = a * 2
c = b.exp()
b.add_(1)
attempt(lambda: c.sum().backward())
b = a * 2
c = b.exp()
c.add_(1)
attempt(lambda: c.sum().backward())
b = a * 2
c = b * b
b.mul_(3)
attempt(lambda: c.sum().backward())
d = (a * a).sum()
d.backward()
attempt(lambda: d.backward())
attempt(lambda: (a * 2).backward())
attempt(lambda: torch.ones(2).sum().backward())
attempt(lambda: a.detach().sum().backward())
attempt(lambda: torch.tensor([1, 2], requires_grad=True))
attempt(lambda: setattr(a * 1, "requires_grad", False))
attempt(lambda: (a * 1).detach().requires_grad_().sum().backward())
attempt(lambda: torch.autograd.grad((a * 1).sum(), torch.ones(3, requires_grad=True)))
attempt(lambda: a[0].fill_(3))
attempt(lambda: torch.ones(2, 3) @ torch.ones(2, 3))
attempt(lambda: torch.ones(2) + torch.ones(3))
attempt(lambda: torch.ones(4).view(3))
log += refused
""")

program("""
# functions of one's own
from torch.autograd import Function
class Exp(Function):
    @staticmethod
    def forward(ctx, i):
        result = i.exp()
        ctx.save_for_backward(result)
        return result
    @staticmethod
    def backward(ctx, grad_output):
        result, = ctx.saved_tensors
        return grad_output * result
class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output
    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias
class MulConstant(Function):
    @staticmethod
    def forward(tensor, constant):
        return tensor * constant
    @staticmethod
    def setup_context(ctx, inputs, output):
        tensor, constant = inputs
        ctx.constant = constant
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.constant, None
class Straight(Function):
    @staticmethod
    def forward(ctx, x):
        return x.sign()
    @staticmethod
    def backward(ctx, g):
        return F.hardtanh(g)
class Two(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y, x + y
    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y + h, g * x + h
class Sorted(Function):
    @staticmethod
    def forward(ctx, x):
        values, idx = x.sort()
        ctx.mark_non_differentiable(idx)
        ctx.save_for_backward(idx)
        return values, idx
    @staticmethod
    def backward(ctx, g1, g2):
        idx, = ctx.saved_tensors
        grad = torch.zeros_like(g1)
        grad.index_add_(0, idx, g1)
        return grad
x = normal(4); x.requires_grad = True
y = Exp.apply(x)
g, = torch.autograd.grad(y.sum(), x, create_graph=True)
h, = torch.autograd.grad((g * g).sum(), x)
log += [y, g, h]
w, b, inp = normal(3, 4, seed=1).requires_grad_(), normal(3, seed=2).requires_grad_(), normal(5, 4, seed=3)
LinearFunction.apply(inp, w, b).pow(2).sum().backward()
log += [w.grad, b.grad]
log.append(bool(torch.autograd.gradcheck(LinearFunction.apply, (normal(2, 4).requires_grad_(), w, b), eps=1e-6, atol=1e-4)))
z = MulConstant.apply(x, 5.5); z.sum().backward(); log.append(x.grad.clone()); x.grad = None
Straight.apply(x).mul(torch.tensor([0.5, 2, -3, 1.0])).sum().backward(); log.append(x.grad.clone()); x.grad = None
p, q = Two.apply(x, x * 2)
(p * q).sum().backward(); log.append(x.grad.clone()); x.grad = None
v, i = Sorted.apply(x)
(v * torch.arange(4.0)).sum().backward(); log += [i, x.grad, float(i.requires_grad)]
""")

program("""
# critics with a penalty on the gradient
D = seeded(nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)))
G = seeded(nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2)), 1)
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
one = torch.tensor(1, dtype=torch.float64)
mone = one * -1
def calc_gradient_penalty(netD, real_data, fake_data, alpha):
    alpha = alpha.expand(real_data.size())
    interpolates = alpha * real_data + ((1 - alpha) * fake_data)
    interpolates = torch.autograd.Variable(interpolates, requires_grad=True)
    disc_interpolates = netD(interpolates)
    gradients = torch.autograd.grad(outputs=disc_interpolates, inputs=interpolates,
                                    grad_outputs=torch.ones(disc_interpolates.size()),
                                    create_graph=True, retain_graph=True, only_inputs=True)[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * 10
for it in range(4):
    for p in D.parameters():
        p.requires_grad = True
    for k in range(2):
        real, noise = normal(8, 2, seed=10 * it + k) + 2, normal(8, 3, seed=100 + 10 * it + k)
        D.zero_grad()
        D_real = D(real).mean()
        D_real.backward(mone)
        fake = G(noise).data
        D_fake = D(fake).mean()
        D_fake.backward(one)
        gp = calc_gradient_penalty(D, real.data, fake, torch.tensor(np.random.default_rng(k).random((8, 1))))
        gp.backward()
        opt_d.step()
        log += [(D_fake - D_real + gp).item(), gp.item()]
    for p in D.parameters():
        p.requires_grad = False
    G.zero_grad()
    loss = D(G(normal(8, 3, seed=it))).mean()
    loss.backward(mone)
    opt_g.step()
    log.append(loss.item())
log += [list(D.parameters()), list(G.parameters())]
""")

program("""
# learning to learn, with gradients through the inner steps
from collections import OrderedDict
def forward(x, params):
    h = F.linear(x, params["w1"], params["b1"])
    h = F.relu(h)
    return F.linear(h, params["w2"], params["b2"])
meta = OrderedDict(w1=normal(10, 1), b1=normal(10, seed=1), w2=normal(1, 10, seed=2), b2=normal(1, seed=3))
for p in meta.values():
    p.requires_grad_(True)
meta_optimizer = torch.optim.Adam(list(meta.values()), lr=1e-2)
for it in range(6):
    meta_loss = 0
    for task in range(3):
        amplitude, phase = 1 + 0.5 * task, 0.7 * task
        xs = torch.linspace(-3, 3, 10).unsqueeze(1)
        ys = amplitude * torch.sin(xs + phase)
        fast = meta
        for inner in range(2):
            loss = F.mse_loss(forward(xs[::2], fast), ys[::2])
            grads = torch.autograd.grad(loss, fast.values(), create_graph=True)
            fast = OrderedDict((name, p - 0.01 * g) for (name, p), g in zip(fast.items(), grads))
        meta_loss = meta_loss + F.mse_loss(forward(xs[1::2], fast), ys[1::2])
    meta_optimizer.zero_grad()
    meta_loss.backward()
    meta_optimizer.step()
    log.append(meta_loss.item())
log += list(meta.values())
""")

program("""
# a recurrent network of characters by hand
text = "hello world, hello there"
chars = sorted(set(text))
ix = {c: i for i, c in enumerate(chars)}
V, H = len(chars), 12
Wxh, Whh, Why = (normal(H, V) * 0.1), (normal(H, H, seed=1) * 0.1), (normal(V, H, seed=2) * 0.1)
bh, by = torch.zeros(H, 1), torch.zeros(V, 1)
params = [Wxh, Whh, Why, bh, by]
mem = [torch.zeros_like(p) for p in params]
for p in params:
    p.requires_grad_()
hprev = torch.zeros(H, 1)
for n in range(12):
    i = (n * 6) % (len(text) - 7)
    hs, loss = hprev, 0
    for t in range(6):
        x = torch.zeros(V, 1)
        x[ix[text[i + t]]] = 1
        hs = torch.tanh(Wxh @ x + Whh @ hs + bh)
        y = Why @ hs + by
        p = torch.exp(y) / torch.sum(torch.exp(y))
        loss += -torch.log(p[ix[text[i + t + 1]], 0])
    loss.backward()
    for param, m in zip(params, mem):
        dparam = param.grad.clamp(-5, 5)
        m += dparam * dparam
        param.data += -0.1 * dparam / torch.sqrt(m + 1e-8)
        param.grad = None
    hprev = hs.detach_()
    log.append(loss.item())
log += params + [hprev, float(hprev.is_leaf)]
""")

program("""
# newton's method with the hessian
from torch.autograd.functional import hessian, jacobian, hvp, vjp, jvp
def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
p = torch.tensor([-1.2, 1.0])
for k in range(7):
    g = jacobian(rosenbrock, p)
    H = hessian(rosenbrock, p)
    step = torch.linalg.solve(H, g)
    t = 1.0
    while rosenbrock(p - t * step) > rosenbrock(p) - 1e-4 * t * g.dot(step) and t > 1e-6:
        t /= 2
    p = p - t * step
    log += [p, rosenbrock(p), torch.linalg.eigvalsh(H)]
def two(a, b):
    return (a.exp() @ b, (a * b).sum())
a, b = normal(3), normal(3, seed=1)
J = jacobian(two, (a, b))
log += [J[0][0], J[0][1], J[1][0], J[1][1]]
H = hessian(lambda a, b: (a.exp() * b).sum() ** 2, (a, b))
log += [H[0][0], H[0][1], H[1][0], H[1][1]]
value, product = hvp(lambda x: (x**3).sum() * x.prod(), a, b)
log += [value, product]
out, vj = vjp(lambda x: x.exp(), a, b)
out2, jv = jvp(lambda x: x.exp() * x.sum(), a, b)
log += [out, vj, out2, jv]
log.append(jacobian(lambda x: x.sin(), a, create_graph=True))
""")

program("""
# logistic regression by iterated least squares and by closures
rng = np.random.default_rng(0)
X = torch.tensor(np.hstack([np.ones((40, 1)), rng.normal(size=(40, 2))]))
t = (X @ torch.tensor([0.3, 2.0, -1.0]) + torch.tensor(rng.logistic(size=40)) > 0).double()
w = torch.zeros(3, dtype=torch.float64)
for k in range(6):
    mu = torch.sigmoid(X @ w)
    S = torch.diag(mu * (1 - mu))
    w = w + torch.linalg.solve(X.T @ S @ X, X.T @ (t - mu))
    log.append(w)
v = torch.zeros(3, requires_grad=True)
optimizer = torch.optim.LBFGS([v], lr=1, max_iter=20, line_search_fn="strong_wolfe")
calls = 0
def closure():
    global calls
    calls += 1
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(X @ v, t)
    loss.backward()
    return loss
for k in range(3):
    log.append(optimizer.step(closure).item())
log += [float((v - w).abs().max() < 1e-4)]
u = torch.zeros(3, requires_grad=True)
sgd = torch.optim.SGD([u], lr=0.5, momentum=0.9, nesterov=True)
for k in range(10):
    def closure():
        sgd.zero_grad(set_to_none=False)
        loss = -(t * F.logsigmoid(X @ u) + (1 - t) * F.logsigmoid(-(X @ u))).mean()
        loss.backward()
        return loss
    log.append(sgd.step(closure).item())
log.append(u)
""")

program("""
# gaussian processes and their hyperparameters
X = torch.linspace(0, 1, 12)
y = torch.sin(6 * X) + 0.1 * normal(12)
log_l, log_s, log_n = (torch.tensor(v, requires_grad=True) for v in (-1.0, 0.0, -2.0))
opt = torch.optim.Adam([log_l, log_s, log_n], lr=0.05)
def kernel(a, b):
    d = (a[:, None] - b[None, :]) ** 2
    return log_s.exp() * torch.exp(-0.5 * d / log_l.exp() ** 2)
for k in range(15):
    opt.zero_grad()
    K = kernel(X, X) + log_n.exp() * torch.eye(12)
    L = torch.linalg.cholesky(K)
    alpha = torch.linalg.solve(K, y)
    nll = 0.5 * y @ alpha + torch.log(torch.diagonal(L)).sum() + 6 * np.log(2 * np.pi)
    nll.backward()
    opt.step()
    log += [nll.item(), log_l.item(), torch.logdet(K).item(), torch.slogdet(K)[1].item()]
with torch.no_grad():
    Xs = torch.linspace(0, 1, 5)
    Ks = kernel(X, Xs)
    K = kernel(X, X) + log_n.exp() * torch.eye(12)
    mean = Ks.T @ torch.linalg.inv(K) @ y
    cov = kernel(Xs, Xs) - Ks.T @ torch.linalg.solve(K, Ks)
    log += [mean, cov.diagonal(), torch.trace(cov), cov.diagonal().sqrt().quantile(0.5)]
""")

program("""
# attention in a small language model
torch.manual_seed(0)
B, T, C, nh = 2, 5, 12, 3
class Head(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(C, n, bias=False) for _ in range(3))
        self.register_buffer("tril", torch.tril(torch.ones(T, T)))
    def forward(self, x):
        B, T, C = x.shape
        k, q = self.key(x), self.query(x)
        wei = q @ k.transpose(-2, -1) * C**-0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = F.softmax(wei, dim=-1)
        return wei @ self.value(x)
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList([Head(C // nh) for _ in range(nh)])
        self.proj = nn.Linear(C, C)
        self.ffwd = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C), nn.Dropout(0.0))
        self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
    def forward(self, x):
        x = x + self.proj(torch.cat([h(self.ln1(x)) for h in self.heads], dim=-1))
        return x + self.ffwd(self.ln2(x))
class Model(nn.Module):
    def __init__(self, V=11):
        super().__init__()
        self.tok, self.pos = nn.Embedding(V, C), nn.Embedding(T, C)
        self.blocks = nn.Sequential(*[Block() for _ in range(2)])
        self.head = nn.Linear(C, V)
    def forward(self, idx, targets=None):
        B, T = idx.shape
        x = self.tok(idx) + self.pos(torch.arange(T))
        logits = self.head(self.blocks(x))
        if targets is None:
            return logits, None
        B, T, V = logits.shape
        return logits, F.cross_entropy(logits.view(B * T, V), targets.view(B * T))
model = seeded(Model(), scale=0.2)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
idx = torch.tensor(np.random.default_rng(0).integers(0, 11, (B, T)))
for k in range(8):
    logits, loss = model(idx, idx.roll(-1, 1))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    log.append(loss.item())
context = torch.zeros((1, 1), dtype=torch.long)
model.eval()
for _ in range(6):
    with torch.no_grad():
        logits, _ = model(context[:, -T:])
    nxt = torch.argmax(F.softmax(logits[:, -1, :], dim=-1), dim=-1, keepdim=True)
    context = torch.cat((context, nxt), dim=1)
log += [context, logits, sum(p.numel() for p in model.parameters())]
""")

program("""
# second derivatives in every direction
x = torch.tensor(1.3, requires_grad=True)
y = torch.sin(x) * torch.exp(-x) + x**4
for k in range(5):
    y, = torch.autograd.grad(y, x, create_graph=True)
    log.append(y.item())
x = normal(4).requires_grad_()
f = (x.prod() + (x**3).sum() + torch.logsumexp(x, 0)) * x.std() / x.var(unbiased=False)
g = torch.autograd.grad(f, x, create_graph=True)[0]
H = torch.stack([torch.autograd.grad(gi, x, retain_graph=True)[0] for gi in g])
log += [f, g, H, float(torch.allclose(H, H.T))]
v = torch.ones(4, requires_grad=True)
u = normal(4, seed=2)
g = torch.autograd.grad((x.tanh() ** 2).sum(), x, grad_outputs=None, create_graph=True)[0]
Jtv = torch.autograd.grad(g, x, v, create_graph=True)[0]
jvp = torch.autograd.grad(Jtv, v, u, allow_unused=True)[0]
log += [Jtv, jvp]
a = normal(3, 3, seed=3).requires_grad_()
g1, = torch.autograd.grad(torch.det(a @ a.T + torch.eye(3)), a, create_graph=True)
g2, = torch.autograd.grad(torch.inverse(a @ a.T + torch.eye(3)).norm(), a, create_graph=True)
g3, = torch.autograd.grad(g1.sum() * g2.pow(2).sum(), a)
log += [g1, g2, g3]
z = normal(5, seed=4).requires_grad_()
(gz,) = torch.autograd.grad(F.cross_entropy(z[None], torch.tensor([2])), z, create_graph=True)
(hz,) = torch.autograd.grad(gz[0] + gz[2] * 3, z)
log += [gz, hz]
x = torch.tensor([1.0, 2.0], requires_grad=True)
unused = torch.tensor([1.0], requires_grad=True)
log.append([0.0 if t is None else t.sum() for t in torch.autograd.grad(x.sum(), [x, unused], allow_unused=True)])
y = (x ** 2).sum()
y.backward(create_graph=True)
first = x.grad
x.grad = None
(first ** 2).sum().backward()
log += [first, x.grad]
""")

program("""
# hooks and gradients that are changed on their way
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
seen = []
h = x.register_hook(lambda grad: grad * 2)
y = x * 3
k = y.register_hook(lambda grad: seen.append(grad.clone()))
y.retain_grad()
z = (y ** 2).sum()
z.backward(retain_graph=True)
log += [x.grad.clone(), y.grad.clone(), seen[0]]
h.remove(); k.remove()
x.grad = None
z.backward()
log += [x.grad, len(seen)]
model = seeded(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
acts, grads = {}, {}
model[1].register_forward_hook(lambda m, i, o: acts.update(a=o.detach()))
model[0].weight.register_hook(lambda g: grads.update(w=g.clone()) or g.clamp(-0.1, 0.1))
model(x.detach()).sum().backward()
log += [acts["a"], grads["w"], model[0].weight.grad]
for p in model.parameters():
    p.register_hook(lambda grad: torch.clamp(grad, -0.01, 0.01))
model.zero_grad()
model(x.detach()[None]).pow(2).mean().backward()
log += [p.grad for p in model.parameters()]
def reversal(x, lam):
    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x)
        @staticmethod
        def backward(ctx, g):
            return g.neg() * lam
    return Reverse.apply(x)
w = torch.ones(3, requires_grad=True)
(reversal(w * 2, 0.5) * torch.arange(3.0)).sum().backward()
log.append(w.grad)
log += [float(w.grad_fn is None), float((w * 2).grad_fn.next_functions[0][0] is not None)]
""")

program("""
# views, strides and writing in place
x = torch.arange(24.0).reshape(2, 3, 4)
log += [x.stride(), x.transpose(0, 2).stride(), float(x.is_contiguous()), float(x.permute(2, 0, 1).is_contiguous())]
log.append(float(x.view(6, 4).data_ptr() == x.data_ptr()))
y = x.view(-1)
y[0] = 99
log.append(x[0, 0, 0])
base = torch.zeros(3, 3, requires_grad=True)
t = base + 0
t[0] = 1.0
t[:, 1] += 2
t[t > 1.5] *= 3
t[[0, 2], [1, 2]] = torch.tensor([7.0, 8.0])
t.diagonal().add_(0.5)
t[1:, 1:].mul_(2)
(t ** 2).sum().backward()
log += [t, base.grad]
w = torch.ones(4, requires_grad=True)
u = w * 2
v = u[1:3]
v.mul_(u[0].clone())
u[0] = 5
(u * torch.arange(4.0)).sum().backward()
log += [u, v, w.grad]
a = torch.ones(2, 3, requires_grad=True)
b = a.clone()
b.unsqueeze_(0).squeeze_(0).t_().transpose_(0, 1)
b.masked_fill_(torch.tensor([[True, False, False], [False, True, False]]), 4)
b.index_fill_(1, torch.tensor([2]), -1.0).clamp_(max=3)
b.neg_().mul_(-0.5).add_(1.5)
b.sum().backward()
log += [b, a.grad]
c = torch.zeros(5).scatter_(0, torch.tensor([1, 3]), torch.tensor([2.0, 4.0]))
c.index_add_(0, torch.tensor([0, 0]), torch.tensor([1.0, 1.0])).index_copy_(0, torch.tensor([4]), torch.tensor([9.0]))
c.index_put_((torch.tensor([2, 2]),), torch.tensor([1.0, 5.0]), accumulate=True)
log.append(c)
e = torch.eye(3)
e.fill_diagonal_(3).triu_().cumsum_(1)
log += [e, e.flip(0), e.rot90(), torch.block_diag(e, torch.ones(1, 2)), e.unfold(1, 2, 1)]
d = torch.arange(6).view(2, 3)
log += [d.T.reshape(-1), d.expand(2, 2, 3), d.repeat(1, 2), d.tile(2), d.repeat_interleave(2, dim=1), d.roll(1, 1)]
log += [torch.stack(torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")), d.unbind(1)[2], d.chunk(2)[1]]
""")

program("""
# statistics, orders and selections
x = normal(4, 5)
log += [x.mean(), x.mean(1), x.var(), x.var(0, unbiased=False), x.std(1, keepdim=True), torch.median(x), x.median(1)]
log += [x.sort(descending=True), x.argsort(1), x.topk(2), x.topk(2, 0, largest=False), x.kthvalue(3), x.cummax(1)]
log += [torch.quantile(x, torch.tensor([0.25, 0.5, 0.75]), dim=1), x.quantile(0.9), x.norm(1), x.norm(float("inf"))]
log += [x.argmax(), x.argmin(1), x.max(1), x.amax((0, 1)), x.aminmax(), x.logsumexp(1), x.prod(0), x.cumprod(1)]
log += [torch.where(x > 0), x[x > 0], x.nonzero(), torch.masked_select(x, x < 0), x.gather(1, x.argsort(1))]
log += [torch.bincount(torch.tensor([1, 2, 2])), torch.histc(x, 4, -2, 2), torch.unique(torch.tensor([3, 1, 3]))]
log += [torch.cov(x), torch.corrcoef(x), torch.cdist(x, x[:2]), torch.trapezoid(x, dx=0.1), x.diff(dim=0)]
log += [torch.allclose(x, x + 1e-9), torch.equal(x, x), torch.isclose(x, x.round(decimals=1), atol=0.05)]
log += [x.clamp(-1, 1), x.clamp(min=torch.zeros(5)), x.sign(), x.frac(), x.fmod(0.3), x.remainder(0.3), x // 0.3, -x % 2]
log += [torch.lerp(x, x * 2, 0.3), torch.addcmul(x, x, x, value=2), torch.addcdiv(x, x, x + 9, value=-1), torch.hypot(x, x)]
i = torch.tensor([[7, -7], [6, -3]])
log += [i // 2, i % 3, torch.div(i, 2, rounding_mode="trunc"), torch.div(i, 2, rounding_mode="floor"), i / 2, i ** 2]
log += [i.float().mean(), i.sum(), i.double().std(), (i > 0).sum(), (i > 0).any(1), (i > 0).all(), ~(i > 0), i & 3, i | 1]
log += [torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0])), torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([2, 3]))]
log += [torch.einsum("ij,kj->ik", x, x), torch.einsum("ij->j", x), torch.einsum("ii", x[:, :4]), torch.tensordot(x, x.T, 1)]
log += [torch.outer(x[0], x[1]), torch.kron(torch.eye(2), x[:1]), torch.linalg.norm(x[0]), torch.linalg.vector_norm(x, 3)]
log += [torch.tril(x), torch.triu(x, 1), torch.diag(x[0]), x.diagonal(1), torch.trace(x[:, :4]), torch.vander(x[0], 3)]
log += [torch.logspace(0, 2, 3), torch.full((2,), 3.0), torch.eye(2, 3), torch.arange(1, 2, 0.25), torch.linspace(0, 1, 3)]
log += [F.pad(x, (1, 2)), F.pad(x, (0, 0, 1, 1), value=3.0), F.normalize(x), F.cosine_similarity(x, x + 1), F.softmin(x, 1) if hasattr(F, "softmin") else F.softmax(-x, 1)]
log += [torch.atan2(x, x + 1), torch.expm1(x), torch.log1p(x.abs()), torch.erf(x), torch.lgamma(x.abs() + 1), torch.xlogy(x.abs(), x.abs())]
""")

program("""
# mixtures by expectation and maximisation, and by gradients
rng = np.random.default_rng(0)
data = torch.tensor(np.concatenate([rng.normal(-2, 0.5, 30), rng.normal(1, 1.0, 40)]))
pi, mu, sigma = torch.tensor([0.5, 0.5]), torch.tensor([-1.0, 0.5]), torch.tensor([1.0, 1.0])
def log_density(mu, sigma):
    return -0.5 * ((data[:, None] - mu) / sigma) ** 2 - sigma.log() - 0.5 * np.log(2 * np.pi)
for k in range(8):
    joint = pi.log() + log_density(mu, sigma)
    resp = (joint - joint.logsumexp(1, keepdim=True)).exp()
    N = resp.sum(0)
    mu = (resp * data[:, None]).sum(0) / N
    sigma = ((resp * (data[:, None] - mu) ** 2).sum(0) / N).sqrt()
    pi = N / len(data)
    log += [joint.logsumexp(1).sum(), mu, sigma, pi]
a, m, s = torch.zeros(2, requires_grad=True), torch.tensor([-1.0, 0.5], requires_grad=True), torch.zeros(2, requires_grad=True)
opt = torch.optim.RMSprop([a, m, s], lr=0.05)
sched = torch.optim.lr_scheduler.StepLR(opt, step_size=5, gamma=0.5)
for k in range(15):
    loss = -torch.logsumexp(F.log_softmax(a, 0) + log_density(m, F.softplus(s)), 1).mean()
    opt.zero_grad(); loss.backward(); opt.step(); sched.step()
    log.append(loss.item())
log += [a, m, s, sched.get_last_lr()]
""")

program("""
# fitting an ordinary differential equation
theta = torch.tensor([0.8, 0.3], requires_grad=True)
def rk4(f, y, h):
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
def simulate(theta):
    y, path = torch.tensor([1.0, 0.5]), []
    for _ in range(20):
        y = rk4(lambda y: torch.stack([theta[0] * y[0] - y[0] * y[1], theta[1] * y[0] * y[1] - y[1]]), y, 0.1)
        path.append(y)
    return torch.stack(path)
with torch.no_grad():
    target = simulate(torch.tensor([1.1, 0.5]))
optimizer = torch.optim.Adagrad([theta], lr=0.3)
for k in range(10):
    loss = ((simulate(theta) - target) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log += [loss.item(), theta.detach().clone()]
""")

program("""
# an energy that flows along its gradient
x = torch.tensor([2.0, 1.0], requires_grad=True)
v = torch.zeros(2)
def energy(x):
    return 0.5 * x[0] ** 2 + 2.0 * x[1] ** 2 + torch.cos(3 * x[0]) * 0.2
for k in range(25):
    g, = torch.autograd.grad(energy(x), [x])
    with torch.no_grad():
        v.mul_(0.9).sub_(g, alpha=0.1)
        x.add_(v)
    log.append([energy(x).item(), v.norm().item()])
log += [x.tolist(), x.data.clone(), x.detach().numpy(), float(x.requires_grad)]
copy = x.detach().clone().requires_grad_(True)
lr, history = 0.1, []
for k in range(5):
    loss = energy(copy)
    loss.backward()
    with torch.no_grad():
        copy -= lr * copy.grad
    copy.grad = None
    history.append(copy.detach().clone())
log.append(torch.stack(history))
new = torch.tensor(copy.tolist(), requires_grad=True)
s = new[0] * new[1]
s.backward()
log += [new.grad, float(s), f"{s:.3f}".count("."), int(s * 0 + 2), round(s.item(), 3), max(new).item(), sum(new).item()]
""")

program("""
# self normalising layers and every activation
x = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
acts = [nn.ReLU(), nn.LeakyReLU(0.1), nn.ELU(0.5), nn.SELU(), nn.CELU(1.3), nn.GELU(), nn.GELU(approximate="tanh"),
        nn.SiLU(), nn.Mish(), nn.Softplus(2.0), nn.Softsign(), nn.Tanh(), nn.Sigmoid(), nn.LogSigmoid(), nn.Hardtanh(),
        nn.ReLU6(), nn.Softmax(dim=0), nn.LogSoftmax(dim=0), nn.Identity(), nn.PReLU()]
for act in acts:
    y = act(x)
    g, = torch.autograd.grad((y * torch.cos(x)).sum(), x, create_graph=True)
    h, = torch.autograd.grad((g * g).sum(), x, allow_unused=True)
    log += [y, g, h]
losses = [nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(delta=0.7), nn.KLDivLoss(reduction="batchmean"),
          nn.BCEWithLogitsLoss(), nn.GaussianNLLLoss()]
p, t = normal(6, 3).requires_grad_(), torch.softmax(normal(6, 3, seed=1), 1)
for loss in losses:
    l = loss(p, t, torch.ones(6, 3) * 0.5) if isinstance(loss, nn.GaussianNLLLoss) else loss(p, t)
    log += [l, torch.autograd.grad(l, p)[0]]
c = torch.tensor([0, 1, 2, 1, 0, 2])
for kw in ({}, {"weight": torch.tensor([1.0, 2, 3])}, {"ignore_index": 1}, {"label_smoothing": 0.1}, {"reduction": "sum"}):
    l = F.cross_entropy(p, c, **kw)
    log += [l, torch.autograd.grad(l, p)[0]]
l = F.nll_loss(F.log_softmax(p, 1), c) + F.binary_cross_entropy(torch.sigmoid(p), t) + F.cross_entropy(p, t)
log += [l, torch.autograd.grad(l, p)[0]]
""")

program("""
# numbers of every kind
a = torch.tensor([1, 2, 3])
b = torch.tensor([0.5, 1.5, 2.5])
log += [a + b, a * 2.5, a / 2, a // 2, 2 ** a, b ** 2, -a, abs(-a), a > 1, (a > 1) * b, a.dtype == torch.int64, b.dtype == torch.float64]
log += [torch.tensor([True, False]).sum(), torch.tensor([1.9, -1.9]).long(), torch.tensor([0, 2]).bool(), b.int(), b.float().double()]
log += [torch.ones(2, dtype=torch.float32).dtype == torch.float32, (torch.ones(2, dtype=torch.float32) + 1.0).dtype == torch.float32]
log += [torch.finfo(torch.float32).eps, torch.iinfo(torch.int8).max, torch.finfo(torch.float64).tiny, torch.pi, torch.inf > 1e9]
log += [torch.zeros(0).sum(), torch.ones(0).prod(), torch.zeros(2, 0).shape[1], torch.tensor(5).shape == torch.Size([]), len(torch.zeros(3))]
log += [torch.mul(input=a, other=2), torch.pow(a, exponent=2), a.add(other=b), torch.sum(input=b, dim=0), torch.exp(input=b), b.sub(b, alpha=0.5)]
log += [torch.is_tensor(a), torch.is_floating_point(b), b.is_floating_point(), torch.numel(a), a.element_size(), a.ndim, a.dim(), list(a.size())]
log += [x for x in a] + [float(x) for x in b] + [a.tolist(), b.numpy(), torch.from_numpy(np.arange(3)), torch.as_tensor([1, 2]), torch.asarray([1.0])]
log += [2 in a, a.max() == 3, bool(a.any()), int(a[0]), [10, 20, 30][a[1] - 1], np.arange(5)[a], range(5)[a[2]]]
log += [torch.tensor(3.7).floor(), torch.tensor(-3.7).trunc(), torch.tensor(2.5).round(), torch.tensor(0.1) + 0.2, torch.tensor(7) % 4]
log += [a.new_zeros(2), b.new_ones(2, 2), b.new_tensor([1, 2]), b.new_full((2,), 7.0), torch.zeros_like(b), torch.full_like(b, 2.0)]
log += [1 - b, 1 / b, 3 % a, 7 // a, 2.0 ** b, 1 > b, np.float64(2.0) * b, np.array([1.0, 2.0, 3.0]) @ b.numpy()]
log += [(b + float("nan")).isnan(), (b / 0).isinf(), torch.nan_to_num(b / 0), b.isfinite().all(), torch.tensor([float("nan"), 1.0]).nansum()]
log += [torch.broadcast_shapes((3, 1), (1, 4)), torch.cat([a, b]), torch.stack([b, b], -1), torch.hstack([b, b]), torch.vstack([b, b])]
""")


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_same_numbers(name, tmp_path):
    source = PRELUDE + PROGRAMS[name]
    theirs = run(source, tmp_path, f"{name} (torch)")
    ours = run(translated(source), tmp_path, f"{name} (microtrain)")
    assert len(ours) == len(theirs) > 5
    for k, (mine, reference) in enumerate(zip(ours, theirs, strict=True)):
        a, b = flat(mine), flat(reference)
        assert a.shape == b.shape, k
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=f"entry {k} of the log")


def test_there_are_enough_of_them():
    assert len(PROGRAMS) >= 25
