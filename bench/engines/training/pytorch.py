"""
The model of model.mjs as a plain PyTorch module. Standard input: a line of JSON, the first weights as f32, then a number of steps on
each line. Standard output: a line of JSON each. It ends with its input.
"""

import json
import sys
import time

import numpy
import torch
from torch.nn import functional as F

head = json.loads(sys.stdin.buffer.readline())
shape, recipe = head["shape"], head["recipe"]
torch.set_num_threads(head["threads"])
torch.manual_seed(0)

weights = {}
for name, size in head["tensors"].items():
    count = int(numpy.prod(size))
    values = numpy.frombuffer(sys.stdin.buffer.read(4 * count), dtype="<f4").reshape(size)
    weights[name] = torch.nn.Parameter(torch.from_numpy(values.copy()))
tokens = torch.tensor(head["tokens"]).view(shape["sequences"], shape["length"])
targets = torch.tensor(head["targets"])

heads, width, length = shape["heads"], shape["width"], shape["length"]
half = width // heads // 2
angles = torch.arange(length)[:, None] / shape["theta"] ** (torch.arange(half) / half)
cosines, sines = (torch.cat([f(angles.double()).float()] * 2, -1) for f in (torch.cos, torch.sin))


def rotate(x):
    low, high = x.chunk(2, -1)
    return x * cosines + torch.cat((-high, low), -1) * sines


def norm(x, name):
    return F.rms_norm(x, (width,), weights[name], shape["epsilon"])


def loss_of_batch():
    x = F.embedding(tokens, weights["model.embed_tokens.weight"])
    for block in range(shape["blocks"]):
        of = lambda name: weights[f"model.layers.{block}.{name}.weight"]
        y = norm(x, f"model.layers.{block}.input_layernorm.weight")
        q, k, v = (
            F.linear(y, of(f"self_attn.{name}_proj")).view(*y.shape[:2], heads, -1).transpose(1, 2) for name in "qkv"
        )
        y = F.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
        x = x + F.linear(y.transpose(1, 2).reshape(x.shape), of("self_attn.o_proj"))
        y = norm(x, f"model.layers.{block}.post_attention_layernorm.weight")
        y = F.silu(F.linear(y, of("mlp.gate_proj"))) * F.linear(y, of("mlp.up_proj"))
        x = x + F.linear(y, of("mlp.down_proj"))
    logits = F.linear(norm(x, "model.norm.weight"), weights["model.embed_tokens.weight"])
    return F.cross_entropy(logits.view(-1, shape["vocabulary"]), targets)


groups = [
    {"params": [w for w in weights.values() if w.dim() == 2], "weight_decay": recipe["decay"]},
    {"params": [w for w in weights.values() if w.dim() == 1], "weight_decay": 0.0},
]
betas = (recipe["beta1"], recipe["beta2"])
optimizer = torch.optim.AdamW(groups, lr=recipe["rate"], betas=betas, eps=recipe["epsilon"], fused=True)


def step():
    loss = loss_of_batch()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights.values(), recipe["clip"], foreach=True)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def say(answer):
    print(json.dumps(answer), flush=True)


losses = [step() for _ in range(3)]
say({"engine": f"PyTorch {torch.__version__}", "losses": losses, "cpu": 1000 * time.process_time()})
for line in sys.stdin.buffer:
    used, times = time.process_time(), []
    for _ in range(int(line)):
        begin = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - begin))
    say({"times": times, "cpu": 1000 * (time.process_time() - used)})
