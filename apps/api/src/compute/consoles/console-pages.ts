/**
 * The pages behind console URLs: small, of our own, around noVNC and xterm.js as they come from their packages. They know
 * nothing but their own address: the WebSocket is the same address with another scheme, the ticket stands in it.
 */
const page = (title: string, head: string, script: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/console/assets/console.css">
${head}</head>
<body>
<header><span id="status" role="status">Connecting…</span><span id="tools"></span></header>
<main id="console"></main>
<script type="module" src="/console/assets/${script}"></script>
</body>
</html>
`;

export const PAGES = {
  vnc: page('Screen', '', 'vnc-page.js'),
  serial: page('Serial console', '<link rel="stylesheet" href="/console/assets/xterm.css">\n', 'serial-page.js'),
} as const;

const COMMON = `
const address = location.href.replace(/^http/, 'ws').replace(/#.*$/, '');
const status = document.getElementById('status');
const say = (text) => { status.textContent = text; };
const ended = (opened, reason) => say(opened ? (reason || 'The console was closed.') : (reason || 'No console: its address was used already or has expired. Ask for a new one.'));
`;

export const SCRIPTS: Readonly<Record<string, string>> = {
  'console.css': `html, body { height: 100%; margin: 0; background: #1b1d21; color: #d7dae0; font: 14px system-ui, sans-serif; }
body { display: flex; flex-direction: column; }
header { display: flex; justify-content: space-between; gap: 1em; padding: .4em .8em; background: #2a2d33; }
button { font: inherit; color: inherit; background: #3a3e46; border: 1px solid #555a64; border-radius: 4px; padding: .1em .7em; }
main { flex: 1; min-height: 0; }
`,
  'vnc-page.js': `import RFB from '/console/assets/novnc/core/rfb.js';
${COMMON}
let opened = false;
let reason = '';
const socket = new WebSocket(address, ['binary']);
socket.addEventListener('open', () => { opened = true; });
socket.addEventListener('close', (event) => { reason = event.reason; ended(opened, reason); });
const rfb = new RFB(document.getElementById('console'), socket);
rfb.scaleViewport = true;
rfb.addEventListener('connect', () => say('Connected'));
rfb.addEventListener('desktopname', (event) => { document.title = event.detail.name || 'Screen'; });
const keys = document.createElement('button');
keys.textContent = 'Ctrl+Alt+Del';
keys.addEventListener('click', () => { rfb.sendCtrlAltDel(); rfb.focus(); });
document.getElementById('tools').append(keys);
`,
  'serial-page.js': `import { Terminal } from '/console/assets/xterm.mjs';
${COMMON}
const terminal = new Terminal({ convertEol: false, scrollback: 5000, cursorBlink: true });
terminal.open(document.getElementById('console'));
const fit = () => {
  const cell = document.querySelector('.xterm-screen').getBoundingClientRect();
  const box = document.getElementById('console').getBoundingClientRect();
  const columns = Math.floor(box.width / (cell.width / terminal.cols)), rows = Math.floor(box.height / (cell.height / terminal.rows));
  if (columns > 10 && rows > 3) terminal.resize(columns, rows);
};
fit();
addEventListener('resize', fit);
let opened = false;
const bytes = new TextEncoder();
const socket = new WebSocket(address, ['binary']);
socket.binaryType = 'arraybuffer';
socket.addEventListener('open', () => { opened = true; say('Connected'); terminal.focus(); });
socket.addEventListener('message', (event) => terminal.write(new Uint8Array(event.data)));
socket.addEventListener('close', (event) => ended(opened, event.reason));
const send = (data) => { if (socket.readyState === WebSocket.OPEN) socket.send(data); };
terminal.onData((text) => send(bytes.encode(text)));
terminal.onBinary((text) => send(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
`,
};
