"""The supervisor: its configuration, made from the Procfile, and how to talk to it.

It is supervisord, with its configuration, pid and logs in the data folder. It listens on a local TCP port with a password of
its own (a Unix socket's path would be too short for deep data folders). Nothing starts by itself: ``up`` starts servers first.
"""

from __future__ import annotations

import base64
import configparser
import http.client
import os
import re
import subprocess
import sys
import time
import xmlrpc.client
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lakefront.runtime import orphans, processes
from lakefront.runtime.processes import CHECKOUT, Process
from lakefront.secrets import load_secrets
from lakefront.settings import Settings

USER = "lakefront"

_HEAD = """[supervisord]
logfile={home}/logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={home}/run/supervisord.pid
childlogdir={home}/logs
directory={checkout}
{user}
[inet_http_server]
port=127.0.0.1:{port}
username={name}
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

# A process that ends within startsecs is tried again after 1, 2, 3 … seconds; one that ran longer, at once.
_PROGRAM = """
[program:{name}]
command={command}
directory={checkout}
environment={mark_name}="{mark}"
autostart=false
autorestart=true
startsecs=2
startretries=60
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={home}/logs/{name}.log
stdout_logfile_maxbytes=0
"""


class SupervisorSilent(RuntimeError):
    """A supervisor runs but cannot be talked to; the message says where it was asked and what to do."""


_GROUP_NAMES = {"servers": 100, "app": 900}
"""Groups stop in the reverse order of these priorities, the processes of a group at once."""


@dataclass(frozen=True)
class State:
    """What the supervisor says of one process."""

    name: str
    state: str
    pid: int
    started: float
    now: float
    detail: str

    @property
    def is_running(self) -> bool:
        return self.state == "RUNNING"

    @property
    def is_starting(self) -> bool:
        """Started, but not for long enough to be called running."""
        return self.state == "STARTING"

    @property
    def seconds(self) -> float:
        return max(0.0, self.now - self.started) if self.pid else 0.0


def configuration(chosen: Settings, wanted: list[Process]) -> str:
    """The text of supervisord's configuration."""
    password = load_secrets(chosen.home).supervisor_password
    home, checkout = _escaped(chosen.home), _escaped(CHECKOUT)
    user = "user=root\n" if os.geteuid() == 0 else ""  # says that root is meant; it warns otherwise
    parts = [
        _HEAD.format(
            home=home, checkout=checkout, user=user, port=chosen.supervisor_port, name=USER, password=_escaped(password)
        )
    ]
    for process in wanted:
        command = f'"{_escaped(sys.executable)}" -m lakefront.runtime.launch {process.name}'
        parts.append(
            _PROGRAM.format(
                name=process.name, command=command, checkout=checkout, home=home,
                mark_name=orphans.MARK, mark=_escaped(orphans.mark(chosen.home, process.name)).replace('"', '\\"'),
                stop_signal=process.stop_signal.name.removeprefix("SIG"), stop_seconds=process.stop_seconds,
            )
        )  # fmt: skip
    groups = {group: [each.name for each in wanted if each.is_server == (group == "servers")] for group in _GROUP_NAMES}
    for group, priority in _GROUP_NAMES.items():
        if groups[group]:
            parts.append(f"\n[group:{group}]\nprograms={','.join(groups[group])}\npriority={priority}\n")
    return "".join(parts)


class Supervisor:
    """The supervisor of one data folder."""

    def __init__(self, chosen: Settings) -> None:
        self._chosen = chosen
        self._home = chosen.home

    @property
    def configuration_file(self) -> Path:
        return self._home / "run" / "supervisord.conf"

    def start(self, wanted: list[Process]) -> None:
        """Write the configuration and start the supervisor in the background. Raises RuntimeError when it does not come up."""
        for folder in ("run", "logs"):
            (self._home / folder).mkdir(parents=True, exist_ok=True)
        self.configuration_file.unlink(missing_ok=True)
        self.configuration_file.touch(mode=0o600)
        self.configuration_file.write_text(configuration(self._chosen, wanted))
        (self._home / "run" / "supervisord.pid").unlink(missing_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.configuration_file)]
        environment = {**processes.environment(self._chosen), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)
        if done.returncode:
            raise RuntimeError(f"the supervisor did not start: {done.stderr.strip() or done.stdout.strip()}")
        self._wait_until_it_answers()

    def pid(self) -> int | None:
        """The supervisor's pid, None when it does not run; a pid file that a kill left behind does not deceive."""
        try:
            number = int((self._home / "run" / "supervisord.pid").read_text())
            process = psutil.Process(number)
            runs = str(self.configuration_file) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return number if runs else None

    def states(self) -> list[State]:
        """All processes with their states, in the order of the Procfile."""
        return [
            State(one["name"], one["statename"], one["pid"], one["start"], one["now"], one["description"])
            for one in self._call("getAllProcessInfo")
        ]

    def start_process(self, process: Process, *, wait: bool = False) -> None:
        """Start a process; nothing happens when it runs already."""
        try:
            self._call("startProcess", _full_name(process), wait)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def stop_process(self, process: Process) -> None:
        """Stop a process and wait until it has ended; nothing happens when it does not run."""
        try:
            self._call("stopProcess", _full_name(process), True)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise

    def stop_app(self) -> None:
        """Stop all processes but the servers, at once, and wait."""
        self._call("stopProcessGroup", "app", True)

    def shut_down(self, seconds: float = 90.0) -> None:
        """Stop all processes, the servers last, and the supervisor itself."""
        number = self.pid()
        if number is None:
            return
        process = psutil.Process(number)
        try:
            self.stop_app()
            self._call("shutdown")
        except (SupervisorSilent, xmlrpc.client.Fault):
            process.terminate()  # it does the same on a signal
        try:
            process.wait(timeout=seconds)
        except psutil.TimeoutExpired:
            process.kill()

    def _wait_until_it_answers(self, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._call("getState")
                return
            except SupervisorSilent as error:
                if time.monotonic() > deadline:
                    log = self._home / "logs" / "supervisord.log"
                    raise RuntimeError(f"{error}; see {log}") from error
            time.sleep(0.05)

    def crashes(self) -> dict[str, int]:
        """How often each process ended without being told to, since the supervisor started, as its log has it."""
        try:
            said = (self._home / "logs" / "supervisord.log").read_text(errors="replace")
        except FileNotFoundError:
            return {}
        since_start = said[max(0, said.rfind("supervisord started with pid")) :]
        return Counter(re.findall(r" exited: (\S+) \(", since_start))

    def _call(self, method: str, *arguments: Any) -> Any:
        """Ask the supervisor. Where it listens and its password stand in the configuration that it was started with:
        settings and secrets may have changed since."""
        running = configparser.RawConfigParser()
        running.read(self.configuration_file)
        try:
            server = running["inet_http_server"]
        except KeyError:
            raise SupervisorSilent(f"{self.configuration_file} is gone: `lakefront down` ends what runs") from None
        password = server["password"].replace("%%", "%")
        # Not in the address, which error messages quote.
        key = base64.b64encode(f"{USER}:{password}".encode()).decode()
        address, headers = f"http://{server['port']}/RPC2", [("Authorization", f"Basic {key}")]
        try:
            with xmlrpc.client.ServerProxy(address, headers=headers) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            said = error.errmsg if isinstance(error, xmlrpc.client.ProtocolError) else str(error)
            raise SupervisorSilent(
                f"the supervisor does not answer at {server['port']} ({said}): `lakefront down` ends what runs"
            ) from error


def _full_name(process: Process) -> str:
    return f"{'servers' if process.is_server else 'app'}:{process.name}"


def _escaped(value: object) -> str:
    """supervisord fills in %(names)s."""
    return str(value).replace("%", "%%")
