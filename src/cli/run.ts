/** `refrain run`: not built yet; the frame around it is. */
import { failure } from "../errors.ts";
import { defineRefrainCommand } from "./define.ts";

export const command = defineRefrainCommand({
  options: {},
  run: async () => {
    throw failure("not-built", "refrain run is not built yet");
  },
});
