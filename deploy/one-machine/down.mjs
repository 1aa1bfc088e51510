#!/usr/bin/env node
// `npm run down`: stops the control plane and the agents; guests go on. With --purge: removes guests and data too.
import { continueAs, fail, refuseSwallowedWords } from './machine.mjs';

// --yes is a setting of npm's own, which its configuration may hold for reasons of its own: it says nothing here.
refuseSwallowedWords('down', ['--purge'], process.argv.slice(2));
if (process.getuid() !== 0 && !/^(-h|--help)$/.test(process.argv[2] ?? '')) fail('root is needed to end what root started.', 'Run it as `sudo npm run down`.');
continueAs('apps/launcher/src/up/down-main.js', process.argv.slice(2));
