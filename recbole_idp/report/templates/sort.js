// Without this script the tables are plain ones. Rows without a value come last in both directions.
const compare = { number: (a, b) => a - b, text: (a, b) => a.localeCompare(b, undefined, { numeric: true }) };
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    // Without a name there is nothing to say what is sorted.
    if (!head.textContent.trim()) return;
    const button = document.createElement("button"), kind = head.className;
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const up = before ? before === "descending" : kind === "text";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = row => row.cells[column].dataset.value;
      body.append(...[...body.rows].sort((a, b) => {
        const left = value(a), right = value(b);
        if (left === "" || right === "") return (left === "") - (right === "");
        return compare[kind](left, right) * (up ? 1 : -1);
      }));
    });
  });
}
