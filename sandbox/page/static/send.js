// Uploads files that the visitor chooses or drops, or a folder with a CSV file.

import { formatCount, handleClick, h, post, setText, showError } from "./dom.js";

const form = document.getElementById("send");
const drop = document.getElementById("drop");

export function listen() {
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", async () => {
      const files = [...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
      await send(files);
      input.value = "";
    });
  }
  document.getElementById("album").addEventListener(
    "click",
    handleClick(() => post("/album")),
  );
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const entries = files.map((item) => item.webkitGetAsEntry());
    await send((await Promise.all(entries.map(filesOf))).flat());
  });
}

async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((good, bad) => entry.file(good, bad));
    return [{ name: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((good, bad) => reader.readEntries(good, bad));
    if (some.length === 0) break;
    entries.push(...some);
  }
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function send(files) {
  showError(null);
  const seen = files.filter(({ name }) => !name.split("/").pop().startsWith("."));
  const spreadsheet = seen.find(({ name }) => /\.csv$/i.test(name));
  try {
    const planned = spreadsheet ? await plan(spreadsheet, seen) : seen.map(forChosen);
    await sendAll(planned);
  } catch (error) {
    showError(error);
  }
}

function forChosen(entry) {
  const chosen = new FormData(form);
  return { ...entry, entity_type: chosen.get("entity_type"), entity_id: chosen.get("entity_id").trim() };
}

async function plan(spreadsheet, files) {
  const body = new FormData();
  body.set("spreadsheet", spreadsheet.file);
  body.set("names", JSON.stringify(files.map(({ name }) => name)));
  const { uploads, problems } = await post("/folder", body);
  if (problems.length) showError(new Error(problems.join("\n")));
  const byName = new Map(files.map(({ name, file }) => [name, file]));
  return uploads.map((upload) => ({ ...upload, file: byName.get(upload.name) }));
}

async function sendAll(uploads) {
  const list = document.getElementById("sending");
  const line = h("li");
  list.append(line);
  const problems = [];
  for (const [number, upload] of uploads.entries()) {
    setText(line, `Uploading ${formatCount(number + 1)} of ${formatCount(uploads.length)}: ${upload.name}`);
    await sendOne(upload).catch((error) => problems.push(`${upload.name}: ${error.message}`));
  }
  line.remove();
  if (problems.length) throw new Error(problems.join("\n"));
}

async function sendOne({ name, file, entity_type, entity_id }) {
  await post(`/uploads?${new URLSearchParams({ name, entity_type, entity_id })}`, file);
}
