"""One line an experiment: the fixture's name, where it lives in tests/harness, what it observes, what it echoes."""

from tests import echoes
from tests.coach.suite import experiment
from tests.harness import observations as seen

pytest_plugins = ["tests.coach.plugin"]

devices = experiment("dataset.devices", seen.Devices)
default_data = experiment("dataset.default_data", seen.Data)
other_data = experiment("dataset.other_data", seen.Data)
data_on_device = experiment("dataset.data_on_device", tuple[seen.Data, ...])
splits = experiment("dataset.splits", tuple[seen.Split, ...], echoes.splits)
data_plot = experiment("dataset.data_plot", seen.Plot)

models = experiment("model.models", seen.Models, echoes.models)
forward = experiment("model.forward", seen.ForwardRun, echoes.forward)
forward_on_device = experiment(
    "model.forward_on_device", tuple[seen.ForwardRun, ...], echoes.forward_on_device
)

loss = experiment("training.loss", seen.LossValues, echoes.loss)
optimizer = experiment("training.optimizer", seen.OptimizerSteps, echoes.optimizer)
full_run = experiment("training.full_run", seen.TrainingRun, echoes.full_run)
short_run = experiment("training.short_run", seen.TrainingRun, echoes.short_run)
no_epochs = experiment("training.no_epochs", seen.TrainingRun, echoes.no_epochs)
device_run = experiment("training.device_run", tuple[seen.TrainingRun, ...], echoes.device_run)
loss_plot = experiment("training.loss_plot", seen.Plot)

prediction = experiment("predictions.prediction", seen.Prediction, echoes.prediction)
device_prediction = experiment(
    "predictions.device_prediction", tuple[seen.Prediction, ...], echoes.device_prediction
)
prediction_plot = experiment("predictions.prediction_plot", seen.Plot)

saved = experiment("persistence.saved", seen.Saved, echoes.saved)
loaded = experiment("persistence.loaded", seen.Loaded, echoes.loaded)
loaded_from_gpu = experiment("persistence.loaded_from_gpu", seen.Loaded, echoes.loaded)
loaded_on_device = experiment(
    "persistence.loaded_on_device", tuple[seen.Loaded, ...], echoes.loaded_on_device
)
bad_files = experiment("persistence.bad_files", seen.BadFiles)
bad_checkpoints = experiment("persistence.bad_checkpoints", seen.BadFiles)
matches = experiment("persistence.matches", seen.Matches)
matches_on_devices = experiment("persistence.matches_on_devices", tuple[seen.DeviceMatch, ...])
resumed = experiment("persistence.resumed", seen.Resumed, echoes.resumed)
resumed_on_device = experiment(
    "persistence.resumed_on_device", tuple[seen.Resumed, ...], echoes.resumed_on_device
)
resumed_from_gpu = experiment("persistence.resumed_from_gpu", seen.Resumed, echoes.resumed)

workflow = experiment("workflow.workflow", seen.Workflow)
device_workflow = experiment("workflow.device_workflow", tuple[seen.Workflow, ...])
