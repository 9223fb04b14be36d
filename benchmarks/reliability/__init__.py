"""What the service promises, put to the test: under load, killed, out of room, in disorder.

    python -m benchmarks.reliability                 all of them, one after the other
    python -m benchmarks.reliability.kill --kills 20

Each script starts its own servers on loopback in a temporary folder, prints a line for each thing
that is required, with what was found, and ends with exit code 1 if one is not kept. With --planted
it runs a build with a known mistake (`planted.py`), which it must find: a test that cannot fail
proves nothing.
"""
