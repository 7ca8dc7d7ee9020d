/** The engines of one table, each in its process, and what they are asked to do. */
import { startEngine } from "./child.mjs";
import { peerName } from "./peer.mjs";
import { median } from "./report.mjs";

/**
 * @typedef {object} Options
 * @property {string | undefined} model a GGUF file instead of the random models
 * @property {readonly ("q4" | "q8")[]} types of the random models
 * @property {number} threads of every engine
 * @property {number} rounds
 * @property {number} tokens decoded in a round
 */

/** Positions of every engine's cache. */
export const CONTEXT = 512;
/** Passes of the read loop in a round. */
const PASSES = 10;

/** Token ids that every vocabulary here has; which ones they are changes no time. */
const someTokens = (count) => Array.from({ length: count }, (_, i) => 3 + (i % 500));

const lane = (engine, work) => async () => {
  const { times, best } = await engine.time(work);
  return { figure: median(times), best };
};

export class Contest {
  #threads;
  #engines = [];

  /** @param {number} threads */
  constructor(threads) {
    this.#threads = threads;
  }

  /**
   * Loads the model at `path` into an engine of its own.
   * @param {"refrain" | "llama-cpp"} name
   */
  async start(name, path, threads = this.#threads) {
    return this.#keep(await startEngine(name, { path, threads, context: CONTEXT }));
  }

  /**
   * llama.cpp with our number of threads and with one, by the names that rows give them: it starts its threads anew for
   * each token, and where few cores are there, one alone can be faster.
   */
  async startPeers(path) {
    const peers = { [peerName]: await this.start("llama-cpp", path) };
    if (this.#threads > 1) peers[`${peerName}, 1 thread`] = await this.start("llama-cpp", path, 1);
    return Object.entries(peers);
  }

  /** A lane that decodes so many tokens after a prompt: milliseconds a token, the median of them. */
  decode(engine, prompt, tokens, schedule) {
    const all = someTokens(prompt + tokens);
    const work = { prompt: all.slice(0, prompt), tokens: all.slice(prompt), schedule };
    return lane(engine, work);
  }

  /** A lane that reads a prompt: milliseconds. */
  prefill(engine, tokens) {
    return lane(engine, { prompt: someTokens(tokens) });
  }

  /** Makes lanes that read so many bytes once, at most `most`: milliseconds. */
  async readLoop(most) {
    const engine = this.#keep(await startEngine("read-loop", { bytes: most, threads: this.#threads }));
    return (bytes) => lane(engine, { bytes, passes: PASSES });
  }

  async stop() {
    for (const engine of this.#engines) await engine.stop();
  }

  #keep(engine) {
    this.#engines.push(engine);
    return engine;
  }
}
