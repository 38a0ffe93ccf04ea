"""What is done to the cluster: each fault makes something wrong, and right again.

A fault is a generator: up to its `yield` it breaks, after it it mends, as an
operator would. `serves` says whether the service must go on meanwhile; where it
must not (no majority), a write or release that begins and ends in the fault is
a breach. What a fault has to say beside that it puts into `notes`.
"""

import dataclasses
import os
import pathlib
import signal
import subprocess
import time
import typing

from faults.cluster import HOSTS, ChaosError

RESTART_SECONDS = 5  # An instance that does not serve by itself again is restarted.


@dataclasses.dataclass
class Scene:
    cluster: typing.Any
    load: typing.Any
    choice: typing.Any  # random.Random, of the seed
    notes: list
    breaches: list


@dataclasses.dataclass
class Fault:
    name: str
    what: str
    serves: bool
    run: typing.Callable


ALL = []


def fault(what, serves=True):
    def add(run):
        ALL.append(Fault(run.__name__, what, serves, run))
        return run
    return add


def links_from(host):
    return [f"kms{host}-etcd{j}" for j in HOSTS]


def links_between_instances(host):
    return [f"kms{i}-kms{j}" for i in HOSTS for j in HOSTS if i != j and host in (i, j)]


# --- Processes ---

@fault("kill -9 of one instance")
def kill_instance(scene):
    name = f"kms{scene.choice.choice(HOSTS)}"
    scene.cluster.kill(name)
    yield
    scene.cluster.start(name)


@fault("kill -9 of all instances at once", serves=False)
def kill_all_instances(scene):
    for host in HOSTS:
        scene.cluster.kill(f"kms{host}")
    yield
    for host in HOSTS:
        scene.cluster.start(f"kms{host}")


@fault("SIGSTOP of one instance, then SIGCONT")
def stop_instance(scene):
    name = f"kms{scene.choice.choice(HOSTS)}"
    scene.cluster.signal(name, signal.SIGSTOP)
    yield
    scene.cluster.signal(name, signal.SIGCONT)


@fault("kill -9 of etcd's leader")
def kill_leader(scene):
    name = f"etcd{scene.cluster.leader()}"
    scene.cluster.kill(name)
    yield
    scene.cluster.start(name)


@fault("SIGSTOP of etcd's leader, then SIGCONT")
def stop_leader(scene):
    name = f"etcd{scene.cluster.leader()}"
    scene.cluster.signal(name, signal.SIGSTOP)
    yield
    scene.cluster.signal(name, signal.SIGCONT)


@fault("etcd's leader hands over to another member")
def move_leader(scene):
    cluster = scene.cluster
    members = cluster.etcdctl("member", "list").stdout.splitlines()
    other = scene.choice.choice([h for h in HOSTS if h != cluster.leader()])
    wanted = [m.split(",")[0] for m in members if f" etcd{other}," in m]
    moved = cluster.etcdctl("move-leader", *wanted)
    if moved.returncode != 0:
        raise ChaosError(f"move-leader: {moved.stderr.strip()}")
    yield


@fault("kill -9 of two members of etcd: no majority", serves=False)
def kill_majority_of_etcd(scene):
    names = [f"etcd{h}" for h in scene.choice.sample(HOSTS, 2)]
    for name in names:
        scene.cluster.kill(name)
    yield
    for name in names:
        scene.cluster.start(name)


# --- Machines lost for good: the runbooks of tools/cluster/README.md ---

@fault("one instance lost, disk and all, and replaced")
def lose_instance(scene):
    cluster, host = scene.cluster, scene.choice.choice(HOSTS)
    old_id = cluster.status(host)["instance_id"]
    cluster.kill(f"kms{host}")
    cluster.wipe(f"kms{host}")
    yield
    code, out = cluster.try_ctl([h for h in HOSTS if h != host], "cluster", "remove", old_id,
                                "--reason", "lost")
    if code != 0:
        raise ChaosError(f"cluster remove: {out.strip()}")
    cluster.join(host)


@fault("all of etcd lost: a new epoch from the most advanced instance", serves=False)
def lose_etcd(scene):
    cluster = scene.cluster
    for host in HOSTS:
        cluster.kill(f"etcd{host}")
    yield
    # Nothing arrives any more: who has most? The new epoch removes the others.
    statuses = {host: cluster.status(host) for host in HOSTS}
    first = max(HOSTS, key=lambda host: statuses[host]["index"])
    for host in HOSTS:
        cluster.wipe(f"etcd{host}")
        if host != first:
            cluster.kill(f"kms{host}")
            cluster.wipe(f"kms{host}")
    for host in HOSTS:
        cluster.start(f"etcd{host}")
    cluster.leader()
    cluster.ctl(first, "seal")
    cluster.ctl(first, "log", "new-epoch", "--reason", "etcd was lost")
    cluster.ctl(first, "unseal")
    cluster.await_serving(first)
    for host in HOSTS:
        if host != first:
            cluster.join(host)


# --- Networks ---

def host_cut(scene, host):
    from faults import network
    network.cut(host)
    yield
    network.heal(host)


@fault("one host cut off: its instance and its member of etcd")
def partition_host(scene):
    yield from host_cut(scene, scene.choice.choice(HOSTS))


@fault("the host of etcd's leader cut off")
def partition_leader(scene):
    yield from host_cut(scene, scene.cluster.leader())


@fault("one instance cut off from the others, not from etcd: it releases nothing")
def partition_from_peers(scene):
    host = scene.choice.choice(HOSTS)
    links = links_between_instances(host)
    scene.cluster.mode("cut", *links)
    time.sleep(2)  # Heads are fresh for a second.
    alone = scene.load.agent_once([host], "receipts/alone")
    if alone["outcome"] == "ok":
        scene.breaches.append(f"kms{host} released a key that no other instance confirmed")
    scene.notes.append(f"alone: {alone['code']}")
    yield
    scene.cluster.mode("ok", *links)


def links_are(scene, mode, links):
    scene.cluster.mode(mode, *links)
    yield
    scene.cluster.mode("ok", *links)


def one_to_etcd(mode):
    def run(scene):
        yield from links_are(scene, mode, links_from(scene.choice.choice(HOSTS)))
    run.__name__ = f"etcd_links_{mode}"
    return run


def one_to_clients(mode):
    def run(scene):
        yield from links_are(scene, mode, [f"client-kms{scene.choice.choice(HOSTS)}"])
    run.__name__ = f"client_links_{mode}"
    return run


for _mode in ("slow", "stalled", "cut", "half_open", "lying"):
    fault(f"one instance's links to etcd: {_mode}")(one_to_etcd(_mode))
    fault(f"the clients' links to one instance: {_mode}")(one_to_clients(_mode))


@fault("all links between instances and to etcd slow")
def slow_everywhere(scene):
    links = [name for name in scene.cluster.ports if not name.startswith("client")]
    yield from links_are(scene, "slow", links)


@fault("an instance's links to its peers lying: TLS notices, nobody releases by them")
def peer_links_lying(scene):
    host = scene.choice.choice(HOSTS)
    yield from links_are(scene, "lying", links_between_instances(host))


# --- Disks ---

def restarted_if_needed(scene, name):
    """What the runbook says: make room, and restart what does not serve."""
    cluster, host = scene.cluster, int(name[-1])
    try:
        cluster.await_status(host, lambda s: s.get("serving"), "serve", RESTART_SECONDS)
    except ChaosError as problem:
        scene.notes.append(f"restarted: {problem}"[:160])
        cluster.kill(name)
        cluster.start(name)


def fill(disk):
    """Takes all room of a file system; returns the file that has it."""
    ballast = pathlib.Path(disk) / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            pass
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
    return ballast


@fault("an instance's disk full")
def disk_full_instance(scene):
    name = f"kms{scene.choice.choice(HOSTS)}"
    ballast = fill(scene.cluster.disk(name))
    yield
    ballast.unlink()
    restarted_if_needed(scene, name)


@fault("the disk of a member of etcd full")
def disk_full_etcd(scene):
    name = f"etcd{scene.choice.choice(HOSTS)}"
    ballast = fill(scene.cluster.disk(name))
    yield
    ballast.unlink()
    if scene.cluster.dead(name):
        scene.notes.append("etcd had ended by itself")
        scene.cluster.start(name)


@fault("every fsync of one instance fails")
def fsync_fails(scene):
    cluster = scene.cluster
    source = pathlib.Path(__file__).with_name("fsync_fails.c")
    library, switch = cluster.work / "fsync_fails.so", cluster.work / "fsync_fails"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    host = scene.choice.choice(HOSTS)
    name = f"kms{host}"
    cluster.preload[name] = {"LD_PRELOAD": str(library), "CHAOS_FSYNC_FAILS": str(switch)}
    cluster.kill(name)
    cluster.start(name)
    cluster.await_serving(host)
    switch.touch()
    yield
    scene.notes.append(f"{switch.stat().st_size} calls failed")
    switch.unlink()
    del cluster.preload[name]
    restarted_if_needed(scene, name)


@fault("etcd over its quota (NOSPACE)", serves=False)
def etcd_quota(scene):
    cluster = scene.cluster
    piece = os.urandom(700 << 10).hex()
    for number in range(2000):
        if cluster.etcdctl("put", f"ballast/{number}", stdin=piece).returncode != 0:
            break
    if "NOSPACE" not in cluster.etcdctl("alarm", "list").stdout:
        raise ChaosError("etcd_quota: no NOSPACE alarm")
    yield
    # etcd's runbook: delete, compact, defragment, disarm.
    import json
    cluster.etcdctl("del", "ballast/", "--prefix")
    status = json.loads(cluster.etcdctl("endpoint", "status", "-w", "json").stdout)
    cluster.etcdctl("compact", str(status[0]["Status"]["header"]["revision"]))
    cluster.etcdctl("defrag", "--command-timeout", "20s", timeout=90)
    disarmed = cluster.etcdctl("alarm", "disarm")
    if disarmed.returncode != 0:
        raise ChaosError(f"etcd_quota: {disarmed.stderr.strip()}")
