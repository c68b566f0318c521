"""A new paper is a folder, a row in the table of models and a YAML file, and touches no other file."""

import json
import re
import shutil

import pytest

from recbole_idp.testing.toy import settings, write_domains
from tests.support.python import ROOT, python

MODEL = '''
"""Toy paper: SASRec whose item vectors are scaled."""

from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.toypaper.keys import ToyPaperSettings


class ToyPaper(SequenceModel):
    """Item vectors . scale -> sequence encoder -> scores."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.scale = ToyPaperSettings.of(config).toy_scale

    def item_vectors(self):
        return self.item_embedding.weight * self.scale
'''
KEYS = '''
"""Settings of the toy paper."""

from recbole_idp.config.setting import Affects, Positive, setting
from recbole_idp.models.sasrec.keys import PositionSASRecSettings


class ToyPaperSettings(PositionSASRecSettings):
    """One key more than SASRec."""

    toy_scale: Positive = setting(1.5, "paper: factor of item vectors.", Affects.TRAINING)
'''
ROW = """
    "ToyPaper": Registration(
        "recbole_idp.models.toypaper.model:ToyPaper",
        extends="PositionSASRec",
        settings="recbole_idp.models.toypaper.keys:ToyPaperSettings",
    ),
"""
YAML = "# ToyPaper: a toy (no paper).\n\ntoy_scale: 1.5                  # (float) paper: factor of item vectors.\n"


@pytest.mark.slow
def test_a_folder_a_row_and_a_yaml_file_make_a_model(tmp_path):
    copy = tmp_path / "checkout"
    for name in ("recbole_idp", "properties"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    folder = copy / "recbole_idp" / "models" / "toypaper"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "model.py").write_text(MODEL, encoding="utf-8")
    (folder / "keys.py").write_text(KEYS, encoding="utf-8")
    (copy / "properties" / "model" / "ToyPaper.yaml").write_text(YAML, encoding="utf-8")
    table = copy / "recbole_idp" / "registry.py"
    table.write_text(re.sub(r"(?m)^MODELS = \{$", lambda found: found[0] + ROW.rstrip(), table.read_text()))

    write_domains(tmp_path / "data")
    values = {"model": "ToyPaper", "dataset": "shop", **settings(tmp_path / "data"), "toy_scale": 2}
    argv = [f"--{key}={text if isinstance(text, str) else json.dumps(text)}" for key, text in values.items()]
    code = f"""
import os, sys
sys.path.insert(0, {str(copy)!r})
os.chdir({str(tmp_path)!r})
import recbole_idp
assert recbole_idp.__file__.startswith({str(copy)!r}), recbole_idp.__file__
from recbole_idp.cli.main import main
assert main({argv!r}) == 0
assert main(["keys", "ToyPaper"]) == 0
assert main(["--model=ToyPaper", "--toy_scale=0"]) == 2
assert main(["doctor", "--text_encoder=lsa"]) == 0
"""
    out = python(code)
    assert re.search(r"\| ToyPaper +\| \**0\.\d+", out), out
    assert re.search(r"toy_scale +float +1\.5 +training +paper: factor of item vectors\.", out)
    assert "model ToyPaper" in out
