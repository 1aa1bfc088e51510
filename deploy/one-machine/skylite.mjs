#!/usr/bin/env node
// `npx skylite …`: the operator's command (apps/launcher/src/cli).
import { continueAs } from './machine.mjs';

continueAs('apps/launcher/src/cli/main.js', process.argv.slice(2));
