/**
 * How busy the machine was with other work: engines that wait for each other at barriers suffer out of proportion, so
 * figures from a busy machine compare nothing.
 */
import { availableParallelism, cpus } from "node:os";

let ours = 0;

/** Adds processor time, in ms, that a child of ours has used. */
export function countAsOurs(milliseconds) {
  ours += milliseconds;
}

const busy = () => cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
const own = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000;

/** Starts to watch; `describe` tells the share of the processors that other processes took since then. */
export function loadByOthers() {
  const begin = { wall: performance.now(), busy: busy(), own: own(), ours };
  return {
    describe() {
      const used = own() - begin.own + ours - begin.ours;
      const capacity = (performance.now() - begin.wall) * availableParallelism();
      const share = Math.max(0, Math.round((100 * (busy() - begin.busy - used)) / capacity));
      const warning = share > 5 ? ": these figures compare nothing, repeat them on a quiet machine" : "";
      return `other processes took ${share} % of the processors meanwhile${warning}`;
    },
  };
}
