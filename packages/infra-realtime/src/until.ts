import assert from 'node:assert/strict';

/** Waits for what takes a moment elsewhere; fails after five seconds. For tests. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `not within five seconds: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
