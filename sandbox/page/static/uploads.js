// The uploads, the waiting messages and the dead letters.

import {
  countDown,
  formatCount,
  formatPurpose,
  formatSeconds,
  formatTime,
  h,
  handleClick,
  icon,
  post,
  setText,
  sync,
} from "./dom.js";
import { compare } from "./records.js";

const STATIONS = ["bucket", "queue", "function", "superoffice", "end"];
const REACHED = { queued: 1, working: 2, crashed: 2, deferred: 2, rejected: 2 };
const GOOD = {
  stored: "stored",
  unchanged: "unchanged: these bytes are already stored",
  duplicate: "duplicate: this upload is already stored",
  superseded: "superseded: a newer one is stored",
  ignored: "ignored",
  removed: "the picture was removed",
  kept: "kept: this stack may not replace the picture in SuperOffice",
};
const ELSEWHERE = { rejected: "dead letters", deferred: "back in the queue", crashed: "hidden in the queue" };
const told = new Map();
let records = new Map();

export function drawUploads(state) {
  records = new Map(state.records.map((record) => [record.target, record]));
  sync(document.getElementById("uploads"), state.uploads, (upload) => upload.id, createUpload, updateUpload);
  const { total, ...outcomes } = state.outcomes;
  document.getElementById("no-uploads").hidden = state.uploads.length > 0;
  setText(document.getElementById("count-uploads"), total ? formatCount(total) : "");
  setText(document.getElementById("outcomes"), summarize(outcomes, total));
  const note = document.getElementById("uploads-note");
  note.hidden = total <= state.uploads.length;
  setText(note, `The ${state.uploads.length} newest.`);
  announce(state.uploads);
}

/** How many uploads ended with each outcome, and how many have not ended yet. */
function summarize(outcomes, total) {
  const settled = Object.entries(outcomes).filter(([outcome, count]) => count && outcome !== "deferred");
  const left = total - settled.reduce((sum, [, count]) => sum + count, 0);
  const parts = [...settled, ...(left ? [["not settled", left]] : [])];
  return parts.map(([outcome, count]) => `${formatCount(count)} ${outcome}`).join(" · ");
}

function createUpload(upload) {
  const thumb = h(
    "button",
    { type: "button", className: "thumb", ariaLabel: `${upload.key}: before and after` },
    icon("file"),
  );
  thumb.addEventListener("click", () => open(thumb.upload));
  if (upload.is_removal) thumb.disabled = true;
  else loadThumbnail(thumb, upload);
  return h(
    "li",
    {},
    thumb,
    h(
      "div",
      { className: "what" },
      h("p", { className: "name" }, h("b"), " ", h("span")),
      h("p", { className: "state" }, h("span"), " ", h("time")),
    ),
    h(
      "ol",
      { className: "track", ariaHidden: "true" },
      ...STATIONS.map((name) => h("li", { className: name }, h("i"), h("span"))),
      h("li", { className: "elsewhere" }, h("span")),
    ),
  );
}

function loadThumbnail(thumb, upload) {
  const image = h("img", {
    src: `/originals/${upload.id}/thumbnail`,
    alt: "",
    onload: () => thumb.replaceChildren(image),
  });
}

function open(upload) {
  const pictures = records.get(upload.target)?.pictures ?? [];
  compare(
    upload.target,
    pictures.find((picture) => picture.blob_id === upload.blob_id),
    upload,
  );
}

function updateUpload(element, upload) {
  element.dataset.state = upload.state;
  element.querySelector(".thumb").upload = upload;
  setText(element.querySelector("b"), upload.is_removal ? `${upload.key} deleted` : upload.key);
  setText(element.querySelector(".name span"), upload.target_known ? formatPurpose(upload.target) : "");
  setText(element.querySelector(".state span"), sentence(upload));
  const next = element.querySelector("time");
  if (upload.next_attempt) countDown(next, upload.next_attempt);
  else {
    delete next.dataset.until;
    setText(next, "");
  }
  drawTrack(element.querySelector(".track"), upload);
}

function sentence(upload) {
  const took = upload.times.end ? upload.times.end - upload.times.queue : 0;
  switch (upload.state) {
    case "queued":
      return upload.attempts ? "back in the queue" : "in the queue";
    case "working":
      return upload.at_superoffice ? "SuperOffice is processing it" : "the function is processing it";
    case "stored":
      return `stored as blob ${upload.blob_id} after ${formatSeconds(took)}`;
    case "rejected":
      return `rejected, ${upload.code}: ${upload.meaning}`;
    case "deferred":
      return `${upload.code}: ${upload.meaning} Attempt ${upload.attempts + 1}`;
    case "crashed":
      return `its worker was killed. The record stays claimed for up to two and a half minutes. Attempt ${upload.attempts + 1}`;
    default:
      return GOOD[upload.state] || upload.state;
  }
}

function reached(upload) {
  return upload.at_superoffice ? 3 : (REACHED[upload.state] ?? 4);
}

function drawTrack(track, upload) {
  const far = reached(upload);
  setText(track.lastElementChild.firstElementChild, ELSEWHERE[upload.state] || "");
  STATIONS.forEach((name, number) => {
    const step = track.children[number];
    const passed = number <= far && !(name === "superoffice" && far === 4 && !upload.times.superoffice);
    step.classList.toggle("passed", passed);
    step.classList.toggle("here", number === far && ["queued", "working"].includes(upload.state));
    setText(step.querySelector("span"), passed ? timeAt(upload.times, name) : "");
  });
}

function timeAt(times, name) {
  if (name === "bucket") return formatTime(times.bucket);
  if (name === "queue" || !times[name]) return "";
  return `+${formatSeconds(times[name] - times.queue)}`;
}

/** Announces outcomes to screen readers. */
function announce(uploads) {
  const news = [];
  for (const upload of uploads) {
    const before = told.get(upload.id);
    if (before === upload.state) continue;
    told.set(upload.id, upload.state);
    if (before && !["queued", "working"].includes(upload.state))
      news.push(`${upload.key} ${formatPurpose(upload.target)}: ${sentence(upload)}.`);
  }
  const shown = new Set(uploads.map((upload) => upload.id));
  for (const id of told.keys()) if (!shown.has(id)) told.delete(id);
  if (news.length) setText(document.getElementById("announcements"), news.join(" "));
}

export function drawDeadLetters(state) {
  document.getElementById("no-dead").hidden = state.dead_letters.length > 0;
  sync(document.getElementById("dead"), state.dead_letters, (letter) => letter.id, createLetter, updateLetter);
}

function createLetter(letter) {
  const replay = h(
    "button",
    {
      type: "button",
      onclick: handleClick(() => post(`/dead-letters/${letter.id}/replay`)),
      ariaLabel: `Replay ${letter.key ?? "this message"}`,
    },
    "Replay",
  );
  return h(
    "li",
    {},
    h(
      "div",
      {},
      h("p", { className: "name" }, h("b"), " ", h("span")),
      h("p", {}, h("code"), " ", h("span", { className: "message" })),
      h("p", { className: "advice" }),
    ),
    replay,
  );
}

function updateLetter(element, letter) {
  setText(element.querySelector("b"), letter.key ?? "not an upload");
  setText(element.querySelector(".name span"), letter.key ? formatPurpose(letter.target) : "");
  setText(element.querySelector("code"), letter.code ?? "moved by the queue");
  setText(element.querySelector(".message"), letter.message ?? "");
  setText(element.querySelector(".advice"), letter.advice);
}

const WHY = {
  deferred: "will be retried",
  crashed: "was being processed by a worker that was killed; the queue delivers it again",
  done: "is already stored; this message ends as a duplicate",
};

export function drawWaiting(state) {
  document.getElementById("no-waiting").hidden = state.waiting.length > 0;
  document.getElementById("waiting-note").hidden = state.waiting.length === 0;
  const more = state.counts.waiting > state.waiting.length;
  setText(document.getElementById("waiting-count-note"), more ? `The next ${state.waiting.length}. ` : "");
  sync(document.getElementById("waiting"), state.waiting, (message) => message.id, createWaiting, updateWaiting);
}

function createWaiting(message) {
  const send = handleClick(() => post(`/waiting/${message.id}/again`));
  const again = h(
    "button",
    { type: "button", onclick: send, ariaLabel: `Send ${message.key} again now` },
    "Send again",
  );
  return h("li", {}, h("p", {}, h("b"), " ", h("span"), " ", h("time")), again);
}

function updateWaiting(element, message) {
  setText(element.querySelector("b"), message.key);
  setText(element.querySelector("span"), WHY[message.why]);
  element.dataset.why = message.why;
  element.querySelector("button").hidden = message.why === "done";
  countDown(element.querySelector("time"), message.next_attempt);
}
