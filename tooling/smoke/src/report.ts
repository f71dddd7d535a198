/** Runs checks, prints each as it ends, and counts. */
export class Report {
  passed = 0;
  readonly failures: string[] = [];
  readonly skipped: string[] = [];
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** A line of progress. */
  say(line: string): void {
    this.#print(line);
  }

  /** Names what this machine cannot check. */
  skip(name: string, reason: string): void {
    this.skipped.push(name);
    this.#print(`skip  ${name}: ${reason}`);
  }

  /** Runs one check; what it returns is printed beside its name. False when it failed. */
  async check(name: string, work: () => Promise<string | undefined>): Promise<boolean> {
    const started = performance.now();
    const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(1)} s`;
    try {
      const detail = await work();
      this.passed += 1;
      this.#print(`ok    ${name}${detail ? `: ${detail}` : ''} (${seconds()})`);
      return true;
    } catch (error) {
      this.failures.push(name);
      const message = error instanceof Error ? error.message : String(error);
      this.#print(`FAIL  ${name} (${seconds()})\n${message.replaceAll(/^/gm, '      ')}`);
      return false;
    }
  }

  /** The last lines, and the exit code. */
  finish(): number {
    for (const name of this.failures) this.#print(`failed: ${name}`);
    const counts = [
      `${this.passed} passed`,
      `${this.failures.length} failed`,
      `${this.skipped.length} skipped`,
    ];
    this.#print(counts.join(', '));
    return this.failures.length === 0 ? 0 : 1;
  }
}

/** Runs `work` over all items, two at a time: installs wait for the disk and the network half of the time. */
export async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all([lane(), lane()]);
}
