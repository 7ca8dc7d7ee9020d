/** Chromium without a window, from `CHROMIUM` or where Debian puts it. */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Whether there is one; if not, `howToInstall` says what to do. */
export const hasChromium = existsSync(executablePath);
export const howToInstall = `no Chromium at ${executablePath}: apt-get install chromium, or name one in CHROMIUM`;

/** @returns {Promise<import("playwright-core").Browser>} */
export function launch() {
  // Containers run as root and allow no sandbox.
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}
