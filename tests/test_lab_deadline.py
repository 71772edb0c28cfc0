"""A limit of time leaves the interpreter as it found it: another process runs this, since it would hang for ever."""

import subprocess
import sys

CODE = """
import sys, threading
from tinygrad_lstm.lab.deadline import within
from tinygrad_lstm.lab.wordings import TookTooLong

def endless():
    while True:
        pass

def called(n):
    return n + 1

def main():
    assert within(10, lambda: called(1)) == 2
    if {late}:
        try:
            within(0.2, endless)
        except TookTooLong:
            print("ended", flush=True)
    seen = []
    sys.setprofile(lambda frame, event, _: seen.append(event))
    called(1)
    sys.setprofile(None)
    print("call" in seen, flush=True)

thread = threading.Thread(target=main, daemon=True)
thread.start()
thread.join(20)
sys.exit(thread.is_alive())
"""


def run(late):
    return subprocess.run([sys.executable, "-c", CODE.format(late=late)], capture_output=True, text=True, timeout=60)


def test_a_profile_runs_after_an_answer_in_time():
    done = run(False)
    assert (done.returncode, done.stdout.split()) == (0, ["True"]), done.stderr


def test_a_profile_runs_after_an_answer_that_was_ended():
    done = run(True)
    assert (done.returncode, done.stdout.split()) == (0, ["ended", "True"]), done.stderr
