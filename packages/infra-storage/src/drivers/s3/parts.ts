import { unlessAborted } from '../../metered.ts';

/** Cuts a body into parts of one size, the last of which may be shorter. */
export interface Parts {
  /** The next part; empty only for an empty body. The buffer is the caller's until it gives it back. */
  next(signal: AbortSignal): Promise<Buffer>;
  /** True when the part that `next()` returned was the last one. */
  readonly ended: boolean;
  /** Takes back a part that is no longer needed, to be filled again: memory stays at as many as are under way. */
  giveBack(part: Buffer): void;
}

const FIRST = 64 * 1024;

/** Reads a body as {@link Parts}. Chunks are copied, so that what they are cut from is free again. */
export function partsOf(body: AsyncIterable<Uint8Array>, partSize: number): Parts {
  const source = body[Symbol.asyncIterator]();
  const spare: Buffer[] = [];
  let rest: Uint8Array = new Uint8Array();
  let ended = false;
  let count = 0;

  const look = async (signal: AbortSignal): Promise<void> => {
    while (!ended && rest.byteLength === 0) {
      const { done, value } = await unlessAborted(source.next(), signal);
      if (done) ended = true;
      else rest = value;
    }
  };

  return {
    get ended() {
      return ended;
    },
    async next(signal) {
      // A small body takes little; from the second part on it is a big one.
      let part = spare.pop() ?? Buffer.allocUnsafeSlow(count === 0 ? Math.min(FIRST, partSize) : partSize);
      count += 1;
      let filled = 0;
      for (await look(signal); !ended && filled < partSize; await look(signal)) {
        const taken = rest.subarray(0, partSize - filled);
        if (filled + taken.byteLength > part.byteLength)
          part = grown(part, Math.min(partSize, Math.max(part.byteLength * 2, filled + taken.byteLength)));
        part.set(taken, filled);
        filled += taken.byteLength;
        rest = rest.subarray(taken.byteLength);
      }
      return part.subarray(0, filled);
    },
    giveBack(part) {
      if (part.byteLength === partSize) spare.push(part);
    },
  };
}

function grown(buffer: Buffer, size: number): Buffer {
  const bigger = Buffer.allocUnsafeSlow(size);
  buffer.copy(bigger);
  return bigger;
}
