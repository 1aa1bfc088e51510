/**
 * sysfs.mjs ORDER…: writes and reads of sysfs, one after the other, and the kernel's answer to each: `w:PATH=VALUE` a write, `r:PATH` a
 * read, `l:PATH` where a link leads (its last part). Prints a JSON array: a value, "ok", or the errno's name. Only for what cannot hang.
 */
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const answers = process.argv.slice(2).map((order) => {
  const [, kind, path, value] = /^([wrl]):([^=]*)(?:=(.*))?$/s.exec(order) ?? [];
  try {
    if (kind === 'r') return readFileSync(path, 'utf8').trim();
    if (kind === 'l') return basename(readlinkSync(path));
    writeFileSync(path, value);
    return 'ok';
  } catch (error) {
    return error.code;
  }
});
process.stdout.write(JSON.stringify(answers));
