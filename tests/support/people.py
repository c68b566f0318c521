"""Two domains with the same people, and what they are like."""

from recbole_idp.testing.toy import title


def write_people(folder, readers=60):
    """Writes books and films of the same users, with times of one clock, and a column of two classes.

    A user's first item decides on all of them, in both domains, and on the class. Book n and film n have one title.
    Users from ``readers`` on have no books.
    """
    lines = {name: ["user_id:token\titem_id:token\ttimestamp:float"] for name in ("books", "films")}
    users = ["user_id:token\tside:token"]
    for user in range(60):
        start = user % 8
        for step in range(6):
            if user < readers:
                lines["books"].append(f"u{user}\tb{(start + step) % 8}\t{1000 + 10 * step}")
            lines["films"].append(f"u{user}\tf{(start + step) % 8}\t{1005 + 10 * step}")
        users.append(f"u{user}\t{'even' if start % 2 == 0 else 'odd'}")
    for name, rows in lines.items():
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.inter").write_text("\n".join(rows) + "\n")
        titles = "".join(f"{name[0]}{number}\t{title(number)}\n" for number in range(8))
        (folder / name / f"{name}.item").write_text("item_id:token\ttitle:token_seq\n" + titles)
    (folder / "films" / "films.user").write_text("\n".join(users) + "\n")
    return folder


JOINED = {"source_domains": ["books"], "shared_users": [["books", "films"]]}
"""The keys that join their users."""
CLASSES = {"metrics": ["Accuracy", "MacroF1", "BinaryAUC"], "valid_metric": "Accuracy"}
"""The metrics of their class."""
