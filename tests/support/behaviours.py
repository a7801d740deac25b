"""A measurement that behaves as its parameter says; it runs in the pod, by `python3 -c` with this file's text."""

import hashlib
import json
import os
import signal
import sys
import time

TRIAL = json.loads(os.environ["AUTOSCOUT_TRIAL"])


def frame(kind: str, *, trial: str = TRIAL["trial"], digest: str | None = None, **content: object) -> str:
    payload = {"type": kind, "trial": trial, "attempt": TRIAL["attempt"], "sequence": time.monotonic_ns(), **content}
    text = json.dumps(payload, separators=(",", ":"))
    return f"@@AUTOSCOUT1 {text} {digest or hashlib.sha256(text.encode()).hexdigest()[:16]}"


def result(seconds: float, **options: str) -> str:
    return frame("result", metrics={"seconds": seconds}, samples={"seconds": [seconds]}, **options)


def main(behaviour: str) -> None:
    if behaviour == "exit":
        print("about to fail: no such dataset", file=sys.stderr)
        sys.exit(3)
    if behaviour == "memory":
        hog = bytearray()
        while True:
            hog += b"x" * (16 << 20)
    if behaviour == "hang":
        time.sleep(3600)
    if behaviour == "error-frame":
        print(frame("error", reason="CudaOutOfMemory", message="tried to allocate 20.00 GiB"), flush=True)
        sys.exit(1)
    if behaviour == "silent":
        return
    if behaviour == "garbage":
        sys.stdout.buffer.write(b"\xff\xfe garbage \x00 @@AUTOSCOUT1 {torn\n")
        print("@@AUTOSCOUT1 not json at all 0123456789abcdef")
        print(result(0.001, digest="0" * 16))
        print(result(0.002, trial="somebody-else-7"))
        print("progress 50%" + result(2.0), flush=True)
        return
    time.sleep(float(os.environ.get("NAP", "0")))
    print(result({"ok": 4.0, "good": 1.0}[behaviour]), flush=True)


# The first process of a container ignores SIGTERM unless it asks for it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
main(os.environ["AUTOSCOUT_PARAM_BEHAVIOUR"])
