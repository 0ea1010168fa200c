// What the page does beyond being read: rows open, columns sort, the list is narrowed, a link opens what it leads to.
// Buttons are made here: without this script, there are none that do nothing.
"use strict";

const list = document.getElementById("list");
const controls = document.querySelector(".controls");
const students = list ? [...list.tBodies] : [];
const details = (student) => student.querySelector("details");
const natural = new Intl.Collator("en", { numeric: true }); // a2 before a10

function button(cell) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(...cell.childNodes);
  cell.append(made);
  return made;
}

/** What a student is sorted by: a name in the first column, else a number, or null where there is none. */
function value(student, column) {
  const cell = student.rows[0].cells[column];
  if (column === 0) return cell.textContent;
  return "by" in cell.dataset ? Number(cell.dataset.by) : null;
}

/** Sort by a column, 1: upwards, -1: downwards. Equals stay as they are; who has no value is last either way. */
function sort(column, direction) {
  const keys = new Map(students.map((student) => [student, value(student, column)]));
  students.sort((one, other) => {
    const a = keys.get(one);
    const b = keys.get(other);
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (column === 0 ? natural.compare(a, b) : a - b);
  });
  list.append(...students);
  for (const head of list.tHead.rows[0].cells) head.removeAttribute("aria-sort");
  list.tHead.rows[0].cells[column].setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
}

function narrow() {
  const name = controls.elements.name.value.trim().toLowerCase();
  for (const student of students) {
    const fits = student.rows[0].cells[0].textContent.toLowerCase().includes(name);
    student.hidden = !fits || (controls.elements.look.checked && !student.querySelector(".badge"));
  }
  const shown = students.filter((student) => !student.hidden).length;
  controls.elements.shown.value = shown < students.length ? `${shown} of ${students.length} shown` : "";
}

/** Open the student that a link's #… leads to, also one whom the controls hide. */
function reveal(hash) {
  const student = students.find(({ id }) => `#${id}` === hash);
  if (!student) return;
  if (student.hidden) {
    controls.reset();
    narrow();
  }
  details(student).open = true;
  student.scrollIntoView();
  student.querySelector("button").focus({ preventScroll: true });
}

if (list) {
  document.documentElement.classList.add("js");
  controls.hidden = false;

  [...list.tHead.rows[0].cells].forEach((head, column) => {
    button(head).addEventListener("click", () => {
      sort(column, head.getAttribute("aria-sort") === "ascending" ? -1 : 1);
    });
  });
  sort(0, 1);

  for (const student of students) button(student.rows[0].cells[0]).setAttribute("aria-expanded", "false");
  list.addEventListener("click", ({ target }) => {
    const row = target.closest("tr.row");
    const selecting = !target.closest("button") && getSelection().type === "Range";
    if (row && !selecting) details(row.parentElement).open = !details(row.parentElement).open;
  });
  // However it was opened: find-in-page does it too.
  const opened = ({ target }) => {
    target.closest("tbody").querySelector("button").setAttribute("aria-expanded", target.open);
  };
  list.addEventListener("toggle", opened, true); // a toggle doesn't bubble

  controls.addEventListener("input", narrow);
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.elements.all.addEventListener("click", ({ target }) => {
    const open = target.textContent === "Open all";
    for (const student of students) if (!student.hidden) details(student).open = open;
    target.textContent = open ? "Close all" : "Open all";
  });

  document.addEventListener("click", ({ target }) => reveal(target.closest("a")?.hash));
  addEventListener("hashchange", () => reveal(location.hash));
  reveal(location.hash);
}
