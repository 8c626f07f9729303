#!/usr/bin/env node
// src/cli/: the command tapfd. On top of all entries.
export {};
