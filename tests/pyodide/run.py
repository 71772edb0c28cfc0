"""What run.mjs runs: pytest, on the tests that it was asked for, else on those that make sense in a browser."""

from pathlib import Path

import pytest
from vizjs import to_svg  # of run.mjs

from tinygrad_lstm.graph import use_renderer

TESTS = Path("/repository/tests")
ELSEWHERE = {  # what the tests in these files need, and a browser does not have
    "test_cli": "the command line",
    "test_clusters": "processes",
    "test_editors": "editors",
    "test_exchange_keras": "Keras",
    "test_exchange_onnx": "ONNX",
    "test_exchange_torch": "PyTorch",
    "test_faults": "processes, signals and disks",
    "test_imports": "the sources",
    "test_oracle_boxes": "the sources of the course, and other frameworks",
    "test_teach": "the sources of the course, processes and the command line",
    "test_lab_deadline": "threads and processes",
    "test_lab_page": "Chromium, driven from outside",
    "test_lab_server": "a server",
    "test_lab_site": "processes, and folders of its machine",
    "test_oracle": "PyTorch",
    "test_page": "Chromium, driven from outside",
    "test_plans": "the command line",
    "test_readme": "the sources",
    "test_sweep": "processes",
    "test_tutorials": "Jupyter",
}
SINGLE = {  # the same for single tests
    "threads": """test_edges.py::test_one_scope_in_many_threads test_edges.py::test_scopes_of_coroutines_do_not_mix
        test_engine.py::test_two_threads test_fit.py::test_in_another_thread test_fit.py::test_progress_as_a_bar
        test_sequence.py::test_many_threads_share_it test_source.py::test_two_threads_have_the_same_text""",
    "the command line": """test_compare.py::test_command test_erasure.py::test_demo test_erasure.py::test_trace
        test_erasure.py::test_draw test_source.py::test_the_command""",
    "processes": """test_graph_draw.py::test_engine_info_names_the_program
        test_graph_draw.py::test_the_variable_names_another_program test_graph_draw.py::test_an_engine_that_hangs
        test_graph_draw.py::test_graphviz_pure_is_found test_graph_draw.py::test_pdf_needs_a_real_dot_or_typst
        test_graph_draw.py::test_importing_does_not_import_graphviz test_graph_draw.py::test_without_any_engine
        test_edges.py::test_modules_cross_to_other_processes
        test_exchange.py::test_a_temporary_file_is_left_over_when_its_process_is_gone_or_an_hour_old
        test_lab_takeaway.py::test_a_script_comes_to_the_same_numbers
        test_lab_takeaway.py::test_a_notebook_is_the_script
        test_memory.py::test_a_history_that_is_dropped_goes_in_a_loop""",
    "programs that render PNG": """test_graph_draw.py::test_save_writes_what_the_suffix_says
        test_graph_draw.py::test_notebooks_get_an_svg_that_fits
        test_graph_draw.py::test_a_slide_has_its_size_and_text_that_can_be_read
        test_lab_takeaway.py::test_a_png""",
    "the library safetensors": "test_fit.py::test_a_file_is_read_once",
    "the speed of a processor's own code": """test_graph_draw.py::test_a_thousand_steps_of_ones_own_cell
        test_graph_draw.py::test_a_large_graph_without_time_is_refused_at_once test_graph_draw.py::test_many_steps""",
}
ENGINES = {"neato": "nop2", "dot": "dot"}  # Graphviz's own "nop2" takes positions as they are

use_renderer(lambda dot, layout, suffix: to_svg(dot, ENGINES[layout]).encode())
chosen = [argument if argument[0] == "-" else f"{TESTS}/{argument}" for argument in globals()["arguments"]]
files = [str(path) for path in sorted(TESTS.glob("test_*.py")) if path.stem not in ELSEWHERE]
options = ["-q", "-p", "no:cacheprovider", "--strict-markers", "-W", "error", f"--rootdir={TESTS}"]
options += [f"--deselect={name}" for names in SINGLE.values() for name in names.split()]
code = int(pytest.main([*options, *(chosen or files)]))
