"""`python -m bench.features.train_features digits8` or `... cifar32 --data FILE.npz`: make a set of the folder weights/.

Only training images are used, so that held-out data stay held out for the distance too. FILE.npz holds uint8 arrays
train (N,3,32,32), train_labels, test, test_labels. The result depends on the PyTorch build to rounding, which is why
the weights ship and their hash is part of the protocol; it is recorded in weights/SHA256.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.features.classifier import ARCHITECTURES, WEIGHTS, Classifier, record_hashes


def fit(network: Classifier, x: Tensor, y: Tensor, steps: int, noise: float, flip: bool, seed: int = 0) -> None:
    """AdamW with a cosine schedule, batch 128, Gaussian noise on the input (smoother features), one-pixel shifts."""
    g = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        i = torch.randint(len(x), (128,), generator=g)
        batch = x[i].float() / 127.5 - 1
        if flip:
            batch = torch.where(torch.rand(128, 1, 1, 1, generator=g) < 0.5, batch.flip(-1), batch)
            dy, dx = torch.randint(-3, 4, (2,), generator=g).tolist()
            batch = batch.roll((dy, dx), (2, 3))
        batch = batch + noise * torch.randn(batch.shape, generator=g)
        loss = F.cross_entropy(network.scores(F.silu(network(batch))), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def accuracy(network: Classifier, x: Tensor, y: Tensor) -> float:
    """Share of correct classes."""
    with torch.no_grad():
        found = [network.scores(F.silu(network(p.float() / 127.5 - 1))).argmax(1) for p in torch.split(x, 1000)]
    return float((torch.cat(found) == y).double().mean())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(ARCHITECTURES))
    parser.add_argument("--data", help="FILE.npz for cifar32")
    parser.add_argument("--steps", type=int, default=None)
    options = parser.parse_args()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ARCHITECTURES[options.name]()
    if options.name == "digits8":
        from bench import data
        from bench.config import Digits

        digits = data.load(Digits(name="digits", features="digits8"))
        assert digits.labels is not None and digits.heldout_labels is not None
        scale = 255 / digits.levels
        x, x_test = digits.train * scale, digits.heldout * scale
        y, y_test = digits.labels, digits.heldout_labels
        fit(network, x, y, options.steps or 800, noise=0.1, flip=False)
    else:
        stored = np.load(options.data)
        x, y, x_test, y_test = (torch.from_numpy(stored[k]) for k in ("train", "train_labels", "test", "test_labels"))
        y, y_test = y.long(), y_test.long()
        fit(network, x, y, options.steps or 6000, noise=0.05, flip=True)
    print(f"{options.name}: {accuracy(network, x, y):.4f} of training, {accuracy(network, x_test, y_test):.4f} of held-out")
    kind = np.float32 if options.name == "digits8" else np.float16
    np.savez_compressed(WEIGHTS / f"{options.name}.npz",
                        **{k: v.numpy().astype(kind) for k, v in network.state_dict().items()})
    record_hashes()


if __name__ == "__main__":
    main()
