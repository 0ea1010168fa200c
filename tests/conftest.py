"""One line an experiment: the fixture's name, where it lives in tests/harness, what it observes."""

from tests.coach.suite import experiment
from tests.harness import observations as seen

pytest_plugins = ["tests.coach.plugin"]

devices = experiment("dataset.devices", seen.Devices)
default_data = experiment("dataset.default_data", seen.Data)
other_data = experiment("dataset.other_data", seen.Data)
data_on_device = experiment("dataset.data_on_device", tuple[seen.Data, ...])
splits = experiment("dataset.splits", tuple[seen.Split, ...])
data_plot = experiment("dataset.data_plot", seen.Plot)

models = experiment("model.models", seen.Models)
forward = experiment("model.forward", seen.ForwardRun)
forward_on_device = experiment("model.forward_on_device", tuple[seen.ForwardRun, ...])

loss = experiment("training.loss", seen.LossValues)
optimizer = experiment("training.optimizer", seen.OptimizerSteps)
full_run = experiment("training.full_run", seen.TrainingRun)
short_run = experiment("training.short_run", seen.TrainingRun)
no_epochs = experiment("training.no_epochs", seen.TrainingRun)
device_run = experiment("training.device_run", tuple[seen.TrainingRun, ...])
loss_plot = experiment("training.loss_plot", seen.Plot)

prediction = experiment("predictions.prediction", seen.Prediction)
device_prediction = experiment("predictions.device_prediction", tuple[seen.Prediction, ...])
prediction_plot = experiment("predictions.prediction_plot", seen.Plot)

saved = experiment("persistence.saved", seen.Saved)
loaded = experiment("persistence.loaded", seen.Loaded)
loaded_from_gpu = experiment("persistence.loaded_from_gpu", seen.Loaded)
loaded_on_device = experiment("persistence.loaded_on_device", tuple[seen.Loaded, ...])
bad_files = experiment("persistence.bad_files", seen.BadFiles)
bad_checkpoints = experiment("persistence.bad_checkpoints", seen.BadFiles)
matches = experiment("persistence.matches", seen.Matches)
matches_on_devices = experiment("persistence.matches_on_devices", tuple[seen.DeviceMatch, ...])
resumed = experiment("persistence.resumed", seen.Resumed)
resumed_on_device = experiment("persistence.resumed_on_device", tuple[seen.Resumed, ...])
resumed_from_gpu = experiment("persistence.resumed_from_gpu", seen.Resumed)

workflow = experiment("workflow.workflow", seen.Workflow)
device_workflow = experiment("workflow.device_workflow", tuple[seen.Workflow, ...])
