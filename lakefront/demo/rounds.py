"""In which order the steps are done: a first round on a fresh data folder, or a short one where the loop is trained."""

from __future__ import annotations

from lakefront.demo.stage import Stage
from lakefront.demo.steps import Demo

START = "start everything"
FILL = "fill the shop"
IMPORT = "take over the order log"
PEOPLE = "move the people in"
FROM_LOG = "learn from the log"
HISTORY = "trade a first history"
FIRST_PIPELINE = "run the pipeline"
WITH_MODELS = "trade on with models"
MEASURE = "measure under traffic"
REACT = "react to a click"
PRICES = "approve prices"
SECOND_PIPELINE = "run it again under traffic"
BOOKS = "close the books"
RECONCILE = "reconcile"
JUDGE_RECOMMENDATIONS = "judge recommendations"
JUDGE_FRAUD = "judge fraud scores"
JUDGE_PRICES = "judge prices"

LOGS = "`lakefront status` shows what runs, `lakefront logs PROCESS` what it says"
DOCTOR = "`lakefront doctor` says what this machine lacks"


async def first_round(stage: Stage, demo: Demo) -> None:
    """From nothing to a loop that has closed twice, on the built-in catalogue."""
    await stage.step(FILL, demo.fill, needs=[START], remedy=LOGS)
    await stage.step(PEOPLE, demo.move_in, needs=[FILL], remedy=LOGS)
    await stage.step(HISTORY, demo.history, needs=[PEOPLE], remedy=LOGS)
    await stage.step(FIRST_PIPELINE, demo.pipeline, needs=[HISTORY], remedy=DOCTOR)
    await _with_models(stage, demo)


async def import_round(stage: Stage, demo: Demo) -> None:
    """The loop on a real order log: what it teaches comes first, then the simulator trades on its catalogue."""
    await stage.step(
        IMPORT, demo.take_over, needs=[START], remedy="is it the UCI Online Retail log, as Parquet or CSV?"
    )
    await stage.step(FROM_LOG, demo.pipeline, needs=[IMPORT], remedy=DOCTOR)
    await stage.step(JUDGE_RECOMMENDATIONS, demo.judge_recommendations, needs=[FROM_LOG])
    await stage.step(PEOPLE, demo.move_in, needs=[IMPORT], remedy=LOGS)
    await stage.step(HISTORY, demo.history, needs=[PEOPLE], remedy=LOGS)
    await stage.step(FIRST_PIPELINE, demo.pipeline, needs=[HISTORY, FROM_LOG], remedy=DOCTOR)
    await _with_models(stage, demo)


async def short_round(stage: Stage, demo: Demo) -> None:
    """A second start: everything is still there and still works."""
    await stage.step(PEOPLE, demo.move_in, needs=[START], remedy=LOGS)
    await stage.step(
        RECONCILE, demo.reconcile, needs=[PEOPLE], remedy="`lakefront pipeline run` brings gold up to date"
    )
    await stage.step(MEASURE, demo.measure_shortly, needs=[PEOPLE], remedy=LOGS)
    await stage.step(REACT, demo.react, needs=[PEOPLE], remedy=LOGS)
    await stage.step(JUDGE_RECOMMENDATIONS, demo.judge_recommendations, needs=[PEOPLE])
    await stage.step(JUDGE_FRAUD, demo.judge_all_frauds, needs=[MEASURE])
    await stage.step(JUDGE_PRICES, demo.judge_prices, needs=[PEOPLE])


async def _with_models(stage: Stage, demo: Demo) -> None:
    """The models decide, shoppers and a merchandiser react, the pipeline learns again; then all is counted and judged."""
    await stage.step(WITH_MODELS, demo.trade_with_models, needs=[FIRST_PIPELINE], remedy=LOGS)
    await stage.step(MEASURE, demo.measure_under_traffic, needs=[FIRST_PIPELINE], remedy=LOGS)
    await stage.step(REACT, demo.react, needs=[FIRST_PIPELINE], remedy=LOGS)
    await stage.step(SECOND_PIPELINE, demo.pipeline_under_traffic, needs=[FIRST_PIPELINE], remedy=DOCTOR)
    await stage.step(PRICES, demo.approve_prices, needs=[FIRST_PIPELINE], remedy="look at the merchandisers' page")
    await stage.step(BOOKS, demo.close_the_books, needs=[HISTORY], remedy=LOGS)
    if not stage.has_run(JUDGE_RECOMMENDATIONS):
        await stage.step(JUDGE_RECOMMENDATIONS, demo.judge_recommendations, needs=[FIRST_PIPELINE])
    await stage.step(JUDGE_FRAUD, demo.judge_fraud, needs=[WITH_MODELS])
    await stage.step(JUDGE_PRICES, demo.judge_prices, needs=[FIRST_PIPELINE])
