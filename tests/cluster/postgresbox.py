#!/usr/bin/env python3
"""A private PostgreSQL server in a folder, reached through a socket there: the shared study of several controllers.

    postgresbox.py start FOLDER
    postgresbox.py status FOLDER
    postgresbox.py stop FOLDER

`start` prints the URL of an empty database for `search.storage`. PostgreSQL refuses to run as root, so for root it runs as
the user `postgres`, who must be able to reach FOLDER.
"""

import argparse
import os
import pwd
import shutil
import signal
import sys
from pathlib import Path

from daemons import BoxError, alive, call, end, succeeds, wait_until

DATABASE = "fewstep"


def start(folder):
    """Starts a server on the data in the folder, making an empty database at first; returns its URL."""
    programs, folder = _programs(), Path(folder).resolve()
    if len(str(folder)) > 80:
        raise BoxError(f"{folder}: the path of a socket in it would be too long; take a folder of at most 80 characters")
    stop(folder)
    folder.mkdir(parents=True, exist_ok=True)
    who, data, log = _who(folder), folder / "data", folder / "postgres.log"
    log.touch()
    if not succeeds(["test", "-w", str(folder)], **who):
        raise BoxError(f"{folder} cannot be reached by the user {who['user']}: take one below /tmp, or open its parents")
    if not (data / "PG_VERSION").exists():
        call([programs / "initdb", f"--pgdata={data}", "--username=fewstep", "--auth=trust", "--encoding=UTF8",
              "--no-sync"], log, cwd=folder, **who)
    # No network at all. Who can enter the folder may connect, and nobody else can.
    folder.chmod(0o700)
    call([programs / "pg_ctl", f"--pgdata={data}", "--wait", "--timeout=300", f"--log={folder}/server.log", "start",
          f"--options=-c listen_addresses= -c unix_socket_directories='{folder}' -c external_pid_file='{folder}/postgres.pid'"],
         log, cwd=folder, **who)
    reach = [f"--host={folder}", "--username=fewstep"]
    wait_until(lambda: succeeds([programs / "pg_isready", *reach]), 300, "PostgreSQL", folder / "server.log")
    if not succeeds([programs / "psql", *reach, "--command=", DATABASE], timeout=60):
        call([programs / "createdb", *reach, DATABASE], log)
    return url(folder)


def url(folder):
    """The address of the database, for SQLAlchemy and so for Optuna."""
    return f"postgresql+psycopg://fewstep@/{DATABASE}?host={Path(folder).resolve()}"


def stop(folder):
    """Ends the server, also one whose starter was killed. Does nothing where none is."""
    if pid := _running(folder):
        end([pid], patience=15, first=signal.SIGINT)  # SIGTERM would wait for clients to leave


def status(folder):
    """One line: the process and the URL."""
    pid = _running(folder)
    return f"running, process {pid}: {url(folder)}" if pid else f"no server in {folder}"


def _running(folder):
    return alive(Path(folder).resolve() / "postgres.pid", "postgres")


def _programs():
    """The folder of PostgreSQL's programs: Debian keeps those of every version apart, and off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found and not (own := shutil.which("initdb")):
        raise BoxError("not installed: postgresql; on Debian or Ubuntu: apt-get install postgresql")
    return found[-1].parent if found else Path(own).resolve().parent


def _who(folder):
    """What makes a child run as the server's user."""
    if os.getuid():
        return {}
    try:
        postgres = pwd.getpwnam("postgres")
    except KeyError as error:
        raise BoxError("there is no user postgres: apt-get install postgresql makes it") from error
    for path in (folder, *folder.glob("*.log")):
        os.chown(path, postgres.pw_uid, postgres.pw_gid)
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        print({"start": start, "stop": stop, "status": status}[options.action](options.folder) or "stopped")
    except BoxError as error:
        sys.exit(f"postgresbox: {error}")


if __name__ == "__main__":
    main()
