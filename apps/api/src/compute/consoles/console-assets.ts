/** The files of noVNC and xterm.js, out of their packages, unchanged: read once and kept. Gives no other file of the machine. */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { Injectable } from '@nestjs/common';
import { SCRIPTS } from './console-pages.js';

export interface Asset { readonly type: string; readonly body: Buffer }

const TYPES: Readonly<Record<string, string>> = { js: 'text/javascript; charset=utf-8', mjs: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' };
const typeOf = (name: string): string | undefined => TYPES[name.slice(name.lastIndexOf('.') + 1)];

@Injectable()
export class ConsoleAssets {
  #assets: Promise<ReadonlyMap<string, Asset>> | undefined;

  /** @param name as it stands in a page, without a slash at its begin */
  async find(name: string): Promise<Asset | undefined> {
    this.#assets ??= load();
    return (await this.#assets).get(name);
  }
}

async function load(): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  for (const [name, text] of Object.entries(SCRIPTS)) assets.set(name, { type: typeOf(name) as string, body: Buffer.from(text) });
  const { resolve } = createRequire(import.meta.url);
  const xterm = join(dirname(resolve('@xterm/xterm')), '..');
  await add(assets, 'xterm.mjs', join(xterm, 'lib/xterm.mjs'));
  await add(assets, 'xterm.css', join(xterm, 'css/xterm.css'));
  const novnc = join(dirname(resolve('@novnc/novnc')), '..');
  for (const folder of ['core', 'vendor']) {
    for (const entry of await readdir(join(novnc, folder), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && typeOf(entry.name) !== undefined) await add(assets, `novnc/${relative(novnc, path).split(sep).join('/')}`, path);
    }
  }
  return assets;
}

async function add(assets: Map<string, Asset>, name: string, path: string): Promise<void> {
  assets.set(name, { type: typeOf(name) ?? 'application/octet-stream', body: await readFile(path) });
}
