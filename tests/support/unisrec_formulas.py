"""UniSRec's formulas, slow and obvious: for tests of what computes the same fast."""

import math

import torch


def slow_adaptor(adaptor, vector):
    """v = sum_k g_k (x - b_k) W_k, g = softmax(x W_gate), number by number."""
    n_experts, width, depth = adaptor.weight.shape
    logits = [sum(float(vector[i] * adaptor.gate[i, k]) for i in range(width)) for k in range(n_experts)]
    total = sum(math.exp(logit) for logit in logits)
    result = [0.0] * depth
    for k in range(n_experts):
        for d in range(depth):
            whitened = sum(float((vector[i] - adaptor.shift[k, i]) * adaptor.weight[k, i, d]) for i in range(width))
            result[d] += math.exp(logits[k]) / total * whitened
    return torch.tensor(result)


def slow_norm(layer, row):
    centred = row - row.sum() / len(row)
    return centred / ((centred**2).sum() / len(row) + layer.eps) ** 0.5 * layer.weight + layer.bias


def slow_state(model, vectors):
    """The state at the end of one sequence of item vectors [L, D], of length one: position after position."""
    encoder = model.encoder
    rows = [
        slow_norm(encoder.norm, vector + encoder.position_embedding.weight[place])
        for place, vector in enumerate(vectors)
    ]
    for block in encoder.blocks:
        attention, width = block.attention, len(rows[0])
        size, projected = width // attention.n_heads, [attention.query_key_value(row) for row in rows]
        mixed = []
        for place in range(len(rows)):
            heads = []
            for head in range(attention.n_heads):
                part = slice(head * size, (head + 1) * size)
                query = projected[place][:width][part]
                keys = [row[width : 2 * width][part] for row in projected[: place + 1]]
                values = [row[2 * width :][part] for row in projected[: place + 1]]
                weights = [math.exp(float(query @ key) / math.sqrt(size)) for key in keys]
                heads.append(sum(weight / sum(weights) * value for weight, value in zip(weights, values, strict=True)))
            mixed.append(slow_norm(block.attention_norm, rows[place] + attention.dense(torch.cat(heads))))
        rows = []
        for row in mixed:
            inner = block.inner(row)
            gelu = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
            rows.append(slow_norm(block.feed_forward_norm, row + block.outer(gelu)))
    return rows[-1] / rows[-1].norm()
