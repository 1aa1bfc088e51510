#!/usr/bin/env node
// `npm run down`: stops the control plane and the agents; guests go on. With --purge: removes guests and data too.
import { continueAs } from './machine.mjs';

continueAs('apps/launcher/src/up/down-main.js', process.argv.slice(2));
