import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createUnseal } from "../../src/mqtt/downlink/signature.ts";

const page = readFileSync(new URL("../../docs/actuators.md", import.meta.url), "utf8");
const recipe = /<!-- recipe: sign\.py -->\n```python\n([\s\S]*?)```/.exec(page)?.[1];

test("the recipe on the page signs what a node takes", () => {
  const dir = mkdtempSync(join(tmpdir(), "fieldpost-sign-"));
  try {
    const key = join(dir, "ops.pem");
    const script = join(dir, "sign.py");
    writeFileSync(script, recipe!);
    execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", key]);
    const publicKey = execFileSync("bash", [
      "-c",
      `openssl pkey -in "${key}" -pubout -outform DER | tail -c 32 | base64`,
    ]);
    const topic = "fieldpost/greenhouse-1/command/pump";
    const envelope = execFileSync("python3", [script, topic, '{"set":"on","for":"5s"}', "ops", key]);
    const unseal = createUnseal({ ops: publicKey.toString().trim() });
    expect(unseal(topic, envelope)).toMatchObject({
      payload: Buffer.from('{"set":"on","for":"5s"}'),
      nonce: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
