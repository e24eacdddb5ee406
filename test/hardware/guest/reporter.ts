import type { TestEvent } from "node:test/reporters";

/** For `--test-reporter`: one JSON object per test and line. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { name, details } = event.data;
    const failure = event.type === "test:fail" ? describe(event.data.details.error) : undefined;
    yield `${JSON.stringify({ name, failure, durationMs: details.duration_ms })}\n`;
  }
}

/** What the test threw; `node:test` wraps it. */
function describe(error: Error): string {
  const thrown = error.cause ?? error;
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
