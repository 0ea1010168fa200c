"""Make this process ready for experiments, so that whatever is forked from it can begin at once."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from tests.harness import accelerator, observe  # noqa: F401  # observe installs the accelerator
from tests.harness.watch import Line


def up() -> None:
    """Run once what every run needs: torch and matplotlib import and build much only when it is first used."""
    torch.set_num_threads(1)  # before any parallel work, or forked children hang
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cpu", accelerator.NAME):
            model = Line().to(device)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            x = torch.ones(3, 1, device=device)
            for _ in range(3):
                optimizer.zero_grad()
                torch.nn.L1Loss()(model(x), x).backward()
                optimizer.step()
            with torch.inference_mode():
                model(x)
            file = Path(folder, "model.pth")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
            torch.load(file, weights_only=True)
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], label="warm")
    axes.scatter([0, 1], [0, 1])
    axes.legend()
    figure.canvas.draw()
    plt.close("all")
