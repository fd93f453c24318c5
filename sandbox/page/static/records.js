// A card for each record in SuperOffice, and the comparison of an upload with its picture.

import { h, icon, setText, formatBytes, sync, formatTarget } from "./dom.js";

const EARLIER = 3; // pictures on a card
const BOUND = 400; // pixels of a picture on a card
const UNDER_WAY = new Set(["queued", "working"]);
const WORDS = {
  queued: "upload in progress",
  working: "upload in progress",
  deferred: "newest upload waits",
  crashed: "newest upload waits",
  rejected: "newest upload rejected",
};

let uploads = [];
let awaiting; // what the comparison shows while its upload is not known yet

export function drawRecords(state) {
  uploads = state.uploads;
  sync(document.getElementById("records"), state.records, (card) => card.target, createCard, updateCard);
  if (awaiting && uploadOf(awaiting.target, awaiting.picture)) show(awaiting.target, awaiting.picture);
}

function pictureAddress(target, picture, bound = "") {
  const [type, id] = target.split("#");
  return `/pictures/${type}/${id}/${picture.number}?at=${picture.at}&bound=${bound}`;
}

function createCard(card) {
  const frame = h("button", { type: "button", className: "frame" }, icon(card.target.split("#")[0]));
  frame.addEventListener("click", () => frame.shown && compare(card.target, frame.shown));
  return h(
    "li",
    {},
    frame,
    h(
      "div",
      { className: "caption" },
      h("h3"),
      h("span", { className: "facts" }),
      h("span", { className: "news" }),
      h("ul", { className: "history", ariaLabel: "Earlier pictures" }),
    ),
  );
}

function updateCard(element, card) {
  const picture = card.has_picture ? card.pictures.at(-1) : undefined;
  const newest = uploads.find((upload) => upload.target === card.target);
  const words = newest ? WORDS[newest.state] : undefined;
  setText(element.querySelector("h3"), formatTarget(card.target));
  setText(
    element.querySelector(".facts"),
    picture
      ? `${picture.width} × ${picture.height} · ${formatBytes(picture.bytes)} · blob ${picture.blob_id}`
      : card.pictures.length
        ? "picture removed"
        : "no picture yet",
  );
  const news = element.querySelector(".news");
  setText(news, words || "");
  news.dataset.state = words ? newest.state : "";
  element.classList.toggle("under-way", newest !== undefined && UNDER_WAY.has(newest.state));
  showPicture(element.querySelector(".frame"), card.target, picture);
  drawHistory(element.querySelector(".history"), card);
}

function showPicture(frame, target, picture) {
  frame.disabled = !picture;
  if (!picture) {
    frame.setAttribute("aria-label", `${formatTarget(target)} has no picture`);
    if (frame.shown) frame.replaceChildren(icon(target.split("#")[0]));
    frame.shown = undefined;
  }
  if (!picture || frame.shown?.at === picture.at) return;
  frame.shown = picture;
  frame.setAttribute("aria-label", `${formatTarget(target)}, blob ${picture.blob_id}: before and after`);
  frame.replaceChildren(
    h("img", {
      src: pictureAddress(target, picture, BOUND),
      alt: `${formatTarget(target)} in SuperOffice`,
      loading: "lazy",
      width: picture.width,
      height: picture.height,
    }),
  );
}

function drawHistory(list, card) {
  sync(
    list,
    (card.has_picture ? card.pictures.slice(0, -1) : card.pictures).slice(-EARLIER),
    (picture) => picture.at,
    (picture) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", onclick: () => compare(card.target, picture), title: `Earlier: blob ${picture.blob_id}` },
          h("img", {
            src: pictureAddress(card.target, picture, 96),
            loading: "lazy",
            alt: `Earlier picture of ${formatTarget(card.target)}, blob ${picture.blob_id}`,
          }),
        ),
      ),
    () => {},
  );
}

/** Opens the comparison of an upload with its picture; either may be missing. */
export function compare(target, picture, upload) {
  show(target, picture, upload);
  document.getElementById("compare").showModal();
}

function uploadOf(target, picture) {
  return uploads.find((one) => one.target === target && one.blob_id === picture.blob_id);
}

function show(target, picture, upload = uploadOf(target, picture)) {
  awaiting = upload ? undefined : { target, picture };
  setText(document.getElementById("compare-title"), `${formatTarget(target)}${upload ? `: ${upload.key}` : ""}`);
  fill("after", picture && pictureAddress(target, picture), picture && described(picture), "not stored", "person");
  fill("before", upload && `/originals/${upload.id}/preview`, "", "no picture", "file");
  document.getElementById("done").replaceChildren();
  if (upload) tellFacts(upload, picture);
}

function described(picture) {
  return `${kind(picture.content_type)}, ${picture.width} × ${picture.height}, ${formatBytes(picture.bytes)}, blob ${picture.blob_id}`;
}

function kind(contentType) {
  return contentType.split("/")[1].toUpperCase();
}

function fill(id, source, words, otherwise, symbol) {
  const figure = document.getElementById(id);
  const picture = figure.querySelector(".picture");
  const nothing = () => picture.replaceChildren(icon(symbol), h("span", {}, otherwise));
  if (source)
    picture.replaceChildren(h("img", { src: source, alt: figure.querySelector("b").textContent, onerror: nothing }));
  else nothing();
  setText(figure.querySelector("figcaption span"), words || "");
}

async function tellFacts(upload, picture) {
  const answer = await fetch(`/originals/${upload.id}`);
  if (!answer.ok) return;
  const facts = await answer.json();
  const what = facts.format ? `${facts.format} ${facts.mode}, ${facts.width} × ${facts.height}` : "no picture";
  setText(document.querySelector("#before figcaption span"), `${what}, ${formatBytes(facts.bytes)}`);
  document
    .getElementById("done")
    .replaceChildren(...changes(facts, picture, upload).map((words) => h("li", {}, words)));
}

function changes(facts, picture, upload) {
  if (!picture) return upload.meaning ? [upload.meaning] : [];
  const done = [];
  if (facts.turned) done.push(`rotated upright (it was ${facts.turned})`);
  if (facts.width * facts.height > picture.width * picture.height) done.push("reduced in size");
  if (facts.mode === "CMYK") done.push("converted from CMYK to sRGB");
  if (facts.gps) done.push("GPS position removed");
  if (facts.metadata) done.push("camera metadata removed");
  if (facts.transparent) done.push("transparency kept");
  if (facts.format && facts.format !== kind(picture.content_type))
    done.push(`${facts.format} became ${kind(picture.content_type)}`);
  return done;
}
