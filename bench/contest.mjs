/** The engines of one table, each in its process, and what they are asked to do. */
import { startEngine } from "./child.mjs";
import { median } from "./report.mjs";

/**
 * @typedef {object} Options
 * @property {string | undefined} model the one GGUF file that is to be measured, if only one
 * @property {readonly string[]} files that one, or all real models there are
 * @property {readonly ("q4" | "q8")[]} types of the random models; none where only one file is measured
 * @property {boolean} floats measure depth in f32 too
 * @property {number} threads of every engine
 * @property {number} rounds
 * @property {number} tokens decoded in a round
 * @property {boolean} quick measure fewer things
 * @property {string | undefined} images folder for pictures
 */

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
  #context;
  #engines = [];

  /**
   * @param {number} threads
   * @param {number} context positions in the cache of every engine
   */
  constructor(threads, context = 512) {
    this.#threads = threads;
    this.#context = context;
  }

  /**
   * Loads the model at `path` into an engine of its own.
   * @param {string} name of the engine
   * @param {object} more options of that engine
   */
  async start(name, path, more = {}) {
    return this.#keep(await startEngine(name, { path, threads: this.#threads, context: this.#context, ...more }));
  }

  /**
   * Peers with our number of threads and with one, by the names that rows give them: where few cores are there, one thread
   * alone can be faster.
   * @param {readonly { engine: string, name: string, format: string }[]} peers
   * @param {Readonly<Record<string, string>>} files path of the model, by format
   * @returns {Promise<[string, object][]>}
   */
  async startPeers(peers, files) {
    const started = [];
    for (const { engine, name, format } of peers) {
      started.push([name, await this.start(engine, files[format])]);
      if (this.#threads === 1) continue;
      started.push([`${name}, 1 thread`, await this.start(engine, files[format], { threads: 1 })]);
    }
    return started;
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
