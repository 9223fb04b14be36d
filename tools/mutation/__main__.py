"""Can the tests fail? Changes the source in one small place at a time and runs the tests.

    make mutation                                  every area of areas.toml
    make mutation ARGS="--area ranking"            one of them
    make mutation ARGS="--file src/recloop/models/td.py --show"
    make mutation ARGS="--area loaders --sample 300 --seed 1"

Numba's compiler is off, so that no cached kernel hides a change. A mutant is killed when a test
fails, an import breaks, or the tests take five times the processor time. The survivors that no
test could kill stand in survivors.toml with the reason. Results are kept in mutants/results.jsonl
under the changed source: a second run tries only what is new and what survived. Exits 1 when an
area kills less than is asked for. With --sample only so many mutants of each area are tried, drawn
without looking at them, and the share killed is an estimate with its Wilson interval.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.update(
    NUMBA_DISABLE_JIT="1",
    OPENBLAS_NUM_THREADS="1",
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    RECLOOP_HYPOTHESIS="mutation",
)

from mutants import Mutant, MutatedFile
from runner import GRACE_S, SLOWER, Baseline, forked, measure, preload, tests_with
from sampling import sample, wilson

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "mutants" / "results.jsonl"
ASKED = 0.95
KILLED, TIMEOUT, SURVIVED, UNREACHED = "killed", "timeout", "survived", "unreached"
EQUIVALENT = "equivalent"


def main() -> int:
    """Run the areas asked for; 0 when each kills enough."""
    options = _options()
    areas = tomllib.loads((HERE / "areas.toml").read_text())
    reasons = tomllib.loads((HERE / "survivors.toml").read_text()).get("survivor", [])
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "src"))
    RESULTS.parent.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="recloop-mutation-"))
    good = True
    try:
        for name, area in areas.items():
            if options.area and name not in options.area:
                continue
            files = [f for f in _expanded(area["files"]) if not options.file or f in options.file]
            if files:
                good &= _run_area(name, files, area["tests"], reasons, scratch, options)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0 if good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make mutation", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--area", action="append", help="an area of areas.toml; may be repeated")
    parser.add_argument("--file", action="append", help="a source file; may be repeated")
    parser.add_argument("--sample", type=_positive, metavar="N", help="try N mutants of each area")
    parser.add_argument("--seed", type=int, default=0, help="which N; ask new tests with a new one")
    parser.add_argument("--jobs", type=_positive, default=2, help="children at once")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--show", action="store_true", help="list equivalent mutants too")
    return parser.parse_args()


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _expanded(patterns: list[str]) -> list[str]:
    found = [sorted(ROOT.glob(pattern)) for pattern in patterns]
    if missing := [p for p, files in zip(patterns, found, strict=True) if not files]:
        sys.exit(f"areas.toml names files that are not there: {', '.join(missing)}")
    return [file.relative_to(ROOT).as_posix() for files in found for file in files]


def _run_area(
    name: str, files: list[str], tests: list[str], reasons: list[dict], scratch: Path, options: Any
) -> bool:
    began = time.monotonic()
    sources = {file: MutatedFile(ROOT, file) for file in files}
    mutants = [mutant for source in sources.values() for mutant in source.mutants]
    chosen = sample(mutants, options.sample, f"{name} {options.seed}")
    whole = len(chosen) == len(mutants)
    drawn = "" if whole else f", {len(chosen)} of them drawn with seed {options.seed}"
    print(f"{name}: {len(mutants)} mutants in {len(files)} files{drawn}; an unchanged run first")
    sys.stdout.flush()
    baseline = measure(ROOT, files, tests, scratch)
    if baseline.problem:
        print(f"{name}: the unchanged run went wrong: {baseline.problem}")
        return False
    for test in baseline.failed:
        print(f"  fails without any change, so it judges nothing: {test}")
    preload(baseline.loaded)
    known = _known(options.fresh)
    outcomes = _outcomes(chosen, sources, baseline, known, scratch, options.jobs)
    enough = _report(name, outcomes, reasons, time.monotonic() - began, options.show, whole)
    return enough and not baseline.failed


def _known(fresh: bool) -> dict[str, str]:
    if fresh:
        RESULTS.unlink(missing_ok=True)
    if not RESULTS.exists():
        return {}
    return {row["key"]: row["outcome"] for row in map(json.loads, RESULTS.open())}


def _outcomes(
    mutants: list[Mutant],
    sources: dict[str, MutatedFile],
    baseline: Baseline,
    known: dict[str, str],
    scratch: Path,
    jobs: int,
) -> list[tuple[Mutant, str]]:
    """What became of each mutant; what was killed before is not tried again."""
    keys = [_key(sources[mutant.file].source, mutant) for mutant in mutants]
    outcomes = {i: known[key] for i, key in enumerate(keys) if known.get(key) in (KILLED, TIMEOUT)}
    chosen = {i: _tests_for(m, baseline) for i, m in enumerate(mutants) if i not in outcomes}
    outcomes |= {i: UNREACHED for i, tests in chosen.items() if not tests}

    def job(i: int) -> Any:
        mutant, tests = mutants[i], chosen[i]
        source = sources[mutant.file]
        limit_s = GRACE_S + SLOWER * sum(baseline.seconds[test] for test in tests)
        act = lambda: tests_with(ROOT, mutant.file, source.code(mutant), tests, scratch)  # noqa: E731
        return str(i), act, limit_s

    with RESULTS.open("a") as results:
        todo = [job(i) for i, tests in chosen.items() if tests]
        for n_done, (i, code, seconds) in enumerate(forked(todo, jobs), 1):
            if code == 5:
                sys.exit(f"no test ran for {mutants[int(i)]}")
            outcome = {0: SURVIVED, "timeout": TIMEOUT}.get(code, KILLED)
            outcomes[int(i)] = outcome
            row = {"key": keys[int(i)], "outcome": outcome, "seconds": round(seconds, 2)}
            results.write(json.dumps(row | {"code": code}) + "\n")
            results.flush()
            if n_done % 100 == 0:
                print(f"  {n_done} of {len(todo)} tried", flush=True)
    return [(mutant, outcomes[i]) for i, mutant in enumerate(mutants)]


def _key(source: str, mutant: Mutant) -> str:
    place = f"{mutant.file}\0{source}\0{mutant.lines}\0{mutant.text}\0{mutant.change}"
    return hashlib.sha256(place.encode()).hexdigest()[:20]


def _tests_for(mutant: Mutant, baseline: Baseline) -> list[str]:
    if not mutant.function:
        return baseline.tests(mutant.file, None)  # runs when the module is loaded
    return baseline.tests(mutant.file, mutant.lines) or baseline.tests(
        mutant.file, mutant.statement
    )


def _report(
    name: str,
    outcomes: list[tuple[Mutant, str]],
    reasons: list[dict],
    seconds: float,
    show: bool,
    whole: bool,
) -> bool:
    judged = [(m, _judged(m, outcome, reasons)) for m, outcome in outcomes]
    for mutant, outcome in judged:
        if outcome in (SURVIVED, UNREACHED) or (show and outcome == EQUIVALENT):
            print(
                f"# {outcome}: {mutant.file}:{mutant.lines[0]} in {mutant.function or 'the module'}"
            )
            print(f"file = {mutant.file!r}\nline = {mutant.text!r}\nchange = {mutant.change!r}\n")
    for file in sorted({mutant.file for mutant, _ in judged}):
        print(f"  {_line(file, Counter(o for m, o in judged if m.file == file))}")
    total = Counter(outcome for _, outcome in judged)
    low, high = wilson(total[KILLED] + total[TIMEOUT], total.total() - total[EQUIVALENT])
    estimate = "" if whole else f"; an estimate, 95 % interval {low:.1%} to {high:.1%}"
    print(f"{_line(name, total)}, {seconds:.0f} s{estimate}", flush=True)
    return _share(total) >= ASKED


def _judged(mutant: Mutant, outcome: str, reasons: list[dict]) -> str:
    if outcome != SURVIVED:
        return outcome
    found = {"file": mutant.file, "line": mutant.text, "change": mutant.change}
    for reason in reasons:
        same = all(reason.get(key, value) == value for key, value in found.items())
        patterns = ("pattern", mutant.change), ("line_pattern", mutant.text)
        if same and all(re.fullmatch(reason.get(key, ".*"), text) for key, text in patterns):
            return EQUIVALENT
    return SURVIVED


def _share(counts: Counter) -> float:
    tried = counts.total() - counts[EQUIVALENT]
    return (counts[KILLED] + counts[TIMEOUT]) / tried if tried else 1.0


def _line(name: str, counts: Counter) -> str:
    return (
        f"{name}: {_share(counts):.1%} killed ({counts[KILLED]} by a test, {counts[TIMEOUT]} by "
        f"time; {counts[SURVIVED]} survived, {counts[UNREACHED]} unreached, "
        f"{counts[EQUIVALENT]} equivalent)"
    )


if __name__ == "__main__":
    sys.exit(main())
