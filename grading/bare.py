"""What `make bench` compares `make test` with: the five modules imported and the whole workflow run once."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["MPLBACKEND"] = "agg"

import torch

from solutions.ex1_dataset import create_dataset, pick_device, plot_data, split_dataset
from solutions.ex2_model import LinearRegressionModel
from solutions.ex3_training import create_loss, create_optimizer, plot_loss_curves, train
from solutions.ex4_predictions import plot_predictions, predict
from solutions.ex5_persistence import (
    load_model,
    predictions_match,
    resume_checkpoint,
    save_checkpoint,
    save_model,
)

device = pick_device()
data = split_dataset(*create_dataset(device=device))
plot_data(*data)
torch.manual_seed(42)
model = LinearRegressionModel().to(device)
optimizer = create_optimizer(model)
plot_loss_curves(train(model, create_loss(), optimizer, *data))
plot_predictions(*data, predict(model, data[2]))
with TemporaryDirectory() as folder:
    loaded = load_model(LinearRegressionModel, save_model(model, Path(folder) / "model.pth"), device)
    assert predictions_match(model, loaded, data[2])
    checkpoint = save_checkpoint(model, optimizer, 300, Path(folder) / "checkpoint.pth")
    assert resume_checkpoint(loaded, create_optimizer(loaded), checkpoint) == 300
