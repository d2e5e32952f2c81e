import type { WebhookAlert } from '../../testbed/monitoring/webhook.ts';

const WIDTH = 100;

/** An alert as a person on call would want to read it on a terminal. */
export function describeAlert({ labels, annotations }: WebhookAlert): string {
  const title = `ALERT ${labels.alertname} (${labels.severity})`;
  const lines = [title, annotations.summary ?? '', '', ...wrap(annotations.description ?? '')];
  const rule = '-'.repeat(WIDTH);
  return [rule, ...lines, '', `Runbook: ${annotations.runbook_url ?? ''}`, rule].join('\n');
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
