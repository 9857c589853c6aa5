"""Train a network with a weight pool in a loop of one's own: `python examples/own_loop.py OUT.pt [EPOCHS]`.

`wptrain export OUT.pt --dataset digits --out OUT.tflite` then writes the file that `wpconvert -m pool` compresses.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from wptrain import data
from wptrain.data.draws import Key
from wptrain.layers import Pool, PoolSettings, Trained, Training, build, evaluate, prepare

BATCH = 32


def main(path: Path, epochs: int) -> None:
    torch.manual_seed(0)
    digits = data.load("digits")
    network = build("ds-cnn", channels=1, classes=10)
    settings = PoolSettings(size=32)
    pool = Pool(settings)
    # Every convolution but the first now takes its weights from the pool; depthwise ones stay as they are.
    prepare(network, {"pool": pool}, Training(seed=0, epochs=epochs))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for epoch in range(epochs):
        pool.before_epoch(epoch)
        network.train()
        order = np.random.default_rng(epoch).permutation(len(digits.labels("train")))
        for indices in np.array_split(order, len(order) // BATCH):
            samples, labels = digits.batch("train", indices, Key(seed=0, epoch=epoch))
            logits = network(torch.from_numpy(samples).permute(0, 3, 1, 2))
            optimiser.zero_grad()
            functional.cross_entropy(logits, torch.from_numpy(labels)).backward()
            optimiser.step()
            # Keeps the gains of batch normalisations positive, which pool vectors need.
            pool.after_step()
        schedule.step()
        accuracy, _ = evaluate(network, digits, "validation")
        print(f"epoch {epoch + 1}: validation accuracy {accuracy:.4f}")
    Trained("ds-cnn", (8, 8, 1), 10, network, {"pool": settings.model_dump(mode="json")}).save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
