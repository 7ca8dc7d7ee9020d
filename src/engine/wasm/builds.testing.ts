/** The builds of the kernels that run here, for tests that hold all of them to the same. */
import { nodeHost } from "./node-host.ts";
import { WasmPlayer } from "./player.ts";
import { hasDotInstruction, type Variant, variantName } from "./variant.ts";

nodeHost.prepare();
/** The build with 32-bit dot products runs where they are one instruction; Node 20 even computes them wrong. */
export const builds = hasDotInstruction() ? (["dot", "relaxed", "plain"] as const) : (["relaxed", "plain"] as const);

export const variants: readonly Variant[] = builds.flatMap((simd) => [
  { simd, threads: true },
  { simd, threads: false },
]);

export interface NamedPlayer {
  readonly name: string;
  readonly player: WasmPlayer;
}

/** A player of every build, with two threads where it has threads, and one with three. Close them when done. */
export function everyPlayer(): Promise<NamedPlayer[]> {
  const settings = [...variants.map((variant) => ({ variant, threads: 2 })), { variant: variants[0]!, threads: 3 }];
  return Promise.all(
    settings.map(async ({ variant, threads }) => {
      const player = await WasmPlayer.create(nodeHost, { variant, threads });
      return { name: `${variantName(variant)} ${player.threads}`, player };
    }),
  );
}
