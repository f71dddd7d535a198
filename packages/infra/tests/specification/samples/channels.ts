import { registerClient, subscribe, getSubscribers } from '@vibeonrails/infra/realtime';

registerClient({ id: 'user-1', send: (d) => ws.send(d), close: () => ws.close() });
subscribe('chat-room', 'user-1');
