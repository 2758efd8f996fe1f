"""What models show says of weights: counted, or why not."""

from kvplan.answers.models import list_models, show_model
from kvplan.report.formats.data import markdown_text
from kvplan.report.sheets.models import model_sheet


def test_parameters_and_bytes_of_one_copy():
    # Llama 3.1 8B: 8 030 261 248 parameters of 2 bytes, the total_size of its published index.
    view = show_model("llama-3.1-8b")
    assert (view.parameters, view.weight_bytes, view.weights_missing) == (8_030_261_248, 16_060_522_496, "")
    assert "8,030,261,248 parameters; one copy of the weights takes 16.06 GB" in markdown_text(model_sheet(view))


def test_the_reason_where_there_is_no_count():
    view = show_model("deepseek-v2")
    assert (view.parameters, view.weight_bytes) == (None, None)
    assert view.weights_missing
    assert "are not counted: the config has no" in markdown_text(model_sheet(view))


def test_every_model_has_a_count_or_a_reason():
    for view in list_models().models:
        assert (view.parameters is None or view.weight_bytes is None) == bool(view.weights_missing), view.model
