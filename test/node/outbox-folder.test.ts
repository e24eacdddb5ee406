import { expect, test } from "vitest";
import { folderError } from "../../src/node/outbox-folder.ts";

test.each([
  ["ENOSPC", "the disk is full"],
  ["EROFS", "the disk is read-only"],
  ["EACCES", "this user may not write there"],
  ["EIO", "EIO"],
])("of %s a person reads which setting and which folder it is about, and why", (code, why) => {
  const cause = Object.assign(new Error("ENOSPC: no space left on device, write"), { code });
  expect(folderError("/o", cause)).toMatchObject({ message: `buffer.path: cannot use /o: ${why}`, cause });
});

test("what does not come from the system is left as it is", () => {
  const cause = new Error("/o is in use by process 7");
  expect(folderError("/o", cause)).toBe(cause);
});
