// What an application sees of one call of the openai SDK, as a value that can be compared.
import OpenAI from 'openai';

export function client(baseURL, apiKey = 'direct', options = {}) {
  return new OpenAI({baseURL, apiKey, maxRetries: 0, timeout: 20_000, ...options});
}

export const ask = (text, more = {}) =>
  ({model: 'test-model', messages: [{role: 'user', content: text}], ...more});

function choiceOutcome(choice) {
  const message = choice.message;
  return {
    index: choice.index, role: message.role, content: message.content ?? null,
    refusal: message.refusal ?? null, reasoning: message.reasoning_content ?? null,
    tools: (message.tool_calls ?? []).map((call) => [call.id, call.type, call.function.name, call.function.arguments]),
    finish: choice.finish_reason, logprobs: choice.logprobs ?? null,
  };
}

export const completionOutcome = (answer) => ({
  object: answer.object, model: answer.model, usage: answer.usage ?? null,
  choices: answer.choices.map(choiceOutcome),
});

// Adds chunks up, as an application does that shows text while it comes.
export class Collected {
  chunks = 0;
  choices = [];
  usage = null;
  ids = new Set();
  models = new Set();

  add(chunk) {
    ++this.chunks;
    this.ids.add(chunk.id);
    this.models.add(chunk.model);
    if (chunk.usage) this.usage = chunk.usage;
    for (const part of chunk.choices) {
      const choice = this.choices[part.index] ??=
        {role: null, content: '', refusal: '', reasoning: '', tools: [], finish: null, logprobs: 0};
      const delta = part.delta;
      if (delta.role) choice.role = delta.role;
      choice.content += delta.content ?? '';
      choice.refusal += delta.refusal ?? '';
      choice.reasoning += delta.reasoning_content ?? '';
      choice.logprobs += part.logprobs?.content?.length ?? 0;
      for (const call of delta.tool_calls ?? []) {
        const tool = choice.tools[call.index] ??= {id: null, name: '', arguments: ''};
        tool.id ??= call.id;
        tool.name += call.function?.name ?? '';
        tool.arguments += call.function?.arguments ?? '';
      }
      if (part.finish_reason) choice.finish = part.finish_reason;
    }
  }

  get outcome() {
    return {choices: this.choices, usage: this.usage, ids: this.ids.size, models: [...this.models]};
  }
}

export async function collect(stream) {
  const collected = new Collected();
  for await (const chunk of stream) collected.add(chunk);
  return collected;
}

// The value of `call`, or what it threw, in a form that does not depend on who answered.
export async function outcomeOf(call) {
  try {
    return {value: await call()};
  } catch (thrown) {
    return {thrown: {name: thrown.constructor.name, status: thrown.status ?? null, code: thrown.code ?? null,
      type: thrown.type ?? null, param: thrown.param ?? null}, error: thrown};
  }
}
