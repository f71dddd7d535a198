import assert from 'node:assert/strict';

/** Waits for what takes a moment elsewhere; fails after thirty seconds. For tests. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `not within thirty seconds: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
