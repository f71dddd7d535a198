import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** One value a StatsD server would count. */
export interface Received {
  readonly name: string;
  readonly type: 'c' | 'g' | 'ms' | 'h';
  readonly value: number;
  /** The value as it was written. */
  readonly text: string;
  readonly rate: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface StatsdReceiver {
  readonly port: number;
  readonly packets: string[];
  /** Everything so far, in order. Throws at the first line that is not strictly of the format. */
  received(): Received[];
  /** What a server has counted under a name and its tags. */
  counter(name: string, tags?: Record<string, string>): number;
  /** What a plain server's gauge holds: a sign is a change. */
  gauge(name: string): number | undefined;
  close(): Promise<void>;
}

const LINE =
  /^(?<name>[a-zA-Z0-9_.-]+)(?<values>(?::-?(?:0|[1-9]\d*)(?:\.\d+)?)+)\|(?<type>c|g|ms|h)(?:\|@(?<rate>0\.\d+|1))?(?:\|#(?<tags>[^|\n]+))?$/;

export function parseLine(line: string): Received[] {
  const parts = LINE.exec(line)?.groups;
  if (!parts) throw new Error(`not a StatsD line: ${JSON.stringify(line)}`);
  const tags: Record<string, string> = {};
  for (const tag of parts.tags?.split(',') ?? []) {
    const at = tag.indexOf(':');
    if (at < 1 || tag.length > 200) throw new Error(`a bad tag: ${JSON.stringify(line)}`);
    tags[tag.slice(0, at)] = tag.slice(at + 1);
  }
  const values = (parts.values ?? '').split(':').slice(1);
  if (values.length > 1 && parts.type !== 'h') throw new Error(`many values of a ${parts.type}: ${line}`);
  return values.map((text) => ({
    name: parts.name ?? '',
    type: parts.type as Received['type'],
    value: Number(text),
    text,
    rate: Number(parts.rate ?? 1),
    tags,
  }));
}

function receiver(port: number, packets: string[], close: () => Promise<void>): StatsdReceiver {
  const received = (): Received[] =>
    packets.flatMap((packet) =>
      packet
        .split('\n')
        .filter((line, i, all) => line !== '' || i < all.length - 1)
        .flatMap(parseLine),
    );
  return {
    port,
    packets,
    received,
    counter: (name, tags = {}) =>
      received()
        .filter((one) => one.type === 'c' && one.name === name && same(one.tags, tags))
        .reduce((sum, { value, rate }) => sum + value / rate, 0),
    gauge(name) {
      let value: number | undefined;
      for (const one of received())
        if (one.type === 'g' && one.name === name)
          value = one.text.startsWith('-') ? (value ?? 0) + one.value : one.value;
      return value;
    },
    close,
  };
}

const same = (a: Record<string, string>, b: Record<string, string>): boolean =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());

export async function udpReceiver(port = 0, host = '127.0.0.1'): Promise<StatsdReceiver> {
  const packets: string[] = [];
  const socket = createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: 4 * 1024 * 1024,
  });
  socket.on('message', (message) => void packets.push(message.toString()));
  socket.bind(port, host);
  await once(socket, 'listening');
  return receiver(socket.address().port, packets, () => new Promise((resolve) => socket.close(resolve)));
}

export async function tcpReceiver(port = 0): Promise<StatsdReceiver> {
  const packets: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = '';
    socket.on('data', (data) => {
      const lines = (rest + data.toString()).split('\n');
      rest = lines.pop() ?? '';
      packets.push(...lines);
    });
    socket.on('error', () => undefined);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return receiver((server.address() as AddressInfo).port, packets, async () => {
    for (const socket of sockets) socket.resetAndDestroy();
    server.close();
    await once(server, 'close');
  });
}

/** Waits until `holds`, for datagrams that are on their way. */
export async function until(holds: () => boolean | Promise<boolean>, what = 'it'): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what} did not come to hold in 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
