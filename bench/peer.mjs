/** Who we are compared with, as the rows name it. */
import { readFileSync } from "node:fs";

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

export const peerName = `node-llama-cpp ${dependencies["node-llama-cpp"]}`;
