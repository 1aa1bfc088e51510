#!/usr/bin/env node
// `npm run down`: stops the control plane and the agents; guests go on. With --purge: removes guests and data too.
import { continueAs, refuseSwallowedWords } from './machine.mjs';

refuseSwallowedWords('down', ['--purge', '--yes'], process.argv);
continueAs('apps/launcher/src/up/down-main.js', process.argv.slice(2));
