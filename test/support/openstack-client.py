"""The distribution's openstack client, many times in one process: loading it costs a second of CPU, which every command would pay.

Reads requests as JSON lines {"id", "words", "env", "timeout"} from stdin. For each it forks: the child is the unmodified client
with these words and this environment, alone. Answers {"id", "code", "stdout", "stderr"} on stdout, in the order they end.
"""
import gc
import json
import os
import selectors
import signal
import sys
import time

import openstackclient.shell
# What a command loads on its way, loaded once.
import keystoneauth1.identity.v3  # noqa: F401
import keystoneauth1.loading  # noqa: F401
import openstack.connection  # noqa: F401
import openstack.config  # noqa: F401


def warm():
    """Runs the client once for nothing: it scans the installed packages for commands."""
    sys.stdout = sys.stderr = open(os.devnull, 'w')
    try:
        openstackclient.shell.OpenStackShell().run(['--os-auth-type', 'none', '--os-endpoint', 'http://127.0.0.1:1', 'help', 'server', 'list'])
    except (Exception, SystemExit):
        pass
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def child(request, out, err):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(request['env'])
    sys.argv = ['openstack', *request['words']]
    code = 1
    try:
        code = openstackclient.shell.main(request['words']) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main():
    warm()
    gc.freeze()
    poll = selectors.DefaultSelector()
    poll.register(0, selectors.EVENT_READ, 'requests')
    running, rest, open_input = {}, b'', True
    while open_input or running:
        for key, _ in poll.select(0.2):
            if key.data == 'requests':
                data = os.read(0, 65536)
                if not data:
                    poll.unregister(0)
                    open_input = False
                    continue
                *lines, rest = (rest + data).split(b'\n')
                for line in lines:
                    request = json.loads(line)
                    (out_r, out_w), (err_r, err_w) = os.pipe(), os.pipe()
                    pid = os.fork()
                    if pid == 0:
                        child(request, out_w, err_w)
                    os.close(out_w)
                    os.close(err_w)
                    running[pid] = {'id': request['id'], out_r: b'', err_r: b'', 'open': {out_r, err_r}, 'fds': (out_r, err_r), 'end': time.monotonic() + request['timeout']}
                    for fd in (out_r, err_r):
                        poll.register(fd, selectors.EVENT_READ, pid)
            else:
                one = running[key.data]
                data = os.read(key.fd, 65536)
                one[key.fd] += data
                if not data:
                    poll.unregister(key.fd)
                    os.close(key.fd)
                    one['open'].discard(key.fd)
        for pid, one in list(running.items()):
            if time.monotonic() > one['end']:
                os.kill(pid, signal.SIGKILL)
            if one['open']:
                continue
            _, status = os.waitpid(pid, 0)
            del running[pid]
            out, err = (one[fd].decode(errors='replace') for fd in one['fds'])
            print(json.dumps({'id': one['id'], 'code': os.waitstatus_to_exitcode(status), 'stdout': out, 'stderr': err}), flush=True)


main()
