import type { WebhookAlert } from '../../testbed/monitoring/webhook.ts';

const WIDTH = 80;

/** An alert as text for a terminal. The runbook is named as a file of this repository. */
export function describeAlert({ labels, annotations }: WebhookAlert): string {
  const title = `ALERT ${labels.alertname} (${labels.severity})`;
  const lines = [title, annotations.summary ?? '', '', ...wrap(annotations.description ?? '')];
  const rule = '-'.repeat(WIDTH);
  const runbook = (annotations.runbook_url ?? '').replace(/^.*\/blob\/main\//, '');
  return [rule, ...lines, '', `Runbook: ${runbook}`, rule].join('\n');
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
