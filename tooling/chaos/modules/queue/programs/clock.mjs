// Moves the clock of a process, and of its threads: NODE_OPTIONS=--import=<this file> with CLOCK_AHEAD in milliseconds.
const ahead = Number(process.env.CLOCK_AHEAD ?? 0);
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length === 0 ? [RealDate.now() + ahead] : given));
  }

  static now() {
    return RealDate.now() + ahead;
  }
};
