"""What processes of tests do: by a name that they can import, however pytest was called."""

import os
import signal
import time


def make(factor):
    """Jobs that tell where they ran; "die" ends the process as a lack of memory would."""
    started = os.getpid()

    def run(job):
        if job == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return job * factor, os.getpid() == started, os.environ.get("OPENBLAS_NUM_THREADS")

    return run


def sleeper(_):
    """Jobs that take as many seconds as they say."""
    return time.sleep
