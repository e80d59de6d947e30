"""Optimizer vectors: three clipped steps of AdamW and of Adam."""
import math
import torch
from veclib import case, save


def adamw(P, G, st, lr, b1, b2, eps, wd):
    for n in P:
        m, v, k = st[n]
        k += 1
        P[n] = P[n] * (1 - lr * wd)
        m = b1 * m + (1 - b1) * G[n]
        v = b2 * v + (1 - b2) * G[n] * G[n]
        P[n] = P[n] - (lr / (1 - b1 ** k)) * m / (torch.sqrt(v) / math.sqrt(1 - b2 ** k) + eps)
        st[n] = [m, v, k]


def clip(G, mx):
    n = torch.sqrt(sum((g ** 2).sum() for g in G.values()))
    c = torch.clamp(mx / (n + 1e-6), max=1.0)
    return {k: g * c for k, g in G.items()}, n


def f(i, p):
    P = {"w": i["w"].clone(), "b": i["b"].clone()}
    st = {k: [torch.zeros_like(v), torch.zeros_like(v), 0] for k, v in P.items()}
    seq = []
    nr = []
    for s in range(3):
        G, n = clip({"w": i["gw"][s], "b": i["gb"][s]}, p["clip"])
        adamw(P, G, st, p["lr"], p["b1"], p["b2"], p["eps"], p["wd"])
        seq.append(torch.cat([P["w"].reshape(-1), P["b"]])); nr.append(n)
    return {"params_seq": torch.stack(seq), "grad_norms": torch.stack(nr)}


torch.manual_seed(41)
inp = {"w": torch.randn(2, 2), "b": torch.randn(2), "gw": torch.randn(3, 2, 2), "gb": torch.randn(3, 2)}
save("optimizer.json", "three clipped AdamW steps (RLinf: betas 0.9/0.95, weight decay 0.01) and three clipped Adam steps (LeRobot SAC: betas 0.9/0.999, no decay)",
     [case("adamw_rlinf", f, inp, {"lr": 1e-3, "b1": 0.9, "b2": 0.95, "eps": 1e-8, "wd": 0.01, "clip": 1.0}),
      case("adam_lerobot", f, inp, {"lr": 3e-4, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "wd": 0.0, "clip": 40.0})], rtol=2e-6, atol=1e-7)
