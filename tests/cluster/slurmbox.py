#!/usr/bin/env python3
"""A real Slurm cluster on this computer: several nodes, all on loopback, everything under one folder. Linux, as root.

    slurmbox.py start FOLDER [--nodes 2] [--cpus 2] [--accounting]
    slurmbox.py status FOLDER
    slurmbox.py stop FOLDER

`start` prints the line that lets a shell use the cluster. It installs nothing and says which Debian packages are missing.
The one thing outside the folder: node names are added to /etc/hosts, because torch.distributed must resolve them.
"""

import argparse
import getpass
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

import daemons
from daemons import BoxError, alive, call, end, environment, exists, find, processes, require, succeeds, wait_until

PROGRAMS = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
ACCOUNTING = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server", "mariadb-install-db": "mariadb-server"}
PORTS = 40
SLURM = """\
ClusterName=slurmbox
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a requeued job waits before it starts again; the default is two minutes.
AuthInfo=socket={folder}/munge.socket,cred_expire=8
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
# No cgroups: they need a writable hierarchy. So memory is counted when jobs are placed, but not enforced.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=256
# Nodes may promise more CPUs than this computer has.
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# Job numbers that no earlier cluster of this computer has used, so that no old file can be taken for a new job's.
FirstJobId={first}
MaxArraySize={arrays}
# A node that was silent returns by itself; one that was set down stays so until it is resumed.
ReturnToService=1
SlurmdTimeout=15
KillWait=10
MinJobAge={remember}
SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=100000,bf_interval=5
"""
DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct_db
CommunicationParameters=NoInAddrAny
"""


def start(folder, nodes=2, cpus=2, accounting=False, arrays=1001, remember=300):
    """Starts a fresh cluster; what an earlier one left running in this folder is ended first.

    The nodes are n1, n2, ... in the partition `cpu`; node n1 is also in `low` and `high`, where a job in `high` preempts one
    in `low`. arrays: Slurm's MaxArraySize. remember: for how many seconds a finished job stays in squeue and scontrol.
    """
    require({**PROGRAMS, **(ACCOUNTING if accounting else {})})
    folder = Path(folder).resolve()
    if len(str(folder)) > 80:
        raise BoxError(f"{folder}: the path of a socket in it would be too long; take a folder of at most 80 characters")
    if nodes > 30:
        raise BoxError(f"{nodes} nodes are too many: at most 30")
    stop(folder)
    for name in ("log", "state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = [f"n{i + 1}" for i in range(nodes)]
    _resolvable(names)
    port = daemons.free_ports(PORTS)
    _write_config(folder, names, cpus, accounting, port, arrays, remember)
    try:
        _start_munge(folder)
        if accounting:
            _start_database(folder, port)
        call([find("slurmctld"), "-f", config(folder)], folder / "log/start.log")
        for name in names:
            start_node(folder, name)
        wait_until(lambda: _idle(folder) == nodes, 300, f"a cluster of {nodes} idle nodes", folder / "log/slurmctld.log")
    except BaseException:
        stop(folder)
        raise


def start_node(folder, name):
    """Starts one node's daemon, also after it was killed."""
    call([find("slurmd"), "-f", config(folder), "-N", name], Path(folder) / "log/start.log")


def node_processes(folder, name):
    """The PIDs of a node's daemon and of everything its jobs run, daemon first: what goes when a node loses power."""
    mine = [pid for pid in job_processes(folder)
            if environment(pid).get("SLURMD_NODENAME") == name or daemons.has_open(pid, f"/log/slurmd.{name}.log")]
    daemon = alive(Path(folder) / f"slurmd.{name}.pid", "slurmd")
    return ([daemon] if daemon else []) + mine


def stop(folder):
    """Ends the cluster and its jobs, also one whose starter was killed. Does nothing where none is."""
    folder = Path(folder).resolve()
    if alive(folder / "slurmctld.pid", "slurmctld"):
        succeeds([find("scancel"), f"--user={getpass.getuser()}"], 10, env=client(folder))
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline and job_processes(folder):
            time.sleep(0.1)
    for group in ("slurmd.*", "slurmctld", "slurmdbd", "mariadbd", "munged"):
        files = folder.glob(f"{group}.pid")
        end([pid for file in files if (pid := alive(file, file.name.split(".")[0]))])
    end(job_processes(folder), patience=2)
    for file in folder.glob("*.pid"):
        file.unlink()


def status(folder):
    """What is running, one line per daemon, and what Slurm says of its nodes."""
    folder = Path(folder).resolve()
    lines = []
    for file in sorted(folder.glob("*.pid")):
        pid = alive(file, file.name.split(".")[0])
        lines.append(f"{file.stem}: " + (f"running, process {pid}" if pid else "gone"))
    if alive(folder / "slurmctld.pid", "slurmctld"):
        lines.append(_ask(folder, "sinfo", "-N", "-o", "%N %P %T %c").rstrip())
    return "\n".join(lines) or f"no cluster in {folder}"


def config(folder):
    """The configuration file: the value of SLURM_CONF for every client."""
    return str(Path(folder).resolve() / "slurm.conf")


def client(folder):
    """The environment of a client of this cluster."""
    return {**os.environ, "SLURM_CONF": config(folder)}


def _write_config(folder, names, cpus, accounting, port, arrays, remember):
    host = socket.gethostname().split(".")[0]
    values = {"folder": folder, "host": host, "user": getpass.getuser(), "port": port, "dbd": port + 1, "sql": port + 2,
              "first": int(time.time()) % 60_000_000 + 1000, "arrays": arrays, "remember": remember,
              "password": secrets.token_hex(8)}
    lines = [SLURM.format(**values)]
    if accounting:
        # The last key is the socket: the accounting plug-in does not look at AuthInfo.
        lines.append("AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
                     "AccountingStorageEnforce=limits\n"
                     f"AccountingStoragePort={port + 1}\nAccountingStoragePass={folder}/munge.socket\n")
        database = folder / "slurmdbd.conf"
        database.touch(mode=0o600)
        database.write_text(DATABASE.format(**values))
    for i, name in enumerate(names):
        lines.append(f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port + 5 + i} CPUs={cpus} "
                     "RealMemory=4000\n")
    lines.append("PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP PreemptMode=OFF\n"
                 "PartitionName=low Nodes=n1 PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 State=UP\n"
                 "PartitionName=high Nodes=n1 PriorityTier=10 PreemptMode=OFF State=UP\n")
    (folder / "slurm.conf").write_text("".join(lines))


def _start_munge(folder):
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    # --force: the folder may be private to its owner, which munge only warns of.
    call([find("munged"), "--force", f"--key-file={key}", f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
          f"--log-file={folder}/log/munged.log", f"--seed-file={folder}/munge.seed"], folder / "log/start.log")


def _start_database(folder, port):
    data, log = folder / "database", folder / "log/mariadbd.log"
    user = ["--user=root"] if os.getuid() == 0 else []
    if not (data / "mysql").exists():
        call([find("mariadb-install-db"), "--no-defaults", f"--datadir={data}", *user, "--skip-test-db",
              "--auth-root-authentication-method=normal"], folder / "log/start.log")
    # Executed at every start, before anybody can connect: the password is new each time.
    password = next(line for line in (folder / "slurmdbd.conf").read_text().splitlines() if "StoragePass" in line).split("=")[1]
    first = folder / "first.sql"
    first.touch(mode=0o600)
    first.write_text("CREATE DATABASE IF NOT EXISTS slurm_acct_db;\n"
                     f"CREATE OR REPLACE USER slurm@'127.0.0.1' IDENTIFIED BY '{password}';\n"
                     f"CREATE OR REPLACE USER slurm@localhost IDENTIFIED BY '{password}';\n"
                     "GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';\nGRANT ALL ON slurm_acct_db.* TO slurm@localhost;\n")
    with log.open("ab") as file:
        subprocess.Popen(
            [find("mariadbd"), "--no-defaults", *user, f"--datadir={data}", f"--socket={folder}/database.socket",
             "--bind-address=127.0.0.1", f"--port={port + 2}", f"--pid-file={folder}/mariadbd.pid", f"--init-file={first}",
             "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0"],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    wait_until(lambda: daemons.accepts(port + 2), 300, "MariaDB", log)
    call([find("slurmdbd")], folder / "log/start.log", env=client(folder))
    wait_until(lambda: succeeds([find("sacctmgr"), "-n", "show", "cluster"], env=client(folder)), 300, "slurmdbd",
               folder / "log/slurmdbd.log")


def _resolvable(names):
    hosts = Path("/etc/hosts")
    known = {word for line in hosts.read_text().splitlines() for word in line.split("#")[0].split()[1:]}
    if missing := [name for name in names if name not in known]:
        try:
            with hosts.open("a") as file:
                file.write(f"127.0.0.1 {' '.join(missing)} # slurmbox\n")
        except OSError as error:
            raise BoxError(f"{error}: add this line by hand: 127.0.0.1 {' '.join(missing)}") from error


def _idle(folder):
    return len(_ask(folder, "sinfo", "-h", "-p", "cpu", "-N", "-t", "idle", "-o", "%N").split())


def _ask(folder, program, *arguments):
    try:
        return subprocess.run([find(program), *arguments], env=client(folder), text=True, capture_output=True, timeout=5).stdout
    except subprocess.TimeoutExpired:
        return ""


def job_processes(folder):
    """What the cluster's jobs run, and nothing of a client: only jobs know both their cluster and their number."""
    found = []
    for pid in processes():
        variables = environment(pid)
        if variables.get("SLURM_CONF") == config(folder) and ("SLURM_JOB_ID" in variables or _is_step(pid)) and exists(pid):
            found.append(pid)
    return found


def _is_step(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("slurmstepd")
    except OSError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=2, help="of each node; may be more than there are")
    parser.add_argument("--accounting", action="store_true", help="with slurmdbd and MariaDB, so that sacct answers")
    options = parser.parse_args()
    try:
        if options.action == "start":
            start(options.folder, options.nodes, options.cpus, options.accounting)
            print(f"export SLURM_CONF={config(options.folder)}")
        elif options.action == "stop":
            stop(options.folder)
        else:
            print(status(options.folder))
    except BoxError as error:
        sys.exit(f"slurmbox: {error}")


if __name__ == "__main__":
    main()
