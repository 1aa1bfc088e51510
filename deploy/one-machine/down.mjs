#!/usr/bin/env node
// `npm run down`: stops the control plane and the agents; guests go on. With --purge: removes guests and data too.
import { continueAs, refuseSwallowedWords } from './machine.mjs';

// --yes is a setting of npm's own, which its configuration may hold for reasons of its own: it says nothing here.
refuseSwallowedWords('down', ['--purge'], process.argv.slice(2));
continueAs('apps/launcher/src/up/down-main.js', process.argv.slice(2));
