// Calls SuperOffice's own client: one JSON call per line in, one JSON result per line out, {value} or {status}.
// Binary arguments and results are written as {base64}.
"use strict";

const { WebApi } = require("@superoffice/webapi");

const decode = (value) => {
  if (!value || value.base64 === undefined) return value;
  const bytes = Buffer.from(value.base64, "base64");
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
};
const encode = (value) => {
  if (value instanceof ArrayBuffer || Buffer.isBuffer(value)) return { base64: Buffer.from(value).toString("base64") };
  return value === undefined ? null : value;
};

function connect(address, login) {
  WebApi.configure(address);
  const webapi = new WebApi(address);
  if (login.username) webapi.authenticateWithPassword(login.username, login.password);
  if (login.ticket) webapi.authenticateWithTicket(login.ticket);
  if (login.app_token) webapi.applicationToken(login.app_token);
  if (login.access_token) webapi.authenticateWithToken(login.access_token);
  return webapi;
}

async function call({ address, login, agent, method, args }) {
  try {
    const webapi = connect(address, login);
    return { value: encode(await webapi[`get${agent}Agent`]()[method](...args.map(decode))) };
  } catch (error) {
    return { status: error.response ? error.response.status : String(error) };
  }
}

async function main() {
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await call(JSON.parse(line))) + "\n");
  }
}

main();
