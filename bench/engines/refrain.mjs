/** Refrain, through its library. A step is `session.play` of one token: it ends with the logits in memory. */
import { load } from "../../dist/index.js";
import { indexOfGreatest } from "./logits.mjs";

/** @param {{ path: string, threads: number, context: number, weights?: string }} options */
export async function open({ path, threads, context, weights }) {
  const model = await load(path, { threads, contextLength: context, weights });
  const sessions = new Map();
  const sessionOf = (schedule) => {
    let session = sessions.get(schedule);
    if (!session) {
      session = (schedule === undefined ? model : model.withSchedule(schedule)).session();
      sessions.set(schedule, session);
    }
    return session;
  };
  return {
    info: { engine: model.engine, weightBytes: model.weightBytes, vocabulary: model.config.vocabSize },
    /** @param {{ prompt: number[], tokens?: number[], schedule?: string }} work milliseconds of each of `tokens`, or of the prompt where there are none */
    async time({ prompt, tokens, schedule }) {
      const session = sessionOf(schedule);
      session.rewind(0);
      const begin = performance.now();
      await session.feed(prompt);
      const read = performance.now();
      const times = [];
      for (const token of tokens ?? []) {
        const start = performance.now();
        session.play([token]);
        times.push(performance.now() - start);
      }
      const best = indexOfGreatest(session.logits(0));
      return { times: tokens ? times : [read - begin], best, cacheBytes: session.plan.cacheBytes };
    },
  };
}
