#!/usr/bin/env python3
"""Several ranks of one job, started directly and by torchrun; ranks that die, hang or never start.

usage: distributed_test.py [CASES...], with the worker program in VITRIM_WORKER.
"""

import os
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402

WORKER = os.environ.get("VITRIM_WORKER", "build/release/tests/distributed_worker")
PYTHON = os.environ.get("VITRIM_PYTHON", "python3")
SIGKILLED = -9


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**more):
    """This environment without a job's variables, because the test itself may run inside a job."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "TORCHELASTIC_", "MASTER_", "GLOO_")) and name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    kept["OMP_NUM_THREADS"] = "1"
    kept.update({name: str(value) for name, value in more.items()})
    return kept


def rank_environment(rank, size, port):
    return environment(RANK=rank, WORLD_SIZE=size, LOCAL_RANK=rank, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)


def slurm_environment(rank, size, port):
    return environment(SLURM_PROCID=rank, SLURM_NTASKS=size, SLURM_STEP_NUM_TASKS=size, SLURM_LOCALID=rank, SLURM_STEP_ID=0,
                       SLURM_STEP_NODELIST="localhost", SLURM_JOB_ID=port, MASTER_PORT=port)


def start(mode, size, make=rank_environment, ranks=None, port=None):
    return start_program([WORKER, mode], size, make, ranks, port)


def start_program(words, size, make=rank_environment, ranks=None, port=None):
    port = port or free_port()
    return [subprocess.Popen(words, env=make(rank, size, port), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for rank in (range(size) if ranks is None else ranks)]


def finish(processes, seconds=60):
    """[(exit status, stdout, stderr)] of all processes; a process that still runs after `seconds` is ended and fails the test."""
    end = time.monotonic() + seconds
    done = []
    for process in processes:
        try:
            out, err = process.communicate(timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            for other in processes:
                other.kill()
            raise AssertionError(f"a rank still ran after {seconds} s")
        done.append((process.returncode, out, err))
    return done


class Ranks(unittest.TestCase):
    def all_done(self, done):
        for rank, (status, out, err) in enumerate(done):
            self.assertEqual((status, out, err), (0, f"rank {rank} of {len(done)} is done\n", ""))

    def test_collectives(self):
        self.all_done(finish(start("collectives", 2)))
        self.all_done(finish(start("collectives", 3)))

    def test_slurm(self):
        self.all_done(finish(start("collectives", 2, slurm_environment)))

    def test_reducer_gives_the_mean(self):
        for mode in ("reducer", "small_buckets"):
            self.all_done(finish(start(mode, 2)))
        self.all_done(finish(start("small_buckets", 3)))

    def test_no_job_is_one_rank(self):
        done = subprocess.run([WORKER, "nothing"], env=environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "rank 0 of 1 is done\n", ""))

    def torchrun(self, *arguments):
        probe = subprocess.run([PYTHON, "-c", "import torch.distributed.run"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest(f"{PYTHON} has no torch.distributed.run")
        return subprocess.run([PYTHON, "-m", "torch.distributed.run", "--no-python", "--nproc-per-node", "2", *arguments],
                              env=environment(), capture_output=True, text=True, timeout=120)

    def test_torchrun(self):
        done = self.torchrun("--master-addr", "127.0.0.1", "--master-port", str(free_port()), WORKER, "collectives")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(done.stdout.splitlines()), ["rank 0 of 2 is done", "rank 1 of 2 is done"])

    def test_torchrun_standalone(self):
        done = self.torchrun("--standalone", WORKER, "reducer")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(done.stdout.splitlines()), ["rank 0 of 2 is done", "rank 1 of 2 is done"])


class Failures(unittest.TestCase):
    def one_sentence(self, err, *parts):
        self.assertRegex(err, r"\Aerror: [^\n]+\n\Z")
        for part in parts:
            self.assertIn(part, err)

    def test_a_killed_rank_ends_the_other(self):
        for mode, doing in (("lose_a_rank", "adding up results"), ("lose_a_rank_in_backward", "averaging gradients")):
            main, other = finish(start(mode, 2), 55)
            self.assertEqual(other[0], SIGKILLED)
            self.assertEqual(main[0], 1, main[2])
            self.one_sentence(main[2], "rank 0 of 2: rank 1 stopped answering while " + doing)

    def test_a_killed_rank_ends_both_others(self):
        first, killed, last = finish(start("lose_a_rank", 3), 55)
        self.assertEqual(killed[0], SIGKILLED)
        for rank, done in ((0, first), (2, last)):
            self.assertEqual(done[0], 1, done[2])
            self.one_sentence(done[2], f"rank {rank} of 3: another rank stopped answering")

    def test_a_failing_rank_ends_the_other(self):
        main, other = finish(start("fail_alone", 2), 55)
        self.one_sentence(other[2], "rank 1 cannot read its images")
        self.one_sentence(main[2], "rank 1 stopped answering while waiting for all ranks", "see its own message, if any, for the reason")
        self.assertEqual((main[0], other[0]), (1, 1))

    def test_a_stopped_rank_is_given_up_after_the_timeout(self):
        processes = start("stop", 2)
        status, _, err = finish(processes[:1], 20)[0]
        processes[1].kill()
        self.assertEqual(status, 1)
        self.one_sentence(err, "rank 0 of 2: rank 1 did not respond while waiting for all ranks")
        finish(processes[1:])

    def test_a_busy_rank_is_waited_for(self):
        for status, _, err in finish(start("busy", 2)):
            self.assertEqual((status, err), (0, ""))

    def test_a_rank_that_never_comes(self):
        for rank in (0, 1):
            status, _, err = finish(start("alone", 2, ranks=[rank]), 30)[0]
            self.assertEqual(status, 1)
            self.one_sentence(err, f"rank {rank} of 2 could not join the others at 127.0.0.1:", "within 3 s")

    def test_the_port_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            status, _, err = finish(start("alone", 2, ranks=[0], port=port), 30)[0]
        self.assertEqual(status, 1)
        self.one_sentence(err, f"port {port}", "another program uses it", "MASTER_PORT")

    def test_half_an_environment(self):
        done = subprocess.run([WORKER, "nothing"], env=environment(RANK=1, WORLD_SIZE=2), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.one_sentence(done.stderr, "LOCAL_RANK, MASTER_ADDR, MASTER_PORT missing")


if __name__ == "__main__":
    cases.main("distributed_ranks")
