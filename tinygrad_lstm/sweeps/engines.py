"""joblib, set up for one engine: its own processes or threads, Dask's or Ray's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

DEAD = {"TerminatedWorkerError", "BrokenProcessPool", "KilledWorker", "WorkerCrashedError", "RayActorError"}
WAIT = 60.0  # seconds for a cluster's first worker


class Broken(RuntimeError):
    """The engine has failed, and no run: its exceptions are results. `dead`: the process of a run has ended."""

    def __init__(self, cause: BaseException) -> None:
        told = " ".join(str(cause).split())
        super().__init__(f"{type(cause).__name__}: {told[:120]}")
        self.dead = any(kind.__name__ in DEAD for kind in type(cause).__mro__)


class Workers:
    """What runs jobs. `backend`: a name that joblib knows; `workers`: None for all cores; `address`: of a cluster.

    Raises ImportError, with the extra to install, where something is missing; ValueError for an unknown backend.
    """

    def __init__(self, backend: str, workers: int | None, address: str | None) -> None:
        try:
            import cloudpickle  # noqa: F401 — the workers need these two
            import joblib
            import threadpoolctl  # noqa: F401
        except ImportError:
            raise ImportError("sweep: needs joblib. Install it: pip install 'tinygrad-lstm[sweep]'") from None
        self.backend, self.workers, self.address = backend, workers, address
        if backend in ("dask", "ray"):
            try:
                __import__("distributed" if backend == "dask" else "ray.util.joblib")
            except ImportError:
                told = f"sweep: backend={backend!r} needs {backend}. Install it: pip install 'tinygrad-lstm[{backend}]'"
                raise ImportError(told) from None
        elif address is not None:
            raise ValueError(f"sweep: address= is a cluster's, for backend='dask' or 'ray', not for {backend!r}.")
        elif backend not in (known := joblib.parallel.BACKENDS):
            raise ValueError(f"sweep: joblib knows no backend {backend!r}. There are dask, ray, {', '.join(known)}.")
        if workers is not None and (not isinstance(workers, int) or workers < 1):
            raise ValueError(f"sweep: workers must be a whole number of at least 1, or None for all, not {workers!r}.")

    @property
    def apart(self) -> bool:
        """Whether jobs leave this process."""
        return self.backend == "dask" or (self.backend not in ("sequential", "threading") and self.workers != 1)

    @contextmanager
    def running(self) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
        """A function that runs joblib's tasks and gives their results as they come. Raises Broken."""
        from joblib import Parallel, parallel_config
        from joblib.parallel import BACKENDS
        from threadpoolctl import threadpool_limits

        with ExitStack() as stack:
            settings: dict[str, Any] = {"backend": self.backend}
            try:
                if self.backend == "dask":
                    settings |= {"client": self._dask(stack), "wait_for_workers_timeout": WAIT}
                elif self.backend == "ray":
                    self._ray(stack)
            except Exception as exc:
                raise Broken(exc) from exc
            kind = BACKENDS.get(self.backend)  # Dask's joblib looks up itself
            if self.backend == "loky":
                settings["inner_max_num_threads"] = 1  # before their NumPy is loaded
            elif kind is not None and not kind.supports_return_generator:  # it can, but joblib does not vouch for it
                settings["backend"] = type(kind.__name__, (kind,), {"supports_return_generator": True})()
            stack.enter_context(parallel_config(**settings))
            if not self.apart:
                stack.enter_context(threadpool_limits(1))  # for all threads: a process has one limit
            jobs = -1 if self.workers is None or (self.backend == "dask" and self.address) else self.workers
            parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
            yield lambda tasks: _guarded(parallel, tasks)

    def _dask(self, stack: ExitStack) -> Any:
        """A client: of the address, else the current one, else of a cluster of this machine alone."""
        from distributed import Client, LocalCluster, default_client

        if self.address is None:
            with suppress(ValueError):
                client = default_client()
                self.address = client.scheduler.address  # where it is found again should it fail
                return client
            cluster = LocalCluster(n_workers=self.workers, threads_per_worker=1, dashboard_address=":0")
            return stack.enter_context(Client(stack.enter_context(cluster)))
        client = Client(self.address, set_as_default=False, timeout=10)
        stack.callback(client.close, 5)
        return client

    def _ray(self, stack: ExitStack) -> None:
        import ray
        from ray.util.joblib import register_ray

        register_ray()
        if not ray.is_initialized():
            here = {"num_cpus": self.workers, "include_dashboard": False} if self.address is None else {}
            ray.init(address=self.address, log_to_driver=False, logging_level="error", **here)
            stack.callback(ray.shutdown)


def _guarded(parallel: Any, tasks: Iterable[Any]) -> Iterator[Any]:
    """The results of joblib; what it raises itself is a failure of the engine."""
    try:
        yield from parallel(tasks)
    except Exception as exc:
        raise Broken(exc) from exc
