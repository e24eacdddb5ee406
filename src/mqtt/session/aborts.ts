/** Resolves as soon as one of two signals has aborted. Leaves no listener behind: one of them may live long. */
export function eitherAborts(one: AbortSignal, other: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      one.removeEventListener("abort", done);
      other.removeEventListener("abort", done);
      resolve();
    };
    one.addEventListener("abort", done);
    other.addEventListener("abort", done);
    if (one.aborted || other.aborted) done();
  });
}
