#!/usr/bin/env node
/** The `refrain` command. Everything it does is in cli.ts. */
import { runCli } from "./cli.ts";
import { commands } from "./commands.ts";

const code = await runCli(process.argv.slice(2), commands, process);
// After an error, work that was cut short may still hold threads or sockets; nothing is worth waiting for.
if (code === 0) process.exitCode = 0;
else process.exit(code);
