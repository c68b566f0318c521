"""Write a dataset of your own as atomic files, then transfer to it from the packaged source platform.

Run: python examples/your_own_data.py [more.yaml ...]
"""

import sys
from pathlib import Path

import recbole_idp

# Your shop: who took what when, and what the items are called.
TITLES = ["Toy Story", "Star Wars", "Fargo", "Twelve Monkeys", "Braveheart", "Pulp Fiction", "Apollo 13", "Aladdin"]
EVENTS = [(f"customer{user}", (user * 3 + step) % len(TITLES), step) for user in range(40) for step in range(6)]


def write_dataset(folder: Path) -> None:
    """Write shop.inter and shop.item: a header that names each column and its type, then a line an event or an item."""
    folder.mkdir(parents=True, exist_ok=True)
    events = ["user_id:token\titem_id:token\ttimestamp:float"]
    events += [f"{user}\tfilm{item}\t{time}" for user, item, time in EVENTS]
    (folder / "shop.inter").write_text("\n".join(events) + "\n", encoding="utf-8")
    items = ["item_id:token\ttitle:token_seq"]
    items += [f"film{number}\t{title}" for number, title in enumerate(TITLES)]
    (folder / "shop.item").write_text("\n".join(items) + "\n", encoding="utf-8")


def main(files: list[str]) -> None:
    write_dataset(Path("my_data") / "shop")
    settings = {
        "data_path": "my_data",
        "source_domains": ["ml-100k-source"],  # or folders of your own below my_data
        "variants": ["scratch", "fine_tune"],
    }
    result = recbole_idp.run(recbole_idp.StrictConfig("IDP", "shop", config_file_list=files, config_dict=settings))
    print(f"{result['data']['users']} users, {result['data']['items']} items")


if __name__ == "__main__":
    main(sys.argv[1:])
