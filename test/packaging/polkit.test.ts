import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { beforeAll, expect, test } from '@jest/globals';

const RULES = fileURLToPath(new URL('../../deploy/polkit/50-libvirt-drift-exporter.rules', import.meta.url));
const USER = 'libvirt-drift-exporter';
const MANAGE = 'org.libvirt.unix.manage';

interface Subject {
  readonly user: string;
  readonly groups: readonly string[];
  readonly isInGroup: (name: string) => boolean;
}
type Rule = (action: { readonly id: string }, subject: Subject) => string | undefined;

let text: string;

beforeAll(async () => {
  text = await readFile(RULES, 'utf8');
});

function rulesOf(source: string): Rule[] {
  const rules: Rule[] = [];
  const polkit = {
    addRule: (rule: Rule) => rules.push(rule),
    Result: { YES: 'yes', NO: 'no', AUTH_ADMIN: 'auth_admin', NOT_HANDLED: undefined },
  };
  const scope = { polkit };
  runInNewContext(source, scope, { filename: RULES });
  // All files of rules share one scope: nothing of this one may be left there.
  expect(Object.keys(scope)).toEqual(['polkit']);
  return rules;
}

/** As polkit does: the first rule that returns something decides. */
function decide(
  id: string,
  user: string,
  groups: readonly string[] = [],
  source: string = text,
): string | undefined {
  const subject = { user, groups, isInGroup: (name: string) => groups.includes(name) };
  for (const rule of rulesOf(source)) {
    const decision = rule({ id }, subject);
    if (decision !== undefined) return decision;
  }
  return undefined;
}

test('lets the service manage libvirt', () => {
  expect(decide(MANAGE, USER)).toBe('yes');
});

test.each([
  ['another user', MANAGE, 'nobody', []],
  ['root', MANAGE, 'root', ['root']],
  ['a user whose name begins alike', MANAGE, `${USER}2`, []],
  ['a user in a group of that name', MANAGE, 'mallory', [USER, 'libvirt', 'sudo']],
  ['nobody at all', MANAGE, '', []],
  ['the service, to watch, which is open anyway', 'org.libvirt.unix.monitor', USER, []],
  ['the service, by an API name', 'org.libvirt.api.domain.write', USER, []],
  ['the service, elsewhere', 'org.freedesktop.systemd1.manage-units', USER, []],
  ['the service, by an action that begins alike', `${MANAGE}.more`, USER, []],
])('leaves %s to the other rules', (_, id, user, groups) => {
  expect(decide(id, user, groups)).toBeUndefined();
});

test('its advice for a smaller right, followed to the letter, adds that one', () => {
  const write = /Put (\S+) into ACTIONS/.exec(text)?.[1] ?? '';
  const followed = text.replace(`['${MANAGE}']`, `['${MANAGE}', '${write}']`);
  expect(followed).not.toBe(text);
  expect(decide(MANAGE, USER, [], followed)).toBe('yes');
  expect(decide('org.libvirt.api.domain.write', USER, [], followed)).toBe('yes');
  expect(decide('org.libvirt.api.domain.start', USER, [], followed)).toBeUndefined();
  expect(decide('org.libvirt.api.domain.write', 'nobody', [], followed)).toBeUndefined();
});
