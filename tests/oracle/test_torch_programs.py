"""Programs as learners write them for PyTorch: the same source, with only its imports changed, runs here.

Each program is text. It is run twice, by PyTorch as it stands and by microtrain with `torch` replaced in its import
lines, and must report the same numbers. Weights and data come from NumPy seeds, so both start from the same.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import microtrain as mt

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

PRELUDE = '''
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
log = []


def seeded(model, seed=0, scale=0.5):
    """Fill the parameters with the same numbers, whatever the library draws."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.tensor(rng.normal(size=tuple(p.shape)) * scale))
    return model


def normal(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def moons(n, seed=0):
    rng = np.random.default_rng(seed)
    t = np.pi * rng.random(n)
    which = np.arange(n) % 2
    x = np.where(which, 1 - np.cos(t), np.cos(t))
    y = np.where(which, 0.5 - np.sin(t), np.sin(t))
    return np.stack([x, y], 1) + 0.1 * rng.normal(size=(n, 2)), which
'''

PROGRAMS = {}


def program(source):
    name, _, text = source.strip().partition("\n")
    PROGRAMS[name.strip("# ").replace(" ", "_")] = text


def translated(source):
    """The source with `torch` replaced in its import lines, and nowhere else."""
    source = re.sub(r"^(\s*)import torch$", r"\1import microtrain as torch", source, flags=re.M)
    return re.sub(r"^(\s*(?:import|from)) torch\b", r"\1 microtrain", source, flags=re.M)


def run(source, path, name):
    namespace = {"__name__": "program", "path": str(path)}
    exec(compile(source, name, "exec"), namespace)
    return namespace["log"]


@pytest.fixture(autouse=True)
def restore_defaults():
    yield
    torch.set_default_dtype(torch.float32)
    mt.set_default_dtype(mt.float64)


def flat(value):
    """Numbers of tensors, lists and numbers, as one array."""
    if isinstance(value, (list, tuple)):
        return np.concatenate([flat(v) for v in value]) if value else np.zeros(0)
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    return np.asarray(value, dtype=float).reshape(-1)


program("""
# linear regression by hand
x = normal(50, 3)
true_w = torch.tensor([1.0, -2.0, 3.0])
y = x @ true_w + 0.5 + 0.1 * normal(50, seed=1)
w = torch.zeros(3, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr = 0.1
for step in range(100):
    pred = x @ w + b
    loss = ((pred - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
        b -= lr * b.grad
        w.grad.zero_()
        b.grad.zero_()
    log.append(loss.item())
assert torch.allclose(w, true_w, atol=0.1)
log += [w, b]
""")

program("""
# updates through data
x, y = normal(30, 2), normal(30, 1, seed=1)
w1 = torch.tensor(np.random.default_rng(2).normal(size=(2, 8)), requires_grad=True)
w2 = torch.tensor(np.random.default_rng(3).normal(size=(8, 1)), requires_grad=True)
for t in range(60):
    y_pred = x.mm(w1).clamp(min=0).mm(w2)
    loss = (y_pred - y).pow(2).sum()
    if t % 10 == 9:
        log.append(loss.item())
    loss.backward()
    w1.data -= 1e-3 * w1.grad.data
    w2.data.sub_(1e-3 * w2.grad.data)
    w1.grad.data.zero_()
    w2.grad = None
log += [w1, w2]
""")

program("""
# fitting a sine with a polynomial
import math
x = torch.linspace(-math.pi, math.pi, 200)
y = torch.sin(x)
p = torch.tensor([1, 2, 3])
xx = x.unsqueeze(-1).pow(p)
assert xx.shape == torch.Size([200, 3])
model = seeded(nn.Sequential(nn.Linear(3, 1), nn.Flatten(0, 1)))
loss_fn = nn.MSELoss(reduction="sum")
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for t in range(100):
    y_pred = model(xx)
    loss = loss_fn(y_pred, y)
    log.append(loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
linear_layer = model[0]
log += [linear_layer.bias.item(), linear_layer.weight[:, 0].item()]
""")

program("""
# a function with its own derivative
class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input ** 3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input ** 2 - 1)


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, slope):
        ctx.save_for_backward(input)
        ctx.slope = slope
        return input.clamp(min=0) + slope * input.clamp(max=0)

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] *= ctx.slope
        assert ctx.needs_input_grad == (True, False)
        return grad_input, None


x = torch.linspace(-3.14, 3.14, 100)
y = torch.sin(x)
a, b, c, d = (torch.full((), v, requires_grad=True) for v in (0.0, -1.0, 0.0, 0.3))
P3 = LegendrePolynomial3.apply
for t in range(200):
    y_pred = a + b * P3(c + d * x)
    loss = (MyReLU.apply(y_pred, 0.3) - y).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        for p in (a, b, c, d):
            p -= 5e-6 * p.grad
            p.grad = None
    log.append(loss.item())
assert torch.autograd.gradcheck(P3, (torch.randn(4, dtype=torch.double, requires_grad=True),))
""")

program("""
# exclusive or
class XOR(nn.Module):
    def __init__(self):
        super(XOR, self).__init__()
        self.lin1 = nn.Linear(2, 4)
        self.lin2 = nn.Linear(4, 1)

    def forward(self, x):
        return self.lin2(torch.tanh(self.lin1(x)))


X = torch.Tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
Y = torch.Tensor([0, 1, 1, 0]).view(-1, 1)
model = seeded(XOR())
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
for epoch in range(150):
    for i in range(4):
        optimizer.zero_grad()
        loss = criterion(model(X[i:i + 1]), Y[i:i + 1])
        loss.backward()
        optimizer.step()
    log.append(loss.item())
pred = torch.round(torch.sigmoid(model(X))).detach()
assert (pred == Y).all()
log.append(sum(p.numel() for p in model.parameters() if p.requires_grad))
""")

program("""
# two moons with a loader and a schedule
from torch.utils.data import DataLoader, TensorDataset
from torch import optim

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
points, labels = moons(200)
train = TensorDataset(torch.tensor(points, dtype=torch.double)[:160], torch.tensor(labels)[:160])
test_x, test_y = torch.tensor(points)[160:].to(device), torch.tensor(labels)[160:].to(device)
loader = DataLoader(train, batch_size=32, shuffle=False)
model = nn.Sequential(
    nn.Linear(2, 16), nn.ReLU(inplace=True), nn.Linear(16, 16), nn.ELU(), nn.Dropout(p=0.0), nn.Linear(16, 2)
).to(device)
seeded(model)
optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)


def evaluate():
    model.eval()
    with torch.no_grad():
        out = model(test_x)
        loss = F.cross_entropy(out, test_y, reduction="sum").item() / len(test_y)
        correct = out.argmax(dim=1, keepdim=True).eq(test_y.view_as(out.argmax(dim=1, keepdim=True))).sum().item()
    model.train()
    return loss, correct


for epoch in range(15):
    total = 0.0
    for inputs, targets in loader:
        inputs, targets = inputs.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        total += loss.item() * inputs.size(0)
    scheduler.step()
    log += [total / len(loader.dataset), scheduler.get_last_lr()[0], *evaluate()]
assert log[-1] > 34
""")

program("""
# a character network
text = "hello world, hello microtrain, hello torch. " * 3
chars = sorted(set(text))
to_ix = {c: i for i, c in enumerate(chars)}
data = torch.tensor([to_ix[c] for c in text], dtype=torch.long)


class CharRNN(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        self.embed = nn.Embedding(vocab, 8)
        self.rnn = nn.RNN(8, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, x, h=None):
        out, h = self.rnn(self.embed(x), h)
        return self.head(out), h


model = seeded(CharRNN(len(chars), 24))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
length = 16
for step in range(25):
    start = (step * 7) % (len(data) - length - 1)
    x, y = data[start:start + length][None], data[start + 1:start + length + 1][None]
    logits, _ = model(x)
    loss = F.cross_entropy(logits.view(-1, len(chars)), y.reshape(-1))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    total_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    log += [loss.item(), float(total_norm)]
with torch.no_grad():
    h, ix, out = None, torch.tensor([[to_ix["h"]]]), []
    for _ in range(20):
        logits, h = model(ix, h)
        p = F.softmax(logits[:, -1] / 0.8, dim=-1)
        assert torch.multinomial(p, num_samples=1).shape == (1, 1)
        ix = p.argmax(dim=-1, keepdim=True)
        out.append(ix.item())
log += out
""")

program("""
# a recurrent cell by hand, truncated in time
class Cell(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.hidden = n_hidden
        self.W = nn.Parameter(torch.empty(n_hidden, n_in))
        self.U = nn.Parameter(torch.Tensor(n_hidden, n_hidden))
        self.b = nn.Parameter(torch.zeros(n_hidden))
        nn.init.xavier_uniform_(self.W)
        nn.init.orthogonal_(self.U, gain=0.9)

    def forward(self, x, h):
        return torch.tanh(x @ self.W.t() + h @ self.U.t() + self.b)

    def init_hidden(self, batch):
        return self.W.new_zeros(batch, self.hidden)


cell = seeded(Cell(1, 6), scale=0.4)
readout = seeded(nn.Linear(6, 1), seed=5)
params = list(cell.parameters()) + list(readout.parameters())
optimizer = torch.optim.SGD([{"params": cell.parameters()}, {"params": readout.parameters(), "lr": 0.02}], lr=0.05,
                            momentum=0.5, nesterov=True)
wave = torch.sin(torch.arange(0, 40, dtype=torch.get_default_dtype()) * 0.3).unsqueeze(1)
h = cell.init_hidden(1)
for epoch in range(3):
    for start in range(0, 36, 6):
        h = h.detach()
        optimizer.zero_grad()
        loss = 0.0
        for t in range(start, start + 6):
            h = cell(wave[t:t + 1], h)
            loss = loss + F.mse_loss(readout(h), wave[t + 1:t + 2])
        loss.backward()
        optimizer.step()
        log.append(loss.item())
log += [p.grad.norm() for p in params]
""")

program("""
# a causal attention head
class Head(nn.Module):
    def __init__(self, n_embd, head_size, block_size):
        super().__init__()
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))

    def forward(self, x):
        B, T, C = x.shape
        k, q = self.key(x), self.query(x)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = F.softmax(wei, dim=-1)
        return wei @ self.value(x)


class Block(nn.Module):
    def __init__(self, n_embd, block_size):
        super().__init__()
        self.heads = nn.ModuleList([Head(n_embd, n_embd // 2, block_size) for _ in range(2)])
        self.ffwd = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd))
        self.ln1, self.ln2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)

    def forward(self, x):
        x = x + torch.cat([h(self.ln1(x)) for h in self.heads], dim=-1)
        return x + self.ffwd(self.ln2(x))


vocab, block = 11, 8
tokens = nn.Embedding(vocab, 12)
positions = nn.Embedding(block, 12)
body = Block(12, block)
head = nn.Linear(12, vocab)
model = nn.ModuleDict({"tokens": tokens, "positions": positions, "body": body, "head": head})
seeded(model, scale=0.2)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
rng = np.random.default_rng(1)
for step in range(20):
    idx = torch.from_numpy((rng.integers(0, vocab, (4, 1)) + np.arange(block + 1)) % vocab)
    x = tokens(idx[:, :-1]) + positions(torch.arange(block))
    logits = head(body(x))
    B, T, C = logits.shape
    loss = F.cross_entropy(logits.view(B * T, C), idx[:, 1:].reshape(B * T))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log.append(loss.item())
same = F.scaled_dot_product_attention(normal(2, 5, 4), normal(2, 5, 4, seed=1), normal(2, 5, 4, seed=2), is_causal=True)
log += [same, list(model.state_dict())[0] == "tokens.weight", len(model.state_dict())]
""")

program("""
# an autoencoder
class AE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 8), nn.LeakyReLU(0.1), nn.Linear(8, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.1), nn.Linear(8, 12), nn.Sigmoid())

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z), z


x = torch.rand(64, 12)
x = torch.sigmoid(normal(64, 2) @ normal(2, 12, seed=1))
model = seeded(AE())
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(30):
    for batch in torch.split(x, 16):
        recon, z = model(batch)
        loss = F.binary_cross_entropy(recon, batch, reduction="mean") + 1e-3 * z.abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    log.append(loss.item())
with torch.inference_mode():
    recon, _ = model(x)
    log.append(F.mse_loss(recon, x).item())
assert not recon.requires_grad
""")

program("""
# a small adversarial game
G = seeded(nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)))
D = seeded(nn.Sequential(nn.Linear(1, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Sigmoid()), seed=1)
bce = nn.BCELoss()
opt_g = torch.optim.Adam(G.parameters(), lr=0.01, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.999))
real_label, fake_label = torch.ones(16, 1), torch.zeros(16, 1)
for step in range(40):
    real = 2.0 + 0.5 * normal(16, 1, seed=100 + step)
    noise = normal(16, 1, seed=200 + step)
    D.zero_grad()
    d_real = bce(D(real), real_label)
    d_real.backward()
    fake = G(noise)
    d_fake = bce(D(fake.detach()), fake_label)
    d_fake.backward()
    opt_d.step()
    G.zero_grad()
    g_loss = bce(D(fake), real_label)
    g_loss.backward()
    opt_g.step()
    log += [(d_real + d_fake).item(), g_loss.item()]
""")

program("""
# a gradient penalty
critic = seeded(nn.Sequential(nn.Linear(2, 16), nn.Softplus(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)))
optimizer = torch.optim.Adam(critic.parameters(), lr=5e-3, betas=(0.0, 0.9))
for step in range(20):
    real, fake = normal(16, 2, seed=step) + 1, normal(16, 2, seed=100 + step) * 2
    alpha = torch.tensor(np.random.default_rng(200 + step).random((16, 1)))
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    out = critic(interpolates)
    gradients = torch.autograd.grad(
        outputs=out, inputs=interpolates, grad_outputs=torch.ones_like(out), create_graph=True, retain_graph=True
    )[0]
    penalty = ((gradients.norm(2, dim=1) - 1) ** 2).mean()
    loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log += [loss.item(), penalty.item()]
""")

program("""
# tied weights
class Tied(nn.Module):
    def __init__(self, n, k):
        super().__init__()
        self.encoder = nn.Linear(n, k, bias=False)
        self.decoder = nn.Linear(k, n)
        self.decoder.weight = nn.Parameter(torch.zeros(n, k))

    def forward(self, x):
        return F.linear(F.relu(self.encoder(x)), self.encoder.weight.t(), self.decoder.bias)


class Language(nn.Module):
    def __init__(self, vocab, size):
        super().__init__()
        self.embed = nn.Embedding(vocab, size)
        self.out = nn.Linear(size, vocab, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x):
        return self.out(self.embed(x))


for model, x, loss_fn in (
    (Tied(6, 3), normal(20, 6), lambda m, x: F.mse_loss(m(x), x)),
    (Language(7, 4), torch.arange(7), lambda m, x: F.cross_entropy(m(x), (x + 1) % 7)),
):
    seeded(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    log.append(len(list(model.parameters())))
    log.append(len(model.state_dict()))
    for step in range(30):
        optimizer.zero_grad()
        loss = loss_fn(model, x)
        loss.backward()
        optimizer.step()
        log.append(loss.item())
assert model.out.weight is model.embed.weight
""")

program("""
# stopping and going on from a checkpoint
def build():
    model = seeded(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)))
    return model, torch.optim.Adam(model.parameters(), lr=0.02, amsgrad=True)


x, y = normal(40, 3), normal(40, 1, seed=1)


def train(model, optimizer, epochs):
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        log.append(loss.item())
    return loss


model, optimizer = build()
loss = train(model, optimizer, 10)
torch.save({
    "epoch": 10,
    "model_state_dict": model.state_dict(),
    "optimizer_state_dict": optimizer.state_dict(),
    "loss": loss.item(),
}, path + "/checkpoint.pt")
train(model, optimizer, 10)
first = log[-10:]

model, optimizer = build()
checkpoint = torch.load(path + "/checkpoint.pt", map_location=torch.device("cpu"), weights_only=True)
model.load_state_dict(checkpoint["model_state_dict"])
optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
log.append(checkpoint["epoch"])
assert checkpoint["loss"] == loss.item()
train(model, optimizer, 10)
assert log[-10:] == first
torch.save(model.state_dict(), path + "/model.pt")
other, _ = build()
result = other.load_state_dict(torch.load(path + "/model.pt"), strict=True)
assert not result.missing_keys and not result.unexpected_keys
assert torch.equal(other(x), model(x))
""")

program("""
# logistic regression with a closure
x, labels = normal(60, 2), (normal(60, 2) @ torch.tensor([1.0, -2.0]) + 0.3 > 0).double()
model = seeded(nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)


def closure():
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(x).squeeze(-1), labels) + 1e-2 * model.weight.pow(2).sum()
    loss.backward()
    return loss


for step in range(50):
    log.append(optimizer.step(closure).item())
accuracy = ((model(x).squeeze(1) > 0).float() == labels).float().mean()
log.append(accuracy.item())
""")

program("""
# logistic regression with L-BFGS
x, labels = normal(60, 2), (normal(60, 2) @ torch.tensor([1.0, -2.0]) + 0.3 > 0).double()
model = seeded(nn.Linear(2, 1))
optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=10, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(x).squeeze(-1), labels) + 1e-2 * model.weight.pow(2).sum()
    loss.backward()
    return loss


for step in range(3):
    log.append(optimizer.step(closure).item())
log += [p for p in model.parameters()]
""")

program("""
# a variational autoencoder
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 12)
        self.fc21 = nn.Linear(12, 2)
        self.fc22 = nn.Linear(12, 2)
        self.fc3 = nn.Linear(2, 12)
        self.fc4 = nn.Linear(12, 10)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar, eps):
        std = torch.exp(0.5 * logvar)
        assert torch.randn_like(std).shape == eps.shape
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, eps):
        mu, logvar = self.encode(x.view(-1, 10))
        return self.decode(self.reparameterize(mu, logvar, eps)), mu, logvar


model = seeded(VAE(), scale=0.3)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = (torch.sigmoid(normal(32, 2) @ normal(2, 10, seed=1)) > 0.5).to(torch.get_default_dtype())
for step in range(30):
    recon, mu, logvar = model(x, normal(32, 2, seed=50 + step))
    BCE = F.binary_cross_entropy(recon, x.view(-1, 10), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    loss = BCE + KLD
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log += [loss.item() / len(x), KLD.item()]
""")

program("""
# a network whose forward pass branches
class DynamicNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d, self.e = (nn.Parameter(torch.tensor(v)) for v in (0.1, -0.2, 0.3, -0.1, 0.05))

    def forward(self, x, order):
        y = self.a + self.b * x + self.c * x ** 2 + self.d * x ** 3
        for exp in range(4, order):
            y = y + self.e * x ** exp
        if y.mean() > 0:
            y = y * 0.9
        return y

    def string(self):
        return f"y = {self.a.item():.3f} + {self.b.item():.3f} x"


x = torch.linspace(-1, 1, 50)
y = torch.sin(3 * x)
model = DynamicNet()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
orders = np.random.default_rng(0).integers(4, 7, 60)
for order in orders:
    loss = F.mse_loss(model(x, order), y, reduction="sum")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log.append(loss.item())
log += [float(s) for s in model.string().replace("y = ", "").replace(" x", "").split(" + ")]
""")

program("""
# Newton's method from second derivatives
def rosenbrock(v):
    return (1 - v[0]) ** 2 + 100 * (v[1] - v[0] ** 2) ** 2


v = torch.tensor([-1.2, 1.0], requires_grad=True)
for step in range(8):
    loss = rosenbrock(v)
    (g,) = torch.autograd.grad(loss, v, create_graph=True)
    H = torch.stack([torch.autograd.grad(g[i], v, retain_graph=True)[0] for i in range(2)])
    with torch.no_grad():
        v -= torch.linalg.solve(H, g.detach())
    log += [loss.item(), H]
assert torch.allclose(v, torch.ones(2))
log += [torch.autograd.functional.hessian(rosenbrock, torch.tensor([0.5, 0.5])), torch.linalg.norm(H), torch.linalg.det(H)]
log += [torch.linalg.norm(v, 1), torch.linalg.vector_norm(H, float("inf"), dim=1), torch.linalg.inv(H)]
""")

program("""
# tensors every which way
a = torch.arange(12.0).reshape(3, 4)
b = torch.ones(4, dtype=torch.double) * 2
log += [a + b, a * b[None], (a / 3).floor(), a.t().contiguous().view(-1), a.sum(0), a.mean(dim=1, keepdim=True), a.std()]
log += [torch.cat([a, a], dim=1), torch.stack([a, -a]).permute(1, 2, 0), torch.where(a > 5, a, torch.zeros_like(a))]
log += [torch.einsum("ij,kj->ik", a, a), a @ a.T, torch.outer(b, b), torch.bmm(a[None], a.t()[None]), a.max(), a.max(1)[0]]
values, indices = torch.topk(a.flatten(), 3)
log += [values, indices, a.argmax(), a.argmin(dim=0), torch.sort(-a, dim=1).values, a.cumsum(1)]
log += [a.gather(1, torch.tensor([[0, 1], [2, 3], [1, 1]])), a.index_select(0, torch.tensor([2, 0]))]
log += [F.one_hot(torch.tensor([0, 2, 1]), num_classes=4), torch.eye(3), torch.diag(b), torch.triu(a), a.abs().sqrt()]
c = a.clone()
c[0] = 7
c[:, 1] += 1
c[c > 8] = 0
c[[0, 1], [2, 3]] = -1
c += b
c *= 2
c.add_(1).mul_(0.5).clamp_(-3, 9)
c[1].zero_()
c[2, 1:3].fill_(4.0)
log += [c, c.norm(), c.prod(), c.var(unbiased=False), torch.numel(c), c.nelement(), c.dim(), c.size(1), list(c.shape)]
assert torch.is_tensor(c) and not torch.is_tensor(3) and c.dtype == torch.float64 and isinstance(c, torch.Tensor)
assert c.device.type == "cpu" and str(c.device) == "cpu" and not c.is_cuda
log += [c.long(), c.int() // 2, c.bool(), (c > 0) & (c < 5), ~(c > 0), c.float().double(), c.type(torch.LongTensor)]
log += [c.new_ones(2, 2), c.new_tensor([1.0, 2.0]), c.new_full((2,), 3.0), torch.full((2, 2), 5.0), torch.zeros(2, 3).shape]
log += [torch.addmm(torch.ones(3, 3), a, a.T, beta=0.5, alpha=2), torch.narrow(a, 1, 1, 2), torch.diff(a.flatten() ** 2)]
x, y = torch.meshgrid(torch.arange(2.0), torch.arange(3.0), indexing="ij")
log += [x, y, torch.cdist(a, a + 1), torch.unique(torch.tensor([3, 1, 3])), torch.bincount(torch.tensor([0, 2, 2]))]
log += [a.unsqueeze(0).squeeze(0), a.view(2, -1), a.view(-1), a.expand(2, 3, 4), a.repeat(2, 1), a.flip(0), a.roll(1, 1)]
log += [a.chunk(2, dim=1)[1], torch.split(a, [1, 2])[1], a.unbind(0)[2], a[..., None].shape, a[1:, ::2], a[-1].tolist()]
log += [torch.linspace(0, 1, 5), torch.arange(0, 1, 0.25), torch.as_tensor(np.ones(2)), torch.from_numpy(np.arange(3.0))]
log += [torch.index_fill(a, 1, torch.tensor([0]), -1.0), torch.ones(3, 4).index_add_(0, torch.tensor([0, 0]), a[:2])]
log += [a.masked_fill(a > 3, 0.0), a.masked_select(a > 8), torch.nonzero(a > 9), torch.logsumexp(a, 1), a.softmax(-1)]
log += [torch.isnan(a / 0).sum(), torch.nan_to_num(torch.tensor([float("nan"), 1.0])), torch.std_mean(a, 1)]
log += [torch.clamp_min(a, 3.0), torch.logit(torch.tensor([0.2])), torch.count_nonzero(a), torch.inner(a, a), a.select(0, 1)]
log += [torch.tensor(3).item(), int(torch.tensor(3.7)), float(torch.tensor(2)), len(a), [float(r.sum()) for r in a]]
log += [torch.FloatTensor(2, 3).zero_().shape, torch.LongTensor([1, 2]) + 1, torch.Tensor(2, 3).fill_(1.0)]
""")

program("""
# hooks, buffers, groups and frozen layers
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.LazyLinear(6), nn.SiLU())
        self.classifier = nn.Linear(6, 3)
        self.register_buffer("running_mean", torch.zeros(6))

    def forward(self, x):
        h = self.features(x)
        if self.training:
            with torch.no_grad():
                self.running_mean.mul_(0.9).add_(h.mean(0), alpha=0.1)
        return self.classifier(h - self.running_mean)


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.weight, 0.1)
        nn.init.eye_(m.weight)
        nn.init.zeros_(m.bias)


model = Net()
x, y = normal(20, 4), torch.tensor(np.random.default_rng(3).integers(0, 3, 20))
model(x)
model.apply(init_weights)
seeded(model)
model.running_mean.zero_()
activations, grads = {}, []
model.features.register_forward_hook(lambda m, i, o: activations.__setitem__("features", o.detach()))
handle = model.classifier.register_full_backward_hook(lambda m, gi, go: grads.append((gi[0].norm().item(), go[0].norm().item())))
model.features[0].weight.register_hook(lambda g: g * 0.5)
for p in model.features.parameters():
    p.requires_grad = True
model.features[0].bias.requires_grad_(False)
decay = [p for n, p in model.named_parameters() if n.endswith("weight") and p.requires_grad]
no_decay = [p for n, p in model.named_parameters() if not n.endswith("weight") and p.requires_grad]
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": no_decay, "weight_decay": 0.0}], lr=0.02)
for step in range(15):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
    loss.backward()
    optimizer.step()
    log += [loss.item(), *grads[-1], activations["features"].mean().item()]
    for g in optimizer.param_groups:
        g["lr"] *= 0.95
handle.remove()
model.eval()
log += [model(x), model.running_mean, len(grads), [n for n, _ in model.named_buffers()] == ["running_mean"]]
log.append([list(p.shape) for p in model.parameters()][0])
assert "Linear(in_features=4, out_features=6, bias=True)" in str(model)
""")

program("""
# a policy gradient
torch.manual_seed(1)
payoff = torch.tensor([0.1, 0.5, 0.9])
policy = seeded(nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 3)))
optimizer = torch.optim.Adam(policy.parameters(), lr=0.05)
rng = np.random.default_rng(0)
for episode in range(40):
    log_probs = F.log_softmax(policy(torch.ones(16, 1)), dim=1)
    u = torch.from_numpy(rng.random((16, 1)))
    actions = (log_probs.exp().cumsum(1) < u).sum(1).clamp(max=2)
    rewards = payoff[actions]
    advantage = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
    loss = -(log_probs.gather(1, actions.unsqueeze(1)).squeeze(1) * advantage.detach()).mean()
    entropy = -(log_probs.exp() * log_probs).sum(1).mean()
    optimizer.zero_grad()
    (loss - 0.01 * entropy).backward()
    optimizer.step()
    log += [loss.item(), entropy.item(), rewards.sum().item()]
""")

program("""
# k-means without a gradient
points = torch.cat([normal(30, 2) * 0.3 + torch.tensor([i, -i]) for i in (-2.0, 0.0, 2.0)])
centres = points[torch.tensor([0, 35, 70])].clone()
for _ in range(5):
    distances = torch.cdist(points, centres)
    nearest = distances.argmin(dim=1)
    for k in range(3):
        members = points[nearest == k]
        if len(members) > 0:
            centres[k] = members.mean(dim=0)
    log += [distances.min(dim=1).values.sum().item(), torch.bincount(nearest, minlength=3)]
log.append(centres)
""")

program("""
# single precision and old names
torch.set_default_dtype(torch.float32)
from torch.autograd import Variable
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
torch.cuda.manual_seed_all(0)
torch.backends.cudnn.deterministic = True
x = torch.tensor(np.random.default_rng(0).normal(size=(32, 3)), dtype=torch.float).to(device)
y = Variable(torch.FloatTensor(np.random.default_rng(1).normal(size=(32, 1)).astype("float32")))
model = seeded(nn.Linear(3, 1)).float().to(device)
assert x.dtype == torch.float32 == model.weight.dtype and isinstance(y, torch.FloatTensor)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-2, dampening=0.1, momentum=0.5)
for epoch in range(25):
    optimizer.zero_grad()
    loss = nn.SmoothL1Loss(beta=0.5)(model(x), y)
    assert loss.dtype == torch.float
    loss.backward()
    optimizer.step()
    log.append(round(loss.data.item(), 4))
log += [model.weight.grad.dtype == torch.float32, model(x).cpu().detach().numpy().shape]
""")

program("""
# a network with uncertain answers
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 10), nn.Tanh())
        self.mean = nn.Linear(10, 1)
        self.var = nn.Linear(10, 1)

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), F.softplus(self.var(h)) + 1e-4


x = torch.linspace(-2, 2, 60).unsqueeze(1)
y = torch.sin(x) + 0.1 * (x.abs() + 0.1) * normal(60, 1)
model = seeded(Net())
loss_fn = nn.GaussianNLLLoss(full=True)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, eps=1e-6)
for step in range(60):
    mean, var = model(x)
    loss = loss_fn(mean, y, var)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log.append(loss.item())
""")

program("""
# a differential equation in the loss
net = seeded(nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1)))
t = torch.linspace(0, 2, 25).view(-1, 1).requires_grad_(True)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(25):
    u = net(t)
    (du,) = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)
    (ddu,) = torch.autograd.grad(du.sum(), t, create_graph=True)
    physics = ((ddu + 0.4 * du + 4 * u) ** 2).mean()
    start = (u[0] - 1).pow(2).squeeze() + du[0].pow(2).squeeze()
    loss = 1e-1 * physics + start
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log.append(loss.item())
""")

program("""
# factors of a ratings matrix, from a data set of one's own
from torch.utils.data import Dataset, DataLoader, Subset


class Ratings(Dataset):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.user, self.item = rng.integers(0, 6, 80), rng.integers(0, 5, 80)
        self.rating = np.sin(self.user * 1.0) * np.cos(self.item * 2.0) + 3

    def __len__(self):
        return len(self.user)

    def __getitem__(self, k):
        return torch.tensor(self.user[k]), torch.tensor(self.item[k]), {"rating": float(self.rating[k])}


class Factors(nn.Module):
    def __init__(self, users, items, k):
        super().__init__()
        self.users, self.items = nn.Embedding(users, k), nn.Embedding(items, k)
        self.offsets = nn.ParameterList([nn.Parameter(torch.zeros(users)), nn.Parameter(torch.zeros(items))])
        self.mean = nn.Parameter(torch.zeros(1))

    def forward(self, u, i):
        return (self.users(u) * self.items(i)).sum(-1) + self.offsets[0][u] + self.offsets[1][i] + self.mean


data = Ratings()
loader = DataLoader(Subset(data, range(70)), batch_size=16, shuffle=False, num_workers=0, drop_last=True)
assert len(loader) == 4
model = seeded(Factors(6, 5, 3))
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
for epoch in range(5):
    for u, i, more in loader:
        loss = F.huber_loss(model(u, i), more["rating"], delta=0.7)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append(loss.item())
""")

program("""
# distilling one network into another
teacher = seeded(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)))
student = seeded(nn.Linear(4, 3), seed=7)
for p in teacher.parameters():
    p.requires_grad = False
x = normal(40, 4)
T = 2.0
optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
kl = nn.KLDivLoss(reduction="batchmean")


@torch.no_grad()
def agreement():
    return (student(x).argmax(1) == teacher(x).argmax(1)).double().mean().item()


for step in range(30):
    loss = kl(F.log_softmax(student(x) / T, dim=1), F.softmax(teacher(x) / T, dim=1)) * T ** 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log += [loss.item(), agreement()]
""")

program("""
# gradients that accumulate, and detaching
x = normal(24, 3)
y = x.sum(1, keepdim=True) ** 2
model = seeded(nn.Sequential(nn.Linear(3, 8), nn.Softsign(), nn.Linear(8, 1)))
average = [p.clone().detach() for p in model.parameters()]
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
optimizer.zero_grad()
for epoch in range(10):
    for k, (bx, by) in enumerate(zip(x.chunk(4), y.chunk(4))):
        loss = F.mse_loss(model(bx), by) / 4
        loss.backward()
        if (k + 1) % 2 == 0:
            optimizer.step()
            optimizer.zero_grad()
        log.append(loss.item())
    with torch.no_grad():
        for a, p in zip(average, model.parameters()):
            a.mul_(0.9).add_(p, alpha=0.1)
with torch.set_grad_enabled(False):
    out = model(x)
assert not out.requires_grad and torch.is_grad_enabled()
z = torch.tensor([1.0, 2.0], requires_grad=True)
w = (z * z).detach() * z
w.sum().backward()
log += [z.grad, average, z.grad_fn is None, (z * 2).is_leaf, z.is_leaf]
z.grad = None
h = z * 3
h.retain_grad()
(h ** 2).sum().backward()
log += [h.grad, z.grad]
""")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_numbers(name, tmp_path):
    source = PRELUDE + PROGRAMS[name]
    theirs = flat(run(source, tmp_path, f"{name} (torch)"))
    mine = translated(source)
    assert "import torch" not in mine.replace("microtrain as torch", "") and "from torch" not in mine
    ours = flat(run(mine, tmp_path, f"{name} (microtrain)"))
    assert ours.shape == theirs.shape and len(ours) > 5
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_there_are_enough_of_them():
    assert len(PROGRAMS) >= 25


def test_only_import_lines_change():
    text = "import torch\nimport torch.nn as nn\nfrom torch.utils.data import DataLoader\nx = torch.ones(2)  # import torch"
    assert translated(text).splitlines() == [
        "import microtrain as torch",
        "import microtrain.nn as nn",
        "from microtrain.utils.data import DataLoader",
        "x = torch.ones(2)  # import torch",
    ]
