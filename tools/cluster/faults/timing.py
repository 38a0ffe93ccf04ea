"""How long clients wait when one instance, or etcd's leader, is killed.

Measured without the proxy, with no other load, and printed beside the goals:

    instance   clients warm on all instances; one that the killed instance served
               waits from its last release there to its first one elsewhere
    leader     the longest time without a release of any client around the kill,
               less the longest without a raw put of any of several probes at the
               members that live: what our log adds to etcd's own election

A release's own time is part of every gap.
"""

import http.client
import json
import math
import ssl
import statistics
import subprocess
import threading
import time

from faults import network
from faults.cluster import ETCD, HOSTS, KMS, ChaosError
from faults.load import read_release, workload_command

GOAL_MS = 100
SETTLE_SECONDS = 3  # Connections are warm, and the one killed before is back.
WAIT_SECONDS = 15  # For a gap to end.
WINDOW_SECONDS = 6  # etcd's default election timeout is 1 s; a tie costs another.
PROBES = 2  # Of each member: one that hangs does not hide that the others go on.


class Releases:
    """loadgen history: which client's release ended when, and at which instance."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ended = []  # (time, client, host)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            op = read_release(line)
            if op["outcome"] == "ok":
                self.ended.append((op["end"], op["client"], op["instance"] + 1))

    def of(self, client):
        return [(when, host) for when, who, host in list(self.ended) if who == client]

    def end(self):
        self.process.terminate()
        self.thread.join()


class Probe(threading.Thread):
    """Raw puts to one member of etcd, one after the other, over one connection."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.address = network.address(host)
        self.ended, self.stopping = [], threading.Event()

    def run(self):
        tls = ssl.create_default_context(cafile="ca.pem")
        tls.load_cert_chain("admin.pem", "admin.key")
        body = json.dumps({"key": "cHJvYmU=", "value": "cHJvYmU="})  # "probe"
        while not self.stopping.is_set():
            connection = http.client.HTTPSConnection(self.address, ETCD, context=tls, timeout=0.2)
            try:
                while not self.stopping.is_set():
                    connection.request("POST", "/v3/kv/put", body)
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        self.ended.append(time.time())
                    time.sleep(0.005)
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)
            finally:
                connection.close()


def measure(cluster, rounds):
    releases = Releases(workload_command(
        cluster, [f"{network.address(h)}:{KMS}" for h in HOSTS], len(HOSTS), pause_ms=10))
    try:
        time.sleep(SETTLE_SECONDS)
        gaps = sorted(kill_instance(cluster, releases, number % len(HOSTS))
                      for number in range(rounds))
        leader = [kill_leader(cluster, releases) for _ in range(rounds)]
    finally:
        releases.end()
    ours, theirs = zip(*leader)
    median = statistics.median
    print(f"gap after kill -9 of an instance, {rounds} rounds: p50 {median(gaps):.0f} ms, "
          f"worst {gaps[-1]:.0f} ms")
    print(f"gap after kill -9 of etcd's leader, {rounds} rounds: releases p50 "
          f"{median(ours):.0f} ms, raw puts p50 {median(theirs):.0f} ms")
    # Of fewer than a hundred rounds the p99 is the worst.
    target("gap after killing an instance, p99", gaps[math.ceil(0.99 * len(gaps)) - 1])
    target("extra gap after killing etcd's leader, median",
           median(a - b for a, b in leader))


def target(what, milliseconds):
    verdict = "met" if milliseconds <= GOAL_MS else "miss"
    print(f"target: {what} {milliseconds:.0f} ms (goal {GOAL_MS} ms) {verdict}", flush=True)


def kill_instance(cluster, releases, client):
    """Milliseconds that a client of the killed instance waits."""
    _, host = releases.of(client)[-1]
    cluster.kill(f"kms{host}")
    killed = time.time()
    elsewhere = None
    while elsewhere is None:
        if time.time() > killed + WAIT_SECONDS:
            raise ChaosError(f"no release within {WAIT_SECONDS} s of a kill")
        time.sleep(0.1)
        elsewhere = next((when for when, at in releases.of(client)
                          if at != host and when > killed), None)
    last = max(when for when, at in releases.of(client) if at == host)
    cluster.start(f"kms{host}")
    cluster.await_serving(host)
    time.sleep(SETTLE_SECONDS)
    return (elsewhere - last) * 1000


def kill_leader(cluster, releases):
    """Milliseconds without a release, and without a raw put."""
    leader = cluster.leader()
    probes = [Probe(host) for host in HOSTS if host != leader for _ in range(PROBES)]
    for probe in probes:
        probe.start()
    time.sleep(SETTLE_SECONDS)
    cluster.kill(f"etcd{leader}")
    killed = time.time()
    time.sleep(WINDOW_SECONDS)
    for probe in probes:
        probe.stopping.set()
    for probe in probes:
        probe.join()
    cluster.start(f"etcd{leader}")
    puts = [when for probe in probes for when in probe.ended]
    result = (longest_gap([when for when, _, _ in list(releases.ended)], killed),
              longest_gap(puts, killed))
    time.sleep(SETTLE_SECONDS)
    return result


def longest_gap(times, killed):
    """In milliseconds, around the kill."""
    near = sorted(t for t in times if killed - 1 < t < killed + WINDOW_SECONDS)
    if not near:
        raise ChaosError(f"nothing succeeded within {WINDOW_SECONDS} s of the leader's end")
    return 1000 * max(b - a for a, b in zip(near, [*near[1:], killed + WINDOW_SECONDS]))
