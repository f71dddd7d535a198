import { connect, type Socket } from 'node:net';

/** A WebSocket client of a few lines over a bare socket, which can also break every rule. For tests. */
export interface RawPeer {
  /** The answer to the handshake. */
  readonly head: string;
  /** Text frames received, and close frames as `close <code>`. */
  readonly frames: readonly string[];
  /** True once the other end has ended the connection. */
  readonly ended: boolean;
  /** Sends a masked frame; `first` is its first byte. @default text, final (0x81) */
  send(data: string | Uint8Array, first?: number): void;
  /** The socket underneath. */
  readonly socket: Socket;
}

/** A masked frame as RFC 6455 §5.2 wants it of a client; the mask is zero. */
function frameOf(data: string | Uint8Array, first = 0x81): Buffer {
  const body = Buffer.from(data);
  if (body.length < 126) return Buffer.concat([Buffer.from([first, 0x80 | body.length, 0, 0, 0, 0]), body]);
  const head = Buffer.alloc(14);
  head[0] = first;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([head, body]);
}

/** The text of an upgrade request. */
export function handshake(path: string, headers: readonly string[] = []): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ...headers,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Connects; resolves when the handshake was answered. */
export function rawPeer(port: number, path: string, headers: readonly string[] = []): Promise<RawPeer> {
  const socket = connect(port, '127.0.0.1');
  const frames: string[] = [];
  let head: string | undefined;
  let buffer = Buffer.alloc(0);
  let ended = false;
  return new Promise((resolve) => {
    const peer: RawPeer = {
      get head() {
        return head ?? '';
      },
      get ended() {
        return ended;
      },
      frames,
      send: (data, first) => socket.write(frameOf(data, first)),
      socket,
    };
    const over = (): void => {
      ended = true;
      resolve(peer);
    };
    socket.on('error', over).on('end', over).on('close', over);
    socket.on('data', (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      if (head === undefined) {
        const end = buffer.indexOf('\r\n\r\n');
        if (end < 0) return;
        head = buffer.subarray(0, end).toString();
        buffer = buffer.subarray(end + 4);
        resolve(peer);
      }
      if (head.startsWith('HTTP/1.1 101')) buffer = takeFrames(buffer, frames);
    });
    socket.write(handshake(path, headers));
  });
}

/** Reads the unmasked frames of a server, up to 64 KiB each; returns what is left. */
function takeFrames(buffer: Buffer, frames: string[]): Buffer<ArrayBuffer> {
  let rest = Buffer.from(buffer);
  while (rest.length >= 2) {
    const short = (rest[1] ?? 0) & 0x7f;
    const start = short === 126 ? 4 : 2;
    if (rest.length < start) break;
    const length = short === 126 ? rest.readUInt16BE(2) : short;
    if (rest.length < start + length) break;
    const body = rest.subarray(start, start + length);
    const opcode = (rest[0] ?? 0) & 0x0f;
    if (opcode === 8) frames.push(`close ${body.length >= 2 ? body.readUInt16BE(0) : 1005}`);
    else if (opcode === 1) frames.push(body.toString());
    rest = rest.subarray(start + length);
  }
  return rest;
}
