#!/usr/bin/env python3
"""Python's multiprocessing on the same work: python.py WORK [SCALE] prints one number.

Two worker processes (one for round trips), payloads of 64 bytes, results in the parent's hands.
Exit status 3: no such work.
"""
import multiprocessing
import statistics
import sys
import time

PAYLOAD = bytes(64)
WORKERS = 2
SECONDS = 0.8  # of a measurement at scale 1
MAP_ITEMS = 1_000_000
IMAP_ITEMS = 50_000
IN_FLIGHT = 1000


def noop(_payload):
    return None


def payloads(count):
    """Objects of their own: pickle would send one that recurs only once."""
    return [i.to_bytes(64, "little") for i in range(count)]


def warm(pool):
    """Return when each worker runs."""
    pool.map(noop, [PAYLOAD] * 100, chunksize=1)


def measure_map(scale):
    items = payloads(int(MAP_ITEMS * scale))
    with multiprocessing.Pool(WORKERS) as pool:
        warm(pool)
        begin = time.monotonic()
        results = pool.map(noop, items)
        took = time.monotonic() - begin
    assert len(results) == len(items)
    return len(items) / took


def measure_imap(scale):
    with multiprocessing.Pool(WORKERS) as pool:
        warm(pool)
        count = 0
        items = payloads(int(IMAP_ITEMS * scale))
        begin = time.monotonic()
        for _ in pool.imap_unordered(noop, items, chunksize=1):
            count += 1
        took = time.monotonic() - begin
    assert count == len(items)
    return count / took


def measure_round_trip(scale):
    took = []
    with multiprocessing.Pool(1) as pool:
        warm(pool)
        end = time.monotonic() + SECONDS * scale
        while time.monotonic() < end:
            begin = time.perf_counter()
            pool.apply(noop, (PAYLOAD,))
            took.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(took[len(took) // 10:])


def relay(tasks, results):
    while True:
        task = tasks.get()
        if task is None:
            return
        results.put(noop(task))


def measure_queue(scale):
    """A queue there and one back, IN_FLIGHT on their way."""
    tasks, results = multiprocessing.Queue(), multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=relay, args=(tasks, results), daemon=True)
        for _ in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for _ in range(IN_FLIGHT):
        tasks.put(PAYLOAD)
    for _ in range(IN_FLIGHT):
        results.get()
        tasks.put(PAYLOAD)
    count = 0
    begin = time.monotonic()
    while time.monotonic() - begin < SECONDS * scale:
        results.get()
        tasks.put(PAYLOAD)
        count += 1
    took = time.monotonic() - begin
    for _ in range(IN_FLIGHT):
        results.get()
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        worker.join()
    return count / took


WORKS = {
    "round_trip": measure_round_trip,
    "round_trip_1cpu": measure_round_trip,
    "map": measure_map,
    "imap": measure_imap,
    "queue": measure_queue,
}


def main():
    if len(sys.argv) not in (2, 3):
        print("usage: python.py WORK [SCALE]", file=sys.stderr)
        return 2
    if sys.argv[1] not in WORKS:
        return 3
    print(f"{WORKS[sys.argv[1]](float(sys.argv[2]) if len(sys.argv) == 3 else 1.0):.6g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
