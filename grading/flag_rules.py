"""What grading.flags looks for: the names, methods, texts and numbers that an instructor should hear about."""

import re
from functools import cache

from grading.submissions import MODULES
from tests import oracle
from tests.harness.given import PRACTICE


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Rule -> what it means, and the names it is about: each of them and all that is below it.
NAMES = {
    "exit": ("ends the process past every check", _words("os._exit os.abort")),
    "frames": (
        "reaches into the code that calls it",
        _words("""sys._getframe sys._current_frames sys.settrace sys.setprofile inspect.currentframe inspect.stack
               inspect.trace inspect.getouterframes inspect.getinnerframes gc.get_objects gc.get_referrers
               gc.get_referents"""),
    ),
    "native": ("runs native code", _words("ctypes _ctypes cffi mmap")),
    "imports": (
        "imports by way of a function",
        _words("importlib imp runpy pkgutil zipimport sys.meta_path sys.path_hooks"),
    ),
    "processes": (
        "starts or ends processes or threads",
        _words("""subprocess multiprocessing torch.multiprocessing threading _thread concurrent.futures pty os.system
               os.popen os.fork os.forkpty os.kill os.killpg os.setsid os.posix_spawn os.posix_spawnp os.execv
               os.execve os.execvp os.execvpe os.execl os.execle os.execlp os.execlpe os.spawnl os.spawnle os.spawnlp
               os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe"""),
    ),
    "network": (
        "asks the network",
        _words("""socket socketserver ssl http urllib urllib3 requests httpx aiohttp ftplib smtplib xmlrpc
               torch.hub"""),
    ),
    "main": ("looks at the modules that run it", _words("__main__ sys.modules")),
    "environment": (
        "looks at the machine it runs on",
        _words("""os.environ os.environb os.getenv os.getlogin os.getppid os.uname platform getpass pwd
               psutil"""),
    ),
    "hooks": (
        "runs when the program ends or is interrupted",
        _words("atexit signal sys.excepthook sys.unraisablehook weakref.finalize"),
    ),
    "internals": ("reaches Python's internals", _words("builtins os.* sys.* gc.* inspect.*")),
    "patching": ("replaces parts of other code", _words("unittest.mock mock")),
    "kit": (
        "imports from the kit or its test tools",
        _words("tests grading solutions conftest pytest _pytest pytest_check"),
    ),
    "pickle": (
        "loads objects that can run code",
        _words("pickle _pickle dill cloudpickle joblib marshal shelve"),
    ),
    "lies": (
        "makes tensors that answer for themselves",
        _words("""torch.Tensor._make_subclass torch.Tensor._make_wrapper_subclass torch.overrides
               torch.utils._python_dispatch"""),
    ),
}
_RULE_OF = {name: rule for rule, (_, names) in NAMES.items() for name in names}

BUILTINS = {"exec": "internals", "eval": "internals", "compile": "internals", "__import__": "imports"}
INTERNALS = _words("""__subclasses__ __globals__ __builtins__ __code__ __closure__ f_back f_globals f_locals tb_frame
                   gi_frame""")
SECRETIVE = _words("os sys gc inspect builtins")  # modules that hardly anyone needs `getattr` for

LYING_METHODS = _words("__class__ __torch_function__ __torch_dispatch__ __instancecheck__ __subclasscheck__")
COMPARISONS = _words("__eq__ __ne__ __lt__ __le__ __gt__ __ge__")
TENSORS = _words("torch.Tensor torch.FloatTensor torch.nn.Parameter torch.nn.parameter.Parameter")

OWN = ("exercises", *(module.removesuffix(".py") for module in MODULES))
SWITCHES = ("torch.backends.", "matplotlib.pyplot.rcParams", "matplotlib.rcParams")  # meant to be assigned

SNIFFED = re.compile(r"PYTEST|GITHUB_ACTIONS|GITLAB_CI|GRADESCOPE|NBGRADER|/proc/")
OPENING = _words("""open io.open os.open os.listdir os.scandir os.walk glob.glob pathlib.Path torch.load
                 numpy.load""")
OUTSIDE = re.compile(r"/|~|[A-Za-z]:[\\/]|\.\.(?:[\\/]|$)")  # how a path starts that leads elsewhere

LEARNED = ("LinearRegressionModel", "train", "predict")  # in these, an answer or a seed has no place
SEEDS = _words("manual_seed manual_seed_all seed")
# What these arguments are set to is a matter of taste: 0.9 is everybody's momentum.
TUNING = _words("momentum lr dampening weight_decay alpha gamma eps p s linewidth label")
_SEED_42 = ((0.3367, 0.1288), (0.7645, 0.8300))  # what two torch.randn(1), and nn.Linear, start with


def rule(name: str) -> str | None:
    """The rule about a full name, or about what it belongs to."""
    parts = name.split(".", 4)[:4]  # no name above is longer
    above = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((_RULE_OF[name] for name in above if name in _RULE_OF), None)


def is_foreign(name: str) -> bool:
    """Whether a full name belongs to code that the student did not write."""
    return bool(name) and name.split(".", 1)[0] not in OWN


def is_answer(value: float) -> bool:
    """The exercise's own line to the digit; a known start or end of training to three digits."""
    if value in (PRACTICE.line.weight, PRACTICE.line.bias):
        return True
    digits = len(repr(value).partition(".")[2])
    return digits >= 3 and any(abs(value - known) < 0.0006 for known in _known())


@cache
def _known() -> tuple[float, ...]:
    starts = (*_SEED_42, PRACTICE.start_at)
    runs = (oracle.follow(start, *PRACTICE.train(), PRACTICE.lr, PRACTICE.epochs) for start in starts)
    return (*(value for start in _SEED_42 for value in start), *(float(v) for run in runs for v in run[-1]))
