// A microphone in, texts out, while somebody speaks. What comes is shown as text, never as HTML.
const element = (id) => document.getElementById(id);
let session = null;

function show(message, isFault = false) {
  element("state").textContent = message;
  element("state").classList.toggle("fault", isFault);
}

// One panel for each speaker, with the text of each output.
function panelOf(channel, outputs) {
  const panel = document.createElement("section"), texts = {};
  const title = document.createElement("h2");
  title.textContent = `Speaker ${channel + 1}`;
  panel.append(title);
  for (const [role, node] of Object.entries(outputs)) {
    const name = document.createElement("h3"), text = document.createElement("p");
    name.textContent = role;
    text.setAttribute("aria-live", "polite");
    text.dataset.output = role;
    panel.append(name, text);
    texts[node] = text;
  }
  element("texts").append(panel);
  return texts;
}

function take(message) {
  if (message.error) return stop(message.error.message, true);
  if (message.type === "ready") {
    element("texts").replaceChildren();
    session.texts = session.channels.map((channel) => panelOf(channel, message.outputs));
    session.ready = true;
    show(message.reads === "sound" ? "Speak." : "The server reads texts: this page speaks.", message.reads !== "sound");
  } else if (message.type === "delta") {
    const text = session.texts[message.channel][message.node];
    if (text) text.textContent += message.text;
    const late = (message.clock - message.heard).toFixed(1);
    show(`${message.heard.toFixed(1)} s heard; the last words ${late} s after their sound was there`);
  } else if (message.type === "end" && --session.open === 0) {
    stop("Done.");
  }
}

async function start() {
  const channels = Number(element("channels").value);
  const sound = { channelCount: channels, echoCancellation: false, autoGainControl: channels === 1 };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/simultaneous/recorder.js");
  const source = context.createMediaStreamSource(stream);
  const options = { numberOfOutputs: 0, channelCount: channels, channelCountMode: "explicit", processorOptions: { channels } };
  const recorder = new AudioWorkletNode(context, "recorder", options);
  const address = new URL("/v1/simultaneous", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const token = element("token").value.trim();
  const socket = new WebSocket(address, token ? ["antiphon", `bearer.${token}`] : []);
  session = { stream, context, socket, open: channels, channels: [...Array(channels).keys()], ready: false };
  const hello = { channels, skip: true };
  for (const name of ["target_language", "policy"]) if (element(name).value.trim()) hello[name] = element(name).value.trim();
  if (element("chunk").value) hello.chunk = Number(element("chunk").value);
  socket.onopen = () => socket.send(JSON.stringify(hello));
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = () => session && stop("The server has closed the connection, or refused it (a token?).", true);
  recorder.port.onmessage = (event) => session?.ready && socket.readyState === 1 && socket.send(event.data);
  source.connect(recorder);
  element("button").textContent = "Stop";
}

function release() {
  session.stream.getTracks().forEach((track) => track.stop());
  session.context.close();
}

// The end of the microphone; the server finishes its texts.
function finish() {
  session.ready = false;
  release();
  session.socket.send(JSON.stringify({ end: true }));
  element("button").disabled = true;
  show("The last words are computed.");
}

function stop(message, isFault = false) {
  const { socket, context } = session;
  if (context.state !== "closed") release();
  session = null;
  socket.close();
  element("button").textContent = "Start";
  element("button").disabled = false;
  show(message, isFault);
}

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (session) return session.ready ? finish() : stop("Stopped.");
  try {
    await start();
  } catch (error) {
    show(`No microphone: ${error.message}`, true);
  }
});
