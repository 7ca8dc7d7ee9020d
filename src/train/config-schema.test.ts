import { toJsonSchema } from "@valibot/to-json-schema";
import { expect, it } from "vitest";
import { trainingFileSchema } from "./config-schema.ts";

/** To write it anew: npx vitest run src/train/config-schema.test.ts -u */
it("is what data/train.schema.json says", async () => {
  const schema = {
    title: "Training file of Refrain",
    ...toJsonSchema(trainingFileSchema, { typeMode: "input", ignoreActions: ["finite"] }),
  };
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot("../../data/train.schema.json");
});
