import { describe, expect, it } from "vitest";
import { type ChatMessage, renderChat } from "./chat.ts";

const variables = { bosToken: "<s>", eosToken: "</s>", now: new Date(2026, 2, 5, 14, 7, 9) };
const hello: readonly ChatMessage[] = [{ role: "user", content: "Hello" }];

const render = (template: string, messages = hello, options = {}) => renderChat(template, messages, variables, options);

describe("renderChat", () => {
  it("gives messages, tokens and the opening of the answer to the template", () => {
    const template =
      "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message.content }}{{ eos_token }}{% endfor %}" +
      "{% if add_generation_prompt %}[assistant]{% endif %}";
    expect(render(template)).toBe("<s>[user] Hello</s>[assistant]");
    expect(render(template, hello, { generationPrompt: false })).toBe("<s>[user] Hello</s>");
  });

  it("drops the line ends and indents of blocks", () => {
    expect(render("{% for m in messages %}\n  {% if true %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}\n")).toBe(
      "Hello\n",
    );
  });

  it("knows range, and the date in English", () => {
    expect(render("{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(6, 0, -2) %}{{ i }}{% endfor %}")).toBe(
      "012642",
    );
    expect(render("{{ strftime_now('%d %b %Y, %A %B %a %y %m, %H:%M:%S, %I %p, 100%%, %Q') }}")).toBe(
      "05 Mar 2026, Thursday March Thu 26 03, 14:07:09, 02 PM, 100%, %Q",
    );
  });

  it("passes on what the template says against the messages", () => {
    expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrow(
      expect.objectContaining({
        kind: "input",
        code: "chat-template",
        message: "the chat template refuses these messages: roles must alternate",
      }),
    );
  });

  it.each([
    ["{% for m in messages %}", "is not closed"],
    ["{{ messages[0].content.nothing() }}", "calls what is not there"],
    ["{{ 'a' | unknown_filter }}", "uses an unknown filter"],
    ["{% for i in range(1000000000000) %}{% endfor %}", "does not end"],
  ])("refuses the template %s, which %s", (template) => {
    expect(() => render(template)).toThrow(
      expect.objectContaining({ code: "chat-template", message: expect.stringContaining("cannot be used") }),
    );
  });
});
