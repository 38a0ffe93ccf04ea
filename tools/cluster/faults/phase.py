"""One fault under load: what went on meanwhile, and after.

Bounds are generous: two busy cores, programs started for each operation. What
they hold is progress, not speed (faults/timing.py has that).
"""

import dataclasses
import time

from faults.cluster import HOSTS
from faults.load import CALL_SECONDS, RELEASES, WRITES

# With a majority healthy: no longer than this between two successes of any
# client, for writes and for releases, from the fault's begin until healed.
GAP_SECONDS_MAX = 12
# After the mending, the first success of each kind.
RECOVERY_SECONDS_MAX = 20
# Where the service must stop, what had begun before may still end.
STOPPING_SECONDS = CALL_SECONDS + 1
KINDS = {"writes": WRITES, "releases": RELEASES}


@dataclasses.dataclass
class Outcome:
    name: str
    seconds: float
    done: dict  # of KINDS: successes
    worst_gap: dict  # of KINDS: seconds
    recovery: float
    notes: list
    breaches: list


def worst_gap(successes, begin, end):
    times = [begin, *successes, end]
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def run(fault, scene, hold):
    load = scene.load
    begin = time.time()
    steps = fault.run(scene)
    next(steps)
    broken = time.time()
    time.sleep(hold)
    still_broken = time.time()
    for _ in steps:
        pass
    mended = time.time()
    recovery = await_recovery(scene, mended)
    end = time.time()

    done, gaps = {}, {}
    for kind, kinds in KINDS.items():
        times = load.successes(kinds, begin, end)
        done[kind] = len(times)
        gaps[kind] = worst_gap(times, begin, end)
        if fault.serves and gaps[kind] > GAP_SECONDS_MAX:
            scene.breaches.append(f"no {kind} for {gaps[kind]:.1f} s, at most {GAP_SECONDS_MAX}")
    if not fault.serves:
        scene.breaches += served(load, broken + STOPPING_SECONDS, still_broken)
    return Outcome(fault.name, end - begin, done, gaps, recovery, scene.notes, scene.breaches)


def served(load, begin, end):
    with load.lock:
        return [f"{op['kind']} succeeded with no majority" for op in load.history
                if op["outcome"] == "ok" and op["start"] >= begin and op["end"] <= end]


def await_recovery(scene, mended):
    """Seconds until every instance serves and each kind has succeeded again."""
    load, missing = scene.load, ["not asked"]
    while missing and time.time() < mended + RECOVERY_SECONDS_MAX:
        time.sleep(0.1)
        missing = [kind for kind, kinds in KINDS.items()
                   if not load.successes(kinds, mended, time.time())]
        missing += [f"kms{host}" for host in HOSTS if not missing
                    and not scene.cluster.status(host).get("serving")]
    if missing:
        scene.breaches.append(f"{RECOVERY_SECONDS_MAX} s after mending: no {', '.join(missing)}")
    return time.time() - mended
