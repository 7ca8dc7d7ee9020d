/** Takes turns: in every round each lane runs once, alone; every second round goes backwards, so that drift cancels. */
import { setTimeout } from "node:timers/promises";
import { watchOthers } from "./machine.mjs";

/** Milliseconds before a lane runs: the threads of ONNX Runtime spin for some 30 after its last call. */
const REST = 60;

/**
 * The same as `inTurns`, while how busy the machine is with other work is watched; for lanes whose engines all run already.
 * @type {typeof inTurns}
 */
export function takeTurns(lanes, rounds, same) {
  return watchOthers(() => inTurns(lanes, rounds, same));
}

/**
 * @param {Readonly<Record<string, () => Promise<{ figure: number, best?: number | string }>>>} lanes
 * @param {number} rounds that count; one more is played first and forgotten (compilers, page faults, caches)
 * @param {readonly (readonly [string, string])[]} same pairs of lanes that must end with the same likeliest token
 * @returns {Promise<Record<string, number[]>>} figures by lane, one a round
 */
export async function inTurns(lanes, rounds, same) {
  const names = Object.keys(lanes);
  const likeliest = {};
  const figures = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await setTimeout(REST);
      const { figure, best } = await lanes[name]();
      likeliest[name] = best;
      if (round >= 0) figures[name].push(figure);
    }
    process.stderr.write(round < rounds - 1 ? `\rround ${round + 2} of ${rounds} ` : "\r\x1b[K");
  }
  for (const [a, b] of same) {
    if (likeliest[a] !== likeliest[b]) {
      console.log(
        `warning: ${a} ends with token ${likeliest[a]}, ${b} with ${likeliest[b]}; do they compute the same?`,
      );
    }
  }
  return figures;
}
