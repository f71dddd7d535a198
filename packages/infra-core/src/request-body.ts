import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * The body of a Node request as a web stream. It reads from the socket only when somebody reads from it, so that a
 * client cannot send faster than the handler takes. When the response is out and nobody waits for more, the rest is
 * thrown away: a keep-alive connection could not carry its next request otherwise.
 */
export function requestBody(req: IncomingMessage, res: ServerResponse): ReadableStream<Uint8Array> {
  let waiting = false;
  let over = false;
  const stop = (): boolean => {
    const first = !over;
    over = true;
    return first;
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (req.readableEnded) {
          // Something before us, such as Express's body parser, has read it.
          if (stop()) controller.close();
          return;
        }
        req.pause();
        req.on('data', (chunk: Uint8Array) => {
          if (over) return;
          waiting = false;
          req.pause();
          controller.enqueue(chunk);
        });
        req.once('end', () => {
          if (stop()) controller.close();
        });
        req.once('error', (error) => {
          if (stop()) controller.error(error);
        });
        req.once('close', () => {
          if (stop()) controller.error(new Error('The client closed the connection.'));
        });
        res.once('finish', () => {
          if (waiting) return;
          if (stop()) controller.error(new Error('The response is over; the rest of the body was dropped.'));
          req.resume();
        });
      },
      pull() {
        waiting = true;
        req.resume();
      },
      cancel() {
        stop();
      },
    },
    { highWaterMark: 0 },
  );
}
