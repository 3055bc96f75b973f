"""More programs for PyTorch that run here with only their imports changed: modules, data, training, saving.

As in `test_torch_programs`, each must report the same numbers from both libraries.
"""

import re

import numpy as np
import pytest

import microtrain as mt

from .test_torch_programs import PRELUDE, flat, restore_defaults, run, translated  # noqa: F401 (a fixture)

pytestmark = pytest.mark.oracle
pytest.importorskip("torch")

PROGRAMS = {}


def program(source):
    name, _, text = source.strip().partition("\n")
    PROGRAMS[re.sub(r"\W+", "_", name.strip("# "))] = text


program("""
# module with buffers and apply init
class Normed(nn.Module):
    def __init__(self, dim, momentum=0.1):
        super().__init__()
        self.dim = dim
        self.weight = nn.Parameter(torch.ones(dim))
        self.register_parameter("bias", nn.Parameter(torch.zeros(dim)))
        self.register_parameter("none", None)
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))
        self.register_buffer("count", torch.tensor(0, dtype=torch.long))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.momentum = momentum

    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, unbiased=False)
            with torch.no_grad():
                self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
                self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
                self.count += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + 1e-5) * self.weight + self.bias

    def extra_repr(self):
        return f"dim={self.dim}"

class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(4, 8)
        self.norm = Normed(8)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.fc1(x)))
        return self.fc2(x)

def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.weight, 0.1)
        m.bias.data.fill_(0.01)

net = Net()
net.apply(init_weights)
log.append([p.sum() for p in net.parameters()])
seeded(net)
opt = torch.optim.Adam(net.parameters(), lr=0.05)
x = normal(20, 4)
y = torch.tensor(np.arange(20) % 3)
for i in range(15):
    net.train()
    opt.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    log.append(loss.item())
net.eval()
with torch.no_grad():
    log.append(net(x))
log.append([net.norm.running_mean, net.norm.running_var, net.norm.count])
sd = net.state_dict()
names = list(sd.keys())
assert names == [
    "fc1.weight",
    "fc1.bias",
    "norm.weight",
    "norm.bias",
    "norm.running_mean",
    "norm.running_var",
    "norm.count",
    "fc2.weight",
    "fc2.bias",
], names
other = Net()
other.load_state_dict(sd)
other.eval()
assert torch.equal(other(x), net(x))
log.append(len(list(net.buffers())))
log.append([n for n, _ in net.named_buffers()].index("norm.count"))
assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 4 * 8 + 8 + 8 + 8 + 8 * 3 + 3
""")

program("""
# containers
class Net(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
        self.acts = nn.ModuleDict({"tanh": nn.Tanh(), "relu": nn.ReLU()})
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(1)) for _ in sizes[1:]])
        self.biases = nn.ParameterDict({"a": nn.Parameter(torch.zeros(2)), "b": nn.Parameter(torch.ones(2))})

    def forward(self, x):
        for i, (layer, s) in enumerate(zip(self.layers, self.scales)):
            x = layer(x) * s
            if i < len(self.layers) - 1:
                x = self.acts["tanh" if i % 2 == 0 else "relu"](x)
        for k in self.biases:
            x = x + self.biases[k]
        return x

net = seeded(Net([3, 5, 5, 2]))
log.append([list(net.state_dict()).index(k) for k in ("layers.0.weight", "scales.2", "biases.b")])
assert "layers.2.bias" in dict(net.named_parameters())
net.layers.append(nn.Linear(2, 2))
net.scales.append(nn.Parameter(torch.full((1,), 0.5)))
net.layers.insert(0, nn.Linear(3, 3))
net.scales = nn.ParameterList(list(net.scales) + [torch.ones(1)])
seeded(net, 1)
assert len(net.layers) == 5 and net.layers[-1].out_features == 2 and net.layers[0].in_features == 3
log.append(net(normal(4, 3)))
del net.layers[0]
log.append(len(net.layers))
seq = nn.Sequential(*[nn.Linear(2, 2) for _ in range(3)], nn.Sequential(nn.ReLU(), nn.Linear(2, 1)))
seeded(seq, 2)
log.append(seq[:2](normal(3, 2)))
log.append(seq[-1][1].weight)
seq.append(nn.Sigmoid())
log.append(seq(normal(3, 2)))
seq[0] = nn.Identity()
log.append(seq(normal(3, 2)))
for name, child in seq.named_children():
    log.append(int(name))
log.append(len(list(seq.modules())))
from collections import OrderedDict

named = nn.Sequential(OrderedDict([("fc", nn.Linear(2, 3)), ("act", nn.ReLU())]))
seeded(named)
log.append(named.fc(normal(2, 2)))
assert [n for n, _ in named.named_modules()] == ["", "fc", "act"]
log.append(list(net.acts.keys()).index("relu"))
assert "tanh" in net.acts
net.acts.update({"sig": nn.Sigmoid()})
log.append([len(net.acts), len(net.biases)])
for k, v in net.biases.items():
    log.append(v)
""")

program("""
# gradient accumulation, clipping and schedules
model = seeded(nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 1)))
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3, nesterov=True)
warm = torch.optim.lr_scheduler.LinearLR(opt, start_factor=0.1, total_iters=5)
cos = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=15)
sched = torch.optim.lr_scheduler.SequentialLR(opt, schedulers=[warm, cos], milestones=[5])
x, y = normal(40, 5), normal(40, 1, seed=1)
accum = 4
for epoch in range(10):
    opt.zero_grad(set_to_none=True)
    total = 0.0
    for i in range(8):
        xb, yb = x[i * 5 : (i + 1) * 5], y[i * 5 : (i + 1) * 5]
        loss = nn.functional.mse_loss(model(xb), yb) / accum
        loss.backward()
        total += loss.item() * accum
        if (i + 1) % accum == 0:
            n = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
            log.append(float(n))
            opt.step()
            opt.zero_grad()
    sched.step()
    log.append(total)
    log.append(sched.get_last_lr())
    log.append(opt.param_groups[0]["lr"])
loss = F.mse_loss(model(x), y)
loss.backward()
torch.nn.utils.clip_grad_value_(model.parameters(), 0.01)
log += [p.grad for p in model.parameters()]
""")

program("""
# freezing and groups
backbone = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh())
head = nn.Linear(6, 2)

class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, x):
        return self.head(self.backbone(x))

m = seeded(M())
for name, p in m.named_parameters():
    if name.startswith("backbone.0"):
        p.requires_grad = False
decay = [p for n, p in m.named_parameters() if p.requires_grad and not n.endswith("bias")]
no_decay = [p for n, p in m.named_parameters() if p.requires_grad and n.endswith("bias")]
opt = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.1}, {"params": no_decay, "weight_decay": 0.0, "lr": 1e-2}], lr=3e-2
)
x = normal(30, 4)
y = torch.tensor((np.arange(30) % 2))
for step in range(20):
    if step == 10:
        for p in m.backbone[0].parameters():
            p.requires_grad_(True)
        opt.add_param_group({"params": m.backbone[0].parameters(), "lr": 1e-3})
    out = m(x)
    loss = nn.CrossEntropyLoss()(out, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    log.append(loss.item())
log.append([len(g["params"]) for g in opt.param_groups])
log.append([g["lr"] for g in opt.param_groups])
log.append((m(x).argmax(dim=1) == y).float().mean().item())
log.append((m(x).argmax(1) == y).sum().item())
""")

program("""
# hooks
acts, grads = {}, {}
m = seeded(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))

def save(name):
    def hook(module, inp, out):
        acts[name] = out.detach()

    return hook

def bsave(name):
    def hook(module, gin, gout):
        grads[name] = gout[0].detach()

    return hook

handles = [l.register_forward_hook(save(n)) for n, l in m.named_modules() if n]
handles += [l.register_full_backward_hook(bsave(n)) for n, l in m.named_modules() if n]
h = m[0].weight.register_hook(lambda g: g * 2)
x = normal(5, 3)
m(x).pow(2).sum().backward()
log += [acts["0"], acts["1"], grads["2"], grads["1"], m[0].weight.grad, m[2].bias.grad]
for hd in handles:
    hd.remove()
h.remove()
acts.clear()
m.zero_grad()
m(x).sum().backward()
assert not acts
log.append(m[0].weight.grad)
pre = m.register_forward_pre_hook(lambda mod, args: (args[0] * 2,))
log.append(m(x))
pre.remove()
log.append(m(x))
out = m[0].register_forward_hook(lambda mod, a, o: torch.zeros_like(o))
log.append(m(x))
out.remove()

def kw(mod, args, kwargs, output):
    return output

class K(nn.Module):
    def forward(self, x, *, scale=1.0):
        return x * scale

k = K()
hk = k.register_forward_pre_hook(
    lambda mod, args, kwargs: (args, {"scale": kwargs.get("scale", 1) * 2}), with_kwargs=True
)
log.append(k(x, scale=3.0))
hk.remove()
hk = k.register_forward_hook(lambda mod, args, kwargs, out: out + kwargs["scale"], with_kwargs=True)
log.append(k(x, scale=3.0))
""")

program("""
# embeddings and language model
V, D, H = 11, 6, 8

class LM(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(V, D, padding_idx=0)
        self.rnn = nn.RNN(D, H, num_layers=2, batch_first=True)
        self.drop = nn.Dropout(0.0)
        self.out = nn.Linear(H, V, bias=False)

    def forward(self, ids, h=None):
        e = self.emb(ids)
        o, h = self.rnn(e, h)
        return self.out(self.drop(o)), h

m = seeded(LM())
ids = torch.tensor(np.random.default_rng(1).integers(0, V, (4, 7)))
opt = torch.optim.RMSprop(m.parameters(), lr=0.01)
for _ in range(8):
    logits, h = m(ids[:, :-1])
    loss = F.cross_entropy(logits.reshape(-1, V), ids[:, 1:].reshape(-1), ignore_index=0)
    opt.zero_grad()
    loss.backward()
    opt.step()
    log.append(loss.item())
log.append(m.emb.weight.grad)
log.append(h)
with torch.no_grad():
    cur = ids[:1, :1]
    h = None
    for _ in range(6):
        lg, h = m(cur, h)
        cur = lg[:, -1].argmax(-1, keepdim=True)
        log.append(cur.item())
log.append(nn.Embedding.from_pretrained(torch.eye(3))(torch.tensor([2, 0])))
log.append(F.embedding(torch.tensor([1, 2]), torch.eye(4)))
log.append(F.one_hot(torch.tensor([1, 2]), num_classes=4))
""")

program("""
# weight tying and orthogonal
class AE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Linear(6, 3)
        self.dec_bias = nn.Parameter(torch.zeros(6))

    def forward(self, x):
        z = torch.sigmoid(self.enc(x))
        return F.linear(z, self.enc.weight.t(), self.dec_bias)

m = seeded(AE())
x = normal(16, 6)
opt = torch.optim.Adagrad(m.parameters(), lr=0.1)
for _ in range(10):
    l = F.smooth_l1_loss(m(x), x)
    opt.zero_grad()
    l.backward()
    opt.step()
    log.append(l.item())
lm = nn.Module()
lm.a = nn.Linear(4, 4, bias=False)
lm.b = nn.Linear(4, 4, bias=False)
lm.b.weight = lm.a.weight
assert len(list(lm.parameters())) == 1 and len(lm.state_dict()) == 2
w = torch.empty(5, 3)
nn.init.orthogonal_(w)
log.append((w.T @ w))
nn.init.eye_(w)
log.append(w)
nn.init.zeros_(w)
log.append(w)
v = torch.empty(300, 200)
nn.init.kaiming_uniform_(v, nonlinearity="relu")
assert abs(v.std().item() - (2 / 200) ** 0.5) < 0.01
nn.init.xavier_normal_(v, gain=nn.init.calculate_gain("tanh"))
assert abs(v.std().item() - 5 / 3 * (2 / 500) ** 0.5) < 0.02
nn.init.trunc_normal_(v, std=0.02)
assert v.abs().max() <= 2
nn.init.normal_(v, mean=1.0, std=0.1)
nn.init.uniform_(v, -1, 1)
nn.init.ones_(v)
log.append(v.mean())
""")

program("""
# early stopping with plateau and best weights
import copy

m = seeded(nn.Linear(3, 1))
x, y = normal(30, 3), normal(30, 1, seed=4)
vx, vy = normal(10, 3, seed=5), normal(10, 1, seed=6)
opt = torch.optim.SGD(m.parameters(), lr=0.3)
sch = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, mode="min", factor=0.5, patience=1)
best, wait, state = float("inf"), 0, None
crit = nn.MSELoss()
for epoch in range(40):
    m.train()
    opt.zero_grad()
    l = crit(m(x), y)
    l.backward()
    opt.step()
    m.eval()
    with torch.no_grad():
        v = crit(m(vx), vy).item()
    sch.step(v)
    log += [v, opt.param_groups[0]["lr"], sch.get_last_lr()[0]]
    if v < best - 1e-4:
        best, wait, state = v, 0, copy.deepcopy(m.state_dict())
    else:
        wait += 1
        if wait >= 5:
            break
m.load_state_dict(state)
log += [best, epoch, m.weight]
m2 = copy.deepcopy(m)
with torch.no_grad():
    m2.weight.add_(1.0)
log += [m.weight, m2.weight]
""")

program("""
# data loaders
from torch.utils.data import Dataset, DataLoader, TensorDataset, random_split, Subset, ConcatDataset

class Sq(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return torch.tensor([float(i)]), torch.tensor(float(i**2))

dl = DataLoader(Sq(10), batch_size=4, shuffle=False)
log.append([b[0].sum() for b in dl])
log.append(len(dl))
for xb, yb in DataLoader(Sq(10), batch_size=4, drop_last=True):
    log += [xb, yb]
td = TensorDataset(torch.arange(12).reshape(6, 2), torch.arange(6))
log.append(len(td))
log += list(td[2])
for a, b in DataLoader(td, batch_size=3):
    log += [a, b]
g = torch.Generator().manual_seed(0)
tr, te = random_split(td, [4, 2], generator=g)
log += [len(tr), len(te)]
s = Subset(td, [5, 0])
log += list(s[0])

class D(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return {"x": np.array([i, i], dtype=np.float64), "y": i, "name": str(i)}

for batch in DataLoader(D(), batch_size=2):
    log += [batch["x"], batch["y"], len(batch["name"])]

def collate(items):
    return torch.stack([torch.tensor(i["x"]) for i in items]), [i["y"] for i in items]

for xb, ys in DataLoader(D(), batch_size=2, collate_fn=collate, num_workers=0, pin_memory=False):
    log += [xb, ys]
seen = sorted(int(v) for xb, _ in DataLoader(Sq(9), batch_size=2, shuffle=True) for v in xb)
log.append(seen)
log.append(len(ConcatDataset([td, td])))
it = iter(DataLoader(Sq(3), batch_size=1))
log.append(next(it)[0])
""")

program("""
# losses as modules
x = normal(6, 4)
t = torch.tensor(np.arange(6) % 4)
y = normal(6, 4, seed=2)
x.requires_grad_()

def show(v):
    log.append(v)
    if v.requires_grad:
        (g,) = torch.autograd.grad(v.sum(), x, retain_graph=True, allow_unused=True)
        log.append(g)

for red in ("mean", "sum", "none"):
    show(nn.CrossEntropyLoss(reduction=red, label_smoothing=0.1)(x, t))
    show(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 4.0]), reduction=red)(x, t))
    show(nn.NLLLoss(reduction=red)(F.log_softmax(x, dim=1), t))
    show(nn.MSELoss(reduction=red)(x, y))
    show(nn.L1Loss(reduction=red)(x, y))
    show(nn.HuberLoss(reduction=red, delta=0.5)(x, y))
    show(nn.SmoothL1Loss(reduction=red, beta=0.5)(x, y))
    show(
        nn.BCEWithLogitsLoss(reduction=red, pos_weight=torch.tensor([1.0, 2.0, 1.0, 3.0]))(
            x, (y > 0).double()
        )
    )
    show(nn.BCELoss(reduction=red)(torch.sigmoid(x), (y > 0).double()))
    show(nn.KLDivLoss(reduction="batchmean" if red == "mean" else red)(F.log_softmax(x, 1), F.softmax(y, 1)))
    show(nn.KLDivLoss(reduction=red, log_target=True)(F.log_softmax(x, 1), F.log_softmax(y, 1)))
    show(nn.GaussianNLLLoss(reduction=red)(x, y, torch.full((6, 4), 0.7)))
    show(nn.PoissonNLLLoss(reduction=red)(x, y.abs().round()))
    show(nn.HingeEmbeddingLoss(reduction=red)(x, torch.sign(y)))
    show(nn.SoftMarginLoss(reduction=red)(x, torch.sign(y)))
    show(nn.MultiMarginLoss(reduction=red)(x, t))
show(F.cross_entropy(x, F.softmax(y, dim=-1)))
show(F.cross_entropy(x, t, reduction="sum", ignore_index=2))
show(F.nll_loss(F.log_softmax(x, -1), t, weight=torch.tensor([1.0, 2.0, 3.0, 4.0])))
show(F.cosine_similarity(x, y))
show(F.normalize(x, dim=1))
show(F.gelu(x))
show(F.softplus(x))
show(F.leaky_relu(x, 0.2))
show(F.elu(x))
show(F.silu(x))
show(F.hardtanh(x))
""")

program("""
# lstm and gru by hand
class LSTMCell(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.h = h
        self.ih = nn.Linear(i, 4 * h)
        self.hh = nn.Linear(h, 4 * h, bias=False)

    def forward(self, x, state):
        h, c = state
        f, i, o, g = (self.ih(x) + self.hh(h)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)

class GRUCell(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.wx = nn.Linear(i, 3 * h)
        self.wh = nn.Linear(h, 3 * h)

    def forward(self, x, h):
        a, b = self.wx(x), self.wh(h)
        n = h.size(-1)
        r = torch.sigmoid(a[:, :n] + b[:, :n])
        z = torch.sigmoid(a[:, n : 2 * n] + b[:, n : 2 * n])
        c = torch.tanh(a[:, 2 * n :] + r * b[:, 2 * n :])
        return (1 - z) * c + z * h

cell, gru = seeded(LSTMCell(3, 4)), seeded(GRUCell(4, 4), 1)
seq = normal(6, 2, 3)
h = (torch.zeros(2, 4), torch.zeros(2, 4))
hg = torch.zeros(2, 4)
outs = []
for t in range(seq.shape[0]):
    o, h = cell(seq[t], h)
    hg = gru(o, hg)
    outs.append(hg)
o = torch.stack(outs)
loss = (o[-1] ** 2).sum() + o.mean()
loss.backward()
log += [loss, cell.ih.weight.grad, gru.wh.bias.grad]
rc = seeded(nn.RNNCell(3, 4, nonlinearity="relu"))
log.append(rc(seq[0], torch.ones(2, 4)))
""")

program("""
# saving and resuming
m = seeded(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)))
opt = torch.optim.Adam(m.parameters(), lr=0.02, amsgrad=True)
sch = torch.optim.lr_scheduler.StepLR(opt, step_size=3, gamma=0.5)
x, y = normal(10, 2), normal(10, 1, seed=3)

def steps(m, opt, sch, n):
    for _ in range(n):
        opt.zero_grad()
        l = F.mse_loss(m(x), y)
        l.backward()
        opt.step()
        sch.step()
        log.append(l.item())

steps(m, opt, sch, 5)
torch.save(
    {
        "epoch": 5,
        "model_state_dict": m.state_dict(),
        "optimizer_state_dict": opt.state_dict(),
        "scheduler": sch.state_dict(),
        "loss": 0.1,
    },
    path + "/ck.pt",
)
steps(m, opt, sch, 5)
ck = torch.load(path + "/ck.pt", weights_only=True, map_location="cpu")
m2 = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
m2.load_state_dict(ck["model_state_dict"])
o2 = torch.optim.Adam(m2.parameters(), lr=0.02, amsgrad=True)
s2 = torch.optim.lr_scheduler.StepLR(o2, step_size=3, gamma=0.5)
o2.load_state_dict(ck["optimizer_state_dict"])
s2.load_state_dict(ck["scheduler"])
steps(m2, o2, s2, 5)
log.append(ck["epoch"])
import io

buf = io.BytesIO()
torch.save(m.state_dict(), buf)
buf.seek(0)
log.append(torch.load(buf)["0.weight"])
import pickle

r = m.load_state_dict({"0.weight": torch.zeros(4, 2)}, strict=False)
log.append([len(r.missing_keys), len(r.unexpected_keys)])
try:
    m.load_state_dict({"0.weight": torch.zeros(3, 2)}, strict=False)
except RuntimeError as e:
    log.append(1)
try:
    m.load_state_dict({"foo": torch.zeros(3, 2)})
except RuntimeError as e:
    log.append(2)
torch.save(torch.arange(5), path + "/t.pt")
log.append(torch.load(path + "/t.pt"))
from pathlib import Path

torch.save([1, {"a": torch.ones(2)}], Path(path) / "l.pt")
log.append(torch.load(Path(path) / "l.pt")[1]["a"])
""")

program("""
# schedulers of all kinds
S = torch.optim.lr_scheduler

def opt():
    p = torch.nn.Parameter(torch.zeros(1))
    return torch.optim.SGD([p], lr=0.5, momentum=0.9)

mk = [
    lambda o: S.StepLR(o, 3),
    lambda o: S.MultiStepLR(o, milestones=[2, 5], gamma=0.5),
    lambda o: S.ExponentialLR(o, gamma=0.9),
    lambda o: S.LambdaLR(o, lr_lambda=lambda e: 0.95**e),
    lambda o: S.MultiplicativeLR(o, lambda e: 0.9),
    lambda o: S.CosineAnnealingLR(o, 5, eta_min=0.01),
    lambda o: S.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2),
    lambda o: S.OneCycleLR(o, max_lr=1.0, total_steps=20),
    lambda o: S.CyclicLR(o, base_lr=0.1, max_lr=1.0, step_size_up=3),
    lambda o: S.PolynomialLR(o, total_iters=6, power=2.0),
    lambda o: S.ConstantLR(o, factor=0.5, total_iters=3),
    lambda o: S.LinearLR(o, total_iters=4),
    lambda o: S.ChainedScheduler([S.ConstantLR(o, factor=0.1, total_iters=2), S.ExponentialLR(o, gamma=0.9)]),
    lambda o: S.SequentialLR(o, [S.LinearLR(o, total_iters=3), S.CosineAnnealingLR(o, 8)], milestones=[3]),
]
for make in mk:
    o = opt()
    s = make(o)
    rec = []
    for e in range(12):
        rec += [o.param_groups[0]["lr"], s.get_last_lr()[0], o.param_groups[0]["momentum"]]
        o.param_groups[0]["params"][0].grad = torch.zeros(1)
        o.step()
        s.step()
    log.append(rec)
    log.append(len(s.state_dict()) > 0)

class Custom(S.LRScheduler):
    def get_lr(self):
        return [base / (1 + self.last_epoch) for base in self.base_lrs]

o = opt()
s = Custom(o)
for _ in range(4):
    o.step()
    s.step()
    log.append(s.get_last_lr())
o = opt()
s = S.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=5)
for _ in range(9):
    o.step()
    s.step()
    log.append(o.param_groups[0]["lr"])
""")

program("""
# mixed dtypes and float32
torch.set_default_dtype(torch.float32)
m = seeded(nn.Linear(3, 2)).float()
assert m.weight.dtype == torch.float32
x = torch.tensor(np.random.default_rng(0).normal(size=(4, 3)), dtype=torch.float)
out = m(x)
assert out.dtype == torch.float32
log.append(out.double().round(decimals=4))
m.double()
log.append(m(x.double()).round(decimals=4))
m.to(torch.float32).to("cpu")
dev = torch.device("cuda" if torch.cuda.is_available() else "cpu")
m = m.to(dev)
x = x.to(dev, non_blocking=True)
log.append(m(x).sum().item().__round__(3))
log.append(next(m.parameters()).device.type == "cpu")
n = torch.numel(m.weight)
log.append(n)
i = torch.tensor([1, 2, 3])
assert i.dtype == torch.int64
log.append((i * 1.5).tolist())
assert torch.ones(2).dtype == torch.float32 and torch.from_numpy(np.ones(2)).dtype == torch.float64
log.append(float(torch.tensor(3)) + int(torch.tensor(2.7)))
torch.set_default_dtype(torch.float64)
""")

program("""
# transformer block
class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.h = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d), nn.Dropout(0.0))
        self.register_buffer("mask", torch.tril(torch.ones(8, 8)).view(1, 1, 8, 8))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(self.ln1(x)).split(C, dim=2)
        q, k, v = (t.view(B, T, self.h, C // self.h).transpose(1, 2) for t in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / (k.size(-1) ** 0.5))
        att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        assert torch.allclose(y, z)
        x = x + self.proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.mlp(self.ln2(x))

m = seeded(nn.Sequential(Block(8, 2), Block(8, 2)), scale=0.2)
x = normal(2, 6, 8)
opt = torch.optim.AdamW(m.parameters(), lr=1e-2, betas=(0.9, 0.95))
for _ in range(5):
    l = (m(x) - x.roll(1, 1)).pow(2).mean()
    opt.zero_grad(set_to_none=True)
    l.backward()
    log.append(nn.utils.clip_grad_norm_(m.parameters(), 1.0))
    opt.step()
    log.append(l.item())
log.append(sum(p.numel() for p in m.parameters()))
pe = torch.zeros(5, 4)
pos = torch.arange(0, 5).unsqueeze(1)
div = torch.exp(torch.arange(0, 4, 2) * (-np.log(10000.0) / 4))
pe[:, 0::2] = torch.sin(pos * div)
pe[:, 1::2] = torch.cos(pos * div)
log.append(pe)
""")

program("""
# lazy layers and flatten
m = nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2), nn.Softmax(dim=1))
x = normal(3, 2, 4)
m(x)
seeded(m)
log += [m(x), m[1].in_features]
opt = torch.optim.Adadelta(m.parameters())
for _ in range(4):
    l = -torch.log(m(x)[:, 0]).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
    log.append(l.item())
log.append(nn.Unflatten(1, (2, 4))(torch.arange(16.0).reshape(2, 8)))
b = seeded(nn.Bilinear(2, 3, 4))
log.append(b(normal(5, 2), normal(5, 3, seed=1)))
log.append(str(type(m[1]).__name__) == "Linear")
log.append(nn.PReLU()(torch.tensor([-1.0, 2.0])))
log.append(nn.LogSoftmax(dim=0)(torch.tensor([1.0, 2.0])))
log.append(nn.ReLU(inplace=True)(torch.tensor([-1.0, 2.0])))
print_it = repr(m)
""")

program("""
# dropout and determinism
torch.manual_seed(1)
d = nn.Dropout(p=0.5)
a = d(torch.ones(1000))
log.append(set(a.tolist()) == {0.0, 2.0})
log.append(abs(a.mean().item() - 1) < 0.2)
torch.manual_seed(1)
b = d(torch.ones(1000))
log.append(torch.equal(a, b))
d.eval()
log.append(d(torch.ones(3)))
log.append(F.dropout(torch.ones(3), p=0.5, training=False))
m = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3))
m.eval()
assert not m[1].training and not m.training
m.train()
assert m[1].training
state = torch.get_rng_state()
u = torch.rand(3)
torch.set_rng_state(state)
log.append(torch.equal(u, torch.rand(3)))
g = torch.Generator()
g.manual_seed(3)
r1 = torch.randn(4, generator=g)
g.manual_seed(3)
log.append(torch.equal(r1, torch.randn(4, generator=g)))
torch.manual_seed(0)
l1 = nn.Linear(3, 3)
torch.manual_seed(0)
l2 = nn.Linear(3, 3)
log.append(torch.equal(l1.weight, l2.weight))
p = torch.randperm(10)
log.append(sorted(p.tolist()))
log.append(torch.multinomial(torch.tensor([0.0, 1.0, 0.0]), 2, replacement=True))
log.append(torch.bernoulli(torch.tensor([0.0, 1.0])))
""")

program("""
# sophisticated optimizer use
w = nn.Parameter(torch.tensor([1.0, -2.0]))
for name in (
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adamax",
    "NAdam",
    "RAdam",
    "Rprop",
    "ASGD",
):
    with torch.no_grad():
        w.copy_(torch.tensor([1.0, -2.0]))
    w.grad = None
    o = getattr(torch.optim, name)([w], lr=0.05)
    for _ in range(5):

        def closure():
            o.zero_grad()
            l = (w**2).sum() + w[0] * w[1]
            l.backward()
            return l

        l = o.step(closure)
        log.append(l.item())
    log.append(w)
    st = o.state[w]
    log.append(len(o.state))
    log.append(isinstance(o.state_dict()["state"], dict))
o = torch.optim.LBFGS([w], lr=0.5, max_iter=4, history_size=5)
log.append([o.step(closure).item() for _ in range(3)])
o = torch.optim.Adam([("w", w)], lr=torch.tensor(0.01)) if False else torch.optim.Adam([w], lr=0.01)
o.param_groups[0]["lr"] = 0.5
for g in o.param_groups:
    g["lr"] *= 0.1
closure()
o.step()
log.append(w)
print_it = repr(o)
log.append("lr: 0.05" in print_it or "lr=0.05" in print_it)
log.append(o.defaults["betas"])
log.append(o.state[w]["step"])
log.append(o.state[w]["exp_avg"])

class Mine(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, mu=0.5):
        if lr < 0:
            raise ValueError("lr")
        super().__init__(params, dict(lr=lr, mu=mu))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["v"] = torch.zeros_like(p)
                v = state["v"]
                state["step"] += 1
                v.mul_(group["mu"]).add_(p.grad)
                p.add_(v, alpha=-group["lr"])
        return loss

o = Mine([w])
o2 = None

def closure2():
    o.zero_grad()
    l = (w**4).sum()
    l.backward()
    return l

for _ in range(4):
    log.append(o.step(closure2).item())
sd = o.state_dict()
log.append(sd["state"][0]["v"])
log.append(sd["state"][0]["step"])
import copy

n = Mine([w])
n.load_state_dict(copy.deepcopy(sd))
log.append(n.step(closure2).item())
log.append(w)
s = torch.optim.lr_scheduler.StepLR(o, 1)
o.step(closure2)
s.step()
log.append(o.param_groups[0]["lr"])
""")

program("""
# parameters to vector, named everything, module surgery
m = seeded(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
v = torch.nn.utils.parameters_to_vector(m.parameters())
log.append(v)
torch.nn.utils.vector_to_parameters(v * 2, m.parameters())
log.append(m[0].weight)
log.append(m.get_parameter("2.bias"))
log.append(len(list(m.children())))
m[2] = nn.Linear(3, 2)
seeded(m, 3)
log.append(m(normal(2, 2)))
m.add_module("extra", nn.Tanh())
log.append(m(normal(2, 2)))
del m.extra
log.append(len(m))

class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.ones(2))
        self.sub = nn.Linear(2, 2)

    def forward(self, t, y=None):
        return self.sub(t) * self.x + (0 if y is None else y)

a = seeded(A())
log.append(a(torch.ones(2), y=1.0))
log.append(a.forward(torch.ones(2)))
a.x = nn.Parameter(torch.zeros(2))
log.append(a(torch.ones(2)))
try:
    a.x = torch.ones(2)
except TypeError:
    log.append("type" == "type")
a.extra = 3
log.append(a.extra)
a.sub = None
log.append(len(list(a.parameters())))
log.append(hasattr(a, "nothing"))
log.append(getattr(a, "nothing", 7))
assert isinstance(a.x, torch.Tensor) and isinstance(a.x, nn.Parameter) and a.x.requires_grad and a.x.is_leaf
for p in m.parameters():
    p.data.clamp_(-0.1, 0.1)
log.append([p.abs().max() for p in m.parameters()])
total = sum((p**2).sum() for p in m.parameters())
total.backward()
log.append(m[0].bias.grad)
m.zero_grad()
log.append(m[0].bias.grad is None)
m.requires_grad_(False)
log.append(m(normal(2, 2)).requires_grad)

def count(mod):
    return sum(p.numel() for p in mod.parameters() if p.requires_grad)

log.append(count(m))
""")

program("""
# maml, hypergradients and functional updates
def net(p, x):
    return torch.tanh(x @ p["w1"] + p["b1"]) @ p["w2"]

params = {
    "w1": normal(1, 6).requires_grad_(),
    "b1": torch.zeros(6, requires_grad=True),
    "w2": normal(6, 1, seed=2).requires_grad_(),
}
outer = torch.optim.Adam(params.values(), lr=0.01)
for it in range(5):
    outer.zero_grad()
    meta = 0.0
    for task in range(3):
        x = normal(8, 1, seed=10 + task)
        y = torch.sin(x + task)
        fast = params
        for _ in range(2):
            loss = F.mse_loss(net(fast, x), y)
            gs = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
            fast = {k: v - 0.1 * g for (k, v), g in zip(fast.items(), gs)}
        meta = meta + F.mse_loss(net(fast, -x), torch.sin(-x + task))
    meta.backward()
    outer.step()
    log.append(meta.item())
lr = torch.tensor(0.1, requires_grad=True)
w = torch.tensor(2.0, requires_grad=True)
(g,) = torch.autograd.grad(w**2, w, create_graph=True)
new = w - lr * g
(new**2).backward()
log += [lr.grad, w.grad]
""")

program("""
# spectral things, ema and swa by hand, weight norm, label smoothing, mixup
m = seeded(nn.Linear(4, 3))
ema = {k: v.clone() for k, v in m.state_dict().items()}
opt = torch.optim.NAdam(m.parameters(), lr=0.05)
x = normal(12, 4)
y = torch.tensor(np.arange(12) % 3)
for i in range(6):
    lam = 0.3
    perm = torch.arange(11, -1, -1)
    xm = lam * x + (1 - lam) * x[perm]
    out = m(xm)
    loss = lam * F.cross_entropy(out, y, label_smoothing=0.05) + (1 - lam) * F.cross_entropy(out, y[perm])
    loss = loss + 1e-2 * sum(p.abs().sum() for p in m.parameters())
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for k, v in m.state_dict().items():
            ema[k].mul_(0.9).add_(v, alpha=0.1)
    log.append(loss.item())
log += list(ema.values())
wn = nn.Parameter(normal(3, 4))
gnorm = nn.Parameter(torch.ones(3, 1))
wt = gnorm * wn / wn.norm(dim=1, keepdim=True)
(F.linear(x, wt) ** 2).mean().backward()
log += [wn.grad, gnorm.grad]
conf = torch.zeros(3, 3, dtype=torch.long)
for t, p in zip(y.view(-1), m(x).argmax(1).view(-1)):
    conf[t.long(), p.long()] += 1
log.append(conf)
top = m(x).topk(2, dim=1)
log += [top.values, top.indices]
probs = F.softmax(m(x), dim=-1)
log.append(-(probs * probs.log()).sum(-1).mean())
""")

program("""
# odd module api
m = seeded(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
log.append(m[0].weight.shape[0])
log.append(m.training)
log.append(len(list(m.named_parameters(prefix="x"))))
assert [n for n, _ in m.named_parameters(prefix="net")][0] == "net.0.weight"
log.append([isinstance(c, nn.Linear) for c in m.children()])
m.float()
log.append(m[0].weight.dtype == torch.float32)
m.double()
log.append(m.state_dict(prefix="p.")["p.0.weight"].clone())
for p in m.parameters():
    p.grad = torch.ones_like(p)
log.append(sum(p.grad.sum() for p in m.parameters()))
m.zero_grad(set_to_none=False)
log.append(m[0].weight.grad)
for name, param in m.named_parameters():
    if "weight" in name:
        nn.init.xavier_uniform_(param)
    elif "bias" in name:
        nn.init.constant_(param, 0.1)
log.append(m[0].bias)

class Sub(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.arange(3.0))

    def forward(self, x):
        return x * self.w

    def reset_parameters(self):
        nn.init.zeros_(self.w)

s = Sub()
log.append(s(torch.ones(3)))
s.reset_parameters()
log.append(s.w)
s.register_buffer("b", None)
log.append(len(s.state_dict()))
log.append(s.w.data.shape[0])
s.w.data = torch.ones(3)
log.append(s.w)
s.w.data[1] = 5.0
log.append(s.w)
s.w.data.copy_(torch.tensor([1.0, 2.0, 3.0]))
s.w.data *= 2
log.append(s.w)
torch.nn.init.normal_(s.w.data, 0, 1e-12)
log.append(s.w.abs().max() < 1e-10)
m.extra_list = [1, 2]
m.fn = lambda x: x
log.append(m.get_submodule("2").bias.numel())
log.append(
    torch.nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)).requires_grad_(False)[0].weight.requires_grad
)
ml = nn.ModuleList()
ml.append(nn.Linear(1, 2))
ml.extend([nn.Linear(2, 2)])
ml += [nn.Linear(2, 3)]
log.append(len(ml))
md = nn.ModuleDict([["a", nn.Linear(1, 1)], ["b", nn.ReLU()]])
log.append(len(md))
md["c"] = nn.Tanh()
log.append([len(list(md.values())), len(md.items())])
md.pop("a")
log.append(len(md))
md.clear()
log.append(len(md))
seq = nn.Sequential(nn.Linear(1, 1)) + nn.Sequential(nn.ReLU())
log.append(len(seq))
seq.insert(0, nn.Tanh())
seq.extend([nn.Tanh()])
log.append(len(seq))
seq.pop(0)
log.append(len(seq))
pl = nn.ParameterList([nn.Parameter(torch.ones(1))])
pl.append(torch.zeros(2))
log.append(len(pl))
log += list(pl)
pl[0] = nn.Parameter(torch.full((1,), 3.0))
log.append(pl[0])
pd = nn.ParameterDict({"a": torch.ones(1)})
pd["b"] = nn.Parameter(torch.zeros(1))
log.append("b" in pd)
log.append(pd.get("z") is None)
log.append([len(pd.keys())])
""")

program("""
# exceptions as torch has them
def either(f, *types):
    try:
        f()
    except types:
        return 1
    return 0

m = nn.Linear(3, 2)
log += [
    either(lambda: m(torch.ones(2, 4)), RuntimeError),
    either(lambda: m.load_state_dict({}), RuntimeError),
    either(lambda: F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 5])), IndexError),
    either(lambda: torch.ones(2) @ torch.ones(3), RuntimeError),
    either(lambda: nn.Module()(1), NotImplementedError),
    either(lambda: m.nope, AttributeError),
    either(lambda: nn.Dropout(2.0), ValueError),
    either(lambda: torch.optim.SGD([], lr=0.1), ValueError),
    either(lambda: torch.optim.Adam(m.parameters(), lr=-1), ValueError),
    either(lambda: torch.optim.SGD(m.parameters(), lr=0.1, nesterov=True), ValueError),
    either(lambda: torch.optim.SGD([1.0], lr=0.1), TypeError),
    either(lambda: nn.ModuleList()[0], IndexError),
    either(lambda: nn.ModuleDict()["a"], KeyError),
    either(lambda: nn.Embedding(3, 2)(torch.tensor([3])), IndexError),
    either(lambda: torch.ones(2, requires_grad=True).backward(), RuntimeError),
    either(lambda: torch.tensor([1]).requires_grad_(), RuntimeError),
    either(lambda: torch.ones(3).view(2, 2), RuntimeError),
    either(lambda: torch.ones(3)[5], IndexError),
    either(lambda: nn.Sequential(1), TypeError),
    either(lambda: torch.optim.lr_scheduler.StepLR(3, 1), TypeError),
    either(lambda: torch.load("/nonexistent/x.pt"), FileNotFoundError),
    either(lambda: F.mse_loss(torch.ones(2), torch.ones(3)), RuntimeError),
    either(lambda: nn.BCELoss()(torch.tensor([2.0]), torch.tensor([1.0])), RuntimeError),
    either(lambda: nn.MSELoss(reduction="x")(torch.ones(1), torch.ones(1)), ValueError),
    either(lambda: m.register_parameter("weight", nn.Parameter(torch.ones(1))), KeyError),
    either(lambda: setattr(m, "weight", torch.ones(1)), TypeError),
    either(lambda: m.get_submodule("zz"), AttributeError),
]
""")

program("""
# custom loss, custom activation, residual mlp, mixture, multi input
class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)

class Res(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.f = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, d), Swish(), nn.Linear(d, d))

    def forward(self, x):
        return x + self.f(x)

class MoE(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.experts = nn.ModuleList(Res(d) for _ in range(k))
        self.gate = nn.Linear(d, k)

    def forward(self, x, *, temperature=1.0, mask=None):
        w = torch.softmax(self.gate(x) / temperature, -1)
        if mask is not None:
            w = w * mask
            w = w / w.sum(-1, keepdim=True)
        out = torch.stack([e(x) for e in self.experts], dim=-1)
        return torch.einsum("bdk,bk->bd", out, w), w

class Focal(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, y):
        lp = F.log_softmax(logits, dim=-1)
        pt = lp.gather(1, y[:, None]).squeeze(1)
        return -((1 - pt.exp()) ** self.gamma * pt).mean()

m = seeded(MoE(4, 3), scale=0.3)
opt = torch.optim.RAdam(m.parameters(), lr=0.02, weight_decay=0.01, decoupled_weight_decay=True)
crit = Focal()
x = normal(12, 4)
y = torch.tensor(np.arange(12) % 4)
for i in range(8):
    out, w = m(x, temperature=0.7, mask=torch.tensor([1.0, 1.0, 0.0]))
    loss = crit(out, y) + 0.1 * (w.mean(0) ** 2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    log.append(loss.item())
log += [
    w[0],
    m.experts[0].f[2].beta,
    m.experts[2].f[1].weight.grad is None or m.experts[2].f[1].weight.grad.abs().sum(),
]

class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(4, 3), nn.Tanh())

    def forward(self, a, b):
        return (self.enc(a) - self.enc(b)).norm(dim=1)

s = seeded(Siamese())
d = s(x[:6], x[6:])
t = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
l = (t * d**2 + (1 - t) * torch.clamp(1 - d, min=0) ** 2).mean()
l.backward()
log += [l, s.enc[0].weight.grad]
""")

program("""
# training loop in classes with metrics
from torch.utils.data import DataLoader, TensorDataset

class Trainer:
    def __init__(self, model, optimizer, criterion, scheduler=None, clip=None):
        self.model, self.optimizer, self.criterion, self.scheduler, self.clip = (
            model,
            optimizer,
            criterion,
            scheduler,
            clip,
        )
        self.history = {"loss": [], "acc": [], "lr": []}

    def fit(self, loader, epochs):
        for epoch in range(1, epochs + 1):
            self.model.train()
            running, correct, total = 0.0, 0, 0
            for i, (inputs, labels) in enumerate(loader, 0):
                self.optimizer.zero_grad()
                outputs = self.model(inputs)
                loss = self.criterion(outputs, labels)
                loss.backward()
                if self.clip:
                    nn.utils.clip_grad_norm_(self.model.parameters(), self.clip, norm_type=2)
                self.optimizer.step()
                running += loss.item() * inputs.size(0)
                _, predicted = torch.max(outputs.data, 1)
                total += labels.size(0)
                correct += (predicted == labels).sum().item()
            if self.scheduler:
                self.scheduler.step()
            self.history["loss"].append(running / total)
            self.history["acc"].append(100 * correct / total)
            self.history["lr"].append(self.optimizer.param_groups[0]["lr"])

    @torch.no_grad()
    def evaluate(self, loader):
        self.model.eval()
        preds, targets = [], []
        for x, y in loader:
            preds.append(self.model(x).softmax(1))
            targets.append(y)
        p, t = torch.cat(preds), torch.cat(targets)
        return (p.argmax(1) == t).float().mean().item(), F.nll_loss(torch.log(p), t).item()

X, Y = moons(60)
ds = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y).long())
model = seeded(
    nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.1), nn.Linear(16, 16), nn.ELU(), nn.Linear(16, 2))
)
t = Trainer(
    model,
    torch.optim.Adam(model.parameters(), 1e-2, (0.9, 0.99), weight_decay=1e-4),
    nn.CrossEntropyLoss(label_smoothing=0.05),
    None,
    1.0,
)
t.scheduler = torch.optim.lr_scheduler.OneCycleLR(t.optimizer, max_lr=0.05, epochs=12, steps_per_epoch=1)
t.fit(DataLoader(ds, batch_size=16), 11)
log += [t.history["loss"], t.history["acc"], t.history["lr"], list(t.evaluate(DataLoader(ds, 7)))]
for n, p in model.named_parameters():
    log.append(p.grad.norm())
with torch.inference_mode():
    log.append(model(torch.zeros(1, 2)))
""")

program("""
# reinforcement and sequence things
torch.manual_seed(0)
probs = torch.tensor([[0.1, 0.9], [0.5, 0.5]])
net = seeded(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)))
target = seeded(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)), 5)
target.load_state_dict(net.state_dict())
for p in target.parameters():
    p.requires_grad = False
opt = torch.optim.RMSprop(net.parameters(), lr=1e-2, momentum=0.9, centered=True)
s, s2 = normal(10, 2), normal(10, 2, seed=1)
a = torch.tensor(np.arange(10) % 3)
r = normal(10, seed=2)
done = torch.tensor(np.arange(10) % 4 == 0)
for i in range(6):
    q = net(s).gather(1, a.unsqueeze(1)).squeeze(-1)
    with torch.no_grad():
        nq = target(s2).max(1)[0]
        nq[done] = 0.0
        y = r + 0.9 * nq
    loss = F.smooth_l1_loss(q, y)
    opt.zero_grad()
    loss.backward()
    for p in net.parameters():
        p.grad.data.clamp_(-1, 1)
    opt.step()
    for tp, p in zip(target.parameters(), net.parameters()):
        tp.data.copy_(0.9 * tp.data + 0.1 * p.data)
    log.append(loss.item())
log += [target[0].weight]
ret, R = [], 0.0
for x in reversed([1.0, 0.0, 2.0]):
    R = x + 0.9 * R
    ret.insert(0, R)
ret = torch.tensor(ret)
ret = (ret - ret.mean()) / (ret.std() + 1e-8)
log.append(ret)
lens = torch.tensor([3, 1, 2])
mask = torch.arange(4)[None, :] < lens[:, None]
log.append(mask)
seqs = torch.ones(2, 3)
log.append((seqs * 2).masked_fill(seqs > 0, -1.0))
logits = normal(4, 3)
lp = F.log_softmax(logits, -1)
ent = -(lp.exp() * lp).sum(-1)
log.append(ent)
ratio = torch.exp(lp[:, 0] - lp[:, 0].detach())
adv = normal(4, seed=7)
log.append(-torch.min(ratio * adv, torch.clamp(ratio, 0.8, 1.2) * adv).mean())
log.append(torch.logsumexp(logits, dim=1))
log.append(torch.cumsum(logits, 0))
log.append(torch.tril(torch.ones(3, 3)).bool())
""")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_numbers(name, tmp_path):
    source = PRELUDE + PROGRAMS[name]
    theirs = flat(run(source, tmp_path, f"{name} (torch)"))
    mt.set_default_dtype(mt.float64)
    ours = flat(run(translated(source), tmp_path, f"{name} (microtrain)"))
    assert ours.shape == theirs.shape and len(ours) > 5
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
