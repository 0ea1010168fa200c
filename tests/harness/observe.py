"""Run one experiment on a student's code, and say what came of it, whatever the code does."""

import bdb
from importlib import import_module

import msgspec

from tests import limits
from tests.harness import accelerator
from tests.harness.clean import clean_globals, quiet, tidy
from tests.harness.given import Given
from tests.harness.observations import Outcome, Raised
from tests.harness.student import FUNCTIONS, Student, Unavailable

accelerator.install()

TOPICS = (*(module.partition("_")[2] for module in FUNCTIONS), "workflow")
MODULES = {topic: import_module(f"tests.harness.{topic}") for topic in TOPICS}


def observe(name: str, student: Student, given: Given) -> Outcome:
    """Run the experiment "module.function" and encode what it observed. Never raises but for Ctrl-C."""
    topic, _, function = name.partition(".")
    experiment = getattr(MODULES[topic], function)
    student.asked.clear()
    status, observation, raised = "ok", b"", None
    with clean_globals(given.seed), quiet() as (printed, warned):
        try:
            with limits.stopwatch():
                observation = msgspec.msgpack.encode(experiment(student, given))
        except bdb.BdbQuit:
            raise KeyboardInterrupt from None
        except limits.TimeUp as error:
            status, raised = "timeout", student.raised(error)
        except Unavailable as error:
            status, raised = error.status, error.raised
        except (Exception, SystemExit) as error:
            status, raised = "raised", student.raised(error)
    if len(observation) > limits.OBSERVATION_BYTES:
        message = f"what came back is larger than {limits.OBSERVATION_BYTES >> 20} MiB"
        status, observation, raised = "raised", b"", Raised("TooLarge", message)
    about = student.asked[-1] if student.asked and status != "unreadable" else None
    return Outcome(
        status,
        observation,
        raised,
        about,
        student.definition(about) if about else None,
        tidy(printed.text()),
        tuple(tidy(limits.shorten(str(w.message), 300)) for w in warned[:10]),
    )
