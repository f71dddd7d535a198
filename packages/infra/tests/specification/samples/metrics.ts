import { increment, gauge, observe } from '@vibeonrails/infra/monitoring';

increment('http_requests', 1, { method: 'GET', path: '/api' });
gauge('active_connections', 42);
observe('response_time_ms', 150);
