"""Computes the tries of a search: several pipelines as one graph, rung after rung."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger

from components.errors import AntiphonError, ConfigError, DataError, TransientError
from components.run_record import StageRef
from components.tuning.halving import is_promoted
from components.tuning.study import AS_WRITTEN, Try
from tasks.execution.joint_execution import execute_together
from tasks.progress import show_phase
from tasks.stages.searches.computed_try import ComputedTry, TryContext


def compute_tries(context: TryContext, planned: Sequence[Try], before: Sequence[Try]) -> list[Try]:
    """Compute some tries together, rung after rung; those that are not among the best of a rung end there.

    Args:
        context: of the search.
        planned: the tries.
        before: all tries that were computed before, with which they compete.
    """
    computed, done = [], []
    if context.written is None and before:
        (context.written,) = compute_again(context, before[:1])  # of an earlier attempt: it is in the store
    for each in planned:
        if each.number == AS_WRITTEN and context.written is not None:
            done.append(context.written.finish())
            continue
        try:
            computed.append(ComputedTry(context, each, context.make_pipeline(each.settings)))
        except TransientError:
            raise
        except AntiphonError as error:
            done.append(each.model_copy(update={"state": "failed", "reason": _one_line(error)}))
    running = list(computed)
    for rung, block in enumerate(context.blocks):
        if not running:
            break
        compute_block(context, running, rung, block)
        running = [each for each in running if not each.fault]
        if rung < len(context.blocks) - 1:
            running = _promote(context, running, rung, before)
    if computed and computed[0].planned.number == AS_WRITTEN:
        context.written = computed[0]
    done += [each.finish() for each in computed]
    return sorted(done, key=lambda each: each.number)


def _promote(
    context: TryContext, running: Sequence[ComputedTry], rung: int, before: Sequence[Try]
) -> list[ComputedTry]:
    """Return the tries that go on to the next rung; the pipeline as written always does."""
    earlier = [each.rungs[rung] for each in before if each.state != "failed" and len(each.rungs) > rung]
    values = [*(each.rungs[rung] for each in running), *earlier]
    return [
        each
        for number, each in enumerate(running)
        if each.planned.number == AS_WRITTEN
        or is_promoted(number, values, context.signs, context.reduction_factor)
    ]


def compute_block(
    context: TryContext, running: Sequence[ComputedTry], rung: int, block: StageRef, *, is_shown: bool = True
) -> None:
    """Compute a further block of some tries as one graph; notes the fault of each that fails."""
    first, last = running[0].planned.number, running[-1].planned.number
    which = f"try {first}" if first == last else f"tries {first} to {last}"
    count = len(context.blocks)
    if is_shown:
        show_phase(f"{which}, rung {rung + 1} of {count}" if count > 1 else which)
    systems = {f"try{each.planned.number}": each for each in running}
    try:
        sets = {name: context.load_sets(each.pipeline, block) for name, each in systems.items()}
        results = execute_together(
            {name: each.pipeline for name, each in systems.items()},
            sets,
            context.store.backend.url,
            context.seed,
        )
    except TransientError:
        raise
    except AntiphonError as error:
        if len(running) == 1:
            running[0].fault = _one_line(error)
            return
        for each in running:  # one of them cannot even be planned: the others can
            compute_block(context, [each], rung, block, is_shown=is_shown)
        return
    for name, each in systems.items():
        try:
            each.add_block(results[name])
        except TransientError:
            raise
        except Exception as error:
            each.fault = _one_line(error)
            get_run_logger().warning("try %d failed: %s", each.planned.number, each.fault)


def _one_line(error: BaseException) -> str:
    return "; ".join(str(error).splitlines())[:500] or type(error).__name__


def require_computed(tries: Sequence[Try]) -> None:
    """Refuse a search whose pipeline as written cannot be computed: nothing else could be told from it.

    Raises:
        ConfigError: why.
    """
    written = tries[0]
    if written.state == "failed":
        raise ConfigError(f"the pipeline as it is written: {written.reason}")


def compute_again(context: TryContext, tries: Sequence[Try]) -> list[ComputedTry]:
    """Compute tries on all blocks whatever their rungs were, such as those that the store has already.

    Raises:
        DataError: one cannot be computed.
    """
    make = context.make_pipeline
    computed = {each.number: ComputedTry(context, each, make(each.settings)) for each in tries}
    for rung, block in enumerate(context.blocks):
        for number, each in computed.items():
            compute_block(context, [each], rung, block, is_shown=False)
            if each.fault:
                raise DataError(f"try {number}: {each.fault}")
    return [computed[each.number] for each in tries]
