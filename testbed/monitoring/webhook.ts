import { createServer } from 'node:http';

/** An alert in a notification of Alertmanager's webhook. */
export interface WebhookAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Webhook {
  readonly url: string;
  /** Every alert received, in order. */
  readonly alerts: readonly WebhookAlert[];
  /** Resolves with the first alert that satisfies the condition, received before the call or after. */
  readonly waitForAlert: (
    condition: (alert: WebhookAlert) => boolean,
    timeoutMs: number,
  ) => Promise<WebhookAlert>;
  readonly stop: () => Promise<void>;
}

const MAX_BODY = 1024 * 1024;

/** Listens for Alertmanager's notifications. */
export async function startWebhook(
  port: number,
  onAlert: (alert: WebhookAlert) => void = () => undefined,
): Promise<Webhook> {
  const alerts: WebhookAlert[] = [];
  const waiters = new Set<(alert: WebhookAlert) => void>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      if (body.length < MAX_BODY) body += chunk;
    });
    request.on('end', () => {
      const notification = JSON.parse(body) as { alerts: WebhookAlert[] };
      for (const alert of notification.alerts) {
        alerts.push(alert);
        onAlert(alert);
        for (const waiter of waiters) waiter(alert);
      }
      response.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${port}/`,
    alerts,
    waitForAlert: (condition, timeoutMs) =>
      new Promise((resolve, reject) => {
        const settle = (finish: () => void): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          finish();
        };
        const waiter = (alert: WebhookAlert): void => {
          if (condition(alert)) settle(() => resolve(alert));
        };
        const names = (): string =>
          alerts.map(({ labels, status }) => `${labels.alertname} ${status}`).join(', ');
        const timer = setTimeout(
          () => settle(() => reject(new Error(`no such alert within ${timeoutMs} ms; received: ${names()}`))),
          timeoutMs,
        );
        timer.unref();
        waiters.add(waiter);
        for (const alert of alerts) waiter(alert);
      }),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
