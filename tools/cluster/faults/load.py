"""Clients under faults, and the history of what they were told.

    administrators   kmsctl: create keys, rotate their own keys
    agents           kms-agent --once, whose receipts are kept
    workloads        loadgen history: releases, and duels for one challenge

Each operation is a dict, also a line of history.jsonl:
    kind      create, rotate, agent, release
    start, end   Unix time
    outcome   ok, refused (it did not happen), unknown (it may have)
    code      what the program said
and what the answer told: key, key_id, version, leaf, transcript, receipt, duel.
"""

import json
import random
import subprocess
import threading
import time

CALL_SECONDS = 2  # After that an operation's outcome is unknown.
PAUSE_SECONDS = 0.15  # Between a client's operations: the machine has other work.
ADMINISTRATORS, AGENTS, WORKLOADS = 2, 1, 3
WRITES, RELEASES = ("create", "rotate"), ("agent", "release")


class Load:
    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.seed = seed
        self.history = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = []
        self.workloads = None
        self.file = None

    def start(self):
        self.file = open("history.jsonl", "w")
        (self.cluster.work / "receipts").mkdir()
        for number in range(ADMINISTRATORS):
            self._thread(self._administrator, number)
        for number in range(AGENTS):
            self._thread(self._agent, number)
        self._thread(self._workloads, 0)

    def stop(self):
        self.stopping.set()
        if self.workloads is not None:
            self.workloads.terminate()
        for thread in self.threads:
            thread.join()

    def successes(self, kinds, begin, end):
        """When operations of these kinds ended well, in order."""
        with self.lock:
            return sorted(op["end"] for op in self.history if op["outcome"] == "ok"
                          and op["kind"] in kinds and begin <= op["end"] <= end)

    def _thread(self, run, number):
        thread = threading.Thread(target=run, args=(number,), daemon=True)
        thread.start()
        self.threads.append(thread)

    def record(self, op):
        with self.lock:
            self.history.append(op)
            self.file.write(json.dumps(op) + "\n")
            self.file.flush()

    def _hosts(self, choice):
        """All instances, in an order of this operation's own: nobody's first."""
        return choice.sample((1, 2, 3), 3)

    # --- Administrators ---

    def _administrator(self, number):
        choice = random.Random(f"{self.seed} administrator {number}")
        keys, made = [], 0
        while not self.stopping.is_set():
            if not keys or choice.random() < 0.3:
                made += 1
                key = f"a{number}-{made}"
                op = self._change(choice, "create", key)
                if op["outcome"] == "ok":
                    keys.append(key)
            else:
                self._change(choice, "rotate", choice.choice(keys))
            self.stopping.wait(PAUSE_SECONDS)

    def _change(self, choice, kind, key):
        op = {"kind": kind, "key": key, "start": time.time()}
        code, out = self.cluster.try_ctl(self._hosts(choice), "key", kind, key, "-o", "json",
                                         "--timeout", f"{CALL_SECONDS}s")
        op["end"] = time.time()
        op["outcome"] = {0: "ok", 3: "refused", 4: "unknown"}.get(code, f"exit {code}")
        if code == 0:
            answer = json.loads(out)
            op.update(key_id=answer["key_id"], version=answer["primary_version"])
        op["code"] = "OK" if code == 0 else out.strip().split("\n")[0]
        self.record(op)
        return op

    # --- Agents ---

    def _agent(self, number):
        choice = random.Random(f"{self.seed} agent {number}")
        cluster, asked = self.cluster, 0
        while not self.stopping.is_set():
            asked += 1
            self.record(self.agent_once(self._hosts(choice), f"receipts/{number}-{asked}"))
            self.stopping.wait(PAUSE_SECONDS)

    def agent_once(self, hosts, receipt):
        cluster = self.cluster
        endpoints = [word for h in hosts for word in
                     ("--endpoint", cluster.at_hub(f"client-kms{h}"))]
        op = {"kind": "agent", "start": time.time(), "receipt": receipt}
        done = subprocess.run(
            [cluster.agent, *endpoints, "--ca", "ca.pem", "--cluster-id", cluster.cluster_id,
             "--identity-key", cluster.identity, "--key", "model", "--attester-command",
             f"{cluster.work}/attest", "--output", "fd:1", "--receipt", receipt, "--once"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        op["end"] = time.time()
        code = done.returncode
        op["outcome"] = {0: "ok", 3: "refused", 4: "unknown"}.get(code, f"exit {code}")
        op["code"] = "OK" if code == 0 else done.stderr.strip().split("\n")[0]
        return op

    # --- Workloads ---

    def _workloads(self, _):
        addresses = [self.cluster.at_hub(f"client-kms{h}") for h in (1, 2, 3)]
        self.workloads = subprocess.Popen(
            workload_command(self.cluster, addresses, WORKLOADS, int(PAUSE_SECONDS * 1000)),
            stdout=subprocess.PIPE, text=True)
        for line in self.workloads.stdout:
            self.record(read_release(line))
        if not self.stopping.is_set():
            self.record({"kind": "release", "start": time.time(), "end": time.time(),
                         "outcome": "exit", "code": "loadgen ended early"})


def workload_command(cluster, addresses, clients, pause_ms):
    """loadgen history, until it is ended."""
    return [cluster.loadgen, "history", *(w for a in addresses for w in ("--address", a)),
            "--ca", "ca.pem", "--simtee", "machine", "--cluster", cluster.cluster_id,
            "--identity", cluster.identity, "--key", "model", "--clients", str(clients),
            "--seconds", "86400", "--pause-ms", str(pause_ms),
            "--call-timeout-ms", str(CALL_SECONDS * 1000)]


def read_release(line):
    """An operation, from a line of loadgen history."""
    told = json.loads(line)
    op = {"kind": "release", "start": told.pop("start_us") / 1e6, "end": told.pop("end_us") / 1e6}
    known = told.pop("known")
    op["outcome"] = "ok" if told["code"] == "OK" else "refused" if known else "unknown"
    op.update(told)
    return op
