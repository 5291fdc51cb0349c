// SPDX-License-Identifier: Apache-2.0
// Opens the web socket as noVNC's page does, and shows what the console says first.
const path = new URLSearchParams(location.search).get("path") ?? "websockify";
const scheme = location.protocol === "https:" ? "wss" : "ws";
const socket = new WebSocket(`${scheme}://${location.host}/${path}`, ["binary"]);
socket.onmessage = async (message) => {
  document.body.append(await message.data.text());
};
