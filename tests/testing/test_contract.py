"""The contract as a stranger meets it: three lines for his model, and a line for each promise that it breaks."""

import textwrap
import xml.etree.ElementTree

import pytest

from recbole_idp import testing
from tests.support.python import ROOT, python, run_python

WRONG_MODELS = '''
import torch
from torch import nn

from recbole_idp import add_model
from recbole.model.sequential_recommender import SASRec
from recbole_idp.models.base.sequence_model import SequenceModel


@add_model
class Twofold(SequenceModel):
    """Gives one item another score than it has among all."""

    def predict(self, interaction):
        return 2 * super().predict(interaction)


@add_model
class Prophet(SequenceModel):
    """Reads the sum of all events at every position."""

    def encode(self, items):
        events = self.item_vectors()[items] * (items > 0).unsqueeze(-1)
        return super().encode(items) + events.sum(1, keepdim=True)


@add_model
class Forgetful(SequenceModel):
    """Keeps a part of its item vectors where no checkpoint finds it."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.drawn = torch.randn(self.n_items, self.hidden_size)

    def item_vectors(self):
        return super().item_vectors() + self.drawn


@add_model
class PaddingReader(SequenceModel):
    """Scales states by the width of the batch."""

    def encode(self, items):
        return super().encode(items) / items.shape[1]


@add_model
class Repeater(SequenceModel):
    """Recommends what was there, whatever is asked for."""

    def full_sort_predict(self, interaction):
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return states @ self.candidate_vectors().t()


@add_model
class Unlike(SequenceModel):
    """Has another loss for rows of RecBole."""

    def calculate_loss(self, interaction):
        return super().calculate_loss(interaction) + 1


@add_model
class Backwards(SequenceModel):
    """Is declared to read both directions, and does not."""


@add_model
class Elsewhere(SASRec):
    """Extends RecBole's own class."""

    trainer, properties, extends = "recbole.trainer:Trainer", None, "PositionSASRec"
'''
BROKEN = {
    "Twofold": ("predict_agrees", "Twofold: predict has to give an item the score that full_sort_predict gives"),
    "Prophet": ("future_events", "Prophet leaks the future: the states of events 1 to 3 changed"),
    "Forgetful": ("saved_model", "Forgetful: a checkpoint has to give the scores of the model"),
    "PaddingReader": ("padding", "PaddingReader: scores must not depend on padding"),
    "Repeater": ("items_of_the_history", "Repeater: with exclude_history, full_sort_predict has to give"),
    "Unlike": ("losses_agree", "Unlike: calculate_loss and position_loss have to agree on rows of one target"),
    "Backwards": ("future_events", "Backwards is declared causal = False, but later events do not change"),
    "Elsewhere": ("predict_agrees", "Elsewhere is no SequenceModel: this contract is for models that extend"),
}
"""What tells of each wrong model, and in which words."""


def outcomes(folder, *options):
    """Runs pytest in a folder; returns the message of each test by its class and name, None where it has passed."""
    done = run_python(
        "-m", "pytest", "--junitxml=found.xml", f"--rootdir={folder}", *options, path=[folder], cwd=folder
    )
    cases = xml.etree.ElementTree.parse(folder / "found.xml").iter("testcase")
    found = {}
    for case in cases:
        broken = [part for part in case if part.tag in ("failure", "error", "skipped")]
        found[case.get("classname").rpartition(".")[2], case.get("name")] = broken[0].get("message") if broken else None
    assert found, done.stdout + done.stderr
    return found


def promises():
    return {name for name in vars(testing.ModelContract) if name.startswith("test_")}


@pytest.mark.slow
def test_the_example_of_the_documentation_keeps_the_contract(tmp_path):
    blocks = testing.__doc__.split("::\n\n")[1]
    lines = textwrap.dedent("\n".join(line for line in blocks.splitlines() if not line or line.startswith("    ")))
    model, _, test = lines.partition("# test_my_model.py\n")
    (tmp_path / "my_model.py").write_text(model)
    (tmp_path / "test_my_model.py").write_text(test)
    found = outcomes(tmp_path)
    assert {name for _, name in found} == promises() and len(found) >= 10
    assert {case: message for case, message in found.items() if message is not None} == {}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """What the contract says of each wrong model."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "wrong_models.py").write_text(WRONG_MODELS)
    lines = ["import wrong_models", "from recbole_idp.testing import ModelContract", ""]
    for name in BROKEN:
        lines += [f"class Test{name}(ModelContract):", f"    model = {name!r}"]
    lines += ["", "TestBackwards.causal = False"]
    (folder / "test_wrong.py").write_text("\n".join(lines) + "\n")
    return outcomes(folder, "-k", "not learns and not interrupted")


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_model_that_breaks_a_promise_is_told_which(name, wrong):
    part, says = BROKEN[name]
    (message,) = [message for (case, test), message in wrong.items() if case == f"Test{name}" and part in test]
    assert message is not None and says in message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Prophet", "Unlike", "Backwards"])
def test_promises_that_are_kept_are_not_reproached(name, wrong):
    part, _ = BROKEN[name]
    broken = [test for (case, test), message in wrong.items() if case == f"Test{name}" and message is not None]
    assert [test for test in broken if part not in test] == []


def test_without_pytest_one_line_says_what_to_install():
    code = (
        "import sys\n"
        "sys.modules['pytest'] = None\n"
        "try:\n"
        "    import recbole_idp.testing\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    assert python(code) == "recbole_idp.testing needs pytest: pip install 'recbole_idp[test]'"


def test_the_rest_of_the_package_does_not_import_the_kit():
    kit = ROOT / "recbole_idp" / "testing"
    modules = [path for path in (ROOT / "recbole_idp").rglob("*.py") if kit not in path.parents]
    assert len(modules) > 100
    assert [path for path in modules if "recbole_idp.testing" in path.read_text(encoding="utf-8")] == []
