"""The history checker: what clients were told against what instances stored.

Knows nothing of how faults are made, and nothing of the product but its
answers. Every breach is one line of text; none is the pass.
"""

import collections
import json
import random
import time

from faults.cluster import HOSTS

AGREE_SECONDS = 60  # After the last fault: same position, same digest.
PAGE = 1000
PROOFS = 10  # Leaves per instance whose inclusion is proved.
RECEIPTS = 60  # Receipts verified offline, chosen by the seed.


def whole_log(cluster, host):
    leaves = []
    while True:
        page = json.loads(cluster.ctl(host, "audit", "list", "--from", str(len(leaves)),
                                      "--count", str(PAGE), "-o", "json"))
        leaves += page["entries"]
        if len(leaves) >= page["tree_size"]:
            return leaves


def same_state(cluster):
    """Waits until all instances stand at one position; breaches if they differ."""
    end = time.monotonic() + AGREE_SECONDS
    seen = collections.defaultdict(dict)  # position -> host -> digest
    while time.monotonic() < end:
        now = [cluster.status(host) for host in HOSTS]
        for host, status in zip(HOSTS, now):
            if status.get("serving"):
                seen[status["epoch"], status["index"]][host] = status["digest"]
        breaches = [f"digests differ at {position}: {digests}"
                    for position, digests in seen.items() if len(set(digests.values())) > 1]
        if breaches:
            return breaches
        if any(len(digests) == len(HOSTS) for digests in seen.values()):
            return []
        time.sleep(0.2)
    return [f"no common position within {AGREE_SECONDS} s: "
            f"{[(s.get('index'), s.get('problem', 'no answer')) for s in now]}"]


def check(cluster, history, checkpoints, seed):
    """All breaches. The load has ended, and every fault is healed."""
    breaches = same_state(cluster)
    logs = {host: whole_log(cluster, host) for host in HOSTS}
    log = min(logs.values(), key=len)
    for host in HOSTS:
        # An instance may have proposed something of its own since; what all
        # have is the same everywhere.
        if logs[host][:len(log)] != log:
            breaches.append(f"kms{host}: another audit log than the others")
    breaches += programs_failed(history)
    breaches += keys(cluster, history, log)
    breaches += releases(history, log)
    breaches += challenges(history, log)
    breaches += proofs(cluster, len(log), checkpoints, seed)
    breaches += receipts(cluster, history, log, seed)
    return breaches


def programs_failed(history):
    # A log that was lost is refused as such until its new epoch begins.
    history = [op for op in history if "DATA_LOSS: log: ends at" not in op["code"]]
    return [f"{op['kind']}: {op['outcome']}: {op['code']}" for op in history
            if op["outcome"] not in ("ok", "refused", "unknown")]


def keys(cluster, history, log):
    """Nothing acknowledged is lost, nothing counted twice, versions only grow."""
    breaches = []
    created = collections.Counter(l["key_created"]["key_id"] for l in log if "key_created" in l)
    rotated = collections.defaultdict(list)
    for leaf in log:
        if "key_rotated" in leaf:
            rotated[leaf["key_rotated"]["key_id"]].append(leaf["key_rotated"]["version"])
    told = collections.defaultdict(list)
    for op in history:
        if op["kind"] in ("create", "rotate"):
            told[op["key"]].append(op)
    unknown = sum(op["outcome"] == "unknown" for ops in told.values() for op in ops
                  if op["kind"] == "create")
    ids = {}
    for key, ops in told.items():
        ok = [op for op in ops if op["outcome"] == "ok"]
        if not ok:
            continue
        ids[key] = ok[0]["key_id"]
        versions = [op["version"] for op in ok]
        if any(op["key_id"] != ids[key] for op in ok):
            breaches.append(f"key {key}: told under two ids")
        if versions != sorted(set(versions)):
            breaches.append(f"key {key}: versions were told as {versions}")
        if created[ids[key]] != 1:
            breaches.append(f"key {key}: {created[ids[key]]} leaves of its creation, want 1")
        have = rotated[ids[key]]
        if have != list(range(2, len(have) + 2)):
            breaches.append(f"key {key}: leaves of versions {have}")
        lost = [op["version"] for op in ok if op["kind"] == "rotate"
                and op["version"] not in have]
        if lost:
            breaches.append(f"key {key}: acknowledged versions {lost} are in no leaf")
        rotations = [op for op in ops if op["kind"] == "rotate"]
        most = sum(op["outcome"] != "refused" for op in rotations)
        if len(have) > most:
            breaches.append(f"key {key}: {len(have)} rotations in the log, at most {most} asked")
        host = HOSTS[len(ids) % len(HOSTS)]
        stored = json.loads(cluster.ctl(host, "key", "get", key, "-o", "json"))
        if (stored["key_id"], len(stored["versions"])) != (ids[key], len(have) + 1):
            breaches.append(f"key {key}: kms{host} stores {len(stored['versions'])} versions of "
                            f"{stored['key_id']}, the log says {len(have) + 1} of {ids[key]}")
    # `model` was made before the load.
    surplus = len(created) - len(ids) - 1
    if surplus > unknown:
        breaches.append(f"{surplus} keys more than acknowledged, {unknown} of unknown outcome")
    return breaches


def releases(history, log):
    """Each stands where its receipt says, as its receipt says."""
    breaches = []
    for op in history:
        if op["kind"] != "release" or op["outcome"] != "ok":
            continue
        leaf = log[op["leaf"]].get("released") if op["leaf"] < len(log) else None
        want = {"key_id": op["key_id"], "version": op["version"],
                "transcript_digest": op["transcript"]}
        if leaf is None or any(leaf[name] != value for name, value in want.items()):
            breaches.append(f"release {op['transcript'][:16]}: leaf {op['leaf']} is not of it")
    return breaches


def challenges(history, log):
    """One challenge, one recipient; one unit of quota."""
    breaches = [f"a duel had two winners at {op['end']}" for op in history
                if op["outcome"] == "ok" and op.get("duel") == "OK"]
    of = collections.defaultdict(list)
    for leaf in log:
        if "released" in leaf:
            of[leaf["released"]["challenge_hash"]].append(leaf["released"])
    for challenge, leaves in of.items():
        if len({(l["transcript_digest"], l["recipient_thumbprint"]) for l in leaves}) > 1:
            breaches.append(f"challenge {challenge[:16]}: released to two recipients")
        if sum(l["repeat_of_plus_one"] == 0 for l in leaves) > 1:
            breaches.append(f"challenge {challenge[:16]}: counted more than once")
    return breaches


def proofs(cluster, size, checkpoints, seed):
    breaches = []
    choice = random.Random(f"{seed} proofs")
    for host in HOSTS:
        for checkpoint in checkpoints:
            code, out = cluster.try_ctl([host], "audit", "verify-consistency", checkpoint)
            if code != 0:
                breaches.append(f"kms{host}: not a continuation of {checkpoint}: {out.strip()}")
        for leaf in choice.sample(range(size), min(PROOFS, size)):
            code, out = cluster.try_ctl([host], "audit", "prove", str(leaf))
            if code != 0:
                breaches.append(f"kms{host}: leaf {leaf} is not proved: {out.strip()}")
    return breaches


def receipts(cluster, history, log, seed):
    breaches = []
    kept = [op for op in history if op["kind"] == "agent" and op["outcome"] == "ok"]
    for op in random.Random(f"{seed} receipts").sample(kept, min(RECEIPTS, len(kept))):
        # No address: offline.
        code, out = cluster.try_ctl([], "audit", "verify-receipt", op["receipt"], "-o", "json")
        if code != 0:
            breaches.append(f"{op['receipt']}: {out.strip()}")
            continue
        told = json.loads(out)
        leaf = told["receipt"]["leaf_index"]
        if leaf >= len(log) or log[leaf].get("released") != told["entry"]["released"]:
            breaches.append(f"{op['receipt']}: leaf {leaf} is another than the receipt's")
    return breaches
