"""Transfer between two platforms that are carved from the ml-100k which RecBole carries. No data are needed.

Run: python examples/first_run.py [more.yaml ...]
"""

import sys

import recbole_idp

# Any key can stand here or in the YAML files; recbole-idp run --dry_run lists them all.
SETTINGS = {"variants": ["scratch", "zero_shot"], "pretrain_epochs": 8}


def main(files: list[str]) -> None:
    config = recbole_idp.StrictConfig("IDP", config_file_list=files, config_dict=SETTINGS)
    result = recbole_idp.run(config)  # prints the table
    for name, variant in result["variants"].items():
        print(f"{name}: NDCG@10 {variant['test']['ndcg@10']:.4f}")
    # The same command finds all of this again in a second run and trains nothing.


if __name__ == "__main__":
    main(sys.argv[1:])
