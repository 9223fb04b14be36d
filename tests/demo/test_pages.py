"""Both pages, drawn without a browser: over nothing, over a run, over a damaged run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from demo.small_run import results
from recloop.demo import app, page_recommend
from recloop.experiment.folder import RunFolder
from recloop.utils.files import write_json, write_manifest, write_text

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"


def _recommend(folder: str) -> None:
    from recloop.demo.page_recommend import recommend_page

    recommend_page(folder)


def _leaderboard(folder: str) -> None:
    from recloop.demo.page_leaderboard import leaderboard_page

    leaderboard_page(folder)


PAGES = [_recommend, _leaderboard]


def opened(page: Callable[[str], None], folder: str | Path, **query: str) -> AppTest:
    """The page after its first drawing."""
    test = AppTest.from_function(page, args=(str(folder),), default_timeout=60)
    for name, wanted in query.items():
        test.query_params[name] = wanted
    return test.run()


def html(test: AppTest) -> str:
    return "\n".join(part.proto.body for part in test.get("html"))  # type: ignore[attr-defined]


def words(test: AppTest) -> str:
    """Everything that is said on the page outside lists and tables."""
    parts = [*test.title, *test.markdown, *test.caption, *test.info, *test.warning, *test.error]
    return "\n".join(str(part.value).replace("\\", "") for part in parts)


# Nothing there


@pytest.mark.parametrize("page", PAGES)
def test_a_page_over_an_empty_folder_says_what_to_do(page, tmp_path: Path):
    test = opened(page, tmp_path)
    assert not test.exception
    assert not test.error
    assert f"There is no run in the folder '{tmp_path}'." in words(test)
    assert [code.value for code in test.code] == [
        f"recloop run --config configs/default.yaml --output-dir {tmp_path}"
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_over_no_folder_says_what_to_do(page, tmp_path: Path):
    test = opened(page, tmp_path / "nowhere")
    assert not test.exception
    assert "There is no folder" in words(test)
    assert len(test.code) == 1


def test_a_run_that_goes_on_is_not_called_absent(tmp_path: Path):
    write_text(tmp_path / "config.yaml", "seed: 0\n")
    assert "is not finished yet" in words(opened(_recommend, tmp_path))


# A run: Recommend


def test_the_lists_are_what_the_models_recommend(run: RunFolder):
    test = opened(_recommend, run.path)
    assert not test.exception
    assert not test.error
    assert test.selectbox(key="person").value == "ada"
    body = html(test)
    lists = {name: body.split(f"Recommendations of {name}")[1] for name in ("tastes", "popular")}
    items = run.frame("items")
    for name, text in lists.items():
        wanted = run.load_model(name).recommend(0, 10, exclude=[0, 1, 2, 4], explore=False)
        places = [text.index(items["title"][item]) for item in wanted]
        assert places == sorted(places)
    assert "2 of 2 items" in words(test) or "Both lists are the same" in words(test)
    assert "Only 2 of 6 places" in words(test)


def test_the_history_is_newest_first_with_honest_counts(run: RunFolder):
    test = opened(_recommend, run.path)
    history = html(test).split("Latest interactions")[1]
    places = [history.index(name) for name in ("Eraserhead", "Casablanca", "Brazil", "Alien")]
    assert places == sorted(places)
    assert "Brazil &lt;b&gt;" in history
    assert "2001-09-12" in history
    assert "4 interactions in the training and validation parts" in words(test)


def test_a_longer_history_can_be_opened_whole(run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page_recommend, "SHOWN_HISTORY", 2)
    test = opened(_recommend, run.path)
    assert "the latest 2 first" in words(test)
    assert test.dataframe[0].value["title"].tolist() == [
        "Eraserhead",
        "Casablanca",
        "Brazil <b>",
        "Alien",
    ]


def test_a_link_opens_its_person_and_the_address_follows_the_choice(run: RunFolder):
    test = opened(_recommend, run.path, user="ben")
    assert test.selectbox(key="person").value == "ben"
    test.selectbox(key="person").set_value("cleo").run()
    assert test.query_params["user"] == "cleo"
    assert "2 interactions" in words(test)


def test_a_link_to_nobody_names_the_nearest_and_shows_somebody(run: RunFolder):
    test = opened(_recommend, run.path, user="benn")
    assert "This run has no person 'benn'. Did you mean 'ben'?" in words(test)
    assert test.selectbox(key="person").value == "ada"
    assert not test.exception


def test_a_person_without_history_is_called_a_cold_start(run: RunFolder):
    test = opened(_recommend, run.path, user="dan")
    assert "a cold start" in words(test)
    assert "Nothing, as far as the models know." in words(test)
    assert not test.exception


def test_known_items_return_when_they_are_not_left_out(run: RunFolder):
    test = opened(_recommend, run.path)
    assert "already in the history" not in html(test)
    test.toggle(key="leave_out_seen").set_value(False).run()
    assert "already in the history" in html(test)
    assert html(test).split("Latest")[0].count("<li>") == 12  # two lists of all six films


def test_the_slider_sets_the_length_of_both_lists(run: RunFolder):
    test = opened(_recommend, run.path)
    test.slider(key="k").set_value(1).run()
    assert html(test).split("Latest")[0].count("<li>") == 2


def test_one_model_twice_is_drawn_once(run: RunFolder):
    test = opened(_recommend, run.path)
    test.selectbox(key="second_model").set_value("tastes").run()
    assert not test.exception
    assert html(test).count("Recommendations of") == 1
    assert "Choose another model above to compare." in words(test)


def test_in_a_large_population_the_id_is_typed(run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page_recommend, "MOST_OPTIONS", 3)
    test = opened(_recommend, run.path)
    test.text_input(key="person").set_value("cleo").run()
    assert "2 interactions" in words(test)
    test.text_input(key="person").set_value("clea").run()
    assert "no person 'clea'. Did you mean 'cleo'?" in words(test)
    assert not test.exception


# A run: Leaderboard


def test_the_leaderboard_repeats_the_numbers_of_the_run(run: RunFolder):
    test = opened(_leaderboard, run.path)
    assert not test.exception
    assert not test.error
    body = html(test)
    for row in run.metrics()["models"]:
        for name, found in row["metrics"].items():
            if name.endswith("@2") and found["mean"] is not None:
                assert f"{found['mean']:.4f}" in body
    for said in run.metrics()["statements"]:
        assert said.replace("'", "&#x27;") in body
    assert "+0.1321" in body
    assert "films.csv: 13 interactions" in body


def test_the_figures_hold_the_numbers_of_the_run(run: RunFolder):
    test = opened(_leaderboard, run.path)
    charts = [chart.proto.spec for chart in test.get("plotly_chart")]  # type: ignore[attr-defined]
    assert len(charts) == 3
    assert "0.4321" in charts[0]
    assert "0.1321" in charts[1]
    assert str(results()["models"][0]["metrics"]["coverage@2"]["mean"]) in charts[2]


def test_another_length_keeps_the_metric_and_shows_its_numbers(run: RunFolder):
    test = opened(_leaderboard, run.path)
    test.segmented_control(key="list_length").set_value(1).run()
    assert not test.exception
    assert test.selectbox(key="metric").value == "ndcg@1"
    assert f"{0.4321 / 2:.4f}" in html(test)
    assert "This run measured nothing beside accuracy." in words(test)


def test_the_order_follows_the_chosen_metric(run: RunFolder):
    test = opened(_leaderboard, run.path)
    test.selectbox(key="metric").set_value("recall@2").run()
    assert "recall@2" in html(test).split("<thead>")[1].split("</th>")[1]


def test_a_run_without_comparisons_says_how_to_get_them(run: RunFolder):
    write_json(run.path / "metrics.json", results() | {"comparisons": []})
    write_manifest(run.path)
    test = opened(_leaderboard, run.path)
    assert "This run compares no model with a control." in words(test)
    assert not test.error


def test_the_report_can_be_downloaded(run: RunFolder):
    test = opened(_leaderboard, run.path)
    assert [button.proto.label for button in test.get("download_button")] == [  # type: ignore
        "Download the report"
    ]


# A damaged run


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "name",
    [
        "metrics.json",
        "manifest.json",
        "ids.json",
        "train.parquet",
        "validation.parquet",
        "items.parquet",
        "models/tastes.npz",
        "report.html",
    ],
)
def test_a_damaged_file_is_a_sentence_never_a_traceback(page, name, run: RunFolder, damage):
    damage(run.path / name)
    test = opened(page, run.path)
    assert not test.exception
    concerned = {
        _recommend: name != "report.html",
        _leaderboard: name in ("metrics.json", "manifest.json", "report.html"),
    }[page]
    assert (Path(name).name in words(test)) == concerned
    assert "Traceback" not in words(test)


def test_a_damaged_model_leaves_the_other_list_standing(run: RunFolder, damage):
    damage(run.path / "models" / "tastes.npz")
    test = opened(_recommend, run.path)
    assert "its bytes are not those of the manifest" in words(test)
    assert "Recommendations of popular" in html(test)
    assert "Latest interactions" in html(test)


def test_damaged_titles_leave_ids(run: RunFolder, damage):
    damage(run.path / "items.parquet")
    test = opened(_recommend, run.path)
    assert "Items are named by their ids" in words(test)
    assert "film-4" in html(test)


def test_a_run_without_an_items_table_shows_ids(run: RunFolder):
    (run.path / "items.parquet").unlink()
    write_manifest(run.path)
    test = opened(_recommend, run.path)
    assert not test.warning
    assert "film-4" in html(test)


@pytest.mark.parametrize("page", PAGES)
def test_results_of_another_layout_are_a_sentence(page, run: RunFolder):
    write_json(run.path / "metrics.json", {"models": [{"name": "tastes"}]})
    write_manifest(run.path)
    test = opened(page, run.path)
    assert not test.exception
    assert "another version of recloop" in words(test)


@pytest.mark.parametrize("page", PAGES)
def test_results_without_models_are_a_sentence(page, run: RunFolder):
    write_json(run.path / "metrics.json", {"models": []})
    write_manifest(run.path)
    assert "holds no models" in words(opened(page, run.path))


def test_a_new_run_in_the_same_folder_is_read_anew(run: RunFolder):
    assert "0.4321" in html(opened(_leaderboard, run.path))
    changed = results()
    changed["models"][0]["metrics"]["ndcg@2"]["mean"] = 0.4444
    write_json(run.path / "metrics.json", changed)
    write_manifest(run.path)
    body = html(opened(_leaderboard, run.path))
    assert "0.4444" in body


# The app around the pages


def test_the_script_opens_the_run_that_the_environment_names(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RECLOOP_RUN", str(run.path))
    test = AppTest.from_file(str(SCRIPT), default_timeout=60).run()
    assert not test.exception
    assert test.sidebar.text_input(key="run_folder").value == str(run.path)
    assert test.selectbox(key="person").value == "ada"


def test_another_folder_in_the_sidebar_forgets_the_choices(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RECLOOP_RUN", str(run.path))
    test = AppTest.from_file(str(SCRIPT), default_timeout=60).run()
    test.selectbox(key="person").set_value("cleo").run()
    test.sidebar.text_input(key="run_folder").set_value(str(tmp_path / "nowhere")).run()
    assert not test.exception
    assert "There is no folder" in words(test)
    assert "user" not in test.query_params
    assert "person" not in test.session_state


def test_the_folder_is_an_argument_or_the_environment_or_outputs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RECLOOP_RUN", raising=False)
    assert app.started_with([]) == "outputs"
    assert app.started_with(["--run"]) == "outputs"
    monkeypatch.setenv("RECLOOP_RUN", "elsewhere")
    assert app.started_with(["--other", "x"]) == "elsewhere"
    assert app.started_with(["--run", "mine"]) == "mine"
