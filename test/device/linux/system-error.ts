import { constants } from "node:os";

/** An error as Node's own calls throw it: negative `errno`, the name in `code`. */
export function nodeError(code: keyof typeof constants.errno, syscall: string): Error {
  const errno = -constants.errno[code];
  return Object.assign(new Error(`${code}: it failed, ${syscall}`), { code, errno, syscall });
}

/** An error as i2c-bus's native part throws it: positive `errno`, and an empty `code` where Node has no name. */
export function nativeError(errno: number, syscall: string): Error {
  const [code = ""] = Object.entries(constants.errno).find(([, number]) => number === errno) ?? [];
  return Object.assign(new Error(`${code}, it failed`), { code, errno, syscall });
}
