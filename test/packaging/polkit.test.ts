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

const rules: Rule[] = [];

beforeAll(async () => {
  const polkit = {
    addRule: (rule: Rule) => rules.push(rule),
    Result: { YES: 'yes', NO: 'no', AUTH_ADMIN: 'auth_admin', NOT_HANDLED: undefined },
  };
  runInNewContext(await readFile(RULES, 'utf8'), { polkit }, { filename: RULES });
});

/** As polkit does: the first rule that returns something decides. */
function decide(id: string, user: string, groups: readonly string[] = []): string | undefined {
  const subject = { user, groups, isInGroup: (name: string) => groups.includes(name) };
  for (const rule of rules) {
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
