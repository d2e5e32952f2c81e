import { expect, test } from '@jest/globals';
import { LibvirtUriError } from '../../../src/libvirt/errors.ts';
import { resolveUri } from '../../../src/libvirt/uri.ts';

const SYSTEM = ['/run/libvirt/virtqemud-sock-ro', '/run/libvirt/libvirt-sock-ro'];
const user = { uid: 1000, XDG_RUNTIME_DIR: '/run/user/1000', XDG_CACHE_HOME: '/home/u/.cache' };

test.each([
  ['qemu:///system', user, SYSTEM, 'qemu:///system'],
  ['qemu+unix:///system', user, SYSTEM, 'qemu:///system'],
  ['qemu+unix:///system?socket=/srv/my%20sock', user, ['/srv/my sock'], 'qemu:///system'],
  ['qemu:///session', { uid: 0 }, SYSTEM, 'qemu:///session'],
  [
    'qemu:///session',
    user,
    [
      '/run/user/1000/libvirt/virtqemud-sock',
      '/run/user/1000/libvirt/libvirt-sock',
      '/home/u/.cache/libvirt/virtqemud-sock',
      '/home/u/.cache/libvirt/libvirt-sock',
    ],
    'qemu:///session',
  ],
])('%s', (uri, environment, readOnlySockets, connectName) => {
  expect(resolveUri(uri, environment)).toMatchObject({ readOnlySockets, connectName });
});

test.each([
  ['qemu:///system', user, ['/run/libvirt/virtqemud-sock', '/run/libvirt/libvirt-sock']],
  ['qemu+unix:///system?socket=/srv/libvirt-sock-ro', user, ['/srv/libvirt-sock']],
  ['qemu+unix:///system?socket=/srv/libvirt-sock', user, ['/srv/libvirt-sock']],
])('%s, to write', (uri, environment, readWriteSockets) => {
  expect(resolveUri(uri, environment)).toMatchObject({ readWriteSockets });
});

test.each([
  ['', /not a URI/],
  ['system', /not a URI/],
  ['xen:///system', /xen is not supported/],
  ['qemu+ssh://host/system', /qemu\+ssh is not supported/],
  ['qemu://host/system', /remote hosts/],
  ['qemu:///elsewhere', /no such connection/],
  ['qemu+unix:///system?socket=relative', /absolute path/],
  ['qemu:///system?no_verify=1', /unknown parameter no_verify/],
])('%j is refused in one line that says what is understood', (uri, message) => {
  const resolve = () => resolveUri(uri, user);
  expect(resolve).toThrow(LibvirtUriError);
  expect(resolve).toThrow(message);
  expect(resolve).toThrow(/qemu:\/\/\/system, qemu:\/\/\/session and qemu\+unix/);
});
