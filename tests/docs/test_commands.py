"""README and documentation: every command and every Python snippet is tried, at toy size.

Pages are read from top to bottom in a folder that has toy data under the names that the pages use (``DIR``, ``Office``,
``BUNDLE``), so that commands are run as they stand, with a file of small sizes added. What is not run, and why:

- leaderboards: each job is a process of its own that imports PyTorch; their plan is made (``--dry_run``);
- the packaged platforms, which take a minute: their configuration is made (``--dry_run``);
  test_examples.py runs on them;
- folders of the hub: the configuration is made (``--dry_run``); tests/hub/ fetches from a stand-in;
- more than two seeds: the first two are run;
- installing, testing, building and serving: :data:`NOT_RUN` says what is checked instead.
"""

import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

import recbole_idp
from recbole_idp.benchmark import loop
from recbole_idp.benchmark.command import main as benchmark
from recbole_idp.benchmark.measure import matrix_product_rate
from recbole_idp.cli.arguments import parse_arguments
from recbole_idp.cli.main import main
from recbole_idp.cli.tasks import TASKS
from recbole_idp.hub.address import is_address
from recbole_idp.hub.formats import KINDS, kind_of
from recbole_idp.hub.keys import PushSettings
from recbole_idp.leaderboard.plan import is_leaderboard
from recbole_idp.registry import GENERAL_MODELS, MODELS
from recbole_idp.serving.load import open_trained
from recbole_idp.web.keys import ServeSettings
from tests.support.python import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"])
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"bash", "python", "text", "toml", "bibtex", "yaml"}
READ_NO_SETTINGS = {"convert", "report", "recommend", "add-items", "export", "help"}
SHORT = {
    "training": ["--seconds=0.1"],
    "evaluation": ["--repeats=1"],
    "pretraining": ["--steps=2"],
    "baselines": ["--steps=1"],
    "scale": ["--sizes=600:50", "--steps=1", "--users=5", "--targets=10"],
}
WEBSITE = "needs the extra docs: pip install -e '.[docs]'"


def fences(page):
    """Returns language and text of each fence of a page, without the indentation that it has in a list."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)) for indent, language, text in found]


def commands(text):
    """Splits a fence into commands, each a list of words."""
    lines = text.replace("\\\n", " ").splitlines()
    words = [shlex.split(part, comments=True) for line in lines for part in line.split(" && ")]
    return [command for command in words if command]


def extras_exist(words):
    declared = (ROOT / "setup.py").read_text(encoding="utf-8")
    for extras in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        assert extras == "tune" or all(f'"{extra}": [' in declared for extra in extras.split(","))


def file_exists(path, words):
    assert (ROOT / path).exists()


def serves(words):
    """Checks the options of a server, which would not end, and that its folder is there."""
    task, options = parse_arguments(words[1:], TASKS)
    assert task == "serve" and set(options) <= set(ServeSettings.model_fields)
    assert open_trained(options["trained"]).tokens


def pushes(words):
    """Checks the options of a push, which needs the hub, and that its folder is there."""
    task, options = parse_arguments(words[1:], TASKS)
    assert task == "push" and set(options) <= set(PushSettings.model_fields)
    assert kind_of(options["bundle"]) in KINDS


NOT_RUN = {
    "pip install": extras_exist,  # it would change the environment; test_install.py builds and installs
    "python3 -m venv": None,  # it would make an environment
    ". .venv/bin/activate": None,
    "python -m pytest": functools.partial(file_exists, "tests"),  # this is it
    "ruff": functools.partial(file_exists, "pyproject.toml"),  # whether code is formatted is for CI to say
    "lint-imports": functools.partial(file_exists, "pyproject.toml"),  # test_layers.py holds the layers
    "mypy": functools.partial(file_exists, "pyproject.toml"),  # types are for CI to say
    "pre-commit": functools.partial(file_exists, ".pre-commit-config.yaml"),  # writes a hook into the checkout
    "bash .ci/run": functools.partial(file_exists, ".ci/run"),  # installs and tests all
    ".ci/matrix": functools.partial(file_exists, ".ci/matrix"),  # likewise
    "mkdocs": functools.partial(file_exists, "mkdocs.yml"),  # test_the_site_is_built_without_a_warning
    "python -m build": functools.partial(file_exists, "setup.py"),  # test_install.py builds both forms
    "python examples/": lambda words: file_exists(words[1], words),  # test_examples.py runs them
    "recbole-idp serve": serves,  # tests/web/ runs it
    "recbole-idp push": pushes,  # tests/hub/ runs it
    "python docs/figures.py": functools.partial(file_exists, "docs/figures.py"),  # test_figures_are_those_of_the_script
    "python tests/floors.py": functools.partial(file_exists, "tests/floors.py"),  # test_install.py compares
    "git": None,
}

done = set()


def try_command(words):
    """Runs a command, or checks what NOT_RUN says; the same command is run once."""
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    line = " ".join(words)
    for start, check in NOT_RUN.items():
        if line.startswith(start):
            return check and check(words)
    if words[:2] == ["python", "run_recbole_idp.py"] or words[0] == "recbole-idp":
        if line not in done:
            assert main(shortened(words[2:] if words[0] == "python" else words[1:])) == 0, line
    elif words[:3] == ["python", "-m", "recbole_idp.benchmark"]:
        if line not in done:
            toy = [] if words[3] == "help" else ["--config_files=toy.yaml", *SHORT.get(words[3], [])]
            shortened_keys = {word.partition("=")[0] for word in toy}
            given = [word for word in words[3:] if word.partition("=")[0] not in shortened_keys | {"--steps"}]
            assert benchmark(given + toy) == 0, line
    else:
        raise AssertionError(f"nobody knows how to try this command: {line}")
    # What names a folder to be made is made on each page that uses it.
    if "--trained_dir" not in line and "--out" not in line:
        done.add(line)
    return None


def shortened(arguments):
    """Shortens what a command does, as the head of this file says; removes the folder that it is going to make."""
    task, options = parse_arguments(arguments, TASKS)
    if task in READ_NO_SETTINGS or "help" in options:
        return arguments
    if "trained_dir" in options:
        shutil.rmtree(options["trained_dir"], ignore_errors=True)
    packaged = TASKS[task].dry and options.get("dataset", "ml-100k-target").startswith("ml-100k-target")
    on_hub = is_address(options.get("pretrained"))
    planned = "dry_run" not in options and (packaged or on_hub or is_leaderboard(options))
    shorter = [re.sub(r"^(--seeds=\d+,\d+),.*", r"\1", argument) for argument in arguments]
    model = options.get("model", "IDP")
    sizes = "general.yaml" if model in (*GENERAL_MODELS, "TextKNN") else "toy.yaml"
    if model.startswith("PRECISE"):
        sizes = "toy.yaml precise.yaml"
    return [*shorter, f"--config_files={sizes}", *["--dry_run"] * planned]


@pytest.fixture
def page_place(page, request):
    """Returns the folder in which a page is tried."""
    if page.name != "README.md":
        request.getfixturevalue("folders_of_other_models")
    return request.getfixturevalue("toy_place")


@pytest.fixture
def toy_python(page_place, monkeypatch):
    """Lets snippets get the small sizes where they make a configuration."""
    from recbole import quick_start

    strict, recbole = recbole_idp.StrictConfig, quick_start.run_recbole

    def small(model=None, dataset=None, config_file_list=(), config_dict=None):
        return strict(model, dataset, ["toy.yaml", *(config_file_list or ())], config_dict)

    def small_run(config_file_list=(), **given):
        return recbole(config_file_list=["toy.yaml", *config_file_list], **given)

    monkeypatch.setattr(recbole_idp, "StrictConfig", small)
    monkeypatch.setattr(quick_start, "run_recbole", small_run)
    monkeypatch.setattr(sys, "argv", ["python"])
    monkeypatch.setattr(loop, "matrix_product_rate", functools.partial(matrix_product_rate, (64,), 0.01))


def parts_to_try(page):
    return [(language, text) for language, text in fences(page) if language in ("bash", "python")]


def pages_to_try():
    """Returns the pages that have something to try; in the quick tests the README stands for the others."""
    for page in filter(parts_to_try, PAGES):
        yield pytest.param(page, marks=[pytest.mark.slow] * (page.name != "README.md"), id=str(page.relative_to(ROOT)))


@pytest.mark.parametrize("page", pages_to_try())
def test_commands_and_snippets_of_a_page_work(page, toy_python):
    if "recbole-idp export" in page.read_text(encoding="utf-8"):
        pytest.importorskip("onnxscript", reason="needs the extra export", exc_type=ImportError)
    names = {"__name__": "snippet"}
    for language, text in parts_to_try(page):
        if language == "python":
            exec(compile(text, str(page), "exec"), names)
        else:
            for words in commands(text):
                try_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_fences_say_what_they_are(page):
    assert {language for language, _ in fences(page)} <= LANGUAGES, page


def test_a_command_that_nobody_knows_is_found():
    with pytest.raises(AssertionError, match="nobody knows"):
        try_command(["recbole_idp", "run"])


def test_a_wrong_command_is_found(toy_place, capsys):
    with pytest.raises(AssertionError, match="--modle=IDP"):
        try_command(shlex.split("recbole-idp run --modle=IDP --dataset=Office --data_path=DIR"))
    assert "did you mean --model?" in capsys.readouterr().err


def test_the_readme_is_short_and_starts_with_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 180
    first = fences(ROOT / "README.md")[0][1].splitlines()
    assert [line.partition("#")[0].strip() for line in first] == [
        'pip install -e ".[offline,test]" && python run_recbole_idp.py',
        "python -m pytest -n 2",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_files_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_each_model_has_its_page_and_each_page_its_place():
    listed = (ROOT / "docs" / "models" / "index.md").read_text(encoding="utf-8")
    assert [name for name in MODELS if f"`{name}`" not in listed] == []
    places = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f": {page}\n" not in places] == []


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_are_those_of_the_script():
    figures = load(ROOT / "docs" / "figures.py")
    for name, draw in figures.FIGURES.items():
        assert (figures.ASSETS / f"{name}.svg").read_text(encoding="utf-8") == draw(), "run python docs/figures.py"


def test_generated_parts_are_filled_in():
    pages = load(ROOT / "docs" / "reference_pages.py")
    table = pages.on_page_markdown("<!-- keys: properties/model/MoRec.yaml -->")
    assert "| `projection_layers` | `1` | int | pre-training, training | paper: dense layers" in table
    tasks = pages.on_page_markdown("before\n<!-- tasks -->\nafter")
    assert all(f"| `{name}` | {task.purpose} |" in tasks for name, task in TASKS.items())
    for path in (ROOT / "properties" / "model").glob("*.yaml"):
        keys = pages.read_keys(path)
        assert len({key.name for key in keys}) == len(keys) and all(
            key.type and key.affects and key.text for key in keys
        )


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    if any(importlib.util.find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings")):
        pytest.skip(WEBSITE)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "site" / "reference" / "keys.html").read_text(encoding="utf-8")
    assert "MAX_ITEM_LIST_LENGTH" in page and "<!-- keys" not in page
